"""The functions of include/backbuf.h, read from the header: parameters, statuses of `@return`, and costs of `@realtime`.

`functions()` returns them by name. A list may refer to another function's: "what `bb_manager_synchronize()` returns" adds all
that bb_manager_synchronize returns. It may also name a group of the header's conventions: "a handle status" and "a device
status" add the statuses that the conventions list for it. `UNLISTED` holds the statuses that the conventions name once for all
calls with a handle. BB_E_PANIC is in no list: it reports a fault of the library and is never expected.

Each function has a line `@realtime COST` for the worst case, which may go on with `; COST if CONDITION` (or `while`). A cost
has three parts: progress, system calls, allocation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HEADER = Path(__file__).resolve().parent.parent / "include" / "backbuf.h"

_DECLARATION = re.compile(r"/\*\*((?:(?!\*/).)*)\*/\s*BB_API (?:BB_MUST_USE )?([^;(]*?)(bb_\w+)\(([^;]*)\);", re.DOTALL)
_RETURNS = re.compile(r"@return\s+(.*?)(?=\n\s*@|\Z)", re.DOTALL)
_REFERENCE = re.compile(r"what ((?:`bb_\w+\(\)`(?:, | and )?)+) returns?")
_STATUS = re.compile(r"\bBB_(?:OK|E_[A-Z_]+)\b")
_GROUP = re.compile(r'A "(\w+ status)" is one of ((?:BB_E_[A-Z_]+(?:, )?)+):')
_ACCEPTS_NULL = re.compile(r"@param \w+ [^@]*NULL is a no-op")
_REALTIME = re.compile(r"@realtime\s+(.*?)(?=\n\s*@|\n\s*\n|\Z)", re.DOTALL)
_COST = re.compile(
    r"(wait-free|lock-free|may spin|may block), (no|may make a) system call, (no allocation|may allocate)"
    r"(?: ((?:if|while) .+))?"
)
_STATUS_VALUE = re.compile(r"^\s+(BB_OK|BB_E_[A-Z_]+) = (-?\d+),", re.MULTILINE)


# Statuses that any call with a handle may return, each with a part of the message that it then sets.
UNLISTED = {
    "BB_E_OUT_OF_MEMORY": "the record of this thread's first call",
    "BB_E_LIMIT": "no thread-specific key is left",
    "BB_E_RECURSIVE": "nested calls of this thread",
}


class HeaderError(ValueError):
    """The header does not follow the form that this module reads."""


@dataclass(frozen=True)
class Parameter:
    """One parameter: `type` is C's, such as `const bb_update *`; `doc` is the text of its `@param`."""

    type: str
    name: str
    doc: str


@dataclass(frozen=True)
class Cost:
    """What a call costs a real-time thread: in the worst case, or under a condition such as "if the timeout is 0"."""

    progress: str
    system_call: bool
    allocates: bool
    condition: str


@dataclass(frozen=True)
class Function:
    """One function. `statuses` holds the names of all that it returns, BB_OK included; empty where it returns no bb_status.

    The first of `costs` is the worst case.
    """

    name: str
    returns: str
    parameters: tuple[Parameter, ...]
    statuses: frozenset[str]
    costs: tuple[Cost, ...]


def status_values(header: Path = HEADER) -> dict[str, int]:
    """The number of each bb_status by its name."""
    return {name: int(value) for name, value in _STATUS_VALUE.findall(header.read_text(encoding="utf-8"))}


def functions(header: Path = HEADER) -> dict[str, Function]:
    """Every function of the header by its name, in the header's order."""
    text = header.read_text(encoding="utf-8")
    declarations = {match[3]: match for match in _DECLARATION.finditer(text)}
    if len(declarations) != len(re.findall(r"^BB_API ", text, re.MULTILINE)):
        raise HeaderError(f"{header}: a function has no documentation, or a form that {__name__} does not read")
    docs = {name: re.sub(r"\n[ \t]*\*[ \t]?", "\n", match[1]) for name, match in declarations.items()}
    lists = {name: _return_list(name, docs[name]) for name, match in declarations.items() if _returns(match) == "bb_status"}
    groups = status_groups(text)
    known = status_values(header).keys()
    found = {}
    for name, match in declarations.items():
        statuses = _statuses(name, lists, groups, ()) if name in lists else frozenset()
        if _ACCEPTS_NULL.search(docs[name]):
            statuses -= {"BB_E_NULL"}
        if unknown := statuses - known:
            raise HeaderError(f"{name}: @return lists {', '.join(sorted(unknown))}, which is not a bb_status")
        parameters = tuple(_parameter(name, part, docs[name]) for part in match[4].split(",") if part.strip() != "void")
        found[name] = Function(name, _returns(match), parameters, statuses, _costs(name, docs[name]))
    return found


def status_groups(text: str) -> dict[str, frozenset[str]]:
    """The groups of statuses that the conventions of the header's text define, such as "handle status"."""
    conventions = " ".join(re.sub(r"\n \*[ ]*", " ", text.partition("*/")[0]).split())
    return {name: frozenset(_STATUS.findall(statuses)) for name, statuses in _GROUP.findall(conventions)}


def _returns(match: re.Match[str]) -> str:
    return match[2].strip()


def _return_list(name: str, doc: str) -> str:
    """The text of `@return` on one line, without its remarks in parentheses."""
    match = _RETURNS.search(doc)
    if match is None:
        raise HeaderError(f"{name}: no @return")
    text, before = " ".join(match[1].split()), ""
    while text != before:
        text, before = re.sub(r" ?(?<!\w)\((?:`\w+\(\)`|[^()])*\)", "", text), text
    return text


def _statuses(name: str, lists: dict[str, str], groups: dict[str, frozenset[str]], path: tuple[str, ...]) -> frozenset[str]:
    if name not in lists or name in path:
        raise HeaderError(f"{(*path, name)}: @return refers to a function that has no list of its own")
    text = lists[name]
    statuses = set(_STATUS.findall(text))
    for reference in _REFERENCE.findall(text):
        for other in re.findall(r"bb_\w+", reference):
            statuses |= _statuses(other, lists, groups, (*path, name))
    for group in re.findall(r"\ba (\w+ status)\b", text):
        if group not in groups:
            raise HeaderError(f"{name}: @return names `a {group}`, which the conventions do not define")
        statuses |= groups[group]
    if "BB_OK" not in statuses:
        raise HeaderError(f"{name}: @return does not list BB_OK: {text}")
    return frozenset(statuses)


def _costs(name: str, doc: str) -> tuple[Cost, ...]:
    lines = _REALTIME.findall(doc)
    if len(lines) != 1:
        raise HeaderError(f"{name}: {len(lines)} lines @realtime; write one, as the conventions of the header define it")
    texts = " ".join(lines[0].split()).split("; ")
    matches = [_COST.fullmatch(text) for text in texts]
    costs = tuple(Cost(m[1], m[2] != "no", m[3] != "no allocation", m[4] or "") for m in matches if m is not None)
    if len(costs) != len(texts) or [not cost.condition for cost in costs] != [True] + [False] * (len(costs) - 1):
        raise HeaderError(f"{name}: @realtime is not `COST` or `COST; COST if CONDITION`: {'; '.join(texts)}")
    return costs


def _parameter(function: str, text: str, doc: str) -> Parameter:
    match = re.fullmatch(r"(.*?[\s*])(\w+)", " ".join(text.split()))
    if match is None:
        raise HeaderError(f"{function}: cannot read the parameter `{text}`")
    described = re.search(rf"@param(?:\[\w+\])? {match[2]}\s+(.*?)(?=\n\s*@|\Z)", doc, re.DOTALL)
    return Parameter(match[1].strip(), match[2], " ".join(described[1].split()) if described else "")
