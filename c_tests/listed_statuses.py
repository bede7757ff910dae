#!/usr/bin/env python3
"""Writes wrappers that hold every status the C and C++ tests see against the lists of include/backbuf.h.

C_FILE has `__wrap_bb_x` for each function that returns a bb_status: it calls the function, and ends the program if the header
does not list the status. OPTIONS has the linker's `--wrap=bb_x` for each, so that the programs call the wrappers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import c_api

PROLOGUE = """\
/* Written by c_tests/listed_statuses.py. */
#include <backbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    bb_status status;
    const char *message;
} unlisted[] = {@UNLISTED@};

static bool is_unlisted(bb_status status) {
    for (unsigned i = 0; i < sizeof unlisted / sizeof unlisted[0]; i++) {
        if (unlisted[i].status == status && strstr(bb_last_error(), unlisted[i].message) != NULL) {
            return true;
        }
    }
    return false;
}

static bb_status checked(bb_status status, uint64_t listed, const char *function) {
    if (status > 0 || status <= -64 || ((listed >> -status & 1) == 0 && !is_unlisted(status))) {
        (void)fprintf(stderr, "%s returned a status that include/backbuf.h does not list: %s (%d); last error: %s\\n", function,
                      bb_status_string(status), (int)status, bb_last_error());
        (void)fflush(stderr);
        abort();
    }
    return status;
}
"""


def wrapper(function: c_api.Function, values: dict[str, int]) -> str:
    listed = sum(1 << -values[status] for status in function.statuses)
    parameters = ", ".join(f"{parameter.type} {parameter.name}" for parameter in function.parameters)
    arguments = ", ".join(parameter.name for parameter in function.parameters)
    name = function.name
    return (
        f"\nbb_status __real_{name}({parameters});\nbb_status __wrap_{name}({parameters});\n"
        f"bb_status __wrap_{name}({parameters}) {{\n"
        f'    return checked(__real_{name}({arguments}), UINT64_C({listed:#x}), "{name}");\n}}\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("c_file", type=Path, help="the C file to write")
    parser.add_argument("options", type=Path, help="the linker's options to write")
    arguments = parser.parse_args()
    values = c_api.status_values()
    fallible = [function for function in c_api.functions().values() if function.statuses]
    wrappers = "".join(wrapper(function, values) for function in fallible)
    unlisted = ", ".join(f'{{{status}, "{message}"}}' for status, message in c_api.UNLISTED.items())
    arguments.c_file.write_text(PROLOGUE.replace("@UNLISTED@", unlisted) + wrappers, encoding="utf-8")
    arguments.options.write_text("".join(f"-Wl,--wrap={function.name}\n" for function in fallible), encoding="utf-8")


if __name__ == "__main__":
    main()
