"""Arrays that outlive their source: blocks of `back()`, kernel calls, managers, chunks, the interpreter."""

from __future__ import annotations

import contextlib
import ctypes
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import Manager, Script

import backbuf
from backbuf import CBufferManager


class Subclass(np.ndarray[Any, Any]):
    """An array of another type, whose base is the array and not the array's base."""


VIEWS: dict[str, Callable[[Any], Any]] = {
    "slice": lambda a: a[2:5],
    "row": lambda a: a.reshape(2, 4)[0],
    "transposed": lambda a: a.T,
    "bytes": lambda a: a.view("u1"),
    "memoryview": memoryview,
    "frombuffer": lambda a: np.frombuffer(a, a.dtype),
    "subclass": lambda a: a.view(Subclass),
    "strided": lambda a: np.lib.stride_tricks.as_strided(a, (4,), (16,)),
    "ctypes": lambda a: a.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
    "array": lambda a: a,
    "iterator": iter,
}


def write(view: Any) -> None:
    """Writes through anything that can be written through."""
    with contextlib.suppress(ValueError, TypeError):
        view[...] = 99
    with contextlib.suppress(ValueError, TypeError):
        view[1] = 99  # memoryviews and pointers


def all_fronts(m: CBufferManager, kept: list[Any]) -> list[list[float]]:
    """The content of every copy as a front, with writes through the views before and after each publish."""
    shown = []
    for step in range(5):
        for view in kept:
            write(view)
        m.enqueue(float(step))
        m.synchronize(timeout=10)
        for view in kept:
            write(view)
        shown.append(m.snapshot()[1:].tolist())
    return shown


@pytest.mark.parametrize("kind", VIEWS)
@pytest.mark.parametrize("end", ["commit", "cancel"])
def test_a_kept_view_of_the_back_copy_reaches_no_front(manager: Manager, kind: str, end: str) -> None:
    m = manager(8, initial=1)
    kept: list[Any] = []
    with contextlib.suppress(ZeroDivisionError), m.back() as a:
        a[:] = 2
        kept.append(VIEWS[kind](a))
        if end == "cancel":
            raise ZeroDivisionError
    assert all_fronts(m, kept) == [[2.0 if end == "commit" else 1.0] * 7] * 5
    m.destroy()
    for view in kept:
        write(view)


def rebinds(m: CBufferManager, kept: list[Any]) -> None:
    with m.back() as a:
        a[:] = 2
        a = memoryview(a)  # noqa: PLW2901  (as programs do with tensors)
    kept.append(a)


def deletes(m: CBufferManager, kept: list[Any]) -> None:
    with m.back() as a:
        a[:] = 2
        kept.append(memoryview(a))
        del a


def has_no_variable(m: CBufferManager, kept: list[Any]) -> None:
    back = m.back()
    kept.append(memoryview(back.__enter__()))
    kept[0][:] = memoryview(np.full(8, 2.0))
    back.__exit__(None, None, None)


def has_a_stack(m: CBufferManager, kept: list[Any]) -> None:
    with contextlib.ExitStack() as stack:
        kept.append(memoryview(stack.enter_context(m.back())))
        kept[0][:] = memoryview(np.full(8, 2.0))


def returns(m: CBufferManager, kept: list[Any]) -> None:
    def view() -> memoryview:
        with m.back() as a:
            a[:] = 2
            return memoryview(a)

    kept.append(view())


@pytest.mark.parametrize("block", [rebinds, deletes, has_no_variable, has_a_stack, returns])
def test_the_only_reference_need_not_be_a_variable(block: Callable[[CBufferManager, list[Any]], None]) -> None:
    m = CBufferManager(8, initial=1)
    kept: list[Any] = []
    block(m, kept)
    assert all_fronts(m, kept) == [[2.0] * 7] * 5


def place(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def test_a_block_without_kept_views_copies_nothing(manager: Manager) -> None:
    m = manager((4, 4), copies=2)
    places = []
    for step in range(6):
        with m.back() as a:
            a[0] = step
            np.add(a[1:], 1, out=a[1:])
            places.append(place(a))
        m.synchronize()
    assert len(set(places)) == 2
    with contextlib.ExitStack() as stack:
        b = stack.enter_context(m.back())
        places.append(place(b))
    m.synchronize()
    with m.back() as c:
        places.append(place(c))
    assert len(set(places)) == 2


def test_a_kept_view_keeps_its_content() -> None:
    m = CBufferManager(8)
    trail = []
    for step in range(20):  # more steps than copies
        with m.back() as a:
            a[:] = step
            trail.append(a[:4])
        m.synchronize(timeout=10)
        assert m.snapshot().tolist() == [step] * 8
    assert [view.tolist() for view in trail] == [[step] * 4 for step in range(20)]
    assert len({place(view) for view in trail}) == 20
    m.destroy()
    assert trail[7].tolist() == [7] * 4


def test_a_block_keeps_no_variables_of_its_function_alive() -> None:
    m = CBufferManager(8)
    other = np.zeros(3)
    gone = weakref.ref(other)
    asked = locals()
    with m.back() as a:
        a[:] = 1
    del other
    assert gone() is None or asked.pop("other") is not None  # before Python 3.13 `asked` holds it
    assert gone() is None
    assert "asked" not in asked or asked["m"] is m, "what locals() gave is left alone"

    def function() -> Any:
        big = np.zeros(3)
        with m.back() as a:
            a[:] = 1
        found = weakref.ref(big)
        del big
        return found()

    assert function() is None


def test_the_front_beside_a_back_copy_is_a_front(manager: Manager) -> None:
    m = manager(8, initial=1)
    back = m.back()
    with back as a:
        kept = back.front
        a[:] = kept + 1
    assert not kept.flags.writeable
    assert m.statistics().leases_live == 1
    all_fronts(m, [])
    assert kept.tolist() == [1] * 8
    m.destroy()
    assert kept.tolist() == [1] * 8


def test_the_memory_of_a_block_outlives_trim_and_the_manager(manager: Manager) -> None:
    m = manager(1 << 16, "u1", copies=8)
    held, arrays = [], []
    for step in range(7):
        with m.back() as a:
            a[:] = step
            arrays.append(a)
        a = None
        m.synchronize(timeout=10)
        held.append(m.front())
    held.clear()
    m.trim()
    assert all(array.sum() >= 0 for array in arrays)
    m.destroy()
    assert all(array.sum() >= 0 for array in arrays)


@pytest.mark.parametrize("overwrites", [False, True])
def test_arrays_that_a_kernel_keeps_reach_no_front(manager: Manager, overwrites: bool) -> None:
    m = manager(8, initial=1)
    kept: list[Any] = []

    def kernel(back: Any, front: Any) -> None:
        kept.extend([back, front, back[:2], memoryview(back)])
        back[:] = 2

    m.enqueue_kernel(kernel, overwrites=overwrites)
    m.synchronize(timeout=10)
    assert not kept[1].flags.writeable
    assert all_fronts(m, [view for view in kept if view is not kept[1]]) == [[2.0] * 7] * 5
    assert kept[1].tolist() == [1] * 8, "a front is held"
    m.destroy()
    write(kept[0])
    assert kept[1].tolist() == [1] * 8


@pytest.mark.parametrize("overwrites", [False, True])
def test_a_kernel_that_raises_changes_nothing(manager: Manager, overwrites: bool) -> None:
    m = manager(8, "i2", initial=range(8))

    def kernel(back: Any, front: Any) -> None:
        back[:] = 7
        raise KeyError("on purpose")

    for step in range(4):
        m.enqueue_kernel(kernel, byte_offset=2, count=3, overwrites=overwrites)
        with pytest.raises(KeyError):
            m.synchronize(timeout=10)
        m.enqueue(np.int16(step))
        m.synchronize(timeout=10)
        assert m.snapshot().tolist() == [step, *range(1, 8)]


def test_a_manager_is_destroyed_during_a_block(manager: Manager) -> None:
    for _ in range(30):
        m, began, ended, ends = manager(1 << 12), threading.Event(), threading.Event(), []

        def engine(m: CBufferManager = m, began: Any = began, ended: Any = ended, ends: Any = ends) -> None:
            try:
                while True:
                    with m.back() as a:
                        began.set()
                        np.add(a, 1, out=a)
                    m.synchronize()
            except backbuf.ClosedError as error:
                ends.append(error)
            finally:
                ended.set()

        threading.Thread(target=engine, daemon=True).start()
        assert began.wait(30)
        m.destroy()
        assert ended.wait(30), "the engine ends"
        assert len(ends) == 1


def test_an_exception_in_a_block_is_not_hidden_by_the_end_of_its_manager() -> None:
    m = CBufferManager(8)
    with pytest.raises(ZeroDivisionError), m.back() as a:
        m.destroy()
        a[:] = 1
        raise ZeroDivisionError
    m = CBufferManager(8)
    with pytest.raises(backbuf.ClosedError), m.back() as a:
        m.destroy()
        a[:] = 1
    assert a.tolist() == [1] * 8


def test_a_back_copy_that_is_not_reserved_is_refused() -> None:
    back = CBufferManager(8).back()
    for _ in range(2):
        with pytest.raises(backbuf.StateError, match="not reserved"):
            back.__exit__(None, None, None)
        with back as a:
            a[:] = 1


EXITS = {
    "an exception leaves the block of the manager": """
        with backbuf.CBufferManager((256, 256), "f4") as m:
            threading.Thread(target=engine, args=(m,)).start()
            began.wait()
            raise SystemExit(0)
        """,
    "destroyed": """
        m = backbuf.CBufferManager((256, 256), "f4")
        threading.Thread(target=engine, args=(m,)).start()
        began.wait()
        m.destroy()
        """,
    "the script ends": """
        m = backbuf.CBufferManager((256, 256), "f4")
        threading.Thread(target=engine, args=(m,), daemon=True).start()
        began.wait()
        """,
    "a daemon never leaves": """
        m = backbuf.CBufferManager((1024, 1024), "f4")
        def daemon():
            with m.back() as a:
                began.set()
                while True:
                    np.add(a, 1, out=a)
        threading.Thread(target=daemon, daemon=True).start()
        began.wait()
        """,
    "atexit uses the array": """
        def late():
            kept[0][0] = 1
            assert kept[0].sum() == 1 and kept[1].sum() == 0
        atexit.register(late)
        m = backbuf.CBufferManager(1 << 20)
        back = m.back()
        kept = [back.__enter__(), back.front]
        """,
    "atexit before the package uses the array": """
        m = backbuf.CBufferManager(1 << 20)
        kept = [m.back().__enter__()]
        def late():
            kept[0][0] = 1
            assert kept[0].sum() == 1
        atexit.register(late)
        """,
    "kernels keep their arrays": """
        m = backbuf.CBufferManager(1 << 16)
        kept = []
        def kernel(back, front):
            kept[:] = [back, front]
            began.set()
        def write():
            while True:
                m.enqueue_kernel(kernel)
                m.synchronize()
        threading.Thread(target=write, daemon=True).start()
        began.wait()
        atexit.register(lambda: kept[0].fill(3))
        """,
}


ENGINE = """
def engine(m):
    try:
        while True:
            with m.back() as a:
                began.set()
                np.add(a, 1, out=a)
                np.multiply(a, 0.5, out=a)
            m.synchronize()
    except backbuf.ClosedError:
        pass
"""


@pytest.mark.parametrize("extension", [True, False])
def test_the_interpreter_ends_with_arrays_in_use(extension: bool, script: Script) -> None:
    # Each runs in its own child process, several times.
    text = f"""
        import atexit, os, sys, textwrap, threading
        os.environ["BACKBUF_NO_EXTENSION"] = {"" if extension else "1"!r}
        import numpy as np
        import backbuf
        for turn in range(3):
            children = {{}}
            for name, code in {EXITS!r}.items():
                child = os.fork()
                if child == 0:
                    threading.excepthook = lambda args: None  # errors of daemon threads at exit are expected
                    began = threading.Event()
                    exec({ENGINE!r})
                    exec(textwrap.dedent(code))
                    sys.exit()
                children[child] = name
            for child, name in children.items():
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                assert status == 0, (name, status)
        """
    script(text, stderr="")
