"""The log and the dump."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Script

import backbuf
from backbuf import CBufferManager

OFF = logging.CRITICAL + 1


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    yield
    backbuf.forward_log(OFF)


def test_it_is_off_until_the_program_enables_it(caplog: pytest.LogCaptureFixture, script: Script) -> None:
    with caplog.at_level(logging.DEBUG, "backbuf"):
        CBufferManager(3, label="unseen").destroy()
        backbuf.forward_log()
        backbuf.forward_log(OFF)
    assert not [record for record in caplog.records if "unseen" in record.getMessage()]
    text = """
        import logging, threading
        logging.basicConfig(level=logging.DEBUG)
        import backbuf
        backbuf.CBufferManager(3).destroy()
        assert threading.active_count() == 1
        """
    assert script(text, stderr="") == ""


def test_creation_and_end_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "backbuf"):
        backbuf.forward_log()
        m = CBufferManager(3, label="logged")
        m.destroy()
        backbuf.forward_log(OFF)
    records = [record for record in caplog.records if "logged" in record.getMessage()]
    assert len(records) >= 2
    assert {record.name for record in records} == {"backbuf"}


def test_a_leaked_lease_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "backbuf"):
        backbuf.forward_log()
        m = CBufferManager(3, label="leaky")
        f = m.front()
        m.destroy()
        backbuf.forward_log(OFF)
    assert any("leaky" in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert f.array.shape == (3,)


def test_level(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "backbuf"):
        for level in (OFF, logging.ERROR):
            backbuf.forward_log(level)
            CBufferManager(3, label="quiet").destroy()
        backbuf.forward_log()
        assert not [record for record in caplog.records if "quiet" in record.getMessage()]
        CBufferManager(3, label="loud").destroy()
        backbuf.forward_log(OFF)
        assert [record for record in caplog.records if "loud" in record.getMessage()]


def test_a_handler_may_log_and_turn_the_log_off(caplog: pytest.LogCaptureFixture) -> None:
    handled: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "trigger" in record.getMessage():
                handled.append(record.getMessage())
                CBufferManager(3, label="made by the handler").destroy()
                backbuf.forward_log(OFF)

    handler = Handler()
    logger = logging.getLogger("backbuf")
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.DEBUG, "backbuf"):
            backbuf.forward_log()
            m = CBufferManager(3, label="trigger")
            for _ in range(6000):
                if handled:
                    break
                m.synchronize(timeout=1)
                time.sleep(0.005)
    finally:
        logger.removeHandler(handler)
    assert handled


def test_lost_records_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "backbuf"):
        logging.getLogger("backbuf").addFilter(slow := lambda record: not time.sleep(0.0002))
        try:
            backbuf.forward_log()
            for _ in range(2000):
                CBufferManager(1, label="many").destroy()
            CBufferManager(1, label="the last").destroy()
            backbuf.forward_log(OFF)
        finally:
            logging.getLogger("backbuf").removeFilter(slow)
    messages = [record.getMessage() for record in caplog.records]
    seen = sum("many" in message or "the last" in message for message in messages)
    lost = sum(record.args[0] for record in caplog.records if "were lost" in record.msg)  # type: ignore[index, misc]  # args is a tuple here
    assert seen >= 1024
    assert seen + lost <= 2001 * 3


GIL_LOG = """
#include <backbuf.h>
#include <pthread.h>
static void *engine(void *unused) {
    bb_manager *m;
    (void)unused;
    if (bb_manager_create(BB_F32, 1, (const uint64_t[]){16}, NULL, &m))
        return (void *)1;
    bb_manager_synchronize(m, BB_SEC(1));
    bb_manager_destroy(m);
    return NULL;
}
int engine_run(void) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, engine, NULL);
    pthread_join(thread, &result);
    return result != NULL;
}
"""


def test_native_threads_never_wait_for_python(script: Script, tmp_path: Path) -> None:
    source, library = tmp_path / "gil_log.c", tmp_path / "gil_log.so"
    source.write_text(GIL_LOG, encoding="utf-8")
    package = Path(backbuf.get_library()).parent
    flags = [f"-I{backbuf.get_include()}", f"-L{package}", f"-Wl,-rpath,{package}", "-lbackbuf", "-lpthread"]
    subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(library), *flags], check=True)
    text = f"""
        import ctypes, faulthandler, logging, sys
        faulthandler.dump_traceback_later(50, exit=True)
        logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(message)s")
        import backbuf
        engine = ctypes.PyDLL({str(library)!r})  # holds the GIL, as a C extension does
        assert engine.engine_run() == 0
        backbuf.forward_log()
        for _ in range(20):
            assert engine.engine_run() == 0
        """
    # Records from before the interpreter's end are handled.
    assert script(text).count("destroyed") == 20


def test_a_forked_child_has_its_own_log(script: Script) -> None:
    text = """
        import logging, os, sys
        logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(process)d %(message)s")
        import backbuf
        backbuf.forward_log(logging.INFO)
        backbuf.CBufferManager(1, label="before").destroy()
        backbuf.forward_log(logging.INFO)
        sys.stdout.flush()
        child = os.fork()
        backbuf.CBufferManager(1, label="child" if child == 0 else "parent").destroy()
        if child:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        """
    lines = script(text, *(["-W", "ignore"] if sys.version_info >= (3, 12) else [])).splitlines()
    for label in ("before", "child", "parent"):
        assert sum(f"'{label}'" in line and "destroyed" in line for line in lines) == 1
    assert len({line.split()[0] for line in lines}) == 2


def test_dump_lists_all_objects() -> None:
    m = CBufferManager(3, label="dumped")
    front, task = m.front(), m.task("a task of mine")
    text = backbuf.dump()
    assert "dumped" in text
    assert "a task of mine" in text
    task.end()
    front.release()
    m.destroy()
    assert "dumped" not in backbuf.dump()
