"""The design's pseudo-code in Python: queue.Queue, a worker thread, two NumPy arrays, an event and a swap."""

from __future__ import annotations

import queue
import threading

import numpy as np


class Seed:
    """Every element of the state is its index in the flat array."""

    def __init__(self, elements: int) -> None:
        self.copies = [np.zeros(elements), np.zeros(elements)]
        self.front = 0
        self.queue: queue.Queue[tuple[int, np.ndarray] | threading.Event | None] = queue.Queue()
        self.worker = threading.Thread(target=self._work, daemon=True)
        self.worker.start()

    def enqueue(self, data: np.ndarray, byte_offset: int) -> None:
        """Queues a copy of data."""
        self.queue.put((byte_offset // 8, data.copy()))

    def synchronize(self) -> None:
        """Waits until the worker has come this far and has swapped."""
        event = threading.Event()
        self.queue.put(event)
        event.wait()

    def close(self) -> None:
        """Ends the worker."""
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
