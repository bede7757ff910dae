"""The log and the dump."""

from __future__ import annotations

import logging

import pytest

import backbuf
from backbuf import CBufferManager


def test_creation_and_end_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "backbuf"):
        m = CBufferManager(3, label="logged")
        m.destroy()
    told = [record for record in caplog.records if "logged" in record.getMessage()]
    assert len(told) >= 2
    assert {record.name for record in told} == {"backbuf"}


def test_a_leaked_lease_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "backbuf"):
        m = CBufferManager(3, label="leaky")
        f = m.front()
        m.destroy()
    assert any("leaky" in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert f.array.shape == (3,)


def test_level(caplog: pytest.LogCaptureFixture) -> None:
    try:
        with caplog.at_level(logging.DEBUG, "backbuf"):
            for level in (logging.CRITICAL + 1, logging.ERROR):
                backbuf.forward_log(level)
                CBufferManager(3, label="quiet").destroy()
            assert not caplog.records
            backbuf.forward_log()
            CBufferManager(3, label="loud").destroy()
            assert caplog.records
    finally:
        backbuf.forward_log()


def test_dump_lists_what_is_there() -> None:
    m = CBufferManager(3, label="dumped")
    front, task = m.front(), m.task("a task of mine")
    text = backbuf.dump()
    assert "dumped" in text
    assert "a task of mine" in text
    task.end()
    front.release()
    m.destroy()
    assert "dumped" not in backbuf.dump()
