//! Tables of slots that never move and that a fork empties, and the identity of this process's copy of the library.
//!
//! State that a forked child must not inherit (live handles, held locks, lists of free slots) lies in pages that the kernel wipes
//! in the child. So no call pays for a check: a handle of the parent finds an empty slot.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr::null_mut;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{Error, Result, Status};
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*, fence};
use crate::sync::barrier;
use crate::sync::mutex::FutexMutex;
use crate::sys::scheduling::record_quota;

/// Types that are empty when all their bytes are zero.
///
/// # Safety
///
/// All-zero bytes are a legal value, shared references to it may cross threads, and dropping it does nothing.
pub(crate) unsafe trait Zeroed: Sync + 'static {}

// SAFETY: an array of such values is one.
unsafe impl<T: Zeroed, const N: usize> Zeroed for [T; N] {}

/// A value that is zeroed in each forked child. Mapped at first use, never unmapped.
#[derive(Debug)]
pub(crate) struct Wiped<T> {
    value: AtomicPtr<T>,
}

impl<T: Zeroed> Wiped<T> {
    pub(crate) const fn new() -> Wiped<T> {
        Wiped { value: AtomicPtr::new(null_mut()) }
    }

    /// The value, if it has been mapped.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<&'static T> {
        // Acquire pairs with the compare-and-swap in `get`: a pointer that is seen is mapped and marked.
        // SAFETY: null, or a mapping of zeros that is large enough for T and stays for ever.
        unsafe { self.value.load(Acquire).as_ref() }
    }

    /// The value, mapped if it was not.
    pub(crate) fn get(&self) -> Result<&'static T> {
        if let Some(value) = self.peek() {
            return Ok(value);
        }
        const { assert!(align_of::<T>() <= 4096 && size_of::<T>() != 0) };
        let fresh = map_wiped(size_of::<T>())?.cast::<T>();
        if self.value.compare_exchange(null_mut(), fresh, AcqRel, Acquire).is_err() {
            unmap(fresh.cast(), size_of::<T>());
        }
        self.peek().ok_or_else(|| Error::of(Status::OutOfMemory))
    }
}

fn map_wiped(bytes: usize) -> Result<*mut c_void> {
    // SAFETY: a new mapping at an address of the kernel's choice.
    let address =
        unsafe { mmap_anonymous(null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) };
    let address = address.map_err(|_| Error::of(Status::OutOfMemory))?;
    // SAFETY: exactly the mapping made above.
    if unsafe { madvise(address, bytes, Advice::LinuxWipeOnFork) }.is_err() {
        unmap(address, bytes);
        return Err(Error::text(
            Status::Unsupported,
            "the kernel cannot wipe memory on fork; Linux 4.14 or newer is needed",
        ));
    }
    Ok(address)
}

/// Unmaps what [`map_wiped`] mapped and no other thread has seen.
fn unmap(address: *mut c_void, bytes: usize) {
    // SAFETY: the caller's mapping, unmapped once.
    let unmapped = unsafe { munmap(address, bytes) };
    debug_assert!(unmapped.is_ok());
}

/// Bits of a slot's index.
pub(crate) const INDEX_BITS: u32 = 20;
/// Slots in a chunk.
const CHUNK: usize = 1 << 10;
const CHUNKS: usize = (1 << INDEX_BITS) / CHUNK;

/// A table that grows by chunks, up to 2²⁰ slots. Slots never move and are never freed; a fork zeroes them.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    growth: Wiped<Growth>,
    chunks: [Wiped<[T; CHUNK]>; CHUNKS],
}

#[derive(Debug)]
struct Growth {
    lock: FutexMutex<()>,
    chunks: AtomicU32,
}

// SAFETY: atomics.
unsafe impl Zeroed for Growth {}

impl<T: Zeroed> Slots<T> {
    pub(crate) const fn new() -> Slots<T> {
        Slots { growth: Wiped::new(), chunks: [const { Wiped::new() }; CHUNKS] }
    }

    /// The slot, if its chunk is mapped.
    #[inline(always)]
    pub(crate) fn get(&self, index: u32) -> Option<&'static T> {
        let index = index as usize;
        self.chunks.get(index / CHUNK)?.peek()?.get(index % CHUNK)
    }

    /// Adds a chunk of empty slots and returns their indices. A forked child uses the chunks of its parent first.
    pub(crate) fn grow(&self) -> Result<Range<u32>> {
        let growth = self.growth.get()?;
        let _locked = growth.lock.lock();
        let number = growth.chunks.load(Relaxed);
        let full = || Error::text(Status::Limit, "the table of objects is full; destroy or release some");
        self.chunks.get(number as usize).ok_or_else(full)?.get()?;
        growth.chunks.store(number + 1, Relaxed);
        let first = number * CHUNK as u32;
        Ok(first..first + CHUNK as u32)
    }
}

/// Bits of a slot's generation.
pub(crate) const GENERATION_BITS: u32 = 29;
const TAGS: u32 = 1 << 10;

/// One copy of the library in one process: each loaded copy has its own, and so has each forked child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    /// 1 to 1023, another one for each copy that the others can find, and none of the ancestors'.
    pub(crate) tag: u16,
    /// Where the generations of every slot begin, and end by wrapping: random, so that another copy's handles differ.
    pub(crate) first_generation: u32,
}

#[derive(Debug)]
struct Page {
    lock: FutexMutex<()>,
    /// tag | first_generation << 32, or 0.
    instance: AtomicU64,
}

// SAFETY: atomics.
unsafe impl Zeroed for Page {}

static PAGE: Wiped<Page> = Wiped::new();

/// The tags that this process and its ancestors have had, one bit each. A fork does not wipe it.
static SEEN: [AtomicU64; TAGS as usize / 64] = [const { AtomicU64::new(0) }; TAGS as usize / 64];

/// This process's instance, made at first use.
pub(crate) fn instance() -> Result<Instance> {
    instance_unlike(|_| false)
}

/// As [`instance`]. A new tag avoids those for which `is_others` returns true, which other copies of the library have.
pub(crate) fn instance_unlike(is_others: impl Fn(u16) -> bool) -> Result<Instance> {
    match current() {
        Some(instance) => Ok(instance),
        None => make_instance(is_others),
    }
}

/// Whether `tag` is this process's own. False in a child for what was made before the fork.
pub(crate) fn is_own(tag: u16) -> bool {
    current().is_some_and(|instance| instance.tag == tag)
}

/// Whether `tag` was an ancestor's of this process.
pub(crate) fn is_ancestors(tag: u16) -> bool {
    !is_own(tag) && seen(tag).0.load(SeqCst) & seen(tag).1 != 0
}

/// This process's instance, if it has been made.
#[inline(always)]
pub(crate) fn current() -> Option<Instance> {
    match PAGE.peek()?.instance.load(Acquire) {
        0 => None,
        word => Some(Instance { tag: word as u16, first_generation: (word >> 32) as u32 }),
    }
}

#[cold]
fn make_instance(is_others: impl Fn(u16) -> bool) -> Result<Instance> {
    let page = PAGE.get()?;
    barrier::init();
    record_quota();
    // Outside of the lock: `is_others` may wait for the loader's lock, whose holder may call the library.
    let tag = fresh_tag(is_others);
    let _locked = page.lock.lock();
    if let Some(instance) = current() {
        // Another thread has made it meanwhile, with another tag.
        seen(tag).0.fetch_and(!seen(tag).1, SeqCst);
        return Ok(instance);
    }
    let instance = Instance { tag, first_generation: random() as u32 >> (32 - GENERATION_BITS) };
    page.instance.store(u64::from(instance.tag) | u64::from(instance.first_generation) << 32, Release);
    Ok(instance)
}

/// A tag that no ancestor and no other copy has had. When all are used, they are used again.
fn fresh_tag(is_others: impl Fn(u16) -> bool) -> u16 {
    // Derived from this copy's address, so that copies rarely try the same tags in the same order.
    let address = &raw const SEEN as usize;
    let (start, stride) = ((address >> 12) as u32, (address >> 22) as u32 % 256 * 2 + 389);
    let step_to = |step: u32| (start.wrapping_add(step.wrapping_mul(stride)) % TAGS) as u16;
    let candidates = (0..TAGS).map(step_to).filter(|&tag| tag != 0);
    let claim = |&tag: &u16| {
        let (word, bit) = seen(tag);
        if word.fetch_or(bit, SeqCst) & bit != 0 {
            return false;
        }
        // Claimed before the others are asked: of two copies that try to claim the same tag at once, at least one sees the other's
        // claim, and leaves the tag. SeqCst orders each one's claim before its question.
        fence(SeqCst);
        let others = is_others(tag);
        if others {
            word.fetch_and(!bit, SeqCst);
        }
        !others
    };
    candidates.clone().find(claim).unwrap_or_else(|| {
        SEEN.iter().for_each(|word| word.store(0, Relaxed));
        candidates.clone().find(claim).unwrap_or(1)
    })
}

fn seen(tag: u16) -> (&'static AtomicU64, u64) {
    (&SEEN[tag as usize % TAGS as usize / 64], 1 << (tag % 64))
}

/// Random bits, from the kernel if they are ready. They only distinguish copies of the library.
fn random() -> u64 {
    let mut bits = [0; 8];
    if getrandom(&mut bits, GetRandomFlags::NONBLOCK) == Ok(bits.len()) {
        return u64::from_ne_bytes(bits);
    }
    let seed = (&raw const SEEN) as u64 ^ u64::from(std::process::id()) << 32;
    (crate::sys::clock::now() ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Runs `check` in a forked child, and whether it returned true there.
    pub(crate) fn in_child(check: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child only runs `check`, which must not rely on the parent's other threads, and ends without unwinding.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).unwrap_or(false);
                libc::_exit(if fine { 0 } else { 1 });
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }

    #[test]
    fn a_table_grows_by_chunks_and_its_slots_stay() {
        static TABLE: Slots<Growth> = Slots::new();
        assert!(TABLE.get(0).is_none() && TABLE.get(u32::MAX).is_none());
        assert_eq!(TABLE.grow().unwrap(), 0..1024);
        let first = TABLE.get(3).unwrap();
        first.chunks.store(9, Relaxed);
        assert_eq!(TABLE.grow().unwrap(), 1024..2048);
        assert!(std::ptr::eq(first, TABLE.get(3).unwrap()) && TABLE.get(2048).is_none());
        assert_eq!(TABLE.get(2047).unwrap().chunks.load(Relaxed), 0);
    }

    #[test]
    fn a_full_table_says_so() {
        static TABLE: Slots<Growth> = Slots::new();
        for _ in 0..CHUNKS {
            TABLE.grow().unwrap();
        }
        assert_eq!(TABLE.grow().unwrap_err().status(), Status::Limit);
        assert!(TABLE.get((1 << INDEX_BITS) - 1).is_some());
    }

    #[test]
    fn a_fork_empties_the_table_and_renews_the_instance() {
        static TABLE: Slots<Growth> = Slots::new();
        TABLE.grow().unwrap();
        TABLE.grow().unwrap();
        TABLE.get(7).unwrap().chunks.store(5, Relaxed);
        let parent = instance().unwrap();
        assert!(is_own(parent.tag) && !is_ancestors(parent.tag));
        assert!(in_child(|| {
            let gone = !is_own(parent.tag) && TABLE.get(7).unwrap().chunks.load(Relaxed) == 0;
            let own = instance().unwrap();
            let renewed =
                own.tag != parent.tag && own.tag != 0 && is_ancestors(parent.tag) && is_own(own.tag);
            let grandchild =
                in_child(|| instance().is_ok() && is_ancestors(parent.tag) && is_ancestors(own.tag));
            gone && renewed && grandchild && TABLE.grow().unwrap() == (0..1024)
        }));
        assert_eq!(instance().unwrap(), parent);
        assert_eq!(TABLE.get(7).unwrap().chunks.load(Relaxed), 5);
    }

    #[test]
    fn a_long_line_of_forks_never_runs_out_of_tags() {
        assert!(in_child(|| (0..3000).all(|_| (1..1024).contains(&fresh_tag(|_| false)))));
    }

    #[test]
    fn a_fresh_tag_is_none_that_another_copy_has() {
        assert!(in_child(|| {
            let claimed: [bool; TAGS as usize] = std::array::from_fn(|tag| is_ancestors(tag as u16));
            // A tag that another copy has stays unclaimed here, so that its handles are not taken for an ancestor's.
            (0..300).all(|_| fresh_tag(|tag| tag % 3 == 0) % 3 != 0)
                && (3..TAGS as u16).step_by(3).all(|tag| is_ancestors(tag) == claimed[tag as usize])
        }));
    }

    #[test]
    fn a_child_never_inherits_a_held_lock() {
        static GATE: Wiped<Growth> = Wiped::new();
        let gate = GATE.get().unwrap();
        let _locked = gate.lock.lock();
        assert!(in_child(|| gate.lock.try_lock().is_some()));
    }
}
