//! The rows of changes: the query of a front, and what the history adds to a publish. There are no peers.

use crate::backbuf::{Api, ByteRange, FOREVER, Front, U64, Update};
use crate::figures::Figures;
use crate::measure::{Burst, Entry, alternate};
use crate::{Bench, NO_LIBRARY};
use std::ffi::c_void;
use std::time::Instant;

pub struct Changes<'a> {
    bench: &'a Bench,
}

/// Elements of 8 bytes.
const COUNT: u64 = 1 << 17;
/// The ranges that an epoch changes, of 64 bytes each.
const RANGES: u64 = 8;
const EPOCHS: u64 = 8;

/// Where the ranges of an epoch are.
#[derive(Clone, Copy)]
enum Places {
    /// At random in the whole state, ascending.
    Scattered,
    /// Each moves a little from epoch to epoch.
    Moving,
}

impl Places {
    fn offset(self, epoch: u64, range: u64) -> u64 {
        let part = COUNT / RANGES;
        let noise = (epoch * RANGES + range + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        8 * match self {
            Places::Scattered => range * part + noise % (part - 8),
            Places::Moving => range * part + epoch % 1000 * 4,
        }
    }
}

struct Subject {
    api: Api,
    manager: *mut c_void,
    epoch: u64,
}

impl Subject {
    fn new(api: Api, history: u32) -> Subject {
        let manager = api.manager(U64, COUNT, |config| config.history = history);
        Subject { api, manager, epoch: 0 }
    }

    /// One epoch of `RANGES` updates.
    #[inline(always)]
    fn publish(&mut self, places: Places) {
        let data = [self.epoch; 8];
        for range in 0..RANGES {
            let byte_offset = places.offset(self.epoch, range);
            let update = Update { byte_offset, count: 8, data: data.as_ptr().cast(), field: 0, reserved: 0 };
            // SAFETY: the manager is live and the data readable.
            self.api.expect(unsafe { (self.api.enqueue)(self.manager, &update, FOREVER) });
        }
        // SAFETY: as above.
        self.api.expect(unsafe { (self.api.synchronize)(self.manager, FOREVER) });
        self.epoch += 1;
    }

    fn front(&self) -> Front {
        let mut front = std::mem::MaybeUninit::uninit();
        // SAFETY: the manager is live, and there is room for a front.
        unsafe {
            self.api.expect((self.api.acquire_front)(self.manager, front.as_mut_ptr()));
            front.assume_init()
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // SAFETY: destroyed once.
        self.api.expect(unsafe { (self.api.destroy)(self.manager) });
    }
}

impl<'a> Changes<'a> {
    pub fn new(bench: &'a Bench) -> Changes<'a> {
        Changes { bench }
    }

    /// Measures one row, named without its module; the error is the reason why it cannot run here.
    pub fn measure(&self, name: &str) -> Result<Figures, String> {
        let api = self.bench.api.ok_or(NO_LIBRARY)?;
        self.bench.cores.place(true);
        match name {
            "query.8" => self.query(api, Places::Scattered, RANGES * EPOCHS),
            "query.8.moving" => self.query(api, Places::Moving, RANGES),
            "publish" => self.publish(api),
            _ => Err("no such row in the harness".into()),
        }
    }

    /// The query of 8 epochs, which must find that number of ranges.
    fn query(&self, api: Api, places: Places, expected: u64) -> Result<Figures, String> {
        let mut subject = Subject::new(api, 64);
        (0..20 * EPOCHS).for_each(|_| subject.publish(places));
        let front = subject.front();
        let mut ranges = [ByteRange::default(); 128];
        let (mut count, mut complete) = (0, false);
        let mut ask = |since| {
            // SAFETY: the front is leased, and there is room for the ranges.
            let status = unsafe {
                (api.front_changes)(
                    &front,
                    since,
                    u32::MAX,
                    ranges.as_mut_ptr(),
                    128,
                    &mut count,
                    &mut complete,
                )
            };
            api.expect(status);
            (count, complete)
        };
        let (found, complete) = ask(front.epoch - EPOCHS);
        if !complete || found != expected {
            return Err(format!("{found} ranges, complete: {complete}"));
        }
        let mut entries = [Entry::new("ours", |cycles| {
            let started = Instant::now();
            for _ in 0..cycles {
                std::hint::black_box(ask(std::hint::black_box(front.epoch - EPOCHS)));
            }
            Burst { time: started.elapsed(), units: cycles }
        })];
        alternate(&mut entries, &self.bench.effort);
        let figures = Figures::of(&entries, Vec::new());
        // SAFETY: released once.
        api.expect(unsafe { (api.lease_release)(front.lease) });
        Ok(figures)
    }

    /// What the history adds to an epoch of 8 updates.
    fn publish(&self, api: Api) -> Result<Figures, String> {
        let mut entries = [("backbuf_history", 64), ("backbuf_no_history", 0)].map(|(name, history)| {
            let mut subject = Subject::new(api, history);
            Entry::new(name, move |cycles| {
                let started = Instant::now();
                (0..cycles).for_each(|_| subject.publish(Places::Moving));
                Burst { time: started.elapsed(), units: cycles }
            })
        });
        alternate(&mut entries, &self.bench.effort);
        let added = entries[0].median() - entries[1].median();
        Ok(Figures { ours: Some(added.max(0.0)), ..Figures::of(&entries, Vec::new()) })
    }
}
