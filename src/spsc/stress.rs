//! Stress tests: two threads on a ring. Each byte depends on its position in the stream, so a byte that is lost, doubled or taken from
//! another lap is detected. A lost wake-up shows as a wait of a minute. Short by default; BACKBUF_SOAK makes it long.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::error::{Error, Status};
use crate::spsc::flow::Flow;
use crate::spsc::receiver::Receiver;
use crate::spsc::ring::{Ring, RingConfig};
use crate::spsc::rx::Rx;
use crate::spsc::sender::Sender;
use crate::spsc::source::StreamConfig;
use crate::spsc::stream::Chunk;
use crate::spsc::tx::Tx;
use crate::sys::clock::{Timeout, now};

/// The number of repetitions: `short`, or `long` in the long form.
fn times(short: u64, long: u64) -> u64 {
    if std::env::var_os("BACKBUF_SOAK").is_some() { long } else { short }
}

/// No wait takes so long unless a wake-up is lost.
const WATCHDOG: Timeout = Timeout::nanos(60_000_000_000);

/// The stream repeats itself after so many bytes: a prime, so that laps of a ring differ.
const PERIOD: u64 = 65_521;
const MOST: usize = 1 << 18;

/// The bytes of the stream at any position, up to `MOST` of them.
struct Content(Vec<u8>);

impl Content {
    fn new() -> Content {
        let mut random = TestRandom(1);
        let period: Vec<u8> = (0..PERIOD).map(|_| random.below(256) as u8).collect();
        Content(period.iter().copied().cycle().take(PERIOD as usize + MOST).collect())
    }

    fn at(&self, position: u64, bytes: usize) -> &[u8] {
        &self.0[(position % PERIOD) as usize..][..bytes]
    }
}

/// A generator of the same numbers in every run.
struct TestRandom(u64);

impl TestRandom {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }

    /// At least one.
    fn up_to(&mut self, limit: usize) -> usize {
        1 + self.below(limit as u64) as usize
    }

    /// Usually no pause, sometimes a short one, rarely one that is long enough for the other side to fall asleep.
    fn pause(&mut self) {
        let nanoseconds = match self.below(64) {
            0 => 50_000,
            1..8 => self.below(4000),
            _ => return,
        };
        let end = now() + nanoseconds;
        while now() < end {
            std::hint::spin_loop();
        }
    }
}

fn ends(capacity: usize, start: u64) -> (Sender, Receiver) {
    let ring = Ring::new(capacity as u64, &RingConfig::default(), false, start).unwrap();
    (Sender(Box::new(Tx::new(ring.clone()))), Receiver(Box::new(Rx::new(ring))))
}

/// The bytes that a call moved: 0 if the ring was full or empty.
fn tried(result: crate::error::Result<usize>) -> usize {
    match result {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.status(), Status::Full | Status::Empty) => 0,
        Err(error) => panic!("{error}"),
    }
}

/// Sends some of `data` by one of the calls; returns the bytes.
fn send(sender: &mut Sender, random: &mut TestRandom, data: &[u8]) -> usize {
    let data = &data[..random.up_to(data.len())];
    // No more than half of the ring: two sides that wait for more wait for each other.
    let half = (sender.capacity() / 2).max(1);
    match random.below(7) {
        0 | 1 => tried(sender.send(data)),
        2 => {
            sender.send_all(data, WATCHDOG).unwrap();
            data.len()
        }
        3 => {
            let fed = tried(sender.feed(data));
            if random.below(4) == 0 {
                sender.flush().unwrap();
            }
            fed
        }
        4 => sender.write(data).unwrap(),
        _ => {
            let min = random.up_to(half);
            if random.below(2) == 0 {
                sender.wait_writable(min, WATCHDOG).unwrap();
            }
            match sender.reserve(min) {
                Ok(mut span) => {
                    assert!(span.len() >= min);
                    let bytes = span.len().min(data.len());
                    span[..bytes].copy_from_slice(&data[..bytes]);
                    span.commit(bytes).unwrap();
                    bytes
                }
                Err(error) => tried(Err(error)),
            }
        }
    }
}

/// Receives some bytes by one of the calls, which must be the first of `expected`; returns how many.
fn receive(receiver: &mut Receiver, random: &mut TestRandom, buffer: &mut [u8], expected: &[u8]) -> usize {
    let wanted = random.up_to(expected.len());
    let half = (receiver.capacity() / 2).max(1).min(expected.len());
    let to = &mut buffer[..wanted];
    let got = match random.below(6) {
        0 | 1 => tried(receiver.recv(to)),
        2 => receiver.recv_all(to, WATCHDOG).map(|()| wanted).unwrap(),
        3 => receiver.read(to).unwrap(),
        _ => {
            let min = random.up_to(half);
            if random.below(2) == 0 {
                receiver.wait_readable(min, WATCHDOG).unwrap();
            }
            match receiver.peek(min) {
                Ok(span) => {
                    assert!(span.len() >= min);
                    let bytes = span.len().min(wanted);
                    to[..bytes].copy_from_slice(&span[..bytes]);
                    span.consume(bytes).unwrap();
                    bytes
                }
                Err(error) => tried(Err(error)),
            }
        }
    };
    assert!(buffer[..got] == expected[..got], "what is received is not what was sent");
    got
}

fn send_everything(mut sender: Sender, content: &Content, total: u64, most: usize) {
    let (mut random, mut sent) = (TestRandom(2), 0);
    while sent < total {
        let left = (total - sent).min(most as u64) as usize;
        sent += send(&mut sender, &mut random, content.at(sent, left)) as u64;
        random.pause();
    }
    assert_eq!(sender.statistics().bytes, total);
}

/// All calls, mixed at random, until `total` bytes were sent and the sender was dropped.
fn exchange(capacity: usize, start: u64, total: u64) {
    let (content, (sender, mut receiver)) = (&Content::new(), ends(capacity, start));
    let most = (2 * capacity).min(MOST);
    thread::scope(|threads| {
        threads.spawn(move || send_everything(sender, content, total, most));
        let (mut random, mut buffer, mut got) = (TestRandom(3), vec![0; most], 0);
        while got < total {
            let left = (total - got).min(most as u64) as usize;
            got += receive(&mut receiver, &mut random, &mut buffer, content.at(got, left)) as u64;
            random.pause();
        }
        assert_eq!(receiver.wait_readable(1, WATCHDOG).unwrap_err().status(), Status::Closed);
        assert_eq!(receiver.statistics().bytes, total);
    });
}

/// From tiny rings to large ones, with indices that begin at `start`.
fn exchanges(start: u64) {
    exchange(1, start, times(10_000, 2_000_000));
    exchange(64, start, times(50_000, 50_000_000));
    exchange(4096, start, times(1 << 20, 1_000_000_000));
    exchange(1 << 16, start, times(4 << 20, 10_000_000_000));
}

#[test]
fn bytes_arrive_as_they_were_sent() {
    exchanges(0);
}

#[test]
fn bytes_arrive_around_2_to_the_32() {
    exchanges((1 << 32) - 1000);
}

#[test]
fn bytes_arrive_around_2_to_the_64() {
    exchanges(0u64.wrapping_sub(1000));
}

/// A stream whose chunks are held for a while, and dropped by another thread.
#[test]
fn held_chunks_do_not_change() {
    let (content, (sender, receiver), total) =
        (&Content::new(), ends(1 << 14, 0), times(16 << 20, 2_000_000_000));
    let check = |(position, chunk): (u64, Chunk)| assert!(chunk[..] == *content.at(position, chunk.len()));
    let config = StreamConfig { pool_size: 1024, min_size: 100, pool_count: 8, ..StreamConfig::default() };
    let mut stream = receiver.into_stream(config).map_err(Error::from).unwrap();
    let (give, take) = sync_channel(100);
    thread::scope(|threads| {
        threads.spawn(move || send_everything(sender, content, total, 2000));
        threads.spawn(move || take.into_iter().for_each(check));
        let (mut random, mut held, mut position) = (TestRandom(4), VecDeque::new(), 0);
        loop {
            let count = random.up_to(5);
            let chunks = match random.below(3) {
                0 => stream.chunks(count, WATCHDOG),
                1 => stream.ready_chunks(count, WATCHDOG),
                _ => stream.next_chunk(WATCHDOG).map(|chunk| vec![chunk]),
            };
            match chunks {
                Ok(chunks) => {
                    for chunk in chunks {
                        let bytes = chunk.len() as u64;
                        assert!(bytes >= 100 || position + bytes == total);
                        held.push_back((position, chunk));
                        position += bytes;
                    }
                }
                Err(error) => break assert_eq!(error.status(), Status::Closed),
            }
            while held.len() > 20 {
                let oldest = held.pop_front().unwrap();
                if random.below(2) == 0 { check(oldest) } else { give.send(oldest).unwrap() }
            }
        }
        assert_eq!(position, total);
        held.into_iter().for_each(check);
        drop(give);
    });
    assert_eq!(stream.statistics().live, 0);
}

/// Either side is dropped at a random instant: what was sent before arrives, and the other side gets `Closed`.
#[test]
fn either_side_is_dropped_at_any_time() {
    let (content, mut random) = (&Content::new(), TestRandom(5));
    for round in 0..times(4000, 500_000) {
        let (mut sender, mut receiver) = ends(random.up_to(64), 0u64.wrapping_sub(random.below(200)));
        let (seed, count) = (random.below(1 << 30), random.below(300));
        let goes = move |random: &mut TestRandom| round % 2 == 0 && random.below(10) == 0;
        thread::scope(|threads| {
            let sending = threads.spawn(move || {
                let (mut random, mut sent) = (TestRandom(seed), 0);
                while sent < count {
                    let data = content.at(sent, random.up_to((count - sent) as usize));
                    let before = sender.statistics().bytes;
                    if let Err(error) = sender.send_all(data, WATCHDOG) {
                        assert_eq!(error.status(), Status::Closed);
                        return None;
                    }
                    sent = before + data.len() as u64;
                    random.pause();
                }
                // The rest is fed: it comes with the close.
                sent += tried(sender.feed(content.at(sent, 5)).or_else(|error| match error.status() {
                    Status::Closed => Ok(0),
                    _ => Err(error),
                })) as u64;
                Some(sent)
            });
            let (mut random, mut got, mut buffer) = (TestRandom(seed + 1), 0, [0; 64]);
            let saw_closed = loop {
                if goes(&mut random) {
                    drop(receiver);
                    break false;
                }
                let wanted = random.up_to(buffer.len());
                match receiver.wait_readable(1, WATCHDOG).and_then(|()| receiver.recv(&mut buffer[..wanted]))
                {
                    Ok(bytes) => {
                        assert!(buffer[..bytes] == *content.at(got, bytes));
                        got += bytes as u64;
                    }
                    Err(error) => {
                        assert_eq!(error.status(), Status::Closed);
                        break true;
                    }
                }
                random.pause();
            };
            let sent = sending.join().unwrap();
            assert!(!saw_closed || sent == Some(got), "{sent:?} sent, {got} received");
        });
    }
}

/// A receiver is dropped at a random instant and a new one is attached: together they receive everything.
#[test]
fn a_new_receiver_continues() {
    let (content, mut random) = (&Content::new(), TestRandom(6));
    for _ in 0..times(2000, 250_000) {
        let (mut sender, mut receiver) = ends(random.up_to(64), 0);
        let (seed, first) = (random.below(1 << 30), random.below(200));
        thread::scope(|threads| {
            let old = threads.spawn(move || {
                let (mut random, mut buffer, mut got) = (TestRandom(seed), [0; 64], 0);
                while got < first {
                    let left = (first - got).min(64) as usize;
                    got += receive(&mut receiver, &mut random, &mut buffer, content.at(got, left)) as u64;
                }
            });
            let (mut random, mut sent) = (TestRandom(seed + 1), 0);
            while sent < first {
                let before = sender.statistics().bytes;
                let data = content.at(sent, random.up_to(64));
                match sender.send_all(data, WATCHDOG) {
                    Err(error) if error.status() == Status::Closed => break,
                    sent => sent.unwrap(),
                }
                sent = before + data.len() as u64;
            }
            sent = sender.statistics().bytes;
            old.join().unwrap();
            let mut receiver = sender.attach_receiver().unwrap();
            sender.send(content.at(sent, 1)).ok();
            drop(sender);
            let mut rest = Vec::new();
            receiver.read_to_end(&mut rest).unwrap();
            assert!(rest == content.at(first, rest.len()) && first + rest.len() as u64 >= sent);
        });
    }
}

/// Another thread closes an end that waits, as the C functions do.
#[test]
fn another_thread_closes_an_end_that_waits() {
    let mut random = TestRandom(7);
    for round in 0..times(2000, 250_000) {
        let ring = Ring::new(1, &RingConfig::default(), false, 0).unwrap();
        let (tx, rx) = (Tx::new(ring.clone()), Rx::new(ring));
        if round % 2 == 0 {
            assert_eq!(tx.send(b"1").unwrap().bytes, 1);
        }
        thread::scope(|threads| {
            threads.spawn(|| {
                let flow = match round % 2 {
                    0 => tx.wait_writable(1, WATCHDOG),
                    _ => rx.wait_readable(1, WATCHDOG),
                };
                assert_eq!(flow.unwrap(), Flow::Closed);
            });
            random.pause();
            match (round % 2, random.below(2)) {
                (0, 0) | (1, 1) => tx.close(),
                _ => rx.close(),
            }
        });
    }
}

/// Each side waits for the other alternately.
#[test]
fn no_wake_up_is_lost_between_two_waiting_sides() {
    let ((mut ask, mut asked), (mut answer, mut answered)) = (ends(8, 0), ends(8, 0));
    let rounds = times(20_000, 10_000_000);
    thread::scope(|threads| {
        threads.spawn(move || {
            let (mut random, mut word) = (TestRandom(8), [0; 8]);
            for _ in 0..rounds {
                asked.recv_all(&mut word, WATCHDOG).unwrap();
                random.pause();
                answer.send_all(&word, WATCHDOG).unwrap();
            }
        });
        let (mut random, mut word) = (TestRandom(9), [0; 8]);
        for round in 0..rounds {
            ask.send_all(&round.to_ne_bytes(), WATCHDOG).unwrap();
            random.pause();
            answered.recv_all(&mut word, WATCHDOG).unwrap();
            assert_eq!(u64::from_ne_bytes(word), round);
        }
    });
}

/// Waits until a descriptor is readable.
fn poll(fd: i32) {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one descriptor that lives.
    assert_eq!(unsafe { libc::poll(&mut poll, 1, 60_000) }, 1, "a descriptor did not become readable");
}

/// The same through descriptors.
#[test]
fn every_armed_descriptor_becomes_readable() {
    let (content, (mut sender, mut receiver), total) =
        (&Content::new(), ends(16, 0), times(50_000, 5_000_000));
    thread::scope(|threads| {
        threads.spawn(move || {
            let (mut random, mut sent, fd) = (TestRandom(10), 0, sender.fd().unwrap());
            while sent < total {
                if !sender.arm(random.up_to(8)).unwrap() {
                    poll(fd);
                }
                let left = (total - sent).min(16) as usize;
                sent += tried(sender.send(content.at(sent, random.up_to(left)))) as u64;
                random.pause();
            }
        });
        let (mut random, mut got, mut buffer, fd) = (TestRandom(11), 0, [0; 16], receiver.fd().unwrap());
        loop {
            match receiver.arm(random.up_to(8).min((total - got).max(1) as usize)) {
                Ok(true) => {}
                Ok(false) => poll(fd),
                Err(error) => break assert_eq!((error.status(), got), (Status::Closed, total)),
            }
            let wanted = random.up_to(16);
            let bytes = match receiver.recv(&mut buffer[..wanted]) {
                Err(error) if error.status() == Status::Closed => 0,
                result => tried(result),
            };
            assert!(buffer[..bytes] == *content.at(got, bytes));
            got += bytes as u64;
            random.pause();
        }
    });
}
