//! The driver as calls see it: everything that they do is counted, and buffers are kept in the books.

use std::any::Any;
use std::ptr::NonNull;

use super::books::{LiveBuffer, Spent};
use super::driver::{Driver, Fence, Foreign, Info, MapMode, Native};
use super::shared::Shared;
use super::usage::Usage;
use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::sync::atomic::Ordering::*;
use crate::sys::clock::Timeout;

pub(crate) struct Counting<'a> {
    pub(crate) driver: &'a mut dyn Driver,
    pub(crate) shared: &'a Shared,
}

impl Counting<'_> {
    /// Hands a result on; a loss is the whole device's.
    fn note<R>(&self, result: Result<R>) -> Result<R> {
        result.inspect_err(|error| {
            if error.status() == Status::DeviceLost {
                self.shared.lose(*error, format_args!("{error}"));
            }
        })
    }

    /// A buffer is going to be made.
    fn expect_one(&self, bytes: u64) -> Result<()> {
        if bytes == 0 {
            return Err(Error::value(Status::Argument, "bytes", bytes, "a buffer has at least one byte"));
        }
        self.shared.books.reserve()
    }

    /// Gives back what other threads have retired.
    pub(crate) fn tidy(&mut self) {
        while let Some(spent) = self.shared.books.next_spent() {
            match spent {
                Spent::Buffer(buffer) => self.driver.delete(buffer),
                Spent::Fence(fence) => self.driver.discard(fence),
            }
        }
    }

    /// Deletes whatever lives still.
    pub(crate) fn delete_all(&mut self) {
        let mut count = 0;
        while let Some(buffer) = self.shared.books.any() {
            self.delete(buffer);
            count += 1;
        }
        if count > 0 {
            let text = format_args!("destroyed with {count} buffers that had not been given back");
            log::record(Level::Warn, "device", self.shared.label.as_str(), text);
        }
    }
}

// SAFETY: mappings are those of the driver behind it.
unsafe impl Driver for Counting<'_> {
    fn info(&self) -> Info {
        self.driver.info()
    }

    fn create(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<Native> {
        self.expect_one(bytes)?;
        let result = self.driver.create(bytes, usage, label);
        let native = self.note(result)?;
        self.shared.books.enter(LiveBuffer { native, label: Label::new(label), bytes, usage }, false);
        Ok(native)
    }

    fn create_mapped(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<(Native, NonNull<u8>)> {
        self.expect_one(bytes)?;
        let result = self.driver.create_mapped(bytes, usage, label);
        let (native, place) = self.note(result)?;
        self.shared.books.enter(LiveBuffer { native, label: Label::new(label), bytes, usage }, true);
        self.shared.books.counters.maps.add(1);
        Ok((native, place))
    }

    fn create_persistent(
        &mut self,
        bytes: u64,
        usage: Usage,
        label: &str,
    ) -> Result<Option<(Native, NonNull<u8>)>> {
        self.expect_one(bytes)?;
        let result = self.driver.create_persistent(bytes, usage, label);
        let made = self.note(result)?;
        if let Some((native, _)) = made {
            self.shared.books.enter(LiveBuffer { native, label: Label::new(label), bytes, usage }, true);
        }
        Ok(made)
    }

    fn delete(&mut self, buffer: Native) {
        if self.shared.books.strike(buffer) {
            self.driver.delete(buffer);
        }
    }

    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()> {
        let result = self.driver.write(to, offset, data);
        self.note(result)?;
        let counters = &self.shared.books.counters;
        counters.writes.add(1);
        counters.written.add(data.len() as u64);
        Ok(())
    }

    fn copy(&mut self, from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64) -> Result<()> {
        let result = self.driver.copy(from, from_offset, to, to_offset, bytes);
        self.note(result)?;
        let counters = &self.shared.books.counters;
        counters.copies.add(1);
        counters.copied.add(bytes);
        Ok(())
    }

    fn map(&mut self, buffer: Native, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        let result = self.driver.map(buffer, mode, offset, bytes);
        let place = self.note(result)?;
        self.shared.books.note_mapped(buffer, true);
        self.shared.books.counters.maps.add(1);
        Ok(place)
    }

    fn unmap(&mut self, buffer: Native) -> Result<()> {
        let result = self.driver.unmap(buffer);
        self.note(result)?;
        self.shared.books.note_mapped(buffer, false);
        Ok(())
    }

    fn submit(&mut self) -> Result<Fence> {
        let result = self.driver.submit();
        let fence = self.note(result)?;
        let before = self.shared.submitted.swap(fence.0, AcqRel);
        assert!(fence.0 == before + 1, "the driver gave fence {} after {before}", fence.0);
        let counters = &self.shared.books.counters;
        counters.submits.add(1);
        counters.native_calls.set(self.driver.native_calls());
        Ok(fence)
    }

    fn wait(&mut self, fence: Fence, timeout: Timeout) -> Result<bool> {
        let shared = self.shared;
        if shared.has_passed(fence) {
            return Ok(true);
        }
        shared.is_submitted(fence)?;
        let result = self.driver.wait(fence, timeout);
        let passed = self.note(result)?;
        if passed {
            shared.passed.store(fence.0, Release);
            shared.progress.signal();
        }
        Ok(passed)
    }

    fn native_calls(&self) -> u64 {
        self.driver.native_calls()
    }

    fn as_any(&mut self) -> Option<&mut dyn Any> {
        self.driver.as_any()
    }

    fn export(&mut self) -> Result<Foreign> {
        let result = self.driver.export();
        self.note(result)
    }

    fn import(&mut self, fence: Foreign) -> Result<()> {
        if fence == Foreign(0) {
            return Ok(());
        }
        let result = self.driver.import(fence);
        self.note(result)
    }

    fn discard(&mut self, fence: Foreign) {
        if fence != Foreign(0) {
            self.driver.discard(fence);
        }
    }
}
