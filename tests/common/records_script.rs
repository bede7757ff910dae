//! A script of calls on a ring that overwrites its oldest records, against a plain queue of numbers.
//!
//! As in `ring_script`: eight bytes for the ring and eight a call, and one thread has both ends. A record is some bytes that follow
//! from its number.

use std::collections::VecDeque;

use backbuf::spsc::{Receiver, RingConfig, Sender, ring_with};
use backbuf::{Status, Timeout};

/// Eight bytes of a script.
pub type Word = [u8; 8];

/// What the ring should hold. Counts are of records.
struct Queue {
    record: usize,
    /// How many stay.
    most: usize,
    /// How many the memory has room for.
    memory: usize,
    published: VecDeque<u64>,
    fed: VecDeque<u64>,
    next: u64,
    held: bool,
    lost: u64,
}

impl Queue {
    fn bytes(&self, numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let byte = |number: u64, at: usize| number.wrapping_mul(31).wrapping_add(at as u64) as u8;
        numbers.into_iter().flat_map(|number| (0..self.record).map(move |at| byte(number, at))).collect()
    }

    fn room(&self) -> usize {
        self.memory - self.published.len() - self.fed.len()
    }

    /// Lets the receiver see what was fed. Only the newest stay, unless it reads just now.
    fn publish(&mut self) {
        self.published.append(&mut self.fed);
        while !self.held && self.published.len() > self.most {
            self.published.pop_front();
            self.lost += 1;
        }
    }

    /// Puts up to `count` records in; how many went.
    fn put(&mut self, count: usize, publish: bool) -> usize {
        let mut went = 0;
        while went < count {
            let wanted = (count - went).min(self.most);
            if self.room() < wanted {
                self.publish();
            }
            let now = wanted.min(self.room());
            self.fed.extend(self.next..self.next + now as u64);
            self.next += now as u64;
            went += now;
            if publish {
                self.publish();
            }
            if now < wanted {
                break;
            }
        }
        went
    }
}

/// Runs a script; panics where ring and model differ.
pub fn run(setup: Word, calls: &[Word]) {
    let record = [1, 3, 8, 12][usize::from(setup[0] % 4)];
    let most = usize::from(setup[1] % 6) + 1;
    let config =
        RingConfig { label: "records", overwrite_record_size: record as u64, ..RingConfig::default() };
    let (mut sender, mut receiver) = ring_with(most * record, &config).unwrap();
    assert_eq!(sender.capacity(), most * record);
    let memory = (2 * most * record).next_power_of_two() / record;
    let (published, fed) = (VecDeque::new(), VecDeque::new());
    let mut queue = Queue { record, most, memory, published, fed, next: 0, held: false, lost: 0 };
    let (mut sent, mut received, mut lost) = (0, 0, 0);
    for call in calls {
        match call[0] % 16 {
            0..7 => send(&mut queue, &mut sender, call),
            7..11 => receive(&mut queue, &mut receiver, call),
            11..14 => peek(&mut queue, &mut sender, &mut receiver, call),
            14 => {
                // Another sender: what was fed comes, and nothing is dropped for it.
                (sent, lost) = (sent + sender.statistics().bytes, lost + sender.statistics().lost);
                drop(sender);
                queue.published.append(&mut queue.fed);
                sender = receiver.attach_sender().unwrap();
            }
            _ => {
                received += receiver.statistics().bytes;
                drop(receiver);
                receiver = sender.attach_receiver().unwrap();
            }
        }
        assert_eq!(lost + sender.statistics().lost, queue.lost);
        assert_eq!(sent + sender.statistics().bytes, queue.next * record as u64);
        let gone = received + receiver.statistics().bytes;
        let there = queue.published.len() + queue.fed.len();
        assert_eq!(gone, (queue.next - queue.lost - there as u64) * record as u64);
    }
    drop(sender);
    queue.published.append(&mut queue.fed);
    let mut rest = vec![0; queue.published.len() * record];
    receiver.recv_all(&mut rest, Timeout::TRY).unwrap();
    assert_eq!(rest, queue.bytes(queue.published.iter().copied()));
    assert_eq!(receiver.recv(&mut [0; 16]).unwrap_err().status(), Status::Closed);
}

fn send(queue: &mut Queue, sender: &mut Sender, call: &Word) {
    let count = usize::from(call[2]) % (2 * queue.most + 2);
    let data = queue.bytes(queue.next..queue.next + count as u64);
    let status = |result: backbuf::Result<usize>| result.map_err(|error| error.status());
    let record = queue.record;
    let went = |went: usize| if went == 0 && count > 0 { Err(Status::Full) } else { Ok(went * record) };
    match call[1] % 7 {
        0 => assert_eq!(status(sender.send(&data)), went(queue.put(count, true))),
        1 => assert_eq!(status(sender.feed(&data)), went(queue.put(count, false))),
        2 => {
            sender.flush().unwrap();
            if !queue.fed.is_empty() {
                queue.publish();
            }
        }
        3 => {
            let result = sender.send_whole(&data, Timeout::TRY).map_err(|error| error.status());
            if count > queue.most {
                return assert_eq!(result, Err(Status::Range));
            }
            if queue.room() < count {
                queue.publish();
            }
            let fits = queue.room() >= count;
            assert_eq!(result, if fits { Ok(()) } else { Err(Status::Full) });
            if fits {
                queue.put(count, false);
                if !queue.fed.is_empty() {
                    queue.publish();
                }
            }
        }
        4 => {
            let result = sender.send_all(&data, Timeout::TRY).map_err(|error| error.status());
            let all = queue.put(count, true) == count;
            assert_eq!(result, if all { Ok(()) } else { Err(Status::Timeout) });
        }
        5 if record > 1 => {
            assert_eq!(status(sender.send(&vec![0; count * record + 1])), Err(Status::Align));
            assert_eq!(status(sender.feed(&vec![0; count * record + 1])), Err(Status::Align));
        }
        _ => {
            let min = count.min(queue.most).max(1);
            if queue.room() < min {
                queue.publish();
            }
            match sender.reserve(min * record) {
                Ok(mut span) => {
                    assert!(queue.room() >= min && span.len() <= queue.most * record);
                    let commit = usize::from(call[3]) % (min + 1);
                    span[..commit * record]
                        .copy_from_slice(&queue.bytes(queue.next..queue.next + commit as u64));
                    span.commit(commit * record).unwrap();
                    queue.fed.extend(queue.next..queue.next + commit as u64);
                    queue.next += commit as u64;
                    queue.publish();
                }
                Err(error) => assert!(error.status() == Status::Full && queue.room() < min),
            }
        }
    }
}

fn receive(queue: &mut Queue, receiver: &mut Receiver, call: &Word) {
    let count = usize::from(call[2]) % (queue.most + 3) + 1;
    let there = queue.published.len();
    let mut to = vec![0; count * queue.record];
    if call[1].is_multiple_of(4) {
        let now = receiver.wait_readable(count * queue.record, Timeout::TRY).is_ok();
        return assert_eq!(now, there >= count.min(queue.most));
    }
    let got = match receiver.recv(&mut to) {
        Ok(bytes) => bytes / queue.record,
        Err(error) => {
            assert_eq!(error.status(), Status::Empty);
            0
        }
    };
    assert_eq!(got, there.min(count));
    let expected: Vec<u64> = queue.published.drain(..got).collect();
    assert_eq!(to[..got * queue.record], queue.bytes(expected));
}

/// A span: what is sent meanwhile does not change it.
fn peek(queue: &mut Queue, sender: &mut Sender, receiver: &mut Receiver, call: &Word) {
    let there: Vec<u64> = queue.published.iter().copied().collect();
    match receiver.peek(1) {
        Ok(span) => {
            queue.held = true;
            for turn in 0..call[3] % 4 {
                send(
                    queue,
                    sender,
                    &[0, call[4 + usize::from(turn)], call[7 - usize::from(turn)], 1, 0, 0, 0, 0],
                );
            }
            queue.held = false;
            assert_eq!(span[..], queue.bytes(there.iter().copied()));
            let consume = usize::from(call[2]) % (there.len() + 1);
            if !call[1].is_multiple_of(4) {
                span.consume(consume * queue.record).unwrap();
                queue.published.drain(..consume);
            }
        }
        Err(error) => assert!(error.status() == Status::Empty && there.is_empty()),
    }
}
