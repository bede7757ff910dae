//! A script of calls on one ring, against a plain queue.
//!
//! A script is bytes, eight for the ring and eight a call: proptest draws them, the fuzzer mutates them. One thread has both ends,
//! so each result follows from the calls before.

use std::collections::VecDeque;

use backbuf::spsc::{Chunk, Receiver, RingConfig, Sender, Stream, StreamConfig, ring_with};
use backbuf::{Result, Status, Timeout};

/// Eight bytes of a script.
pub type Word = [u8; 8];

/// What one byte chooses.
struct Bytes(Word, usize);

impl Bytes {
    fn next(&mut self) -> usize {
        self.1 += 1;
        usize::from(self.0[(self.1 - 1) % 8])
    }

    /// Around what the ring holds, and beyond.
    fn size(&mut self, capacity: usize) -> usize {
        let wide = self.next() << 8 | self.next();
        wide % (capacity + capacity / 2 + 2)
    }
}

/// The receiving side: the plain end, a stream, or none.
enum Receiving {
    Plain(Receiver),
    Stream(Stream, StreamConfig<'static>),
    Gone,
}

struct Run {
    capacity: usize,
    sender: Option<Sender>,
    receiving: Receiving,
    /// What can be received, and what is fed behind it.
    sent: VecDeque<u8>,
    fed: VecDeque<u8>,
    /// What the next byte is.
    next: u8,
    held: Vec<(Chunk, Vec<u8>)>,
}

/// Runs a script; panics where ring and model differ.
pub fn run(setup: Word, calls: &[Word]) {
    let mut setup = Bytes(setup, 0);
    let capacity = [1, 2, 16, 64, 1024, 32 << 10][setup.next() % 6];
    let config = RingConfig { label: "script", backoff: setup.next() & 1 != 0, ..RingConfig::default() };
    let (sender, receiver) = ring_with(capacity, &config).unwrap();
    let mut run = Run {
        capacity,
        sender: Some(sender),
        receiving: Receiving::Plain(receiver),
        sent: VecDeque::new(),
        fed: VecDeque::new(),
        next: 0,
        held: Vec::new(),
    };
    for &call in calls {
        let mut call = Bytes(call, 0);
        match call.next() % 8 {
            0..4 => run.send(&mut call),
            4..7 => run.receive(&mut call),
            _ => run.change(&mut call),
        }
        assert!(
            run.held.iter().all(|(chunk, bytes)| chunk[..] == bytes[..]),
            "a chunk changed while it was held"
        );
    }
    run.end();
}

/// What a call came to, with all errors by their status.
fn status_of<T>(result: Result<T>) -> std::result::Result<T, Status> {
    result.map_err(|error| error.status())
}

/// The least that makes a chunk before the end: whole records.
fn least(config: &StreamConfig<'_>) -> usize {
    (config.min_size.max(1) as usize).next_multiple_of(config.record_size.max(1) as usize)
}

impl Run {
    fn room(&self) -> usize {
        self.capacity - self.sent.len() - self.fed.len()
    }

    /// Bytes that no stream has seen yet.
    fn data(&self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| self.next.wrapping_add((at % 251) as u8)).collect()
    }

    fn written(&mut self, data: &[u8]) {
        self.fed.extend(data);
        self.next = self.next.wrapping_mul(31).wrapping_add(data.len() as u8);
    }

    fn publish(&mut self) {
        self.sent.append(&mut self.fed);
    }

    fn send(&mut self, call: &mut Bytes) {
        let Some(mut sender) = self.sender.take() else { return };
        let (kind, size) = (call.next() % 8, call.size(self.capacity));
        let (room, data) = (self.room(), self.data(size));
        let fits = room.min(size);
        let gone = matches!(self.receiving, Receiving::Gone);
        // What a call without waiting sends of it.
        let expected = match (gone, fits) {
            (true, _) => Err(Status::Closed),
            (false, 0) if size > 0 => Err(Status::Full),
            _ => Ok(fits),
        };
        match kind {
            0 | 1 => {
                let publish = kind == 0;
                let result = if publish { sender.send(&data) } else { sender.feed(&data) };
                assert_eq!(status_of(result), expected);
                if !gone {
                    self.written(&data[..fits]);
                    if size > 0 && (publish || fits < size) {
                        self.publish();
                    }
                }
            }
            2 => {
                assert_eq!(status_of(sender.flush()), if gone { Err(Status::Closed) } else { Ok(()) });
                if !gone {
                    self.publish();
                }
            }
            3 => {
                let before = sender.statistics().bytes;
                let result = status_of(sender.send_all(&data, Timeout::TRY));
                let missing = if fits < size { Err(Status::Timeout) } else { Ok(()) };
                assert_eq!(result, if gone { Err(Status::Closed) } else { missing });
                if !gone {
                    assert_eq!(sender.statistics().bytes - before, fits as u64);
                    self.written(&data[..fits]);
                    if size > 0 {
                        self.publish();
                    }
                }
            }
            4 => {
                let bytes = size.clamp(1, self.capacity);
                let result = status_of(sender.wait_writable(size, Timeout::TRY));
                let now = if room < bytes { Err(Status::Timeout) } else { Ok(()) };
                assert_eq!(result, if gone { Err(Status::Closed) } else { now });
                self.publish();
            }
            5 => {
                let result = status_of(sender.send_whole(&data, Timeout::TRY));
                let whole = if fits < size { Err(Status::Full) } else { Ok(()) };
                let possible = if gone { Err(Status::Closed) } else { whole };
                assert_eq!(result, if size > self.capacity { Err(Status::Range) } else { possible });
                if result.is_ok() {
                    self.written(&data);
                }
                if matches!(result, Ok(()) | Err(Status::Full)) {
                    self.publish();
                }
            }
            6 => {
                let result = status_of(sender.arm(size));
                let now = Ok(room >= size.clamp(1, self.capacity));
                assert_eq!(result, if gone { Err(Status::Closed) } else { now });
                self.publish();
            }
            _ => self.reserve(&mut sender, size, call.size(self.capacity), gone),
        }
        self.sender = Some(sender);
    }

    fn reserve(&mut self, sender: &mut Sender, min: usize, commit: usize, gone: bool) {
        let (room, data) = (self.room(), self.data(commit));
        match status_of(sender.reserve(min)) {
            Ok(mut span) => {
                assert!(!gone && span.len() == room && room >= min.max(1));
                let fits = commit.min(room);
                span[..fits].copy_from_slice(&data[..fits]);
                if commit > room {
                    assert_eq!(status_of(span.commit(commit)), Err(Status::State));
                } else {
                    span.commit(commit).unwrap();
                    self.written(&data);
                    self.publish();
                }
            }
            Err(status) if gone => assert_eq!(status, Status::Closed),
            Err(status) if min > self.capacity => assert_eq!(status, Status::Range),
            Err(status) => {
                assert!(status == Status::Full && room < min.max(1));
                self.publish();
            }
        }
    }

    fn receive(&mut self, call: &mut Bytes) {
        let (kind, size) = (call.next() % 5, call.size(self.capacity));
        let (there, ended) = (self.sent.len(), self.sender.is_none());
        // What a wait for so many without time comes to.
        let wait = |bytes: usize| match there >= bytes.clamp(1, self.capacity) {
            true => Ok(()),
            false => Err(if ended { Status::Closed } else { Status::Timeout }),
        };
        let receiver = match &mut self.receiving {
            Receiving::Plain(receiver) => receiver,
            Receiving::Stream(..) => return self.stream(call),
            Receiving::Gone => return,
        };
        let mut to = vec![0; size];
        let got = match kind {
            0 => {
                let nothing = if ended { Status::Closed } else { Status::Empty };
                let expected = if there == 0 && size > 0 { Err(nothing) } else { Ok(there.min(size)) };
                assert_eq!(status_of(receiver.recv(&mut to)), expected);
                there.min(size)
            }
            1 => {
                let before = receiver.statistics().bytes;
                let result = status_of(receiver.recv_all(&mut to, Timeout::TRY));
                let missing = Err(if ended { Status::Closed } else { Status::Timeout });
                assert_eq!(result, if there < size { missing } else { Ok(()) });
                assert_eq!(receiver.statistics().bytes - before, there.min(size) as u64);
                there.min(size)
            }
            2 => {
                assert_eq!(status_of(receiver.wait_readable(size, Timeout::TRY)), wait(size));
                0
            }
            3 => {
                let expected = match wait(size) {
                    Err(Status::Timeout) => Ok(false),
                    result => result.map(|()| true),
                };
                assert_eq!(status_of(receiver.arm(size)), expected);
                0
            }
            _ => match status_of(receiver.peek(size)) {
                Ok(span) => {
                    assert!(span.len() == there && there >= size.max(1));
                    assert!(self.sent.iter().eq(span.iter()));
                    let consume = call.size(self.capacity);
                    to = span[..consume.min(there)].to_vec();
                    assert_eq!(
                        status_of(span.consume(consume)),
                        if consume > there { Err(Status::State) } else { Ok(()) }
                    );
                    if consume > there { 0 } else { consume }
                }
                Err(Status::Range) => return assert!(size > self.capacity),
                Err(status) => {
                    assert!(
                        there < size.max(1) && status == if ended { Status::Closed } else { Status::Empty }
                    );
                    0
                }
            },
        };
        assert!(
            self.sent.drain(..got).eq(to[..got].iter().copied()),
            "what is received is not what was sent"
        );
    }

    /// Chunks: whole records of what is there, at least `min_size` but at the end.
    fn stream(&mut self, call: &mut Bytes) {
        let Receiving::Stream(stream, config) = &mut self.receiving else { return };
        let (there, ended) = (self.sent.len(), self.sender.is_none());
        let (least, record) = (least(config), config.record_size.max(1) as usize);
        let count = 1 + call.next() % 4;
        let chunks = match count {
            1 => stream.next_chunk(Timeout::TRY).map(|chunk| vec![chunk]),
            _ => stream.ready_chunks(count, Timeout::TRY),
        };
        match status_of(chunks) {
            Ok(chunks) => {
                assert!(!chunks.is_empty() && chunks.len() <= count);
                for chunk in chunks {
                    assert!(
                        chunk.len().is_multiple_of(record) && (chunk.as_ptr() as usize).is_multiple_of(64)
                    );
                    assert!(chunk.len() >= least || ended);
                    let bytes: Vec<u8> = self.sent.drain(..chunk.len()).collect();
                    self.held.push((chunk, bytes));
                }
            }
            Err(Status::Timeout) => assert!(there < least && !ended),
            Err(Status::Align) => assert!(ended && there > 0 && there < record),
            Err(status) => assert!(status == Status::Closed && ended && there == 0, "{status:?}"),
        }
        while self.held.len() > 8 {
            self.held.swap_remove(call.next() % 8);
        }
        assert_eq!(stream.statistics().live, self.held.len() as u64);
    }

    /// An end goes, by close or drop; another one comes; the receiver becomes a stream.
    fn change(&mut self, call: &mut Bytes) {
        match call.next() % 6 {
            0 | 1 => match self.sender.take() {
                Some(mut sender) => {
                    if call.next() & 1 != 0 {
                        sender.close();
                        assert_eq!(status_of(sender.send(b"1")), Err(Status::Closed));
                    }
                    self.publish();
                }
                None => {
                    self.sender = match &mut self.receiving {
                        Receiving::Plain(receiver) => Some(receiver.attach_sender().unwrap()),
                        Receiving::Stream(stream, _) => Some(stream.attach_sender().unwrap()),
                        Receiving::Gone => None,
                    }
                }
            },
            2 | 3 => match (&self.receiving, &mut self.sender) {
                (Receiving::Gone, Some(sender)) => {
                    self.receiving = Receiving::Plain(sender.attach_receiver().unwrap())
                }
                (Receiving::Gone, None) => {}
                _ => {
                    self.receiving = Receiving::Gone;
                    // Their stream has ended, and so has its count of them.
                    self.held.clear();
                }
            },
            _ => self.make_stream(call),
        }
    }

    fn make_stream(&mut self, call: &mut Bytes) {
        let config = StreamConfig {
            // Below 64 in some calls, which is refused.
            pool_size: 60 + call.size(self.capacity) as u64,
            min_size: (call.next() % 20) as u64,
            pool_count: (call.next() % 4) as u32,
            record_size: (call.next() % 10) as u64,
            label: "",
        };
        self.receiving = match std::mem::replace(&mut self.receiving, Receiving::Gone) {
            Receiving::Plain(receiver) => match receiver.into_stream(config) {
                Ok(stream) => Receiving::Stream(stream, config),
                Err(refused) => {
                    let most = config.pool_size.min(self.capacity as u64);
                    assert!(
                        config.pool_size < 64 || least(&config) as u64 > most || config.record_size > most
                    );
                    Receiving::Plain(refused.receiver)
                }
            },
            other => other,
        };
    }

    /// Everything that was sent can still be received, by a receiver attached later.
    fn end(mut self) {
        if let (Receiving::Stream(..), Some(sender)) = (&self.receiving, &mut self.sender) {
            self.receiving = Receiving::Gone;
            self.receiving = Receiving::Plain(sender.attach_receiver().unwrap());
        }
        drop(self.sender.take());
        self.publish();
        if let Receiving::Plain(mut receiver) = self.receiving {
            let mut rest = Vec::new();
            std::io::Read::read_to_end(&mut receiver, &mut rest).unwrap();
            assert!(self.sent.iter().eq(&rest));
        }
    }
}
