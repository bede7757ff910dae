//! Tests of objects and their handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use super::*;
use crate::handle::slots::tests::in_child;

/// An object that counts what happens to it.
#[derive(Debug, Default)]
struct Probe {
    closed: AtomicBool,
    dropped: Arc<AtomicUsize>,
}

impl Object for Probe {
    const KIND: Kind = Kind::Watch;

    fn close(&self) -> crate::error::Result<()> {
        self.closed.store(true, SeqCst);
        Ok(())
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, SeqCst);
    }
}

/// The same, under another kind.
struct Other;

impl Object for Other {
    const KIND: Kind = Kind::Task;
}

fn probe() -> u64 {
    create(|| Ok(Probe::default())).unwrap()
}

fn status<T: Object>(handle: u64) -> Status {
    with_pin(handle, |_: &T| ()).map_err(|refusal| error::<T>(handle, refusal)).unwrap_err().status()
}

#[test]
fn a_handle_lives_until_its_object_is_removed() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let handle = create(|| Ok(Probe { closed: AtomicBool::new(false), dropped: dropped.clone() })).unwrap();
    assert_eq!(check(handle), Ok(()));
    assert!(with_pin(handle, |probe: &Probe| !probe.closed.load(SeqCst)).unwrap());
    let object = remove::<Probe>(handle).unwrap();
    assert!(object.closed.load(SeqCst) && dropped.load(SeqCst) == 0);
    drop(object);
    assert_eq!(dropped.load(SeqCst), 1);
    assert_eq!(check(handle), Err(Status::Stale));
    assert_eq!(status::<Probe>(handle), Status::Stale);
    assert_eq!(remove::<Probe>(handle).unwrap_err().status(), Status::Stale);
}

#[test]
fn a_slot_used_again_does_not_revive_its_old_handle() {
    let first = probe();
    remove::<Probe>(first).unwrap();
    let again: Vec<_> = (0..64).map(|_| probe()).collect();
    assert!(again.iter().all(|&handle| handle != first));
    assert_eq!(status::<Probe>(first), Status::Stale);
    again.into_iter().for_each(|handle| drop(remove::<Probe>(handle).unwrap()));
}

#[test]
fn each_misuse_has_its_status() {
    let handle = probe();
    assert_eq!(status::<Probe>(0), Status::Null);
    assert_eq!(status::<Other>(handle), Status::Kind);
    let garbage = [
        1,
        KIND_MASK,
        u64::MAX,
        handle | KIND_MASK,
        handle & !KIND_MASK,
        handle ^ 1 << 6,
        handle + (1 << 50),
        0x7fff_dead_beef,
    ];
    for wrong in garbage {
        assert_eq!(status::<Probe>(wrong), Status::Handle, "{wrong:#x}");
    }
    remove::<Probe>(handle).unwrap();
    assert_eq!(status::<Other>(handle), Status::Kind);
}

#[test]
fn an_object_is_not_removed_from_inside_its_own_call() {
    let handle = probe();
    let (inner, closed) = with_pin(handle, |probe: &Probe| {
        (remove::<Probe>(handle).unwrap_err().status(), probe.closed.load(SeqCst))
    })
    .unwrap();
    assert_eq!((inner, closed), (Status::Recursive, false));
    assert_eq!(check(handle), Ok(()));
    remove::<Probe>(handle).unwrap();
}

#[test]
fn calls_nest_to_a_limit_and_unwind() {
    fn nest(handle: u64, depth: usize) -> (usize, Status) {
        match with_pin(handle, |_: &Probe| nest(handle, depth + 1)) {
            Ok(deeper) => deeper,
            Err(refusal) => (depth, error::<Probe>(handle, refusal).status()),
        }
    }
    let handle = probe();
    for _ in 0..3 {
        assert_eq!(nest(handle, 0), (pin::DEPTH, Status::Recursive));
    }
    let panicked = std::panic::catch_unwind(|| with_pin(handle, |_: &Probe| panic!("on purpose")));
    assert!(panicked.is_err());
    assert_eq!(nest(handle, 0), (pin::DEPTH, Status::Recursive));
    remove::<Probe>(handle).unwrap();
}

#[test]
fn removal_waits_for_the_call_inside() {
    let (handle, inside, left) = (probe(), AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            with_pin(handle, |probe: &Probe| {
                inside.store(true, SeqCst);
                while !probe.closed.load(SeqCst) {
                    std::thread::yield_now();
                }
                std::thread::sleep(Duration::from_millis(2));
                left.store(true, SeqCst);
            })
        });
        while !inside.load(SeqCst) {
            std::thread::yield_now();
        }
        remove::<Probe>(handle).unwrap();
        assert!(left.load(SeqCst));
    });
}

#[test]
fn one_of_several_removers_gets_the_object() {
    for _ in 0..50 {
        let (handle, dropped) = (probe(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| match remove::<Probe>(handle) {
                    Ok(_) => dropped.fetch_add(1, SeqCst),
                    Err(error) => {
                        assert_eq!(error.status(), Status::Stale);
                        0
                    }
                });
            }
        });
        assert_eq!(dropped.load(SeqCst), 1);
    }
}

#[test]
fn calls_that_race_with_removal_see_the_object_or_nothing() {
    for _ in 0..200 {
        let dropped = Arc::new(AtomicUsize::new(0));
        let handle =
            create(|| Ok(Probe { closed: AtomicBool::new(false), dropped: dropped.clone() })).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while with_pin(handle, |probe: &Probe| probe.dropped.load(SeqCst)).is_ok_and(|n| n == 0) {
                    }
                });
            }
            remove::<Probe>(handle).unwrap();
        });
        assert_eq!(dropped.load(SeqCst), 1);
    }
}

#[test]
fn a_slot_without_generations_left_is_not_reused() {
    let first = slots::instance().unwrap().first_generation;
    let mut slot = ReservedSlot::take().unwrap();
    let last = first.wrapping_sub(1) % (1 << slots::GENERATION_BITS);
    let index = handle::index(slot.handle);
    slot.handle = handle::compose(handle::tag(slot.handle), index, last);
    let last_handle = slot.fill(Probe::default()).unwrap();
    remove::<Probe>(last_handle).unwrap();
    assert_eq!(status::<Probe>(last_handle), Status::Stale);
    let more: Vec<_> = (0..64).map(|_| probe()).collect();
    assert!(more.iter().all(|&handle| handle::index(handle) != index));
    more.into_iter().for_each(|handle| drop(remove::<Probe>(handle).unwrap()));
}

#[test]
fn a_child_gets_forked_and_makes_its_own() {
    let handle = probe();
    assert!(in_child(|| {
        let forked = status::<Probe>(handle) == Status::Forked
            && remove::<Probe>(handle).is_err_and(|error| error.status() == Status::Forked)
            && check(handle) == Err(Status::Forked);
        let own = probe();
        forked && own != handle && check(own) == Ok(()) && remove::<Probe>(own).is_ok()
    }));
    assert_eq!(check(handle), Ok(()));
    remove::<Probe>(handle).unwrap();
}

#[test]
fn a_child_forked_inside_a_call_does_not_disturb_it() {
    let handle = probe();
    let fine = with_pin(handle, |_: &Probe| in_child(|| status::<Probe>(handle) == Status::Forked)).unwrap();
    assert!(fine);
    remove::<Probe>(handle).unwrap();
}
