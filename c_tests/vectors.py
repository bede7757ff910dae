#!/usr/bin/env python3
"""Writes the scenarios of tests/data/registry/vectors.json as a C header of plain tables.

What C cannot say in its types goes through as an integer out of range: an unknown location is 9, an unknown field is bit 6.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

LOCATIONS = {"shared": "BB_LOCATION_SHARED", "local": "BB_LOCATION_LOCAL"}
PRECISIONS = {"float16": "BB_F16", "float32": "BB_F32", "float64": "BB_F64", "int32": "BB_I32", "int64": "BB_I64"}
SPACES = {"shared": "BB_SPACE_SHARED", "persistent": "BB_SPACE_PERSISTENT", "local": "BB_SPACE_LOCAL"}
FIELDS = {"size": 1, "location": 2, "persistent": 4, "aliases": 8, "precision": 16}
STATUSES = {
    "empty_name": "BB_E_ARGUMENT",
    "self_alias": "BB_E_ALIAS_SELF",
    "duplicate_name": "BB_E_EXISTS",
    "alias_target_missing": "BB_E_ALIAS_MISSING",
    "negative_size": "BB_E_RANGE",
    "bad_location": "BB_E_ARGUMENT",
    "unknown_field": "BB_E_ARGUMENT",
}
# What an update that the origin left undefined is refused by: see the README beside the vectors.
ANY_ALIAS = "ANY_ALIAS_REFUSAL"


def text(value: str | None) -> str:
    return "NULL" if value is None else json.dumps(value, ensure_ascii=False)


def buffer(name: str, fields: dict[str, Any]) -> str:
    values = {
        "struct_size": "sizeof(bb_registry_buffer)",
        "name": text(name),
        "aliases": text(fields.get("aliases")),
        "size": f"UINT64_C({fields.get('size', 0) % 2**64})",
        "location": LOCATIONS.get(fields.get("location", "shared"), "9"),
        "precision": PRECISIONS[fields.get("precision", "float32")],
        "persistent": str(int(fields.get("persistent", False))),
    }
    return "{" + ", ".join(f".{key} = {value}" for key, value in values.items()) + "}"


def operation(op: dict[str, Any], expected: dict[str, Any], undefined: bool) -> str:
    kind = op["op"]
    status = "BB_OK" if expected["ok"] else STATUSES[expected["reason"]]
    parts = [f".kind = {kind.upper()}"]
    if kind == "register":
        parts.append(f".buffer = {buffer(op['name'], op)}")
    elif kind == "update_buffer":
        fields = sum(FIELDS.get(field, 64) for field in op["set"])
        parts += [f".fields = {fields}", f".buffer = {buffer(op['name'], op['set'])}"]
        if undefined:
            status = ANY_ALIAS
        elif expected["ok"]:
            answers = (expected["recognized"], expected["changed"])
            parts.append(".recognized = {}, .changed = {}".format(*(str(answer).lower() for answer in answers)))
    elif kind == "query":
        totals = expected["totals"]
        parts.append(f".totals = {{{totals['shared']}, {totals['persistent']}, {totals['local']}}}")
    return "{" + ", ".join([*parts, f".status = {status}"]) + "}"


def scenario(number: int, case: dict[str, Any]) -> tuple[str, str]:
    undefined = "undefined_upstream" in case
    ops = [operation(op, expected, undefined) for op, expected in zip(case["ops"], case["expected"]["ops"], strict=True)]
    layout = None if undefined else case["expected"]["layout"]
    rows = layout["placement"] if layout else []
    totals = layout["totals"] if layout else {"shared": 0, "persistent": 0, "local": 0}
    places = [f"{{{text(name)}, {SPACES[space]}, {start or 0}, {length}}}" for name, space, start, length in rows]
    tables = f"static const operation ops_{number}[] = {{{', '.join(ops)}}};\n"
    if places:
        tables += f"static const place places_{number}[] = {{{', '.join(places)}}};\n"
    row = (
        f"{{{text(case['id'])}, ops_{number}, {len(ops)}, {f'places_{number}' if places else 'NULL'}, {len(places)}, "
        f"{{{totals['shared']}, {totals['persistent']}, {totals['local']}}}, {str(undefined).lower()}}}"
    )
    return tables, row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path, help="the scenarios, such as tests/data/registry/vectors.json")
    parser.add_argument("header", type=Path, help="the header to write")
    arguments = parser.parse_args()
    cases = json.loads(arguments.vectors.read_text(encoding="utf-8"))["scenarios"]
    tables, rows = zip(*(scenario(number, case) for number, case in enumerate(cases)), strict=True)
    joined = ",\n    ".join(rows)
    arguments.header.write_text(
        f"/* Written by c_tests/vectors.py. */\n{''.join(tables)}static const scenario scenarios[] = {{\n    {joined},\n}};\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
