//! Asynchronous ends of rings, streams and watches: no wake-up is lost, none comes before its time, and wakers may be any code.

#![cfg(feature = "async")]

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use backbuf::spsc::{self, RingConfig, StreamConfig};
use backbuf::{Manager, Status, Timeout};
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt, future};

/// A waker that counts its calls and does nothing.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Count {
    fn new() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), Waker::from(count))
    }

    fn calls(&self) -> usize {
        self.0.load(SeqCst)
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|k| (k * 31 % 251) as u8).collect()
}

#[test]
fn every_byte_arrives_between_two_executors() {
    for capacity in [1, 16, 4096] {
        let (mut sender, mut receiver) = spsc::ring(capacity).unwrap();
        let sent = pattern(if capacity == 1 { 20_000 } else { 500_000 });
        let expected = sent.clone();
        let producer = std::thread::spawn(move || {
            future::block_on(async {
                for part in sent.chunks(777) {
                    sender.write_all(part).await.unwrap();
                }
                sender.close();
            });
        });
        let mut got = Vec::new();
        future::block_on(receiver.read_to_end(&mut got)).unwrap();
        producer.join().unwrap();
        assert!(got == expected, "{capacity}");
    }
}

#[test]
fn two_tasks_of_one_thread_take_turns() {
    let (mut sender, mut receiver) = spsc::ring(8).unwrap();
    let sent = pattern(10_000);
    let mut got = Vec::new();
    let write = async {
        sender.write_all(&sent).await.unwrap();
        sender.close();
    };
    let (_, read) = future::block_on(future::zip(write, receiver.read_to_end(&mut got)));
    assert_eq!((read.unwrap(), got == sent), (sent.len(), true));
}

#[test]
fn an_asynchronous_end_works_with_one_that_waits() {
    let (mut sender, mut receiver) = spsc::ring(64).unwrap();
    let sent = pattern(100_000);
    let expected = sent.clone();
    let producer = std::thread::spawn(move || sender.send_all(&sent, Timeout::FOREVER).unwrap());
    let mut got = vec![0; expected.len()];
    future::block_on(receiver.read_exact(&mut got)).unwrap();
    producer.join().unwrap();
    assert!(got == expected);
}

#[test]
fn a_waker_is_called_once_and_not_before_its_threshold() {
    let (mut sender, mut receiver) = spsc::ring(16).unwrap();
    let (count, waker) = Count::new();
    let mut context = Context::from_waker(&waker);
    assert!(receiver.poll_readable(&mut context, 3).is_pending());
    sender.send(b"12").unwrap();
    assert_eq!(count.calls(), 0, "two of three bytes");
    sender.send(b"3").unwrap();
    sender.send(b"4").unwrap();
    assert_eq!(count.calls(), 1);
    assert_eq!(receiver.poll_readable(&mut context, 3), Poll::Ready(Ok(())));
    let (other, other_waker) = Count::new();
    assert!(receiver.poll_readable(&mut context, 9).is_pending());
    assert!(receiver.poll_readable(&mut Context::from_waker(&other_waker), 9).is_pending());
    drop(sender);
    assert_eq!((count.calls(), other.calls()), (1, 1), "the last waker is called");
    let ended = receiver.poll_readable(&mut context, 9);
    assert!(matches!(ended, Poll::Ready(Err(error)) if error.status() == Status::Closed));
    assert_eq!(Arc::strong_count(&other), 2, "the ring keeps no waker that was called");
}

#[test]
fn a_sender_is_woken_by_room_and_by_the_end() {
    let (mut sender, mut receiver) = spsc::ring(4).unwrap();
    let (count, waker) = Count::new();
    let mut context = Context::from_waker(&waker);
    sender.feed(b"1234").unwrap();
    assert!(sender.poll_writable(&mut context, 2).is_pending());
    assert_eq!(receiver.recv(&mut [0; 1]).unwrap(), 1, "a poll publishes what was fed");
    assert_eq!(count.calls(), 0);
    receiver.recv(&mut [0; 1]).unwrap();
    assert_eq!((count.calls(), sender.poll_writable(&mut context, 2)), (1, Poll::Ready(Ok(()))));
    assert!(sender.poll_writable(&mut context, 4).is_pending());
    drop(receiver);
    assert_eq!(count.calls(), 2);
    let error = future::block_on(sender.write_all(b"5")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn records_are_read_whole_and_overwritten_ones_are_lost() {
    let config = RingConfig { overwrite_record_size: 8, ..RingConfig::default() };
    let (mut sender, mut receiver) = spsc::ring_with(2 * 8, &config).unwrap();
    let (count, waker) = Count::new();
    assert!(receiver.poll_readable(&mut Context::from_waker(&waker), 8).is_pending());
    for number in 0..5u64 {
        future::block_on(sender.write_all(&number.to_ne_bytes())).unwrap();
    }
    assert_eq!(count.calls(), 1);
    let mut newest = [0; 8];
    future::block_on(receiver.read_exact(&mut newest)).unwrap();
    assert_eq!((u64::from_ne_bytes(newest), receiver.statistics().lost), (3, 3));
}

#[test]
fn a_stream_gives_its_chunks_to_a_task_and_to_a_loop() {
    let (mut sender, receiver) = spsc::ring(1 << 12).unwrap();
    let mut stream = receiver.into_stream(StreamConfig::default()).unwrap();
    let sent = pattern(200_000);
    let expected = sent.clone();
    let producer = std::thread::spawn(move || {
        sender.send_all(&sent, Timeout::FOREVER).unwrap();
        sender
    });
    let mut got = Vec::new();
    future::block_on(async {
        while got.len() < expected.len() {
            got.extend_from_slice(&stream.next().await.unwrap().unwrap());
        }
    });
    assert!(got == expected);
    let mut sender = producer.join().unwrap();
    sender.send(b"and more").unwrap();
    drop(sender);
    let rest: Vec<u8> = (&mut stream).into_iter().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
    assert_eq!(rest, b"and more");
    assert!(future::block_on(stream.next()).is_none());
}

#[test]
fn a_watch_gives_every_task_the_newest_epoch_until_the_end() {
    const EPOCHS: u64 = 200;
    let manager = Manager::<u64>::new(&[4]).unwrap();
    // More than are woken at once.
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let mut watch = manager.watch(0).unwrap();
            std::thread::spawn(move || {
                let mut last = 0;
                future::block_on(async {
                    while let Some(epoch) = watch.next().await {
                        let epoch = epoch.unwrap();
                        assert!(epoch > last);
                        last = epoch;
                    }
                });
                last
            })
        })
        .collect();
    for number in 1..=EPOCHS {
        manager.enqueue(0, &[number], Timeout::FOREVER).unwrap();
        manager.synchronize(Timeout::FOREVER).unwrap();
    }
    // Each task sees the last epoch or the end, whichever it polls first.
    manager.close(Timeout::FOREVER).unwrap();
    for task in tasks {
        assert!(task.join().unwrap() <= EPOCHS);
    }
}

#[test]
fn a_publish_calls_the_waker_of_every_watch_once() {
    let manager = Manager::<u8>::new(&[1]).unwrap();
    let mut tasks: Vec<_> = (0..40).map(|_| (manager.watch(0).unwrap(), Count::new())).collect();
    for (watch, (_, waker)) in &mut tasks {
        assert!(watch.poll_epoch(&mut Context::from_waker(waker)).is_pending());
    }
    for number in 1..3 {
        manager.enqueue(0, &[number], Timeout::TRY).unwrap();
        manager.synchronize(Timeout::FOREVER).unwrap();
    }
    assert!(tasks.iter().all(|(_, (count, _))| count.calls() == 1));
    for (watch, (_, waker)) in &mut tasks {
        assert_eq!(watch.poll_epoch(&mut Context::from_waker(waker)), Poll::Ready(Ok(2)));
        assert!(watch.poll_epoch(&mut Context::from_waker(waker)).is_pending());
    }
    drop(manager);
    assert!(tasks.iter().all(|(_, (count, _))| count.calls() == 2), "the end wakes, too");
}

thread_local!(static MANAGER: RefCell<Option<Arc<Manager<u8>>>> = const { RefCell::new(None) });

/// A waker that calls the manager, and one that panics.
struct Calls;
struct Panics;

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        let manager = MANAGER.with_borrow(|manager| manager.clone().expect("it is woken on this thread"));
        let refused = manager.reserve_back(Default::default(), Timeout::FOREVER).map(drop).unwrap_err();
        assert_eq!(refused.status(), Status::Recursive);
        let mut again = manager.watch(0).unwrap();
        assert_eq!(again.poll_epoch(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(1)));
        manager.enqueue(0, &[9], Timeout::TRY).unwrap();
    }
}

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("on purpose");
    }
}

#[test]
fn wakers_may_call_the_manager_and_even_panic() {
    let manager = Arc::new(Manager::<u8>::new(&[1]).unwrap());
    MANAGER.set(Some(manager.clone()));
    let wakers = [Waker::from(Arc::new(Panics)), Waker::from(Arc::new(Calls))];
    let mut watches = [manager.watch(0).unwrap(), manager.watch(0).unwrap()];
    for (watch, waker) in watches.iter_mut().zip(&wakers) {
        assert!(watch.poll_epoch(&mut Context::from_waker(waker)).is_pending());
    }
    manager.enqueue(0, &[1], Timeout::TRY).unwrap();
    assert_eq!(manager.synchronize(Timeout::FOREVER).unwrap(), 1);
    assert_eq!(manager.synchronize(Timeout::FOREVER).unwrap(), 2, "what the waker enqueued");
    assert_eq!(manager.front().unwrap().as_slice(), [9]);
    MANAGER.set(None);
}

#[test]
fn a_cancelled_read_loses_nothing() {
    let (mut sender, mut receiver) = spsc::ring(16).unwrap();
    let mut buffer = [0; 4];
    {
        let mut read = pin!(receiver.read(&mut buffer));
        assert!(future::block_on(future::poll_once(&mut read)).is_none());
        sender.send(b"ab").unwrap();
    }
    assert_eq!(future::block_on(receiver.read(&mut buffer)).unwrap(), 2);
    assert_eq!(&buffer[..2], b"ab");
}

#[test]
fn what_has_a_descriptor_lends_it_and_describes_itself() {
    use std::os::fd::{AsFd, AsRawFd};
    let (mut sender, receiver) = spsc::ring(16).unwrap();
    let manager = Manager::<u8>::new(&[1]).unwrap();
    let watch = manager.watch(0).unwrap();
    assert_eq!(sender.as_fd().as_raw_fd(), sender.fd().unwrap());
    assert_eq!(receiver.as_fd().as_raw_fd(), receiver.fd().unwrap());
    assert_eq!(watch.as_fd().as_raw_fd(), watch.fd().unwrap());
    let mut stream = receiver.into_stream(StreamConfig::default()).unwrap();
    assert_eq!(stream.as_fd().as_raw_fd(), stream.fd().unwrap());
    assert_eq!(format!("{watch:?}"), "Watch { label: \"\", after: 0, .. }");
    sender.send(b"123").unwrap();
    let of_ring = |used| format!("label: \"\", capacity: 16, used: {used}, closed: false, ..");
    assert_eq!(format!("{sender:?}"), format!("Sender {{ {} }}", of_ring(3)));
    assert_eq!(format!("{:?}", stream.next_chunk(Timeout::TRY).unwrap()), "Chunk { bytes: 3, .. }");
    assert_eq!(format!("{stream:?}"), format!("Stream {{ {} }}", of_ring(0)));
}
