//! Where one side of a ring waits: its [`Side`] and its descriptor.

use std::os::fd::RawFd;

use super::Flow;
use super::side::Side;
use super::statistics::Counters;
use crate::error::{Error, Result, Status};
use crate::sync::mutex::Mutex;
use crate::sync::wait::spin;
use crate::sync::wait_check::Stop;
use crate::sync::wait_check::in_slices;
use crate::sys::clock::Deadline;
use crate::sys::clock::now;
use crate::sys::eventfd::Descriptor;

#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Place {
    pub(crate) side: Side,
    bell: Mutex<Option<Descriptor>>,
}

impl Place {
    /// Tells this side that the other index has come to `index`. True if somebody was woken.
    #[inline(always)]
    pub(crate) fn signal(&self, index: u64) -> bool {
        self.side.signal(index, || self.ring())
    }

    /// Wakes whoever waits here.
    pub(crate) fn rouse(&self) {
        self.side.rouse(|| self.ring());
    }

    fn ring(&self) {
        if let Some(bell) = &*self.bell.lock() {
            bell.set();
        }
    }

    /// The descriptor, made when first asked for.
    pub(crate) fn fd(&self) -> Result<RawFd> {
        let mut bell = self.bell.lock();
        if bell.is_none() {
            *bell = Some(Descriptor::new()?);
        }
        bell.as_ref().map(Descriptor::fd).ok_or_else(|| Error::of(Status::Limit))
    }

    /// What `ready` gives now, or None: then the descriptor becomes readable when the other index reaches `needed`.
    pub(crate) fn arm(&self, needed: u64, ready: impl Fn() -> Option<Flow>) -> Result<Option<Flow>> {
        self.fd()?;
        if let Some(flow) = ready() {
            // An event loop may look at the descriptor before it asks: the end is readable for good.
            if flow == Flow::Closed {
                self.ring();
            }
            return Ok(Some(flow));
        }
        if let Some(bell) = &*self.bell.lock() {
            bell.clear();
        }
        let now = self.side.arm(needed, ready);
        if now.is_some() {
            self.ring();
        }
        Ok(now)
    }

    /// Waits until `ready` gives something, which it does when the other index has reached `needed`.
    pub(crate) fn wait(
        &self,
        needed: u64,
        deadline: Deadline,
        counters: &Counters,
        ready: impl Fn() -> Option<Flow>,
    ) -> Result<Flow> {
        if let Some(flow) = ready() {
            return Ok(flow);
        }
        let Some(_waiting) = self.side.claim() else {
            let why = "another thread waits on this end; one waiter a side";
            return Err(Error::text(Status::Busy, why));
        };
        if deadline == Deadline::PAST {
            return Ok(Flow::Timeout);
        }
        counters.waits.add(1);
        let start = now();
        let ended = match spin(&ready) {
            Some(flow) => Ok(flow),
            None => in_slices(deadline, |limit, listens| self.side.park(needed, limit, listens, &ready)),
        };
        counters.waited.count(now() - start);
        Ok(match ended {
            Ok(flow) => flow,
            Err(Stop::TimedOut) => Flow::Timeout,
            Err(Stop::Signalled | Stop::Interrupted) => Flow::Interrupted,
            Err(Stop::Ended) => Flow::Closed,
        })
    }
}
