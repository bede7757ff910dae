"""Random scripts of calls, through the C ABI, against a plain sequential model."""

from __future__ import annotations

from typing import Any

import numpy as np
from conftest import Manager
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from backbuf import BufferUpdate, Front

numbers = st.integers(0, 127)
seeds = st.integers(0, 2**32 - 1)
tags = st.integers(0, 2**64 - 1)
# A run of elements: the first one and the number, short and long; `Model.fit` moves it into the state.
runs = st.tuples(st.integers(0, 2**20), st.one_of(st.integers(1, 100), st.integers(1, 2**18)))
indices = st.integers(0, 2**20)


class Model(RuleBasedStateMachine):
    """`back` is the written state, `front` the published one. With a single thread each call has one correct result."""

    def __init__(self, manager: Manager) -> None:
        super().__init__()
        self.manager = manager

    @initialize(
        copies=st.integers(2, 4),
        queue_bytes=st.sampled_from([4096, 1 << 20]),
        worker=st.sampled_from(["shared", "only"]),
        budget=st.sampled_from([64, 1 << 18]),
        state=st.sampled_from([((12, 17), "i2"), ((397, 1009), "u1")]),  # the second is copied forward in many ways
    )
    def create(self, copies: int, queue_bytes: int, worker: Any, budget: int, state: Any) -> None:
        shape, dtype = state
        self.m = self.manager(shape, dtype, copies=copies, queue_bytes=queue_bytes, worker=worker, caller_budget_bytes=budget)
        self.back, self.front = np.zeros((2, *shape), dtype)
        self.size, self.itemsize = self.back.size, self.back.itemsize
        self.tag = self.epoch = 0
        self.dirty = False
        # Enough copies that one is always free; other tests cover pinned copies.
        self.held: list[tuple[Front, Any, int, int]] = []
        self.may_hold = copies - 2

    def fit(self, run: tuple[int, int]) -> tuple[int, int]:
        first = run[0] % self.size
        return first, min(run[1], self.size - first)

    def noise(self, seed: int, shape: Any) -> Any:
        return np.random.default_rng(seed).integers(0, 100, shape, self.back.dtype)

    @property
    def flat(self) -> Any:
        self.dirty = True
        return self.back.reshape(-1)

    @rule(value=numbers, run=runs)
    def enqueue_number(self, value: int, run: tuple[int, int]) -> None:
        first, _ = self.fit(run)
        self.m.enqueue(value, self.itemsize * first)
        self.flat[first] = value

    @rule(seed=seeds, run=runs)
    def enqueue_array(self, seed: int, run: tuple[int, int]) -> None:
        first, count = self.fit(run)
        data = self.noise(seed, count)
        self.m.enqueue(data, self.itemsize * first)
        self.flat[first : first + count] = data

    @rule(seed=seeds, many=st.lists(runs, min_size=1, max_size=12), batch=st.booleans())
    def enqueue_updates(self, seed: int, many: list[tuple[int, int]], batch: bool) -> None:
        data = self.noise(seed, self.size)
        updates = [BufferUpdate(self.itemsize * first, count, data[:count]) for first, count in map(self.fit, many)]
        for call in [updates] if batch else updates:
            self.m.enqueue(call)
        for first, count in map(self.fit, many):
            self.flat[first : first + count] = data[:count]

    @rule(seed=seeds, index=st.tuples(st.slices(12), st.slices(17)), times=st.sampled_from([1, 33]))
    def assign(self, seed: int, index: Any, times: int) -> None:
        index = tuple(slice(*(None if part is None else part * times for part in (s.start, s.stop)), s.step) for s in index)
        data = self.noise(seed, self.back[index].shape)
        self.m[index] = data
        self.back[index] = data
        self.dirty |= data.size > 0

    @rule(seed=seeds, places=st.lists(indices, min_size=1, max_size=40))
    def put(self, seed: int, places: list[int]) -> None:
        data = self.noise(seed, len(places))
        flat = np.array(places) % (2 * self.size) - self.size
        self.m.put(flat, data)
        for index, value in zip(flat, data, strict=True):
            self.flat[index] = value

    @rule(value=numbers, run=runs)
    def fill(self, value: int, run: tuple[int, int]) -> None:
        first, count = self.fit(run)
        self.m.fill(value, self.itemsize * first, count)
        self.flat[first : first + count] = value

    @rule(run=runs)
    def kernel(self, run: tuple[int, int]) -> None:
        first, count = self.fit(run)
        self.m.enqueue_kernel(lambda back, front: np.invert(back, out=back), byte_offset=self.itemsize * first, count=count)
        np.invert(self.flat[first : first + count], out=self.flat[first : first + count])

    @rule(value=numbers, row=st.integers(0, 11), run=runs, tag=tags, cancel=st.booleans(), between=st.booleans())
    def batch(self, value: int, row: int, run: tuple[int, int], tag: int, cancel: bool, between: bool) -> None:
        first, count = self.fit(run)
        batch = self.m.batch()
        batch[row] = value
        batch.fill(3, self.itemsize * first, count)
        batch.kernel(lambda back, front: np.add(back, 1, out=back), byte_offset=self.itemsize * first, count=count)
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
    def reserve_back(self, discard: bool, cancel: bool, seed: int, tag: int) -> None:
        data = self.noise(seed, self.back.shape)
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


def test_model(manager: Manager) -> None:
    short = settings(max_examples=60, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(lambda: Model(manager), settings=short)
