"""Tests of the `@realtime` lines that tools/c_api.py reads, and of the table that tools/real_time.py makes of them."""

from __future__ import annotations

from pathlib import Path

import c_api
import pytest
import real_time

LINE = "@realtime wait-free, no system call, no allocation"


def header(folder: Path, *lines: str, name: str = "bb_x_get") -> Path:
    """A header of one function whose documentation has these lines."""
    doc = "".join(f" * {line}\n" for line in ("Gets x.", "", "@return the number", *lines))
    path = folder / "backbuf.h"
    path.write_text(f"/**\n{doc} */\nBB_API uint32_t {name}(void);\n", encoding="utf-8")
    return path


def test_a_function_without_a_line_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(c_api.HeaderError, match="bb_x_get: 0 lines @realtime"):
        c_api.functions(header(tmp_path))


def test_a_function_with_two_lines_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(c_api.HeaderError, match="bb_x_get: 2 lines @realtime"):
        c_api.functions(header(tmp_path, LINE, LINE))


@pytest.mark.parametrize(
    "line",
    [
        "@realtime fast",
        "@realtime wait-free",
        "@realtime wait-free, no system call",
        "@realtime wait-free, no system call, allocates",
        "@realtime wait-free, may make a system call, no allocation, mostly",
        "@realtime wait-free, no system call, no allocation if it succeeds",
        "@realtime may block, no system call, no allocation; wait-free, no system call, no allocation",
        "@realtime may block, no system call, no allocation; wait-free if it succeeds",
    ],
)
def test_other_words_are_an_error(tmp_path: Path, line: str) -> None:
    with pytest.raises(c_api.HeaderError, match="bb_x_get: @realtime is not"):
        c_api.functions(header(tmp_path, line))


def test_the_worst_case_comes_first_and_lines_may_go_on(tmp_path: Path) -> None:
    lines = (
        "@realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if the",
        "          timeout is 0",
        "@threadsafety one thread at a time",
    )
    worst, usual = c_api.functions(header(tmp_path, *lines))["bb_x_get"].costs
    assert worst == c_api.Cost("may block", system_call=True, allocates=True, condition="")
    assert usual == c_api.Cost("lock-free", system_call=False, allocates=False, condition="if the timeout is 0")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("bb_manager_epoch", "Manager"),
        ("bb_manager_acquire_front", "Front"),
        ("bb_receiver_peek", "Ring"),
        ("bb_plan_config_init", "Registry and planner"),
        ("bb_version", "Library"),
    ],
)
def test_the_longest_prefix_decides_the_group(name: str, title: str) -> None:
    assert real_time.group(name) == title


def test_the_table_has_what_neither_blocks_nor_allocates(tmp_path: Path) -> None:
    usual = "may block, may make a system call, no allocation; wait-free, may make a system call, no allocation if x is 0"
    functions = c_api.functions(header(tmp_path, f"@realtime {usual}", name="bb_sender_x"))
    functions |= c_api.functions(header(tmp_path, LINE, name="bb_sender_y"))
    functions |= c_api.functions(header(tmp_path, "@realtime lock-free, no system call, may allocate", name="bb_sender_z"))
    assert real_time.table(functions).splitlines()[2:] == [
        "| Ring | `bb_sender_y` | wait-free | always |",
        "| Ring | `bb_sender_x` | wait-free, may make a system call | if x is 0 |",
        "",
        "The other 1 functions may block, or allocate.",
    ]


def test_a_page_without_markers_is_an_error() -> None:
    with pytest.raises(c_api.HeaderError, match="markers"):
        real_time.replaced("no table here", {})
