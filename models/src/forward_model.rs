//! Copy-forward against a flat array, with the steps of `manager/core/applier.rs` and `manager/back.rs`.

use super::copy_forward::{CopyForward, COPY_STEP};
use crate::script::{self, Step};

struct World {
    forward: CopyForward,
    /// The memory of each copy; `forward` has pointers to it.
    memory: Vec<Vec<u8>>,
    /// The expected state with every write so far, and as it was last published.
    state: Vec<u8>,
    front: Vec<u8>,
    /// Leased fronts: the copy and its content.
    held: Vec<(usize, Vec<u8>)>,
    ready: bool,
}

impl World {
    fn new(bytes: usize, copies: usize) -> World {
        let mut memory: Vec<Vec<u8>> = vec![vec![0; bytes]; copies];
        let (front, back) = (memory[0].as_mut_ptr(), memory[1].as_mut_ptr());
        let forward = CopyForward::new(bytes, copies, front, back).unwrap();
        World { forward, memory, state: vec![0; bytes], front: vec![0; bytes], held: Vec::new(), ready: true }
    }

    fn range(&self, at: usize, length: usize) -> (usize, usize) {
        let at = at % self.state.len();
        (at, length.min(self.state.len() - at))
    }

    fn is_free(&self, copy: usize) -> bool {
        copy != self.forward.front() && self.held.iter().all(|(held, _)| *held != copy)
    }

    /// `Applier::prepare`: selects a back copy without leases, if there is one.
    fn prepare(&mut self) -> bool {
        if !self.ready && !self.is_free(self.forward.back()) {
            let free: Vec<_> = (0..self.memory.len()).filter(|&copy| self.is_free(copy)).collect();
            let present = free.iter().copied().filter(|&copy| self.forward.has_memory(copy));
            let Some(copy) = present.min_by_key(|&copy| self.forward.stale_bytes(copy)).or(free.first().copied()) else {
                return false;
            };
            if !self.forward.has_memory(copy) {
                self.memory[copy].fill(0xee);
                let data = self.memory[copy].as_mut_ptr();
                self.forward.attach(copy, data).unwrap();
            }
            self.forward.select_back(copy);
        }
        self.ready = true;
        true
    }

    fn back(&mut self, at: usize, length: usize) -> &mut [u8] {
        // SAFETY: a range of the back copy, whose memory this owns.
        unsafe { std::slice::from_raw_parts_mut(self.forward.back_data().add(at), length) }
    }

    fn write(&mut self, at: usize, data: &[u8]) {
        // SAFETY: within the state; the data lies elsewhere.
        unsafe { self.forward.write(at, data.as_ptr(), data.len()) };
        self.state[at..at + data.len()].copy_from_slice(data);
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Publish => self.publish(),
            Step::Hold => self.hold(),
            Step::Release { which } => {
                if which < self.held.len() {
                    self.held.swap_remove(which);
                }
            }
            Step::Trim => {
                for copy in 0..self.memory.len() {
                    let present = (0..self.memory.len()).filter(|&copy| self.forward.has_memory(copy)).count();
                    if present > 2 && self.is_free(copy) && copy != self.forward.back() && self.forward.has_memory(copy) {
                        self.forward.detach(copy);
                    }
                }
            }
            _ if !self.prepare() => {}
            Step::Write { at, length, seed } => {
                let (at, length) = self.range(at, length);
                self.write(at, &script::noise(seed, length));
            }
            Step::Turn { at, length, seed, hold } => {
                let (at, length) = self.range(at, length);
                self.write(at, &script::noise(seed, length));
                self.publish();
                if hold {
                    self.hold();
                }
            }
            Step::Scatter { at, count, length, gap, seed } => {
                let noise = script::noise(seed, 256 + length);
                for turn in 0..count {
                    let (at, length) = self.range(at + turn * gap, length);
                    self.write(at, &noise[turn % 256..][..length]);
                }
            }
            Step::Change { at, length } => {
                let (at, length) = self.range(at, length);
                self.forward.begin_modify(at, length);
                let seen = self.back(at, length).to_vec();
                assert_eq!(seen, self.state[at..at + length], "a kernel sees every earlier update of its range");
                self.back(at, length).iter_mut().for_each(|byte| *byte ^= 0x55);
                self.state[at..at + length].iter_mut().for_each(|byte| *byte ^= 0x55);
            }
            Step::CatchUp { most } => {
                self.forward.copy_step(most);
            }
            Step::Rewrite { seed } => {
                let whole = script::noise(seed, self.state.len());
                self.forward.mark_all_rewritten();
                self.back(0, whole.len()).copy_from_slice(&whole);
                self.state = whole;
            }
            Step::Cancel { discard } => self.cancel(discard),
        }
    }

    fn hold(&mut self) {
        self.held.push((self.forward.front(), self.front.clone()));
    }

    fn cancel(&mut self, discard: bool) {
        while !discard && !self.forward.copy_step(COPY_STEP) {}
        let mut ranges = Vec::new();
        self.forward.for_each_dirty(|start, end| ranges.push((start, end)));
        let kept: Vec<_> = ranges.iter().map(|&(start, end)| self.back(start, end - start).to_vec()).collect();
        if discard {
            self.forward.mark_all_rewritten();
        }
        self.back(0, self.state.len()).fill(0xaa);
        self.forward.invalidate_back();
        for ((start, _), bytes) in ranges.into_iter().zip(kept) {
            assert_eq!(bytes, self.state[start..start + bytes.len()], "what is dirty is up to date");
            self.write(start, &bytes);
        }
    }

    fn publish(&mut self) {
        if self.forward.is_dirty() {
            while !self.forward.copy_step(1000) {}
            self.forward.publish();
            self.ready = false;
            self.front = self.state.clone();
        }
    }

    fn check(&self) {
        // SAFETY: the front copy, whose memory this owns.
        let front = unsafe { std::slice::from_raw_parts(self.forward.front_data(), self.state.len()) };
        assert!(front == self.front, "the front is the state as published");
        if !self.forward.back_is_stale() {
            // SAFETY: the back copy, whose memory this owns.
            let back = unsafe { std::slice::from_raw_parts(self.forward.back_data(), self.state.len()) };
            assert!(back == self.state, "a back copy without stale bytes is the state");
        }
        for (copy, content) in &self.held {
            assert!(self.memory[*copy] == *content, "a front that is held does not change");
        }
    }
}

/// After every step the front is the state as published, leased fronts do not change, and a back copy without stale bytes is
/// the state.
pub fn copies_agree_with_a_flat_state() {
    script::check(|bytes, copies, steps| {
        let mut world = World::new(bytes, copies);
        for step in steps {
            world.run(step);
            world.check();
        }
        world.publish();
        world.check();
    });
}
