"""Peers and limits of the rows of manager.python: a naive manager in Python, and empty C functions called through cffi."""

from __future__ import annotations

import importlib.util
import queue
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from cffi import FFI

DECLARATIONS = """
int32_t bare_call(void *manager, const void *update, uint64_t timeout);
int32_t bare_copy(void *manager, uint64_t offset, const void *data, uint64_t bytes);
"""
SOURCE = """
#include <stdint.h>
static int32_t bare_call(void *m, const void *update, uint64_t timeout) { (void)m, (void)update, (void)timeout; return 0; }
static int32_t bare_copy(void *m, uint64_t offset, const void *data, uint64_t bytes)
{ (void)m, (void)offset, (void)data, (void)bytes; return 0; }
"""


def empty_functions(folder: Path) -> ModuleType:
    """Empty C functions in cffi's fast mode: the minimum cost of a call. cffi compiles them again only after a change."""
    builder = FFI()
    builder.cdef(DECLARATIONS)
    builder.set_source("backbuf_bare", SOURCE, extra_compile_args=["-O2"])
    path = builder.compile(tmpdir=str(folder))
    spec = importlib.util.spec_from_file_location("backbuf_bare", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Update:
    """The original design's `BufferUpdate`."""

    offset: int
    length: int
    data: np.ndarray


class Naive:
    """The state as two flat arrays of `elements` float64; the worker swaps them when it reaches a `synchronize`."""

    def __init__(self, elements: int) -> None:
        self.copies = [np.zeros(elements), np.zeros(elements)]
        self.front = 0
        self.queue: queue.Queue[tuple[int, np.ndarray] | threading.Event | None] = queue.Queue()
        self.worker = threading.Thread(target=self._work, daemon=True)
        self.worker.start()

    def enqueue(self, data: np.ndarray, byte_offset: int) -> None:
        """Queues a copy of `data` for `byte_offset`."""
        self.queue.put((byte_offset // 8, data.copy()))

    def enqueue_update(self, update: Update) -> None:
        """Queues a copy of an update."""
        self.queue.put((update.offset // 8, update.data.copy()))

    def synchronize(self) -> None:
        """Waits until the worker has applied all queued updates and has swapped the copies."""
        event = threading.Event()
        self.queue.put(event)
        event.wait()

    def close(self) -> None:
        """Stops the worker."""
        self.queue.put(None)
        self.worker.join()

    def _work(self) -> None:
        while (item := self.queue.get()) is not None:
            if isinstance(item, threading.Event):
                self.front = 1 - self.front
                item.set()
            else:
                start, data = item
                self.copies[1 - self.front][start : start + len(data)] = data
