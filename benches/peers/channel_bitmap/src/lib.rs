//! A channel to a worker that owns two copies and a dirty bitmap of 64-byte granules.

use peer::worker::{State, Worker};
use peer::{Front, Functions, Peer, update::Update};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*, fence};

#[unsafe(no_mangle)]
pub static PEER: Functions = Functions::of::<ChannelBitmap>();

const GRANULE: usize = 64;

/// State shared with readers: the index of the front and the number of readers of each copy.
#[derive(Default)]
struct Fronts {
    front: AtomicUsize,
    readers: [AtomicUsize; 2],
}

struct Copies {
    copies: [Box<[u8]>; 2],
    dirty: Vec<u64>,
    changed: bool,
    fronts: Arc<Fronts>,
}

impl Copies {
    fn back(&self) -> usize {
        1 - self.fronts.front.load(Relaxed)
    }
}

impl State for Copies {
    fn apply(&mut self, update: &Update) {
        let back = self.back();
        update.apply(&mut self.copies[back]);
        let (offset, data) = update.parts();
        if data.is_empty() {
            return;
        }
        for granule in offset / GRANULE..=(offset + data.len() - 1) / GRANULE {
            self.dirty[granule / 64] |= 1 << (granule % 64);
        }
        self.changed = true;
    }

    fn publish(&mut self) {
        if self.changed {
            self.fronts.front.store(self.back(), SeqCst);
        }
    }

    /// Copies the changes of the last epoch to the new back copy, once its readers have released it.
    fn prepare(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let back = self.back();
        fence(SeqCst);
        while self.fronts.readers[back].load(Acquire) != 0 {
            std::thread::yield_now();
        }
        let [zero, one] = &mut self.copies;
        let (from, to) = if back == 0 { (one, zero) } else { (zero, one) };
        for (index, word) in self.dirty.iter_mut().enumerate() {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                let first = bits.trailing_zeros() as usize;
                let run = (bits >> first).trailing_ones() as usize;
                let start = (index * 64 + first) * GRANULE;
                let end = (start + run * GRANULE).min(from.len());
                to[start..end].copy_from_slice(&from[start..end]);
                bits &= bits.checked_add(1 << first).unwrap_or(0);
            }
        }
    }
}

struct ChannelBitmap {
    worker: Worker,
    fronts: Arc<Fronts>,
    data: [*const u8; 2],
}

// SAFETY: the pointers are only returned; `fronts` synchronizes readers and worker.
unsafe impl Sync for ChannelBitmap {}

impl Peer for ChannelBitmap {
    fn create(bytes: usize, worker_cpu: i32) -> Self {
        let fronts = Arc::new(Fronts::default());
        let copies = [vec![0; bytes].into_boxed_slice(), vec![0; bytes].into_boxed_slice()];
        let data = [copies[0].as_ptr(), copies[1].as_ptr()];
        let dirty = vec![0; bytes.div_ceil(GRANULE * 64)];
        let state = Copies { copies, dirty, changed: false, fronts: fronts.clone() };
        ChannelBitmap { worker: Worker::start(state, worker_cpu), fronts, data }
    }

    fn enqueue(&self, offset: usize, data: &[u8]) {
        self.worker.enqueue(offset, data);
    }

    fn synchronize(&self) {
        self.worker.synchronize();
    }

    fn acquire(&self) -> Front {
        loop {
            let front = self.fronts.front.load(Acquire);
            self.fronts.readers[front].fetch_add(1, SeqCst);
            if self.fronts.front.load(SeqCst) == front {
                return Front { data: self.data[front], token: [front, 0, 0] };
            }
            self.fronts.readers[front].fetch_sub(1, Release);
        }
    }

    unsafe fn release(&self, front: &Front) {
        self.fronts.readers[front.token[0]].fetch_sub(1, Release);
    }
}
