//! States of 64 bytes that are read by a copy: behind a seqlock, and behind the standard library's mutex.

use peer::small_state::{Functions, SmallState, Words};
use seqlock::SeqLock;
use std::sync::Mutex;

#[unsafe(no_mangle)]
pub static SEQLOCK: Functions = Functions::of::<Sequenced>();

#[unsafe(no_mangle)]
pub static MUTEX: Functions = Functions::of::<Locked>();

// Types of this crate, as the trait is another's.

struct Sequenced(SeqLock<Words>);

impl SmallState for Sequenced {
    fn create() -> Self {
        Sequenced(SeqLock::new([0; 8]))
    }

    fn write(&self, words: &Words) {
        *self.0.lock_write() = *words;
    }

    fn read(&self) -> Words {
        self.0.read()
    }
}

struct Locked(Mutex<Words>);

impl SmallState for Locked {
    fn create() -> Self {
        Locked(Mutex::new([0; 8]))
    }

    fn write(&self, words: &Words) {
        *self.0.lock().unwrap() = *words;
    }

    fn read(&self) -> Words {
        *self.0.lock().unwrap()
    }
}
