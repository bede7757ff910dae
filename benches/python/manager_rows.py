"""Bench rows of manager.python and manager.column.python: seconds per call."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import repeat
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from manager_peers import Naive, Update, empty_functions
from measure import Loop, alternate, figures

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent.parent / "target" / "bench" / "cffi"

ELEMENTS = 32 * 1024
SMALL = 16
SLICE = 8
MANY = 1000
TABLE = (20_000, 30)
WHOLE = 512  # elements of a state that is assigned as a whole


def loop(call: Callable[..., object], *arguments: object, after: Callable[[], object] | None = None) -> Loop:
    """A loop that times a number of calls, followed by `after`, which empties a peer's queue."""

    def run(times: int) -> float:
        started = time.perf_counter()
        for _ in repeat(None, times):
            call(*arguments)
        if after:
            after()
        return time.perf_counter() - started

    return run


def from_buffer_loop(cffi: ModuleType, data: np.ndarray) -> Loop:
    """Times a bare cffi call with a buffer, inline: a wrapper function would double the cost."""
    copy, from_buffer, null = cffi.lib.bare_copy, cffi.ffi.from_buffer, cffi.ffi.NULL

    def run(times: int) -> float:
        started = time.perf_counter()
        for _ in repeat(None, times):
            copy(null, 64, from_buffer(data), SMALL)
        return time.perf_counter() - started

    return run


def assign_loop(target: Any, index: Any, value: np.ndarray) -> Loop:
    """Times `target[index] = value`, inline."""

    def run(times: int) -> float:
        started = time.perf_counter()
        for _ in repeat(None, times):
            target[index] = value
        return time.perf_counter() - started

    return run


@contextmanager
def busy_thread() -> Iterator[None]:
    """Another Python thread that runs without waiting."""
    ended = False

    def count() -> None:
        while not ended:
            pass

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield
    finally:
        ended = True
        thread.join()


def measure(row: str, seconds: float) -> dict[str, object]:
    """The subjects of one row, checked once before they are timed."""
    try:
        import backbuf
    except ImportError as error:
        return {"not_run": f"{error} in {sys.prefix}"}

    cffi = empty_functions(CACHE)
    small = np.arange(SMALL, dtype="f8")
    indices = np.random.default_rng(1).permutation(ELEMENTS)[:MANY]
    values = np.arange(MANY, dtype="f8")
    with ExitStack() as stack:
        m = stack.enter_context(backbuf.CBufferManager((ELEMENTS,), dtype="f8"))
        naive = Naive(ELEMENTS)
        stack.callback(naive.close)

        def published() -> np.ndarray:
            m.synchronize()
            with m.front() as front:
                return front.array.copy()

        loops: dict[str, Loop]
        per_call = 1
        if row in ("scalar", "scalar_threads"):
            m.enqueue(1.5, 64)
            right = published()[8] == 1.5
            update = cffi.ffi.new("char[24]")
            null = cffi.ffi.NULL
            loops = {"ours": loop(m.enqueue, 1.5, 64)}
            if row == "scalar":
                loops["limit.cffi_call"] = loop(cffi.lib.bare_call, null, update, 0)
        elif row == "numpy":
            m.enqueue(small, 64)
            right = bool((published()[8 : 8 + SMALL] == small).all())
            loops = {
                "ours": loop(m.enqueue, small, 64),
                "naive_python": loop(naive.enqueue, small, 64, after=naive.synchronize),
                "limit.cffi_from_buffer": from_buffer_loop(cffi, small),
            }
        elif row == "many":
            m.put(indices, values)
            right = bool((published()[indices] == values).all())
            per_call = MANY
            # Each thousand is published: without that, ever more of the same epoch would be measured.
            loops = {"ours": loop(lambda: (m.put(indices, values), m.synchronize()))}
        elif row == "update":
            m.enqueue(backbuf.BufferUpdate(64, SMALL, small))
            right = bool((published()[8 : 8 + SMALL] == small).all())
            loops = {
                "ours": loop(lambda: m.enqueue(backbuf.BufferUpdate(64, SMALL, small))),
                "naive_python": loop(lambda: naive.enqueue_update(Update(64, SMALL, small)), after=naive.synchronize),
                "limit.cffi_from_buffer": from_buffer_loop(cffi, small),
            }
        elif row == "updates":
            writes = [(int(index) * 8, 1, values[number : number + 1]) for number, index in enumerate(indices)]
            updates = [backbuf.BufferUpdate(*write) for write in writes]
            m.enqueue(updates)
            right = bool((published()[indices] == values).all())
            per_call = MANY
            own = [Update(*write) for write in writes]

            def each() -> None:
                for update in own:
                    naive.enqueue_update(update)

            loops = {
                "ours": loop(lambda: (m.enqueue(updates), m.synchronize())),
                "naive_python": loop(each, after=naive.synchronize),
            }
        elif row == "slice":
            few = small[:SLICE]
            m[8 : 8 + SLICE] = few
            right = bool((published()[8 : 8 + SLICE] == few).all())
            loops = {
                "ours": assign_loop(m, slice(8, 8 + SLICE), few),
                "naive_python": loop(naive.enqueue, few, 64, after=naive.synchronize),
                "limit.cffi_from_buffer": from_buffer_loop(cffi, few),
            }
        elif row == "assign":
            whole = stack.enter_context(backbuf.CBufferManager((WHOLE,), dtype="f8"))
            data = np.arange(WHOLE, dtype="f8")
            whole[...] = data
            whole.synchronize()
            right = bool((whole.snapshot() == data).all())
            loops = {
                "ours": assign_loop(whole, ..., data),
                "limit.numpy_copy": assign_loop(np.empty(WHOLE), ..., data),
            }
        elif row == "column.python":
            table = stack.enter_context(backbuf.CBufferManager(TABLE, dtype="f8"))
            other = stack.enter_context(backbuf.CBufferManager(TABLE, dtype="f8"))
            data, column = np.zeros(TABLE), np.arange(TABLE[0], dtype="f8")

            def assign_column() -> None:
                table[:, 7] = column
                table.synchronize()

            def enqueue_table() -> None:
                other.enqueue(data)
                other.synchronize()

            assign_column()
            data[:, 7] = column
            right = bool((table.snapshot() == data).all())
            loops = {"ours": loop(assign_column), "whole_table": loop(enqueue_table)}
        elif row == "sync_empty":
            epoch = m.synchronize()
            right = m.synchronize() == epoch
            loops = {"ours": loop(m.synchronize), "naive_python": loop(naive.synchronize)}
        else:
            return {"not_run": "no such row in the script"}
        if not right:
            return {"not_run": "ours gave a wrong answer"}
        if row == "scalar_threads":
            stack.enter_context(busy_thread())
        samples = alternate(loops, seconds)
        if row == "assign":
            pairs = zip(samples["ours"], samples["limit.numpy_copy"], strict=True)
            samples["ours"] = [whole_time - copy_time for whole_time, copy_time in pairs]

    return figures(samples, per_call)
