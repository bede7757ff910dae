//! A channel to a worker that publishes a fresh copy of its state through an arc-swap.

use arc_swap::{ArcSwap, Guard};
use peer::worker::{State, Worker};
use peer::{Front, Functions, Peer, update::Update};
use std::sync::Arc;

#[unsafe(no_mangle)]
pub static PEER: Functions = Functions::of::<ChannelArcSwap>();

type Shared = Arc<ArcSwap<Vec<u8>>>;

struct Master {
    state: Vec<u8>,
    changed: bool,
    front: Shared,
}

impl State for Master {
    fn apply(&mut self, update: &Update) {
        update.apply(&mut self.state);
        self.changed = true;
    }

    fn publish(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.front.store(Arc::new(self.state.clone()));
        }
    }
}

struct ChannelArcSwap {
    worker: Worker,
    front: Shared,
}

type Held = Guard<Arc<Vec<u8>>>;

impl Peer for ChannelArcSwap {
    fn create(bytes: usize, worker_cpu: i32) -> Self {
        let state = vec![0; bytes];
        let front: Shared = Arc::new(ArcSwap::from_pointee(state.clone()));
        let master = Master { state, changed: false, front: front.clone() };
        ChannelArcSwap { worker: Worker::start(master, worker_cpu), front }
    }

    fn enqueue(&self, offset: usize, data: &[u8]) {
        self.worker.enqueue(offset, data);
    }

    fn synchronize(&self) {
        self.worker.synchronize();
    }

    fn acquire(&self) -> Front {
        const { assert!(size_of::<Held>() <= size_of::<[usize; 3]>()) };
        let guard = self.front.load();
        let mut front = Front { data: guard.as_ptr(), token: [0; 3] };
        // SAFETY: the guard fits the token.
        unsafe { front.token.as_mut_ptr().cast::<Held>().write(guard) };
        front
    }

    unsafe fn release(&self, front: &Front) {
        // SAFETY: `acquire` put the guard there.
        drop(unsafe { front.token.as_ptr().cast::<Held>().read() });
    }
}
