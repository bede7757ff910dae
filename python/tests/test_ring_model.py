"""Random sequences of ring calls compared with plain bytes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import backbuf
from backbuf import spsc_buffer

# Smaller and larger than the rings, and larger than copies with the GIL held.
sizes = st.one_of(st.integers(0, 40), st.integers(0, 5000), st.integers(60_000, 70_000))
capacities = st.sampled_from([1, 8, 64, 4096, 1 << 17])


def content(place: int, size: int) -> bytes:
    """The transported bytes: each one depends on its position."""
    numbers = np.arange(place, place + size, dtype="u4")
    return ((numbers * 2654435761) >> 24).astype("u1").tobytes()


class Ends(RuleBasedStateMachine):
    """The bytes from `read` to `written` are in the ring; those up to `shown` are visible to the receiver, others may be."""

    @initialize(capacity=capacities)
    def create(self, capacity: int) -> None:
        self.tx, self.rx = spsc_buffer(capacity)
        self.capacity = capacity
        self.written = self.shown = self.read = 0
        self.before = (0, 0)  # counters of the replaced ends

    @property
    def room(self) -> int:
        return self.capacity - (self.written - self.read)

    def accept(self, call: Any, size: int) -> None:
        data = content(self.written, size)
        if size > 0 and self.room == 0:
            with pytest.raises(backbuf.ChannelFull):
                call(data)
            self.shown = self.written  # a full ring is published
        else:
            sent = call(data)
            assert sent == min(size, self.room)
            self.written += sent

    @rule(size=sizes)
    def send(self, size: int) -> None:
        self.accept(self.tx.send, size)
        if size > 0:
            self.shown = self.written

    @rule(size=sizes)
    def feed(self, size: int) -> None:
        self.accept(self.tx.feed, size)

    @rule(size=sizes)
    def write(self, size: int) -> None:
        data, room = content(self.written, size), self.room
        try:
            sent = self.tx.write(data, timeout=0)
        except backbuf.WaitTimeoutError as error:
            sent = error.sent
        assert sent == min(size, room)
        self.written += sent
        if size > 0:
            self.shown = self.written

    @rule()
    def flush(self) -> None:
        self.tx.flush()
        self.shown = self.written

    def check(self, data: Any, wanted: int) -> None:
        assert bytes(data) == content(self.read, len(data))
        assert min(wanted, self.shown - self.read) <= len(data) <= min(wanted, self.written - self.read)
        self.read += len(data)
        self.shown = max(self.shown, self.read)

    @rule(size=sizes)
    def recv(self, size: int) -> None:
        self.check(self.rx.recv(size), size)

    @rule(size=sizes)
    def recv_into(self, size: int) -> None:
        buffer = bytearray(size)
        got = self.rx.recv_into(buffer)
        assert not any(buffer[got:])
        self.check(buffer[:got], size)

    @rule(size=sizes)
    def read_some(self, size: int) -> None:
        try:
            self.check(self.rx.read(size, timeout=0), size)
        except backbuf.WaitTimeoutError:
            assert self.shown == self.read

    @rule(size=sizes)
    def armed(self, size: int) -> None:
        wanted = min(max(size, 1), self.capacity)
        assert self.tx.arm(size) == (self.room >= wanted)
        if self.shown == self.written:
            assert self.rx.arm(size) == (self.written - self.read >= wanted)

    @rule()
    def counted(self) -> None:
        sent, received = self.before
        assert (self.tx.statistics().bytes, self.rx.statistics().bytes) == (self.written - sent, self.read - received)

    @rule(which=st.sampled_from(["sender", "receiver"]))
    def replaced(self, which: str) -> None:
        """Replaces an end; closing a sender publishes fed bytes."""
        if which == "sender":
            self.tx.close()
            self.shown = self.written
            self.tx = self.rx.attach_sender()
            self.before = (self.written, self.before[1])
        else:
            self.rx.close()
            self.rx = self.tx.attach_receiver()
            self.before = (self.before[0], self.read)

    def teardown(self) -> None:
        if hasattr(self, "tx"):
            self.tx.close()
            self.shown = self.written
            self.check(b"".join(iter(lambda: self.rx.read(1 << 20), b"")), 1 << 20)
            assert self.read == self.written


class Streams(RuleBasedStateMachine):
    """Chunks in byte order, unchanged while they are held."""

    @initialize(
        capacity=st.sampled_from([64, 4096, 1 << 16]),
        size=st.integers(64, 5000),
        least=st.integers(1, 64),
        pool=st.integers(0, 4),
    )
    def create(self, capacity: int, size: int, least: int, pool: int) -> None:
        self.tx, rx = spsc_buffer(capacity)
        self.least = min(least, size)
        self.stream = rx.into_stream(size, min_size=self.least, pool_count=pool)
        self.written = self.read = 0
        self.held: list[tuple[int, memoryview]] = []

    @rule(size=sizes)
    def send(self, size: int) -> None:
        with suppress(backbuf.ChannelFull):
            self.written += self.tx.send(content(self.written, size))

    @property
    def ready(self) -> bool:
        return self.written - self.read >= self.least

    def hold(self, chunk: memoryview) -> None:
        assert len(chunk) >= self.least
        assert bytes(chunk) == content(self.read, len(chunk))
        self.held.append((self.read, chunk))
        self.read += len(chunk)

    @rule()
    def next(self) -> None:
        if self.ready:
            self.hold(self.stream.next(timeout=0))
        else:
            with pytest.raises(backbuf.WaitTimeoutError):
                self.stream.next(timeout=0)

    @precondition(lambda self: self.ready)
    @rule(most=st.integers(1, 9))
    def ready_chunks(self, most: int) -> None:
        batch = next(self.stream.ready_chunks(most))
        assert 1 <= len(batch) <= most
        for chunk in batch:
            self.hold(chunk)
        assert len(batch) == most or not self.ready

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 50))
    def release(self, which: int) -> None:
        place, chunk = self.held.pop(which % len(self.held))
        assert bytes(chunk) == content(place, len(chunk))

    @rule()
    def counted(self) -> None:
        found = self.stream.statistics()
        assert (found.live, found.bytes) == (len(self.held), self.read)
        assert found.hits + found.misses == found.chunks
        assert self.stream.arm() == self.ready

    def teardown(self) -> None:
        if not hasattr(self, "stream"):
            return
        self.tx.close()
        self.least = 1  # the remainder
        for chunk in self.stream:
            self.hold(chunk)
        assert self.read == self.written
        del self.stream
        assert all(bytes(chunk) == content(place, len(chunk)) for place, chunk in self.held)


TestEnds = Ends.TestCase
TestEnds.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStreams = Streams.TestCase
TestStreams.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
