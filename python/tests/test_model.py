"""Random scripts of calls, through the C ABI, against a plain sequential model."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from backbuf import BufferUpdate, CBufferManager, Front

ROWS, COLUMNS = 12, 17
SIZE = ROWS * COLUMNS

numbers = st.integers(-(2**15), 2**15 - 1)
seeds = st.integers(0, 2**32 - 1)
tags = st.integers(0, 2**64 - 1)
# A run of elements, as its first and how many.
runs = st.integers(0, SIZE - 1).flatmap(lambda first: st.tuples(st.just(first), st.integers(1, SIZE - first)))


def noise(seed: int, shape: Any) -> Any:
    return np.random.default_rng(seed).integers(-9, 9, shape, "i2")


class Model(RuleBasedStateMachine):
    """`back` is what was written so far, `front` what was published. One thread calls, so each call has one right outcome."""

    @initialize(
        copies=st.integers(2, 4),
        queue_bytes=st.sampled_from([4096, 1 << 20]),
        worker=st.sampled_from(["shared", "only"]),
        budget=st.sampled_from([64, 1 << 18]),
    )
    def create(self, copies: int, queue_bytes: int, worker: Any, budget: int) -> None:
        self.m = CBufferManager(
            (ROWS, COLUMNS), "i2", copies=copies, queue_bytes=queue_bytes, worker=worker, caller_budget_bytes=budget
        )
        self.back, self.front = np.zeros((2, ROWS, COLUMNS), "i2")
        self.tag = self.epoch = 0
        self.dirty = False
        # So many that there is always a copy to write to: what happens without one is tested elsewhere.
        self.held: list[tuple[Front, Any, int, int]] = []
        self.may_hold = copies - 2

    @property
    def flat(self) -> Any:
        self.dirty = True
        return self.back.reshape(-1)

    @rule(value=numbers, run=runs)
    def enqueue_number(self, value: int, run: tuple[int, int]) -> None:
        self.m.enqueue(value, 2 * run[0])
        self.flat[run[0]] = value

    @rule(seed=seeds, run=runs)
    def enqueue_array(self, seed: int, run: tuple[int, int]) -> None:
        first, count = run
        data = noise(seed, count)
        self.m.enqueue(data, 2 * first)
        self.flat[first : first + count] = data

    @rule(seed=seeds, many=st.lists(runs, min_size=1, max_size=5))
    def enqueue_updates(self, seed: int, many: list[tuple[int, int]]) -> None:
        data = noise(seed, SIZE)
        self.m.enqueue([BufferUpdate(2 * first, count, data[:count]) for first, count in many])
        for first, count in many:
            self.flat[first : first + count] = data[:count]

    @rule(seed=seeds, index=st.tuples(st.slices(ROWS), st.slices(COLUMNS)))
    def assign(self, seed: int, index: Any) -> None:
        data = noise(seed, self.back[index].shape)
        self.m[index] = data
        self.back[index] = data
        self.dirty |= data.size > 0

    @rule(seed=seeds, indices=st.lists(st.integers(-SIZE, SIZE - 1), min_size=1, max_size=40))
    def put(self, seed: int, indices: list[int]) -> None:
        data = noise(seed, len(indices))
        self.m.put(np.array(indices), data)
        for index, value in zip(indices, data, strict=True):
            self.flat[index] = value

    @rule(value=numbers, run=runs)
    def fill(self, value: int, run: tuple[int, int]) -> None:
        first, count = run
        self.m.fill(value, 2 * first, count)
        self.flat[first : first + count] = value

    @rule(run=runs)
    def kernel(self, run: tuple[int, int]) -> None:
        first, count = run
        self.m.enqueue_kernel(lambda back, front: np.invert(back, out=back), byte_offset=2 * first, count=count)
        self.flat[first : first + count] ^= -1

    @rule(value=numbers, row=st.integers(0, ROWS - 1), run=runs, tag=tags, cancel=st.booleans(), between=st.booleans())
    def batch(self, value: int, row: int, run: tuple[int, int], tag: int, cancel: bool, between: bool) -> None:
        first, count = run
        batch = self.m.batch()
        batch[row] = value
        batch.fill(3, 2 * first, count)
        batch.kernel(lambda back, front: np.add(back, 1, out=back), byte_offset=2 * first, count=count)
        batch.enqueue(value, 0)
        batch.tag(tag)
        if between:
            self.synchronize()
        if cancel:
            batch.cancel()
            return
        batch.commit()
        self.back[row] = value
        self.flat[first : first + count] = 4
        self.flat[0] = value
        self.tag = tag

    @rule(discard=st.booleans(), cancel=st.booleans(), seed=seeds, tag=tags)
    def back_in_hand(self, discard: bool, cancel: bool, seed: int, tag: int) -> None:
        data = noise(seed, (ROWS, COLUMNS))
        try:
            with self.m.back(discard=discard, tag=tag) as array:
                if not discard:
                    assert (array == self.back).all()
                    data[::2] = array[::2]
                array[...] = data
                if cancel:
                    raise KeyError
        except KeyError:
            return
        self.back[...] = data
        self.tag, self.dirty = tag, True

    @rule()
    def synchronize(self) -> None:
        epoch = self.m.synchronize(timeout=30)
        assert epoch == self.epoch + self.dirty
        self.epoch, self.dirty = epoch, False
        self.front = self.back.copy()
        self.front_tag = self.tag
        with self.m.front() as front:
            assert (front.epoch, front.tag) == (epoch, self.tag)
            assert (front.array == self.front).all()

    @rule()
    def front_stays_until_a_synchronize(self) -> None:
        assert (self.m.snapshot() == self.front).all()
        assert self.m.epoch == self.epoch

    @precondition(lambda self: len(self.held) < self.may_hold)
    @rule()
    def hold(self) -> None:
        front = self.m.front()
        self.held.append((front, self.front.copy(), front.epoch, front.tag))

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 5))
    def release(self, which: int) -> None:
        front, content, epoch, tag = self.held.pop(which % len(self.held))
        assert (front.array == content).all()
        assert (front.epoch, front.tag) == (epoch, tag)
        front.release()

    def teardown(self) -> None:
        if not hasattr(self, "m"):
            return
        self.m.close(timeout=30)
        assert (self.m.snapshot() == self.back).all(), "close publishes what was accepted"
        assert self.m.statistics().leases_live == len(self.held)
        for front, content, _, _ in self.held:
            assert (front.array == content).all()
        self.m.destroy()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
