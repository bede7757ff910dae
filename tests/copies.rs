//! Extra copies: created when leases hold all others, counted, bounded, and freed when they are unused.

use std::time::{Duration, Instant};

use backbuf::device::{Device, HostConfig};
use backbuf::manager::{Config, EXTRA_COPIES, Front, Manager};
use backbuf::{DType, Error, Result, Status, Timeout};

const SIZE: usize = 1000;

fn manager(config: Config<'_>) -> Manager {
    Manager::untyped_with_config(DType::U8, &[SIZE as u64], config).map_err(Error::from).unwrap()
}

/// Publishes a state of that value in one part, and holds the front.
fn publish_and_hold(manager: &Manager, value: u8) -> Result<Front> {
    manager.enqueue(0, &[value; SIZE / 2], Timeout::FOREVER)?;
    manager.synchronize(Timeout::FOREVER)?;
    manager.front()
}

fn check(front: &Front, value: u8) {
    assert!(front.bytes()[..SIZE / 2].iter().all(|&byte| byte == value), "epoch {}", front.epoch());
    assert!(front.bytes()[SIZE / 2..].iter().all(|&byte| byte == 7), "epoch {}", front.epoch());
}

#[test]
fn readers_that_keep_fronts_do_not_stop_the_producer() {
    let manager = manager(Config { initial: Some(&[7; SIZE]), ..Config::default() });
    let most = (manager.copies() + manager.max_extra_copies()) as usize;
    assert_eq!(most, 3 + EXTRA_COPIES as usize);
    // All but the one that is written next; each is the front of an epoch of its own.
    let mut held: Vec<_> =
        (0..most as u8 - 1).map(|value| publish_and_hold(&manager, value).unwrap()).collect();
    held.iter().zip(0..).for_each(|(front, value)| check(front, value));
    let statistics = manager.statistics();
    assert_eq!(
        (statistics.copies_present, statistics.extra_copies_most),
        (most as u64 - 1, u64::from(EXTRA_COPIES) - 1)
    );
    assert_eq!(statistics.leases_live, most as u64 - 1);
    held.push(publish_and_hold(&manager, 100).unwrap());
    assert_eq!(manager.statistics().extra_copies, u64::from(EXTRA_COPIES));

    manager.enqueue(0, &[101], Timeout::FOREVER).unwrap();
    let error = manager.synchronize(Timeout::nanos(1_000_000)).unwrap_err();
    assert_eq!(error.status(), Status::Pinned);
    for word in ["release fronts", "snapshot", "max_extra_copies", "of thread", ", at least "] {
        assert!(error.to_string().contains(word), "{error}");
    }
    let statistics = manager.statistics();
    assert_eq!(statistics.oldest_lease_epoch, held[0].epoch());
    assert!(statistics.oldest_lease_thread > 0 && statistics.oldest_lease_age_ns > 0);
    held.iter().zip(0..most as u8 - 1).for_each(|(front, value)| check(front, value));

    held.remove(0);
    manager.synchronize(Timeout::FOREVER).unwrap();
    assert_eq!(manager.front().unwrap().bytes()[0], 101);
}

#[test]
fn a_reader_that_keeps_only_its_last_front_costs_one_copy() {
    let manager = manager(Config { initial: Some(&[7; SIZE]), ..Config::default() });
    let mut last = publish_and_hold(&manager, 0).unwrap();
    for turn in 1..=1000u32 {
        let value = (turn % 251) as u8;
        check(&last, (turn.saturating_sub(1) / 10 * 10 % 251) as u8);
        let front = publish_and_hold(&manager, value).unwrap();
        if turn % 10 == 0 {
            last = front;
        }
    }
    let statistics = manager.statistics();
    assert_eq!((statistics.copies_present, statistics.extra_copies_most), (3, 0));
    assert!(statistics.copies_replaced > 0 && statistics.copies_replaced <= statistics.epochs);
}

/// Waits until something has happened that takes a second or two.
fn soon(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn memory_of_unused_copies_is_freed() {
    let manager = manager(Config { initial: Some(&[7; SIZE]), ..Config::default() });
    let mut held: Vec<_> = (0..6).map(|value| publish_and_hold(&manager, value).unwrap()).collect();
    let present = manager.statistics().copies_present;
    assert!(present >= 6, "{present}");
    // Leased copies stay, however long nothing is published.
    held.truncate(2);
    soon("copies that were released stay", || manager.statistics().copies_present <= 4);
    held.iter().zip(0..).for_each(|(front, value)| check(front, value));
    assert_eq!(manager.statistics().extra_copies_most, present - 3);
    held.clear();
    soon("two copies are not left", || manager.statistics().copies_present == 2);
    assert_eq!(manager.statistics().extra_copies, 0);
    // Copies that get memory again are up to date.
    for value in 10..20 {
        held.push(publish_and_hold(&manager, value).unwrap());
    }
    held.iter().zip(10..).for_each(|(front, value)| check(front, value));
}

#[test]
fn two_copies_are_strict_unless_extra_ones_are_asked_for() {
    let strict = manager(Config { copies: 2, initial: Some(&[7; SIZE]), ..Config::default() });
    assert_eq!(strict.max_extra_copies(), 0);
    let _held = strict.front().unwrap();
    publish_and_hold(&strict, 1).unwrap();
    strict.enqueue(0, &[2], Timeout::FOREVER).unwrap();
    assert_eq!(strict.synchronize(Timeout::nanos(1_000_000)).unwrap_err().status(), Status::Pinned);
    assert_eq!(strict.statistics().copies_present, 2);

    let config =
        Config { copies: 2, max_extra_copies: Some(1), initial: Some(&[7; SIZE]), ..Config::default() };
    let asked = manager(config);
    let _held = [asked.front().unwrap(), publish_and_hold(&asked, 1).unwrap()];
    publish_and_hold(&asked, 2).unwrap();
    assert_eq!((asked.statistics().copies_present, asked.statistics().extra_copies), (3, 1));
}

#[test]
fn the_number_of_copies_is_checked() {
    let status =
        |config| Manager::untyped_with_config(DType::U8, &[1], config).map(|_| ()).map_err(Error::from);
    for (copies, extra, fine) in
        [(8, 24, true), (8, 25, false), (2, 30, true), (2, 31, false), (3, u32::MAX, false)]
    {
        let result = status(Config { copies, max_extra_copies: Some(extra), ..Config::default() });
        assert_eq!(result.is_ok(), fine, "{copies} and {extra}");
        if let Err(error) = result {
            assert_eq!(error.status(), Status::Argument);
            assert!(error.to_string().contains("max_extra_copies"), "{error}");
        }
    }
    let device = Device::host(HostConfig::default()).unwrap();
    let config = |max_extra_copies| Config { device: Some(&device), max_extra_copies, ..Config::default() };
    assert_eq!(status(config(Some(1))).unwrap_err().status(), Status::Argument);
    assert_eq!(manager(config(Some(0))).max_extra_copies(), 0);
    assert_eq!(manager(config(None)).max_extra_copies(), 0, "slots of a device are fixed");
}

#[test]
fn the_dump_names_copies_and_leases() {
    let manager = manager(Config { label: "kept fronts", initial: Some(&[7; SIZE]), ..Config::default() });
    let held: Vec<_> = (0..5).map(|value| publish_and_hold(&manager, value).unwrap()).collect();
    let mut text = String::new();
    backbuf::dump(&mut |piece| text.push_str(piece));
    let line = text.lines().find(|line| line.contains("'kept fronts'")).unwrap();
    assert!(line.contains("of at most 27 copies, 5 leases"), "{line}");
    drop(held);
}
