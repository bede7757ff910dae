//! Random scripts of calls on one manager, compared with a plain model of the state.
//!
//! A script is bytes, eight for the manager and eight per call: proptest draws them, the fuzzer mutates them. One thread
//! calls, so the order is the script's, but the worker may publish at any time. After each synchronize the front is the
//! model's state; between two of them it is one of the states since the last: never half of a batch, never an older one.

#[path = "device.rs"]
mod device;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use backbuf::manager::{
    BackMode, BufferUpdate, Config, Front, Kernel, Manager, ManagerState, Region, Task, Ticket, WorkerMode,
};
use backbuf::{DType, Error, Result, Status, Timeout};

/// Eight bytes of a script.
pub type Word = [u8; 8];

/// The choices that the bytes of a word encode.
struct Bytes(Word, usize);

impl Bytes {
    fn next(&mut self) -> usize {
        self.1 += 1;
        usize::from(self.0[(self.1 - 1) % 8])
    }

    fn wide(&mut self) -> usize {
        self.next() << 8 | self.next()
    }

    fn flag(&mut self) -> bool {
        self.next() & 1 != 0
    }
}

/// The expected state after a prefix of the script.
#[derive(Clone, PartialEq)]
struct Truth {
    bytes: Vec<u8>,
    tag: u64,
}

/// A leased front, and its content when it was taken.
struct Held(Front, Vec<u8>);

impl Held {
    fn check(&self) {
        assert!(self.0.bytes() == self.1, "a front changed while it was held");
    }
}

struct Run {
    manager: Manager,
    element: usize,
    rows: usize,
    columns: usize,
    now: Truth,
    /// The states that a front may show, from the last one seen on.
    possible: VecDeque<Truth>,
    epoch: u64,
    held: Vec<Held>,
    /// Tickets, and the number of states when they were issued.
    tickets: Vec<(Ticket, usize)>,
    states: usize,
    tasks: Vec<Task>,
    /// The number of accepted borrowed updates, and of those that were released.
    lent: u64,
    returned: Arc<AtomicU64>,
}

/// Runs a script; panics where manager and model differ.
pub fn run(setup: Word, calls: &[Word]) {
    let mut run = Run::new(Bytes(setup, 0));
    for &call in calls {
        run.call(Bytes(call, 0));
        run.look();
    }
    run.end();
}

impl Run {
    fn new(mut setup: Bytes) -> Run {
        let (dtype, element) =
            [(DType::U8, 1), (DType::F32, 4), (DType::F64, 8), (DType::Opaque(24), 24)][setup.next() % 4];
        // Around granules, larger than the smallest queue, and larger than what is copied forward at once.
        let rows = [0, 1, 3, 16, 65, 200][setup.next() % 6];
        let columns = [1, 5, 64, 129][setup.next() % 4];
        let bytes = rows * columns * element;
        let flush_fails = setup.next() % 5;
        let initial = noise(setup.next(), bytes);
        let device = device::device();
        let mut config = Config {
            label: "script",
            // A manager on a device has none.
            max_extra_copies: [None, Some(0), Some(1), Some(4)]
                [if device.is_none() { setup.next() % 4 } else { 0 }],
            copies: 2 + (setup.next() % 3) as u32,
            queue_bytes: if setup.flag() { 4 << 10 } else { 1 << 20 },
            watchdog: Timeout::nanos(20_000_000),
            initial: Some(&initial),
            device,
            ..Config::default()
        };
        let mode = setup.next();
        if mode & 1 != 0 {
            config.worker = WorkerMode::Only;
        }
        if mode & 2 != 0 {
            config.caller_budget_bytes = 500;
        }
        if flush_fails > 1 {
            let mut count = 0;
            config.flush = Some(Box::new(move || {
                count += 1;
                if count % flush_fails == 0 { Err(count as i32) } else { Ok(()) }
            }));
        }
        let manager = Manager::untyped_with_config(dtype, &[rows as u64, columns as u64], config)
            .map_err(Error::from)
            .unwrap();
        let now = Truth { bytes: initial, tag: 0 };
        Run {
            manager,
            element,
            rows,
            columns,
            possible: VecDeque::from([now.clone()]),
            now,
            epoch: 0,
            held: Vec::new(),
            tickets: Vec::new(),
            states: 1,
            tasks: Vec::new(),
            lent: 0,
            returned: Arc::default(),
        }
    }

    fn elements(&self) -> usize {
        self.rows * self.columns
    }

    /// A range of elements: (byte offset, bytes).
    fn range(&self, bytes: &mut Bytes) -> (usize, usize) {
        let (at, length) = (bytes.wide(), bytes.wide());
        let at = at % (self.elements() + 1);
        let length = length % (self.elements() - at + 1);
        (at * self.element, length * self.element)
    }

    /// Adds the next expected state.
    fn moved(&mut self, change: impl FnOnce(&mut Truth)) {
        change(&mut self.now);
        self.possible.push_back(self.now.clone());
        self.states += 1;
    }

    fn call(&mut self, mut bytes: Bytes) {
        match bytes.next() % 20 {
            0..=3 => self.write(bytes),
            4 => self.many(bytes),
            5 => self.fill(bytes),
            6 | 7 => self.region(bytes),
            8 | 9 => self.batch(bytes),
            10 => self.kernel(bytes),
            11 => self.borrowed(bytes),
            12 => self.tag(bytes),
            13 => self.back(bytes),
            14 => self.synchronize(bytes),
            15 => self.ticket(bytes),
            16 => self.hold(bytes),
            17 => self.release(bytes),
            18 => self.task(bytes),
            _ => self.refused(bytes),
        }
    }

    /// Repeats a call until it succeeds: removes what blocks it, and waits for what passes by itself. A failed call must have
    /// had no effect.
    fn insist<T>(&mut self, mut call: impl FnMut(&Manager, Timeout) -> Result<T>) -> T {
        let mut timeout = Timeout::TRY;
        // The worker may notice a released copy late, but within a bound.
        for _ in 0..1000 {
            let error = match call(&self.manager, timeout) {
                Ok(value) => return value,
                Err(error) => error,
            };
            match error.status() {
                // The flush failed, or the watchdog reported slow work: both pass.
                Status::Backend | Status::Stalled => self.tasks.clear(),
                Status::Full | Status::Timeout if timeout == Timeout::TRY => {}
                Status::Pinned => self.check_pinned(&error),
                _ => panic!("{error}"),
            }
            self.let_go();
            timeout = Timeout::FOREVER;
        }
        panic!("a call does not succeed although nothing stands in its way");
    }

    /// Fewer leases than copies besides the front and the back never block an update.
    fn check_pinned(&self, error: &Error) {
        let mut epochs: Vec<_> = self.held.iter().map(|held| held.0.epoch()).collect();
        epochs.sort();
        epochs.dedup();
        let copies = (self.manager.copies() + self.manager.max_extra_copies()) as usize;
        assert!(epochs.len() + 1 >= copies, "{} of {copies} copies are held: {error}", epochs.len());
    }

    fn let_go(&mut self) {
        self.held.drain(..).for_each(|held| held.check());
    }

    fn write(&mut self, mut bytes: Bytes) {
        let (at, length) = self.range(&mut bytes);
        let data = noise(bytes.next(), length);
        self.insist(|manager, timeout| manager.enqueue(at as u64, &data, timeout));
        self.moved(|truth| truth.bytes[at..at + length].copy_from_slice(&data));
    }

    fn many(&mut self, mut bytes: Bytes) {
        let (at, length) = self.range(&mut bytes);
        let (data, other) = (noise(bytes.next(), length), noise(bytes.next(), self.element.min(length)));
        let updates = [
            BufferUpdate { byte_offset: at as u64, data: &data },
            BufferUpdate { byte_offset: at as u64, data: &other },
        ];
        self.insist(|manager, timeout| manager.enqueue_updates(&updates, timeout));
        self.moved(|truth| {
            truth.bytes[at..at + length].copy_from_slice(&data);
            truth.bytes[at..at + other.len()].copy_from_slice(&other);
        });
    }

    fn fill(&mut self, mut bytes: Bytes) {
        let (at, length) = self.range(&mut bytes);
        let element = noise(bytes.next(), self.element);
        let count = (length / self.element) as u64;
        self.insist(|manager, timeout| manager.enqueue_fill(at as u64, count, &element, timeout));
        self.moved(|truth| {
            truth.bytes[at..at + length].chunks_mut(element.len()).for_each(|to| to.copy_from_slice(&element))
        });
    }

    fn region(&mut self, mut bytes: Bytes) {
        let Some(part) = Part::choose(self, &mut bytes) else { return };
        self.insist(|manager, timeout| manager.enqueue_region(&part.region(), timeout));
        let (columns, element) = (self.columns, self.element);
        self.moved(|truth| part.apply(truth, columns, element));
    }

    fn batch(&mut self, mut bytes: Bytes) {
        let (at, length) = self.range(&mut bytes);
        let (seed, choice) = (bytes.next(), bytes.next());
        let (data, element) = (noise(seed, length), noise(seed + 1, self.element));
        let part = Part::choose(self, &mut bytes);
        let half = self.elements() / 2;
        let mut batch = self.manager.batch().unwrap();
        batch.update(at as u64, &data).unwrap();
        batch.fill(0, half as u64, &element).unwrap();
        if let Some(part) = &part {
            batch.region(&part.region()).unwrap();
        }
        // An invalid update in the middle refuses the whole call, which has no effect.
        let refused = batch.update(self.now.bytes.len() as u64, &element).unwrap_err();
        assert_eq!(refused.status(), Status::Range);
        if choice & 1 != 0 {
            batch.kernel(inverts(at, length, self.element, choice & 2 != 0)).map_err(Error::from).unwrap();
        }
        batch.tag(seed as u64).unwrap();
        if choice & 4 != 0 {
            return;
        }
        self.insist(|_, timeout| batch.commit(timeout));
        let (columns, size) = (self.columns, self.element);
        self.moved(|truth| {
            truth.bytes[at..at + length].copy_from_slice(&data);
            truth.bytes[..half * size].chunks_mut(size).for_each(|to| to.copy_from_slice(&element));
            if let Some(part) = &part {
                part.apply(truth, columns, size);
            }
            if choice & 1 != 0 {
                truth.bytes[at..at + length].iter_mut().for_each(|byte| *byte = !*byte);
            }
            truth.tag = seed as u64;
        });
    }

    fn kernel(&mut self, mut bytes: Bytes) {
        let (at, length) = self.range(&mut bytes);
        let (any_thread, overwrites, value) = (bytes.flag(), bytes.flag(), bytes.next() as u8);
        let element = self.element;
        self.insist(|manager, timeout| {
            let mut kernel = inverts(at, length, element, any_thread);
            if overwrites {
                kernel.overwrites = true;
                kernel.run = Box::new(move |back, front| {
                    assert_eq!(back.len(), front.len());
                    back.fill(value);
                });
            }
            manager.enqueue_kernel(kernel, timeout).map_err(Error::from)
        });
        self.moved(|truth| {
            truth.bytes[at..at + length]
                .iter_mut()
                .for_each(|byte| *byte = if overwrites { value } else { !*byte });
        });
    }

    fn borrowed(&mut self, mut bytes: Bytes) {
        struct Lent(Vec<u8>, Arc<AtomicU64>);
        impl AsRef<[u8]> for Lent {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        impl Drop for Lent {
            fn drop(&mut self) {
                self.1.fetch_add(1, SeqCst);
            }
        }
        let (at, length) = self.range(&mut bytes);
        let data = noise(bytes.next(), length);
        let returned = self.returned.clone();
        let mut lent = 0;
        self.insist(|manager, timeout| {
            // A refused update is released at once.
            lent += 1;
            manager.enqueue_borrowed(at as u64, Lent(data.clone(), returned.clone()), timeout)
        });
        self.lent += lent;
        self.moved(|truth| truth.bytes[at..at + length].copy_from_slice(&data));
    }

    fn tag(&mut self, mut bytes: Bytes) {
        let tag = bytes.wide() as u64;
        self.insist(|manager, timeout| manager.enqueue_tag(tag, timeout));
        self.moved(|truth| truth.tag = tag);
    }

    fn back(&mut self, mut bytes: Bytes) {
        let (mode, commits, seed) = (bytes.flag(), bytes.flag(), bytes.next());
        let mode = if mode { BackMode::Discard } else { BackMode::Keep };
        let mut back = loop {
            // Leases may block it, and a flush or a task.
            if let Ok(back) = self.manager.reserve_back(mode, Timeout::nanos(5_000_000)) {
                break back;
            }
            self.let_go();
            self.tasks.clear();
        };
        if mode == BackMode::Keep {
            assert!(*back.bytes_mut() == self.now.bytes, "the reserved back copy is not the state");
        }
        let whole = noise(seed, self.now.bytes.len());
        back.bytes_mut().copy_from_slice(&whole);
        let own = self.manager.synchronize(Timeout::FOREVER).unwrap_err();
        assert_eq!(own.status(), Status::State, "the owner of the reserved back copy must not wait");
        if commits {
            back.commit(seed as u64).unwrap();
            self.moved(|truth| *truth = Truth { bytes: whole, tag: seed as u64 });
        } else {
            drop(back);
        }
    }

    fn synchronize(&mut self, mut bytes: Bytes) {
        let (choice, before) = (bytes.next(), self.manager.epoch());
        if choice % 4 == 0 {
            // It may or may not complete in time; nothing is lost in either case.
            if let Err(error) = self.manager.synchronize(Timeout::nanos(choice as u64 * 100)) {
                let expected = [Status::Timeout, Status::Pinned, Status::Backend, Status::Stalled];
                assert!(expected.contains(&error.status()), "{error}");
                if error.status() == Status::Pinned {
                    self.check_pinned(&error);
                }
            }
            return;
        }
        self.tasks.clear();
        let epoch = self.insist(|manager, timeout| manager.synchronize(timeout));
        assert!(epoch >= before && self.manager.epoch() >= epoch);
        self.published();
        let front = self.manager.front().unwrap();
        assert!(front.epoch() >= epoch);
        // Without anything new there is no publish.
        let again = self.insist(|manager, timeout| manager.synchronize(timeout));
        assert_eq!(
            (again, self.manager.epoch()),
            (front.epoch(), front.epoch()),
            "an empty synchronize published"
        );
    }

    /// Records that everything so far is published: no older state may be seen from now on.
    fn published(&mut self) {
        self.possible = VecDeque::from([self.now.clone()]);
    }

    fn ticket(&mut self, mut bytes: Bytes) {
        if bytes.flag() || self.tickets.is_empty() {
            self.tickets.push((self.manager.synchronize_async().unwrap(), self.states));
            return;
        }
        let (ticket, states) = self.tickets.swap_remove(bytes.next() % self.tickets.len());
        self.tasks.clear();
        let epoch = self.insist(|manager, timeout| manager.wait(ticket, timeout));
        assert!(epoch <= self.manager.epoch());
        assert!(self.manager.wait(ticket, Timeout::TRY).is_ok(), "a ticket that is done stays done");
        // The ticket covers everything before it: no older state may be seen any more.
        let kept = self.possible.len().min(self.states - states + 1);
        self.possible.drain(..self.possible.len() - kept);
    }

    fn hold(&mut self, mut bytes: Bytes) {
        let front = if bytes.flag() {
            self.manager.front().unwrap()
        } else {
            let epoch = self.manager.epoch();
            if epoch > 0 {
                assert!(self.manager.wait_epoch(epoch - 1, Timeout::FOREVER).unwrap() >= epoch);
            }
            self.manager.front().unwrap()
        };
        let shown = front.bytes().to_vec();
        self.held.push(Held(front, shown));
    }

    fn release(&mut self, mut bytes: Bytes) {
        if bytes.flag() && self.held.is_empty() {
            // Stalled: on a busy machine the worker may keep the role beyond the watchdog's time.
            let error = self.manager.trim(Timeout::FOREVER).err().map(|error| error.status());
            assert!(matches!(error, None | Some(Status::Stalled)), "{error:?}");
        } else if !self.held.is_empty() {
            self.held.swap_remove(bytes.next() % self.held.len()).check();
        }
    }

    fn task(&mut self, mut bytes: Bytes) {
        match self.tasks.is_empty() {
            true => self.tasks.push(self.manager.task("a task").unwrap()),
            false => self.tasks.swap_remove(bytes.next() % self.tasks.len()).end().unwrap(),
        }
        if !self.tasks.is_empty() {
            let error = self.manager.synchronize(Timeout::TRY).unwrap_err();
            // Stalled: on a busy machine the task may be older than the watchdog's time.
            let waited = matches!(
                error.status(),
                Status::Timeout | Status::Pinned | Status::Backend | Status::Stalled
            );
            assert!(waited, "an open task was not waited for: {error}");
        }
    }

    /// Invalid calls name the error and change nothing.
    fn refused(&mut self, mut bytes: Bytes) {
        let (end, element) = (self.now.bytes.len() as u64, noise(1, self.element));
        let manager = &self.manager;
        let status = |result: Result<()>| result.unwrap_err().status();
        assert_eq!(status(manager.enqueue(end, &element, Timeout::FOREVER)), Status::Range);
        assert_eq!(status(manager.enqueue_fill(0, u64::MAX, &element, Timeout::FOREVER)), Status::Range);
        let past =
            [BufferUpdate { byte_offset: 0, data: &[] }, BufferUpdate { byte_offset: end, data: &element }];
        assert_eq!(status(manager.enqueue_updates(&past, Timeout::FOREVER)), Status::Range);
        if self.element > 1 {
            assert_eq!(status(manager.enqueue(1, &element, Timeout::FOREVER)), Status::Align);
            assert_eq!(status(manager.enqueue(0, &[1], Timeout::FOREVER)), Status::Argument);
        }
        let start = [self.rows as u64, 0];
        let region = Region { start: &start, extent: &[1, 1], step: None, data: &element, strides: None };
        assert_eq!(status(manager.enqueue_region(&region, Timeout::FOREVER)), Status::Range);
        let kernel = inverts(self.now.bytes.len(), self.element, self.element, bytes.flag());
        let refused = manager.enqueue_kernel(kernel, Timeout::FOREVER).unwrap_err();
        assert_eq!(refused.error.status(), Status::Range);
    }

    /// Checks that the front is a possible state, and not older than the last one seen.
    fn look(&mut self) {
        let front = self.manager.front().unwrap();
        assert!(front.epoch() >= self.epoch, "epochs go back");
        self.epoch = front.epoch();
        let shown = |truth: &Truth| truth.bytes == front.bytes() && truth.tag == front.tag();
        let at = self.possible.iter().position(shown).expect("the front is a state between two calls");
        self.possible.drain(..at);
        self.held.iter().for_each(Held::check);
        device::check_device_copy(&self.manager);
    }

    fn end(mut self) {
        self.tasks.clear();
        self.insist(|manager, timeout| match manager.close(timeout) {
            // The worker closed it between two tries.
            Err(error) if error.status() == Status::Closed => Ok(()),
            other => other,
        });
        assert_eq!(self.manager.state(), ManagerState::Closed);
        self.published();
        self.look();
        assert_eq!(self.manager.enqueue(0, &[], Timeout::FOREVER).unwrap_err().status(), Status::Closed);
        let last = self.manager.front().unwrap();
        let Run { manager, held, now, lent, returned, .. } = self;
        drop(manager);
        assert_eq!(returned.load(SeqCst), lent, "borrowed data was given back once each");
        held.iter().for_each(Held::check);
        assert!(last.bytes() == now.bytes, "a front outlives its manager");
    }
}

/// A region of the state, and its new bytes.
struct Part {
    start: [u64; 2],
    extent: [u64; 2],
    step: [i64; 2],
    data: Vec<u8>,
    /// One element for the whole region, or one for each index.
    strides: Option<[i64; 2]>,
}

impl Part {
    fn choose(run: &Run, bytes: &mut Bytes) -> Option<Part> {
        if run.elements() == 0 {
            return None;
        }
        let axis = |length: usize, bytes: &mut Bytes| {
            let (start, choice) = (bytes.next() % length, bytes.next());
            let step = [1i64, 1, 2, 3, -1, -2][choice % 6];
            let most = if step > 0 {
                (length - 1 - start) / step as usize
            } else {
                start / step.unsigned_abs() as usize
            };
            (start as u64, (choice % (most + 1) + 1) as u64, step)
        };
        let (rows, columns) = (axis(run.rows, bytes), axis(run.columns, bytes));
        let seed = bytes.next();
        let count = (rows.1 * columns.1) as usize;
        let (data, strides) = match seed % 3 {
            0 => (noise(seed, run.element), Some([0, 0])),
            _ => (noise(seed, count * run.element), None),
        };
        Some(Part {
            start: [rows.0, columns.0],
            extent: [rows.1, columns.1],
            step: [rows.2, columns.2],
            data,
            strides,
        })
    }

    fn region(&self) -> Region<'_> {
        let strides = self.strides.as_ref().map(|strides| &strides[..]);
        Region { start: &self.start, extent: &self.extent, step: Some(&self.step), data: &self.data, strides }
    }

    fn apply(&self, truth: &mut Truth, columns: usize, element: usize) {
        for row in 0..self.extent[0] as i64 {
            for column in 0..self.extent[1] as i64 {
                let to = (self.start[0] as i64 + row * self.step[0]) as usize * columns
                    + (self.start[1] as i64 + column * self.step[1]) as usize;
                let from =
                    if self.strides.is_some() { 0 } else { (row * self.extent[1] as i64 + column) as usize };
                let from = &self.data[from * element..(from + 1) * element];
                truth.bytes[to * element..(to + 1) * element].copy_from_slice(from);
            }
        }
    }
}

/// A kernel that inverts every bit of a range.
fn inverts(at: usize, length: usize, element: usize, any_thread: bool) -> Kernel {
    let mut kernel = Kernel::new(at as u64, (length / element) as u64, |back, front| {
        assert_eq!(back.len(), front.len());
        back.iter_mut().for_each(|byte| *byte = !*byte);
    });
    kernel.any_thread = any_thread;
    kernel
}

fn noise(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31) as u8 ^ (at >> 8) as u8 ^ seed as u8).collect()
}
