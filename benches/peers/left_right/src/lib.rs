//! left-right with a mutex around its writer: updates are logged, and `publish` replays the log on each copy.

use left_right::{Absorb, ReadGuard, ReadHandle, ReadHandleFactory, WriteHandle};
use peer::{Front, Functions, Peer, update::Update};
use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[unsafe(no_mangle)]
pub static PEER: Functions = Functions::of::<LeftRight>();

#[derive(Clone)]
struct State(Vec<u8>);

impl Absorb<Update> for State {
    fn absorb_first(&mut self, update: &mut Update, _: &Self) {
        update.apply(&mut self.0);
    }

    fn sync_with(&mut self, first: &Self) {
        self.0.copy_from_slice(&first.0);
    }
}

struct LeftRight {
    id: u64,
    writer: Mutex<WriteHandle<State, Update>>,
    readers: ReadHandleFactory<State>,
}

thread_local! {
    /// This thread's reader of the last used manager: read handles are not shared between threads.
    static READER: RefCell<Option<(u64, Box<ReadHandle<State>>)>> = const { RefCell::new(None) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Peer for LeftRight {
    fn create(bytes: usize, _worker_cpu: i32) -> Self {
        let (mut writer, reader) = left_right::new_from_empty(State(vec![0; bytes]));
        // The first publishes copy the whole state, so they belong to the creation.
        writer.publish();
        writer.append(Update::new(0, &[0; 8])).publish();
        let id = NEXT_ID.fetch_add(1, Relaxed);
        LeftRight { id, writer: Mutex::new(writer), readers: reader.factory() }
    }

    fn enqueue(&self, offset: usize, data: &[u8]) {
        self.writer.lock().unwrap().append(Update::new(offset, data));
    }

    fn synchronize(&self) {
        self.writer.lock().unwrap().publish();
    }

    fn acquire(&self) -> Front {
        READER.with_borrow_mut(|reader| {
            if reader.as_ref().is_none_or(|(of, _)| *of != self.id) {
                *reader = Some((self.id, Box::new(self.readers.handle())));
            }
            let (_, handle) = reader.as_ref().expect("just set");
            let guard = handle.enter().expect("the writer is alive");
            let data = guard.0.as_ptr();
            const { assert!(size_of::<ReadGuard<'_, State>>() <= size_of::<[usize; 3]>()) };
            let mut front = Front { data, token: [0; 3] };
            // SAFETY: the guard fits the token, and the boxed handle outlives it: `release` comes first.
            unsafe { front.token.as_mut_ptr().cast::<ReadGuard<'_, State>>().write(guard) };
            front
        })
    }

    unsafe fn release(&self, front: &Front) {
        // SAFETY: `acquire` put the guard there.
        drop(unsafe { front.token.as_ptr().cast::<ReadGuard<'_, State>>().read() });
    }
}
