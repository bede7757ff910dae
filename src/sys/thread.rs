//! The library's own threads: creation with normal scheduling, blocked signals and a name; and thread numbers.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, Ordering::*};

use crate::alloc::boxed;
use crate::error::{Error, Result};
use crate::sys::loaded_object::keep_own;
use crate::text::Text;

/// The kernel's thread id of the calling thread.
pub(crate) fn thread_id() -> u32 {
    thread_local!(static ID: Cell<u32> = const { Cell::new(0) });
    ID.with(|id| {
        if id.get() == 0 {
            id.set(rustix::thread::gettid().as_raw_nonzero().get() as u32);
        }
        id.get()
    })
}

struct Start<T> {
    main: fn(T),
    value: T,
}

extern "C" fn enter<T>(start: *mut c_void) -> *mut c_void {
    schedule_normally();
    // SAFETY: the box that `start` gave away, once.
    let start = unsafe { Box::from_raw(start.cast::<Start<T>>()) };
    (start.main)(start.value);
    null_mut()
}

/// One of the library's own threads, which the holder joins or detaches.
#[derive(Debug)]
#[must_use]
pub(crate) struct Thread(libc::pthread_t);

impl Thread {
    /// Lets it run on its own.
    pub(crate) fn detach(self) {
        // SAFETY: the handle is consumed: it is detached or joined once.
        unsafe { libc::pthread_detach(self.0) };
    }

    /// Waits until it has ended, thread-exit functions included.
    pub(crate) fn join(self) {
        // SAFETY: as above.
        unsafe { libc::pthread_join(self.0, null_mut()) };
    }
}

/// Starts a thread named after the object that it serves. On failure, `value` is dropped. Unlike `std::thread`, this sets
/// the scheduling of the new thread and keeps the library loaded.
pub(crate) fn start<T: Send + 'static>(label: &str, value: T, main: fn(T)) -> Result<Thread> {
    let start = Box::into_raw(boxed(Start { main, value })?);
    // SAFETY: the new thread owns the box; without a thread, it is freed below.
    let started = unsafe {
        with_normal_scheduling(|attributes| create(attributes, enter::<T>, start.cast()))
            // A sandbox may refuse the attributes: the thread then sets its scheduling itself.
            .or_else(|_| create(null(), enter::<T>, start.cast()))
    };
    match started {
        Ok(thread) => {
            name(thread, label);
            Ok(Thread(thread))
        }
        Err(code) => {
            // SAFETY: the box from above, which no thread has taken.
            drop(unsafe { Box::from_raw(start) });
            Err(Error::system("pthread_create", code))
        }
    }
}

/// The CPUs that the process could use when the library was loaded: those that a launcher bound it to, before threads of the
/// program bind themselves. Zeros if they are unknown.
static CPUS: [AtomicU64; size_of::<libc::cpu_set_t>() / 8] =
    [const { AtomicU64::new(0) }; size_of::<libc::cpu_set_t>() / 8];

#[used]
#[unsafe(link_section = ".init_array")]
static ON_LOAD: extern "C" fn() = record_cpus;

extern "C" fn record_cpus() {
    let mut words = [0u64; CPUS.len()];
    // SAFETY: takes numbers, and writes to an array of the given length. Queries the main thread: the one that loads the library
    // may be bound already.
    let known = unsafe {
        libc::sched_getaffinity(
            std::process::id() as libc::pid_t,
            size_of_val(&words),
            words.as_mut_ptr().cast(),
        )
    };
    if known == 0 {
        CPUS.iter().zip(words).for_each(|(cpus, word)| cpus.store(word, Relaxed));
    }
}

/// How many CPUs the process could use when the library was loaded; 1 if that is unknown.
pub(crate) fn cpus_at_load() -> u32 {
    CPUS.iter().map(|word| word.load(Relaxed).count_ones()).sum::<u32>().max(1)
}

/// Calls `create` with attributes that give a new thread normal scheduling from its start. Without them it would inherit the
/// policy and the CPUs of its creator, and beside a real-time thread on one CPU it would never run to change that itself.
fn with_normal_scheduling<T>(
    create: impl FnOnce(*const libc::pthread_attr_t) -> std::result::Result<T, i32>,
) -> std::result::Result<T, i32> {
    #[cfg(target_env = "gnu")]
    let cpus: [u64; CPUS.len()] = std::array::from_fn(|word| CPUS[word].load(Relaxed));
    // SAFETY: plain calls on locals; the attributes are initialised before they are used, and destroyed once.
    unsafe {
        let mut attributes = std::mem::zeroed::<libc::pthread_attr_t>();
        match libc::pthread_attr_init(&mut attributes) {
            0 => {}
            code => return Err(code),
        }
        libc::pthread_attr_setinheritsched(&mut attributes, libc::PTHREAD_EXPLICIT_SCHED);
        libc::pthread_attr_setschedpolicy(&mut attributes, libc::SCHED_OTHER);
        // Otherwise the creator's priority is taken, which this policy does not allow.
        libc::pthread_attr_setschedparam(&mut attributes, &std::mem::zeroed::<libc::sched_param>());
        #[cfg(target_env = "gnu")]
        if cpus.iter().any(|&word| word != 0) {
            libc::pthread_attr_setaffinity_np(&mut attributes, size_of_val(&cpus), cpus.as_ptr().cast());
        }
        let result = create(&attributes);
        libc::pthread_attr_destroy(&mut attributes);
        result
    }
}

/// Sets what attributes cannot for the calling thread, one of the library's own: the nice value of the process; and the policy
/// and the CPUs if the thread was created without attributes. A setting that the system refuses stays as inherited.
fn schedule_normally() {
    let cpus: [u64; CPUS.len()] = std::array::from_fn(|word| CPUS[word].load(Relaxed));
    // SAFETY: plain calls on locals.
    unsafe {
        let policy = libc::sched_getscheduler(0);
        if policy != libc::SCHED_OTHER && policy != libc::SCHED_BATCH && policy != libc::SCHED_IDLE {
            let parameter = std::mem::zeroed::<libc::sched_param>();
            libc::sched_setscheduler(0, libc::SCHED_OTHER, &parameter);
        }
        let of_process = libc::getpriority(libc::PRIO_PROCESS, std::process::id());
        if libc::getpriority(libc::PRIO_PROCESS, 0) != of_process {
            libc::setpriority(libc::PRIO_PROCESS, 0, of_process);
        }
        if cpus.iter().any(|&word| word != 0) {
            libc::sched_setaffinity(0, size_of_val(&cpus), cpus.as_ptr().cast());
        }
    }
}

/// Creates a thread with all signals blocked. The caller joins or detaches it. Fails with the system's error code.
///
/// # Safety
/// `attributes` is null or initialised. `argument` is what `main` expects, on another thread, for as long as that uses it.
pub(crate) unsafe fn create(
    attributes: *const libc::pthread_attr_t,
    main: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> std::result::Result<libc::pthread_t, i32> {
    keep_own();
    // SAFETY: pthread calls on locals; `attributes` and `argument` are valid by this function's contract.
    unsafe {
        // A program's signal handlers run on its own threads, never on these.
        let (mut all, mut before) =
            (std::mem::zeroed::<libc::sigset_t>(), std::mem::zeroed::<libc::sigset_t>());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let mut thread = std::mem::zeroed::<libc::pthread_t>();
        let result = libc::pthread_create(&mut thread, attributes, main, argument);
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, null_mut());
        if result == 0 { Ok(thread) } else { Err(result) }
    }
}

fn name(thread: libc::pthread_t, label: &str) {
    let name = match label {
        "" => Text::<16>::of(format_args!("backbuf")),
        label => Text::of(format_args!("bb-{label}")),
    };
    // SAFETY: a live thread and a terminated name of at most 15 bytes.
    unsafe { libc::pthread_setname_np(thread, name.as_ptr()) };
}

/// A unique number of the calling thread. Unlike the kernel's, it is never used again in the process.
pub(crate) fn current() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local!(static NUMBER: Cell<u64> = const { Cell::new(0) });
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Relaxed));
        }
        number.get()
    })
}
