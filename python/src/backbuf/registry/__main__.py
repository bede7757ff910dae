"""`python -m backbuf.registry`: runs scenario files against the registry's layout rules."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from ._scenarios import differences, run

DESCRIPTION = """\
Runs each scenario and prints its result as one line of JSON: `id`; `ops`, the results of the operations; `layout`, the final
layout; `agrees`, whether the result equals the scenario's `expected` (null without one). Differences are printed to standard
error.
"""
EPILOGUE = """\
The file is JSON: {"scenarios": [{"id", "ops", "expected"?, "undefined_upstream"?}, ...]}, with sizes and offsets in elements.
The exit status is 0 if all scenarios agree, 1 if one differs, 2 if the file cannot be read.
"""


def read(path: str) -> list[dict[str, Any]]:
    """The scenarios of a file, or of standard input."""
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
        raise ValueError(f'{path}: not a scenario file: it must be an object with a list "scenarios"')
    return scenarios


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m backbuf.registry", description="Layouts of the buffers of CUDA kernels.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "run", help="run a file of scenarios", description=DESCRIPTION, epilog=EPILOGUE, formatter_class=form
    )
    command.add_argument("file", help="the scenario file, such as vectors.json; - for standard input")
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
            parser.exit(2, f"{parser.prog}: {options.file}: scenarios[{number}] is not a scenario: {error!r}\n")
        print(json.dumps({"id": scenario["id"], "agrees": None if found is None else not found, **result}), flush=True)
        for difference in found or ():
            print(f"{scenario['id']}: {difference}", file=sys.stderr)
        agreed += found == []
        differed += bool(found)
    print(f"{len(scenarios)} scenarios: {agreed} agree, {differed} differ", file=sys.stderr)
    return 1 if differed else 0


if __name__ == "__main__":
    sys.exit(main())
