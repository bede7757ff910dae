#!/usr/bin/env python3
"""Measures one row that needs Python, by the parts below, and prints it as one line of JSON."""

from __future__ import annotations

import argparse
import importlib
import json

PARTS = {
    "manager.python": ("manager_rows", ""),
    "manager.column": ("manager_rows", "column."),
    "spsc.python": ("call_rows", ""),
    "spsc.asyncio": ("ring_rows", ""),
    "registry.plan": ("plan_rows", ""),
    "demo": ("demo_rows", ""),
}
"""The module of each part, and what its names of rows begin with."""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", help="manager.python.scalar and so on")
    parser.add_argument("--seconds", type=float, default=2.5, help="how long to measure (default: %(default)s)")
    arguments = parser.parse_args()
    part, _, row = arguments.row.rpartition(".")
    if part not in PARTS:
        parser.error(f'no row "{arguments.row}": they begin with {", ".join(PARTS)}')
    module, prefix = PARTS[part]
    print(json.dumps(importlib.import_module(module).measure(prefix + row, arguments.seconds)))


if __name__ == "__main__":
    main()
