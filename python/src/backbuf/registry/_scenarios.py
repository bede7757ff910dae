"""Scenarios: operations on one parent and the expected layout, in the format of `tests/data/registry/README.md`."""

from __future__ import annotations

from typing import Any

from backbuf import _errors
from backbuf._library import lib

from ._buffer import LOCATIONS
from ._group import BufferGroup

_REASONS = {
    lib.BB_E_ALIAS_SELF: "self_alias",
    lib.BB_E_ALIAS_MISSING: "alias_target_missing",
    lib.BB_E_ALIAS_ORDER: "alias_order",
    lib.BB_E_EXISTS: "duplicate_name",
    lib.BB_E_RANGE: "negative_size",
}
_OF_A_BUFFER = ("name", "size", "location", "persistent", "aliases", "precision")


def run(scenario: dict[str, Any]) -> dict[str, Any]:
    """Runs a scenario and returns the result in the form of its `expected`."""
    group = BufferGroup(scenario["id"])
    return {"ops": [_step(group, op) for op in scenario["ops"]], "layout": _layout(group)}


def differences(scenario: dict[str, Any], result: dict[str, Any]) -> list[str]:
    """Lists the differences between the result and `expected`.

    If the scenario is marked `undefined_upstream`, this registry refuses its last update; only that and the operations
    before are compared.
    """
    expected, undefined = scenario["expected"], "undefined_upstream" in scenario
    found = []
    for index, (op, was, should) in enumerate(zip(scenario["ops"], result["ops"], expected["ops"], strict=True)):
        wanted = {name: value for name, value in should.items() if name != "error"}
        got = {name: value for name, value in was.items() if name != "error"}
        if undefined and op["op"] == "update_buffer":
            if was["ok"]:
                found.append(f"ops[{index}]: accepted, although the alias is invalid")
        elif got != wanted or was.get("error") != should.get("error"):
            found.append(f"ops[{index}]: {was} instead of {should}")
    if not undefined:
        for part, should in expected["layout"].items():
            was = result["layout"].get(part)
            if was != should:
                found.append(f"layout.{part}: {was} instead of {should}")
    return found


def _step(group: BufferGroup, op: dict[str, Any]) -> dict[str, Any]:
    try:
        if op["op"] == "register":
            group.register(**{name: op[name] for name in _OF_A_BUFFER if name in op})
        elif op["op"] == "update_buffer":
            recognized, changed = group.update_buffer(op["name"], **op["set"])
            return {"ok": True, "recognized": recognized, "changed": changed}
        elif op["op"] == "clear_layout":
            group.clear_layout()
        elif op["op"] == "query":
            return {"ok": True, "totals": _totals(group)}
        else:
            raise LookupError(f"there is no operation {op['op']!r}")
    except (_errors.ArgumentError, TypeError) as error:
        cls = "TypeError" if isinstance(error, TypeError) else "ValueError"
        return {"ok": False, "error": cls, "reason": _reason(error, op)}
    return {"ok": True}


def _reason(error: Exception, op: dict[str, Any]) -> str:
    if isinstance(error, _errors.ArgumentError) and error.status in _REASONS:
        return _REASONS[error.status]
    if isinstance(error, TypeError):
        return "unknown_field"
    if not op["name"]:
        return "empty_name"
    return "bad_location" if op.get("set", op).get("location", "local") not in LOCATIONS else "bad_value"


def _totals(group: BufferGroup) -> dict[str, int]:
    return {
        "shared": group.shared_buffer_size(),
        "persistent": group.persistent_local_buffer_size(),
        "local": group.local_buffer_size(),
    }


def _layout(group: BufferGroup) -> dict[str, Any]:
    slices = {"shared": group.build_shared_layout(), "persistent": group.build_persistent_layout()}
    placements = {name: group.placement(name) for name in group.entries}
    return {
        **{space: [[name, at.start, at.stop] for name, at in found.items()] for space, found in slices.items()},
        "local": [[name, size] for name, size in group.build_local_sizes().items()],
        "totals": _totals(group),
        "placement": [
            [name, at.space, None if at.space == "local" else at.offset, at.length] for name, at in placements.items()
        ],
    }
