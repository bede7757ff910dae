"""Conversion of arguments that every part of the package takes: whole numbers, texts, timeouts, dtypes and bytes.

Each error names the parameter.
"""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ._errors import ArgumentError
from ._library import ffi, lib

FOREVER: int = lib.BB_FOREVER
T = TypeVar("T")


def whole_number(value: Any, name: str) -> int:
    """Checks an int, or another object that is a whole number, such as a NumPy integer."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is a {type(value).__name__}: give an int") from None


def unsigned(value: Any, name: str, bits: int = 64) -> int:
    """Checks an integer of `bits` bits without sign."""
    number = whole_number(value, name)
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{name} is {number}: it must be from 0 to 2**{bits} - 1")
    return number


def size_of(value: Any, name: str, least: int = 0) -> int:
    """Checks a number of bytes or chunks."""
    if isinstance(value, bool):
        raise TypeError(f"{name} is a bool: give an int")
    number = whole_number(value, name)
    if not least <= number < 1 << 64:
        raise ValueError(f"{name} is {number}: it must be from {least} to 2**64 - 1")
    return number


def flag(value: Any, name: str) -> bool:
    """Checks a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is a {type(value).__name__}: give True or False")
    return bool(value)


def instance_of(value: Any, cls: type[T], name: str) -> T:
    """Checks an object of the package."""
    if not isinstance(value, cls):
        raise TypeError(f"{name} is a {type(value).__name__}: give a backbuf.{cls.__name__}")
    return value


def c_text(value: Any, name: str) -> Any:
    """A str as a C string; keep the result as long as it is used."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__}: give a str")
    if "\0" in value:
        raise ArgumentError(f"{name} is {value!r}: it must not contain a NUL", lib.BB_E_ARGUMENT)
    try:
        return ffi.new("char[]", value.encode())
    except UnicodeEncodeError:
        raise ArgumentError(f"{name} is {value!r}: it must be text without surrogates", lib.BB_E_ARGUMENT) from None


def nanoseconds(timeout: float | None, name: str = "timeout") -> int:
    """Converts a timeout in seconds to the library's nanoseconds; None means without limit."""
    if timeout is None or timeout == math.inf:
        return FOREVER
    if not isinstance(timeout, (int, float, numbers.Real)):
        raise TypeError(f"{name} is a {type(timeout).__name__}: give seconds as a number, or None to wait without limit")
    if not timeout >= 0:
        raise ValueError(f"{name} is {timeout}: give seconds from 0 on, or None to wait without limit")
    return int(min(timeout, 1e9) * 1e9)  # 1e9 seconds, 30 years, fit into 64 bits


def dtype_from(value: npt.DTypeLike, name: str = "dtype") -> np.dtype[Any]:
    """The dtype that NumPy makes of `value`."""
    try:
        return np.dtype(value)
    except TypeError as error:
        raise TypeError(f"{name} is {value!r}: {error}") from None


def _from_buffer(data: Any, name: str, writable: bool) -> Any:
    try:
        return ffi.from_buffer(data, require_writable=writable)
    except TypeError:
        kind = type(data).__name__
        raise TypeError(f"{name} is a {kind}: give bytes, or another object with the buffer protocol") from None
    except (BufferError, ValueError) as error:
        if writable:
            raise BufferError(f"{name} is not writable contiguous memory ({error}): fill a bytearray instead") from None
        raise BufferError(f"{name} is not contiguous memory ({error}): give a copy of {name}, as in bytes({name})") from None


@contextmanager
def contiguous_bytes(data: Any, name: str, writable: bool = False) -> Iterator[memoryview]:
    """The bytes of an object with the buffer protocol, whatever the type of its items is."""
    with _from_buffer(data, name, writable) as source:
        yield memoryview(ffi.buffer(source))


def byte_view(data: Any, name: str) -> memoryview:
    """As `contiguous_bytes`, until the view is released."""
    return memoryview(ffi.buffer(_from_buffer(data, name, False)))


def raw_bytes(data: Any) -> memoryview | None:
    """The bytes of a buffer of bytes: bytes, a bytearray, a memoryview or a chunk of a ring. None for arrays, whose dtype
    counts, and for all other objects.
    """
    if hasattr(data, "__array_interface__") or hasattr(data, "__array__"):
        return None
    try:
        view = memoryview(data)
    except (TypeError, BufferError):
        return None
    if view.format != "B":
        return None
    return view.cast("B") if view.c_contiguous and view.nbytes else memoryview(view.tobytes())
