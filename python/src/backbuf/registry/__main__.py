"""`python -m backbuf.registry`: the registry's rules, for scenarios of other people."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from ._scenarios import differences, run

DESCRIPTION = """\
Runs scenarios of buffers and prints what comes of each, a line of JSON each, as soon as it is there:
`id`; `ops`, what each operation gave; `layout`, where everything lies in the end; `agrees`, whether this is what the scenario
expects (null where it expects nothing). What differs is told on the standard error.
"""
EPILOGUE = """\
A file is JSON: {"scenarios": [{"id", "ops", "expected"?, "undefined_upstream"?}, ...]}, sizes and offsets in elements.
The status is 0 if all agree, 1 if one does not, 2 if the file cannot be read.
"""


def read(path: str) -> list[dict[str, Any]]:
    """The scenarios of a file, or of the standard input."""
    try:
        if path == "-":
            document = json.load(sys.stdin)
        else:
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    scenarios = document.get("scenarios") if isinstance(document, dict) else None
    if not isinstance(scenarios, list):
        raise ValueError(f"{path}: no document of scenarios: an object with a list of that name is needed")
    return scenarios


def main(arguments: Sequence[str] | None = None) -> int:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m backbuf.registry", description="The registry of CUDA kernels' buffers.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "run", help="run a file of scenarios", description=DESCRIPTION, epilog=EPILOGUE, formatter_class=form
    )
    command.add_argument("file", help="the scenarios, such as vectors.json; - for the standard input")
    options = parser.parse_args(arguments)
    try:
        scenarios = read(options.file)
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")

    agreed = differed = 0
    for number, scenario in enumerate(scenarios):
        try:
            result = run(scenario)
            found = differences(scenario, result) if "expected" in scenario else None
        except (LookupError, TypeError, ValueError) as error:
            parser.exit(2, f"{parser.prog}: {options.file}: scenarios[{number}] is no scenario: {error!r}\n")
        print(json.dumps({"id": scenario["id"], "agrees": None if found is None else not found, **result}), flush=True)
        for difference in found or ():
            print(f"{scenario['id']}: {difference}", file=sys.stderr)
        agreed += found == []
        differed += bool(found)
    print(f"{len(scenarios)} scenarios: {agreed} agree, {differed} differ", file=sys.stderr)
    return 1 if differed else 0


if __name__ == "__main__":
    sys.exit(main())
