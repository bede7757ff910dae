//! The rows of feeds: records of 64 bytes from a ring into the state of a manager, against the same bytes through the ring alone.

use crate::backbuf::{Api, FOREVER, FeedInfo, Front, U64};
use crate::figures::Figures;
use crate::measure::{Burst, Entry, alternate};
use crate::spsc::scenario::{Scenario, Throughput, send_all};
use crate::spsc::subject::{OurSender, Ours, Publish};
use crate::{Bench, NO_LIBRARY};
use rings::Sender;
use std::ffi::c_void;
use std::hint::spin_loop;
use std::time::Instant;

/// Capacity of the ring.
const CAPACITY: usize = 64 << 10;
/// Bytes of a record, with its header.
const RECORD: usize = 64;
/// Elements of 8 bytes in a record, behind its header of 24 bytes.
const VALUES: usize = 5;
/// Elements of the state: two copies fit a second-level cache.
const ELEMENTS: u64 = 1 << 15;
const MAGIC: u16 = 0xfeed;
const VERSION: u8 = 1;
const WRITE: u8 = 1;

/// A record that writes elements of 8 bytes.
#[derive(Clone, Copy)]
#[repr(C)]
struct Record {
    magic: u16,
    version: u8,
    record_type: u8,
    field: u32,
    offset: u64,
    bytes: u64,
    values: [u64; VALUES],
}

impl Record {
    /// The record with that number, at ascending places of the state.
    fn number(number: u64) -> Record {
        let offset = number * VALUES as u64 % (ELEMENTS - VALUES as u64) * 8;
        let bytes = 8 * VALUES as u64;
        Record {
            magic: MAGIC,
            version: VERSION,
            record_type: WRITE,
            field: 0,
            offset,
            bytes,
            values: [number; VALUES],
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: a record has no padding.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).cast(), RECORD) }
    }
}

const _: () = assert!(size_of::<Record>() == RECORD);

/// A manager whose worker runs on the second core, and the ring that feeds it.
struct Fed {
    api: Api,
    manager: *mut c_void,
    feed: *mut c_void,
    rx: *mut c_void,
    tx: OurSender,
    sent: u64,
}

impl Fed {
    fn new(api: Api, worker_cpu: usize) -> Fed {
        let manager = api.manager(U64, ELEMENTS, |config| config.worker_affinity = 1 << worker_cpu);
        let (tx, rx) = Ours { api, publish: Publish::Each }.to_feed(CAPACITY as u64);
        let mut feed = std::ptr::null_mut();
        // SAFETY: manager and receiver are live, and there is room for the handle.
        api.expect(unsafe { (api.manager_feed)(manager, rx, &mut feed) });
        Fed { api, manager, feed, rx, tx, sent: 0 }
    }

    fn send(&mut self) {
        send_all(&mut self.tx, Record::number(self.sent).bytes());
        self.sent += 1;
    }

    /// Waits until the worker has applied every record: it is awake then.
    fn wake_worker(&mut self) {
        self.send();
        self.tx.flush();
        let mut info = std::mem::MaybeUninit::<FeedInfo>::uninit();
        // SAFETY: the feed is live, and there is room for its state.
        while unsafe {
            self.api.expect((self.api.feed_status)(
                self.feed,
                size_of::<FeedInfo>() as u32,
                info.as_mut_ptr(),
            ));
            info.assume_init().records < self.sent
        } {
            spin_loop();
        }
    }

    /// Sends records, and waits until they are published. The worker runs when the clock starts, as the receiver of the ring
    /// alone does.
    fn burst(&mut self, cycles: u64) -> Burst {
        self.wake_worker();
        let started = Instant::now();
        (0..cycles).for_each(|_| self.send());
        self.tx.flush();
        // SAFETY: the manager is live.
        self.api.expect(unsafe { (self.api.synchronize)(self.manager, FOREVER) });
        Burst { time: started.elapsed(), units: cycles * RECORD as u64 }
    }

    /// Whether the last record is in the front.
    fn check(&self) -> Result<(), String> {
        let last = Record::number(self.sent - 1);
        let mut front = std::mem::MaybeUninit::<Front>::uninit();
        // SAFETY: the manager is live, and the front has all elements of the state.
        let value = unsafe {
            self.api.expect((self.api.acquire_front)(self.manager, front.as_mut_ptr()));
            let front = front.assume_init();
            let value = front.data.add(last.offset as usize).cast::<u64>().read();
            self.api.expect((self.api.lease_release)(front.lease));
            value
        };
        match value == self.sent - 1 {
            true => Ok(()),
            false => Err(format!("the front has {value} of record {}", self.sent - 1)),
        }
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        // SAFETY: each is destroyed once; the feed gives the receiver back.
        unsafe {
            self.api.expect((self.api.feed_destroy)(self.feed));
            self.api.expect((self.api.receiver_destroy)(self.rx));
            self.api.expect((self.api.destroy)(self.manager));
        }
    }
}

/// Measures one row, named without its module; the error is the reason why it cannot run here.
pub fn measure(bench: &Bench, name: &str) -> Result<Figures, String> {
    if name != "64" {
        return Err("no such row in the harness".into());
    }
    let api = bench.api.ok_or(NO_LIBRARY)?;
    let second_cpu = bench.cores.worker.ok_or("needs two cores")?;
    bench.cores.place(true);
    let ring = Throughput { capacity: CAPACITY, chunk: RECORD, second_cpu };
    let ring = ring.prepare(&Ours { api, publish: Publish::Each }).ok_or("no ring of that size")?;
    let mut fed = Fed::new(api, second_cpu);
    fed.burst(ELEMENTS);
    fed.check()?;
    let mut entries =
        [Entry::new("ours", move |cycles| fed.burst(cycles)), Entry::new("spsc.throughput.64.64k", ring)];
    alternate(&mut entries, &bench.effort);
    Ok(Figures::of(&entries, Vec::new()))
}
