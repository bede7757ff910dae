"""Inline writers and readers: compiled code and ctypes write and read records by address."""

from __future__ import annotations

import ctypes
import gc
import threading
from typing import Any

import numpy as np
import pytest

import backbuf

NEXT, END, DUE = 2, 3, 4

UPDATE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint64)


def put(writer: backbuf.InlineWriter, record: bytes) -> None:
    """Writes one record as compiled code does."""
    words = writer.words
    if int(words[END]) - int(words[NEXT]) < len(record):
        writer.publish(len(record))
    ctypes.memmove(int(words[NEXT]), record, len(record))
    words[NEXT] += np.uint64(len(record))
    if words[NEXT] >= words[DUE]:
        writer.publish()


def test_records_are_published_when_due() -> None:
    tx, rx = backbuf.spsc_buffer(64)
    with tx.open_writer(16) as writer:
        put(writer, b"0123456789")
        assert rx.recv(64) == b""
        put(writer, b"abcdef")
        assert rx.recv(64) == b"0123456789abcdef"
        put(writer, b"rest")
    assert rx.recv(64) == b"rest"
    assert tx.send(b"after") == 5


def test_a_full_ring_and_a_closed_end() -> None:
    tx, rx = backbuf.spsc_buffer(16)
    writer = tx.open_writer()
    put(writer, b"0123456789")
    with pytest.raises(backbuf.ChannelFull):
        put(writer, b"abcdefg")
    assert rx.recv(64) == b"0123456789"
    put(writer, b"abcdefg")
    rx.close()
    with pytest.raises(backbuf.ReceiversDisconnected):
        writer.publish()
    writer.close()
    writer.close()


def test_a_reader_gives_back() -> None:
    tx, rx = backbuf.spsc_buffer(16)
    tx.send(bytes(range(16)))
    with rx.open_reader() as reader:
        assert reader.give_back(8) == 16
        assert ctypes.string_at(int(reader.words[NEXT]), 4) == bytes(range(4))
        reader.words[NEXT] += np.uint64(4)
        assert tx.statistics().bytes == 16
        assert reader.give_back(13) == 0
        assert tx.send(b"more!") == 4
        with pytest.raises(backbuf.StateError):
            rx.recv(1)
        tx.close()
        assert reader.give_back(16) == 16
        reader.words[NEXT] += np.uint64(16)
        with pytest.raises(backbuf.SendersDisconnected):
            reader.give_back(1)


def test_wrong_use_is_refused() -> None:
    tx, rx = backbuf.spsc_buffer(16)
    writer = tx.open_writer()
    with pytest.raises(backbuf.StateError):
        tx.open_writer()
    with pytest.raises(backbuf.StateError):
        tx.send(b"x")
    words = writer.words
    words[NEXT] += np.uint64(17)
    with pytest.raises(backbuf.StateError, match="next"):
        writer.publish()
    words[NEXT] -= np.uint64(17)
    with pytest.raises(backbuf.OutOfRangeError):
        writer.publish(17)
    writer.close()
    with pytest.raises((TypeError, ValueError, OverflowError, backbuf.BackbufError)):
        tx.open_writer(-1)
    records, _ = backbuf.spsc_buffer(64, overwrite_record_size=8)
    with pytest.raises(backbuf.UnsupportedError):
        records.open_writer()
    assert rx.recv(16) == b""


def test_memory_outlives_its_end() -> None:
    tx, rx = backbuf.spsc_buffer(64)
    writer = tx.open_writer()
    words = writer.words
    tx.close()
    del writer, tx
    gc.collect()
    ctypes.memset(int(words[NEXT]), 1, 64)  # the words keep the claim, and the claim keeps the memory
    del words
    gc.collect()
    tx = rx.attach_sender()
    assert tx.send(b"new") == 3


def test_an_address_for_c_code() -> None:
    tx, rx = backbuf.spsc_buffer(64)
    with tx.open_writer() as writer:
        ctypes.memmove(int(writer.words[NEXT]), b"by address", 10)
        writer.words[NEXT] += np.uint64(10)
        assert UPDATE(writer.call)(writer.address, 0) == 0
        assert rx.recv(64) == b"by address"
        assert UPDATE(writer.call)(writer.address, 65) < 0


def compiled_writer() -> Any:
    """A function compiled by Numba that writes numbers without a call for each."""
    numba = pytest.importorskip("numba")
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic  # type: ignore[untyped-decorator]  # numba has no types
    def store(context: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = builder.inttoptr(arguments[0], arguments[1].type.as_pointer())
            builder.store(arguments[1], pointer)
            return context.get_dummy_value()

        return types.void(types.uint64, types.uint64), generate

    def numbers(words: Any, address: Any, call: Any, count: Any) -> Any:
        for number in range(count):
            while words[END] - words[NEXT] < np.uint64(8):
                if call(address, 8) not in (0, -15):  # BB_E_FULL: polls until there is space
                    return number
            store(words[NEXT], np.uint64(number))
            words[NEXT] += np.uint64(8)
            if words[NEXT] >= words[DUE]:
                call(address, 0)
        return count

    return numba.njit(nogil=True)(numbers)


def test_numba_writes_records() -> None:
    write = compiled_writer()
    tx, rx = backbuf.spsc_buffer(4096)
    count = 100_000
    with tx.open_writer(256) as writer:
        call = UPDATE(writer.call)
        written: list[int] = []
        thread = threading.Thread(target=lambda: written.append(write(writer.words, writer.address, call, count)))
        thread.start()
        got = bytearray()
        while len(got) < 8 * (count - 32):
            rx.wait(1)
            got += rx.recv(4096)
        thread.join()
    got += rx.recv(4096)
    assert written == [count]
    assert np.array_equal(np.frombuffer(got, "u8"), np.arange(count))
