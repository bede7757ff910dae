//! A channel to a worker that copies its state into a triple buffer at every publish.

use parking_lot::{Mutex, MutexGuard};
use peer::worker::{State, Worker};
use peer::{Front, Functions, Peer, update::Update};
use triple_buffer::{Input, Output, triple_buffer};

#[unsafe(no_mangle)]
pub static PEER: Functions = Functions::of::<ChannelTriple>();

struct Master {
    state: Vec<u8>,
    changed: bool,
    buffer: Input<Vec<u8>>,
}

impl State for Master {
    fn apply(&mut self, update: &Update) {
        update.apply(&mut self.state);
        self.changed = true;
    }

    fn publish(&mut self) {
        if std::mem::take(&mut self.changed) {
            // The returned buffer is two or three epochs old, so the whole state is copied.
            self.buffer.input_buffer_mut().copy_from_slice(&self.state);
            self.buffer.publish();
        }
    }
}

struct ChannelTriple {
    worker: Worker,
    // A triple buffer has one consumer.
    output: Mutex<Output<Vec<u8>>>,
}

type Held<'a> = MutexGuard<'a, Output<Vec<u8>>>;

impl Peer for ChannelTriple {
    fn create(bytes: usize, worker_cpu: i32) -> Self {
        let state = vec![0; bytes];
        let (buffer, output) = triple_buffer(&state);
        let master = Master { state, changed: false, buffer };
        ChannelTriple { worker: Worker::start(master, worker_cpu), output: Mutex::new(output) }
    }

    fn enqueue(&self, offset: usize, data: &[u8]) {
        self.worker.enqueue(offset, data);
    }

    fn synchronize(&self) {
        self.worker.synchronize();
    }

    fn acquire(&self) -> Front {
        const { assert!(size_of::<Held<'_>>() <= size_of::<[usize; 3]>()) };
        let mut output = self.output.lock();
        let mut front = Front { data: output.read().as_ptr(), token: [0; 3] };
        // SAFETY: the guard fits the token.
        unsafe { front.token.as_mut_ptr().cast::<Held<'_>>().write(output) };
        front
    }

    unsafe fn release(&self, front: &Front) {
        // SAFETY: `acquire` put the guard there.
        drop(unsafe { front.token.as_ptr().cast::<Held<'_>>().read() });
    }
}
