//! A worker thread behind a bounded crossbeam channel, shared by the channel peers.

use crate::update::Update;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::thread::JoinHandle;

const QUEUE: usize = 4096;

/// The state of the worker thread.
pub trait State: Send + 'static {
    fn apply(&mut self, update: &Update);
    /// Makes everything applied so far readable.
    fn publish(&mut self);
    /// Runs after the synchronizer was woken.
    fn prepare(&mut self) {}
}

enum Message {
    Update(Update),
    Synchronize(Sender<()>),
}

pub struct Worker {
    queue: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub fn start(state: impl State, cpu: i32) -> Worker {
        let (queue, messages) = bounded(QUEUE);
        let thread = std::thread::spawn(move || {
            pin(cpu);
            run(state, messages);
        });
        Worker { queue: Some(queue), thread: Some(thread) }
    }

    #[inline]
    pub fn enqueue(&self, offset: usize, data: &[u8]) {
        self.send(Message::Update(Update::new(offset, data)));
    }

    pub fn synchronize(&self) {
        let (done, published) = bounded(1);
        self.send(Message::Synchronize(done));
        published.recv().expect("the worker answers every synchronize");
    }

    #[inline]
    fn send(&self, message: Message) {
        let queue = self.queue.as_ref().expect("only drop takes it");
        assert!(queue.send(message).is_ok(), "the worker outlives the queue");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.queue = None;
        self.thread.take().map(JoinHandle::join);
    }
}

fn run(mut state: impl State, messages: Receiver<Message>) {
    for message in messages {
        match message {
            Message::Update(update) => state.apply(&update),
            Message::Synchronize(done) => {
                state.publish();
                let _ = done.send(());
                state.prepare();
            }
        }
    }
}

/// Pins the calling thread to one CPU; a negative number leaves it alone.
pub fn pin(cpu: i32) {
    if cpu < 0 {
        return;
    }
    // SAFETY: a zeroed set is an empty set, and the call reads it only.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu as usize, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &set), 0, "pin to CPU {cpu}");
    }
}
