"""Bench rows of spsc.python: calls of a ring, and frames from one Python thread to another."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measure import Loop, alternate, figures

RECORD = bytes(range(100))
RING = 1 << 20
FRAME = (1080, 1920, 3)
FRAME_BYTES = 1080 * 1920 * 3
FRAME_RING = 1 << 24
QUEUED = 2
"""The capacity of a queue in frames: as many as the ring holds. More frames than fit into the cache cost both more."""
FRAME_BURST = 0.1


def record_loop(send: Callable[[bytes], object], drain: Callable[[], object]) -> Loop:
    """Times calls that send one record; the records are taken from time to time, outside of the measurement."""

    def run(times: int) -> float:
        took, left = 0.0, times
        while left:
            part = min(left, 4000)
            started = time.perf_counter()
            for _ in range(part):
                send(RECORD)
            took += time.perf_counter() - started
            drain()
            left -= part
        return took

    return run


def frame_loop(produce: Callable[[int], None], take: Callable[[], int]) -> Loop:
    """Times frames that another thread produces and this one takes."""

    def run(times: int) -> float:
        thread = threading.Thread(target=produce, args=(times,))
        started = time.perf_counter()
        thread.start()
        for number in range(times):
            if take() != number % 256:
                raise RuntimeError("a frame is lost or wrong")
        thread.join()
        return time.perf_counter() - started

    return run


def write_loops(backbuf: Any) -> dict[str, Loop]:
    """`write` of a record with room, `send`, and the queue of the standard library."""
    tx, rx = backbuf.spsc_buffer(RING)
    space = bytearray(RING)
    records: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def drain() -> None:
        rx.recv_into(space)

    def drain_records() -> None:
        while not records.empty():
            records.get()

    if tx.write(RECORD) != len(RECORD) or rx.read(RING) != RECORD:
        raise RuntimeError("ours gave a wrong answer")
    return {
        "ours": record_loop(tx.write, drain),
        "send": record_loop(tx.send, drain),
        "simple_queue": record_loop(records.put, drain_records),
    }


def number_of(frame: np.ndarray) -> int:
    """The number of a frame: the sum of some of its rows; only the first pixel of each is not 0."""
    return int(frame[::64].sum())


def frame_loops(backbuf: Any) -> dict[str, Loop]:
    """Frames with one copy each: into the reserved span of a ring and read in place, or a copy in a queue."""
    tx, rx = backbuf.spsc_buffer(FRAME_RING)
    frame = np.zeros(FRAME, "u1")
    frames: queue.Queue[np.ndarray] = queue.Queue(QUEUED)

    def send(times: int) -> None:
        for number in range(times):
            frame[0, 0, 0] = number % 256
            tx.wait(FRAME_BYTES)
            span = tx.reserve(FRAME_BYTES)
            target = np.frombuffer(span, "u1", FRAME_BYTES).reshape(FRAME)
            target[:] = frame
            del target
            tx.commit(FRAME_BYTES)

    def receive() -> int:
        rx.wait(FRAME_BYTES)
        span = rx.peek(FRAME_BYTES)
        number = number_of(np.frombuffer(span, "u1", FRAME_BYTES).reshape(FRAME))
        rx.consume(FRAME_BYTES)
        return number

    def put(times: int) -> None:
        for number in range(times):
            frame[0, 0, 0] = number % 256
            frames.put(frame.copy())

    def get() -> int:
        return number_of(frames.get())

    return {"ours": frame_loop(send, receive), "queue_copy": frame_loop(put, get)}


def measure(row: str, seconds: float) -> dict[str, object]:
    """The subjects of one row."""
    try:
        import backbuf
    except ImportError as error:
        return {"not_run": f"{error} in {sys.prefix}"}
    if row == "write":
        return figures(alternate(write_loops(backbuf), seconds))
    if row == "frames":
        return figures(alternate(frame_loops(backbuf), seconds, FRAME_BURST))
    return {"not_run": "no such row in the script"}
