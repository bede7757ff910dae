#!/usr/bin/env python3
"""A native thread sends messages through a ring; an event loop reads them as chunks and draws the data rate.

The chunks are NumPy arrays over the ring's own buffers: Python copies nothing. Each word of the stream is its own index, so
that lost, duplicated or overwritten words are detected. Another task of the same loop takes the samples for the plot.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np

import backbuf

mpl.use("agg")
import matplotlib.pyplot as plt

SOURCE = Path(__file__).with_name("ring_producer.c")
SAMPLE_SECONDS = 0.02


def build(folder: Path) -> ctypes.CDLL:
    """Compiles the producer into `folder` and loads it."""
    library, target = Path(backbuf.get_library()), folder / "libring_producer.so"
    command = [
        *shlex.split(os.environ.get("CC", "cc")),
        *("-std=gnu11", "-O3", "-march=native", "-fPIC", "-shared", f"-I{backbuf.get_include()}"),
        *(str(SOURCE), str(library), f"-Wl,-rpath,{library.parent}", "-lpthread", "-o", str(target)),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, check=True)
    producer = ctypes.CDLL(str(target.resolve()))
    producer.producer_start.argtypes = (ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64)
    producer.producer_join.restype = ctypes.c_uint64
    return producer


@dataclass
class Reader:
    """Counters of the received stream, and samples of them."""

    bytes: int = 0
    chunks: int = 0
    misplaced: int = 0
    seconds: list[float] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    buffer_size: list[int] = field(default_factory=list)

    async def take(self, stream: backbuf.SPSCReceiverStream) -> None:
        async for batch in stream.ready_chunks(16):
            for chunk in batch:
                words = np.frombuffer(chunk, "u8")
                first = self.bytes // 8
                self.misplaced += not (words[0] == first and words[-1] == first + len(words) - 1)
                self.bytes += len(chunk)
                self.chunks += 1

    async def sample(self, stream: backbuf.SPSCReceiverStream) -> None:
        start = time.perf_counter()
        while True:
            self.seconds.append(time.perf_counter() - start)
            self.read.append(self.bytes)
            self.buffer_size.append(stream.statistics().buffer_size)
            await asyncio.sleep(SAMPLE_SECONDS)


async def run(producer: ctypes.CDLL, given: argparse.Namespace) -> tuple[Reader, backbuf.StreamStatistics, int]:
    """Runs the producer and the reader; returns the reader, the pool's statistics and the number of bytes that were sent."""
    tx, rx = backbuf.spsc_buffer(given.capacity << 10, label="samples")
    reader = Reader()
    async with rx.into_stream(pool_size=given.buffer << 10, record_size=8) as stream:
        sampler = asyncio.create_task(reader.sample(stream))
        room = max(given.message, tx.capacity // 4)
        if producer.producer_start(tx.detach(), given.message, room) != 0:
            raise OSError("the producer's thread could not be started")
        asyncio.get_running_loop().call_later(given.seconds, producer.producer_stop)
        await reader.take(stream)
        sampler.cancel()
        return reader, stream.statistics(), producer.producer_join()


def draw(reader: Reader, given: argparse.Namespace, file: Path) -> None:
    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    rate = np.diff(reader.read) / np.diff(reader.seconds) / 1e9
    axes.plot(reader.seconds[1:], rate, linewidth=1.2)
    axes.set(xlabel="seconds", ylabel="GB/s", ylim=(0, None), title="A native thread to an event loop, through one ring")
    sizes = axes.twinx()
    sizes.step(reader.seconds, np.array(reader.buffer_size) / 1024, color="tab:orange", alpha=0.7, where="post")
    sizes.set_ylabel("KiB a buffer", color="tab:orange")
    sizes.set_ylim(0, None)
    axes.grid(alpha=0.3)
    figure.supxlabel(
        f"messages of {given.message:,} bytes, ring of {given.capacity:,} KiB; {reader.bytes / 1e9:.2f} GB in"
        f" {reader.chunks:,} chunks, {reader.misplaced} out of place",
        fontsize="small",
        color="grey",
    )
    figure.savefig(file, dpi=130)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--seconds", type=float, default=5.0, help="time that the producer sends (default: %(default)g)")
    add("--message", type=int, metavar="BYTES", default=4096, help="size of a message (default: %(default)s)")
    add("--capacity", type=int, metavar="KIB", default=1024, help="capacity of the ring (default: %(default)s)")
    add("--buffer", type=int, metavar="KIB", default=64, help="initial size of a chunk (default: %(default)s)")
    add("--output", type=Path, default=Path("target/demo"), help="folder for ring.png (default: %(default)s)")
    given = parser.parse_args()
    if not given.seconds > 0:
        parser.error(f"--seconds {given.seconds:g}: must be above 0")
    for name in ("capacity", "buffer"):
        if not 1 <= getattr(given, name) <= 1 << 20:
            parser.error(f"--{name} {getattr(given, name)}: must be 1 to {1 << 20} KiB")
    if given.message < 8 or given.message % 8 or given.message > given.capacity << 10:
        parser.error(f"--message {given.message}: must be a multiple of 8 up to the ring's capacity")
    return given


def main() -> int:
    given = arguments()
    reader, pool, sent = asyncio.run(run(build(given.output), given))
    draw(reader, given, given.output / "ring.png")
    seconds = reader.seconds[-1]
    print(f"{reader.bytes / 1e9:.2f} GB in {seconds:.1f} s: {reader.bytes / seconds / 1e9:.2f} GB/s,", end=" ")
    print(f"{reader.bytes / given.message / seconds:,.0f} messages/s")
    print(f"{reader.chunks:,} chunks, {pool.hits / max(1, pool.chunks):.1%} of them in reused buffers")
    print(f"out of place: {reader.misplaced}; sent and not read: {sent - reader.bytes} bytes")
    print(f"written to {given.output}: ring.png")
    return 0 if reader.misplaced == 0 and sent == reader.bytes else 1


if __name__ == "__main__":
    sys.exit(main())
