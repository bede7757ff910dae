"""A naive double-buffered state in Python: a `queue.Queue`, a worker thread, two NumPy arrays, an event and a swap."""

from __future__ import annotations

import queue
import threading

import numpy as np


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
