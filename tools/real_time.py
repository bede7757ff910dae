#!/usr/bin/env python3
"""Writes the table of docs/real-time.md, the functions that a real-time thread may call, from the header's `@realtime` lines.

A function is in the table if it is wait-free or lock-free and allocates nothing, always or under a condition. Without an
option, the table between the two markers of the page is replaced.
"""

from __future__ import annotations

import argparse
import sys

import c_api

PAGE = c_api.HEADER.parent.parent / "docs" / "real-time.md"
BEGIN, END = "<!-- Written by tools/real_time.py: begin -->\n", "<!-- Written by tools/real_time.py: end -->\n"

# The longest prefix of a name decides its group. The empty one takes the rest.
GROUPS = {
    "Manager": ("bb_manager_", "bb_batch_", "bb_task_", "bb_watch_"),
    "Front": ("bb_manager_acquire_front", "bb_front_", "bb_gl_front_", "bb_lease_"),
    "Ring": ("bb_spsc_", "bb_sender_", "bb_receiver_", "bb_writer_", "bb_reader_"),
    "Stream and its pool": ("bb_stream_",),
    "Feed": ("bb_feed_", "bb_manager_feed"),
    "Device and buffers": (
        "bb_device_",
        "bb_buffer_",
        "bb_request_",
        "bb_encoder_",
        "bb_immediate_",
        "bb_deferred_",
        "bb_readback_",
        "bb_reading_",
        "bb_dynamic_",
    ),
    "Registry and planner": ("bb_registry_", "bb_arch_", "bb_limits_", "bb_launch_", "bb_layout_", "bb_plan"),
    "Library": ("",),
}


def group(name: str) -> str:
    """The group of a function."""
    prefixes = {prefix: title for title, prefixes in GROUPS.items() for prefix in prefixes if name.startswith(prefix)}
    return prefixes[max(prefixes, key=len)]


def suitable(function: c_api.Function) -> list[c_api.Cost]:
    """The costs at which a real-time thread may call the function."""
    return [cost for cost in function.costs if cost.progress in ("wait-free", "lock-free") and not cost.allocates]


def table(functions: dict[str, c_api.Function]) -> str:
    """The table, a row for the functions of a group with the same cost; and the number of functions that are not in it."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for title in GROUPS:
        for name, function in functions.items():
            for cost in suitable(function) if group(name) == title else ():
                words = cost.progress + (", may make a system call" if cost.system_call else "")
                rows.setdefault((title, words, cost.condition or "always"), []).append(f"`{name}`")
    # What holds without a condition comes first in each group.
    order = {title: index for index, title in enumerate(GROUPS)}
    lines = ["| object | functions | cost | when |", "| --- | --- | --- | --- |"]
    for (title, words, condition), names in sorted(rows.items(), key=lambda row: (order[row[0][0]], row[0][2] != "always")):
        lines.append(f"| {title} | {', '.join(names)} | {words} | {condition} |")
    others = sum(not suitable(function) for function in functions.values())
    return "\n".join(lines) + f"\n\nThe other {others} functions may block, or allocate.\n"


def replaced(page: str, functions: dict[str, c_api.Function]) -> str:
    """The page with the current table."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise c_api.HeaderError(f"{PAGE}: the markers of the table are missing")
    return f"{before}{begin}\n{table(functions)}\n{end}{after}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the table differs from the header")
    check = parser.parse_args().check
    try:
        page = PAGE.read_text(encoding="utf-8")
        new = replaced(page, c_api.functions())
    except c_api.HeaderError as error:
        sys.exit(f"real_time: {error}")
    if new == page:
        print("ok: each function has its real-time cost, and the table of docs/real-time.md is up to date")
    elif check:
        sys.exit("real_time: the table of docs/real-time.md differs from the header; run `make header` and commit it")
    else:
        PAGE.write_text(new, encoding="utf-8")
        print("docs/real-time.md written")


if __name__ == "__main__":
    main()
