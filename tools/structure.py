#!/usr/bin/env python3
"""Checks the structure of the source tree: import direction, file sizes and type names. A step of `scripts/lint`.

Rules:
  layer   A module of src/ imports only modules of lower layers. `LAYERS` has the order, `FORBIDDEN` and `ALLOWED_ONLY` the
          additional limits of single modules.
  circle  The files of src/ do not import each other in a circle.
  origin  An import names the module that defines the item, by its path from `crate`: no re-exports, and no `super::`.
  size    A file has at most the number of lines in `LIMITS`.
  name    A type name is defined by one module of the core (src/ without src/ffi and src/bin).

Unit tests (`#[cfg(test)]`) may import everything; only their size is checked. Each finding is printed as
`FILE:LINE: RULE: what is wrong; what to do`, and the exit status is 1 if there is one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

TOP = Path(__file__).resolve().parent.parent

LAYERS: tuple[tuple[str, ...], ...] = (
    ("error",),
    ("alloc",),
    ("text",),
    ("dtype",),
    ("sys",),
    ("sync",),
    ("handle",),
    ("log",),
    ("device",),
    ("planner",),
    ("buffers", "spsc", "registry"),
    ("manager",),
    ("feed",),
    ("dump",),
    ("ffi",),
    ("lib", "bin"),
)
"""The top-level modules of src/, lowest layer first. Modules of one layer do not import each other."""

FORBIDDEN: dict[str, frozenset[str]] = {"manager": frozenset({"buffers", "spsc", "registry"})}
"""Lower modules that a module does not import all the same."""

ALLOWED_ONLY: dict[str, frozenset[str]] = {"planner": frozenset({"alloc", "error"})}
"""Modules that import nothing outside of themselves but these."""

LIMITS: tuple[tuple[str, int], ...] = (
    ("src/**/*.rs", 500),
    ("tests/**/*.rs", 700),
    ("models/**/*.rs", 700),
    ("c_tests/**/*.[ch]", 700),
    ("c_tests/**/*.[ch]pp", 700),
    ("include/backbuf/*.hpp", 700),
    ("python/src/**/*.py", 500),
    ("python/src/**/*.[ch]", 500),
    ("python/tests/*.py", 700),
)
"""The largest number of lines of a file, by pattern; the first that matches counts. Files of unit tests in src/ have 700."""

TEST_LIMIT = 700

LARGE_FILES: dict[str, str] = {}
"""Files that may exceed their limit, each with the reason."""

SHARED_NAMES: dict[str, str] = {}
"""Type names that several modules of the core may define, each with the reason."""


@dataclass(frozen=True)
class Problem:
    """One finding. `line` counts from 1."""

    file: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.text}"


@dataclass
class Module:
    """One source file of src/. Lines are those of the file."""

    file: str
    path: str
    """Module path without `crate`, such as `manager::core::role`; `lib` for src/lib.rs."""
    code: str = ""
    """The text without comments, literals and unit tests."""
    test: bool = False
    defined: dict[str, int] = field(default_factory=dict)
    """Names of the types that the file defines at its top level, with their lines."""
    children: set[str] = field(default_factory=set)
    """Names of the modules that the file declares."""
    reexports: set[str] = field(default_factory=set)
    """Names of this crate that the file makes available by `pub use`."""


@dataclass(frozen=True)
class Import:
    """One path that a module names, relative to the crate's root."""

    path: tuple[str, ...]
    line: int
    relative: bool
    """Whether it is written with `super`, outside of inline modules."""


# --- reading Rust ---

_TOKEN = re.compile(
    r"""//[^\n]*|/\*|b?r(?P<hashes>\#*)"|b?"(?:\\.|[^"\\])*"|b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])'""", re.DOTALL
)


def blank(text: str) -> str:
    """The text with comments and literals replaced by spaces; line breaks stay."""
    parts, at = [], 0
    while match := _TOKEN.search(text, at):
        end = match.end()
        if match[0] == "/*":
            end = _block_comment_end(text, match.start())
        elif match["hashes"] is not None:
            close = text.find('"' + match["hashes"], end)
            end = len(text) if close < 0 else close + 1 + len(match["hashes"])
        parts += [text[at : match.start()], re.sub(r"[^\n]", " ", text[match.start() : end])]
        at = end
    return "".join(parts) + text[at:]


def _block_comment_end(text: str, start: int) -> int:
    depth, at = 0, start
    while at < len(text):
        if text.startswith("/*", at):
            depth, at = depth + 1, at + 2
        elif text.startswith("*/", at):
            depth, at = depth - 1, at + 2
            if depth == 0:
                return at
        else:
            at += 1
    return len(text)


def _close(code: str, start: int) -> int:
    """The index behind the bracket that closes the one at `start`."""
    pairs, depth = {"{": "}", "(": ")", "[": "]"}, 0
    opening, closing = code[start], pairs[code[start]]
    for at in range(start, len(code)):
        depth += (code[at] == opening) - (code[at] == closing)
        if depth == 0:
            return at + 1
    return len(code)


_CFG_TEST = re.compile(r"#\[cfg\((?:test|all\(test\b[^\]]*)\)\]|#\[test\]")
_ATTRIBUTES = re.compile(r"(?:\s*#\[[^\]]*\])*\s*")
_INLINE_MOD = re.compile(r"\bmod\s+\w+\s*\{")
_MOD = re.compile(r"(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;")


def without_tests(code: str) -> tuple[str, set[str]]:
    """Blanks every `#[cfg(test)]` item of blanked code; also returns the modules that such items declare."""
    declared: set[str] = set()
    at = 0
    while match := _CFG_TEST.search(code, at):
        start = _ATTRIBUTES.match(code, match.end()).end()  # type: ignore[union-attr]  # the pattern matches the empty text
        if declaration := _MOD.match(code, start):
            declared.add(declaration[1])
        stop = re.compile(r"[;{]").search(code, start)
        end = len(code) if stop is None else stop.end() if stop[0] == ";" else _close(code, stop.start())
        code = code[: match.start()] + re.sub(r"[^\n]", " ", code[match.start() : end]) + code[end:]
        at = match.start()
    return code, declared


def _top_level(code: str) -> str:
    """The code with the insides of all braces blanked."""
    result, depth = [], 0
    for letter in code:
        depth -= letter == "}"
        result.append(letter if depth == 0 or letter == "\n" else " ")
        depth += letter == "{"
    return "".join(result)


def _line(code: str, at: int) -> int:
    return code.count("\n", 0, at) + 1


def expand(tree: str) -> Iterator[str]:
    """The paths of a `use` tree: `a::{b, c::{d as e}}` gives `a::b` and `a::c::d as e`."""
    tree = " ".join(tree.split())
    brace = tree.find("{")
    if brace < 0:
        yield tree.replace(" ::", "::").replace(":: ", "::")
        return
    depth, start = 0, brace + 1
    for at in range(brace, len(tree)):
        letter = tree[at]
        depth += (letter == "{") - (letter == "}")
        if (letter == "," and depth == 1) or depth == 0:
            if branch := tree[start:at].strip():
                yield from expand(tree[:brace] + branch)
            start = at + 1
        if depth == 0:
            return


_TYPE = re.compile(r"^[ \t]*(?:pub(?:\([^)]*\))?\s+)?(?:unsafe\s+)?(?:struct|enum|union|trait|type)\s+(\w+)", re.MULTILINE)
_USE = re.compile(r"(?P<pub>\bpub(?:\([^)]*\))?\s+)?\buse\s+(?P<tree>[^;]+);")
_PATH = re.compile(r"(?<![\w:$])(?:\$?crate|super|self)(?:\s*::\s*\w+)+")


def read_modules(root: Path) -> dict[str, Module]:
    """The modules of `root`/src by their paths."""
    modules: dict[str, Module] = {}
    tests: set[str] = set()
    for source in sorted((root / "src").rglob("*.rs")):
        parts = list(source.relative_to(root / "src").with_suffix("").parts)
        if parts[-1] == "mod":
            parts.pop()
        module = Module(source.relative_to(root).as_posix(), "::".join(parts))
        code, declared = without_tests(blank(source.read_text(encoding="utf-8")))
        tests |= {"::".join([*_prefix(module), name]) for name in declared}
        module.code = code
        top = _top_level(code)
        module.defined = {match[1]: _line(top, match.start(1)) for match in _TYPE.finditer(top)}
        module.children = {match[1] for match in _MOD.finditer(top)}
        for match in _USE.finditer(code):
            if match["pub"]:
                paths = [path for path in expand(match["tree"]) if _absolute(path.partition(" as ")[0].split("::"), module)]
                module.reexports |= {_last_name(path) for path in paths}
        modules[module.path] = module
    for module in modules.values():
        module.test = any(module.path == test or module.path.startswith(test + "::") for test in tests)
    return modules


def _prefix(module: Module) -> list[str]:
    return [] if module.path in ("", "lib") else module.path.split("::")


def _last_name(path: str) -> str:
    """The name that a use path introduces."""
    before, _, alias = path.partition(" as ")
    return alias or before.rpartition("::")[2]


def imports(module: Module) -> Iterator[Import]:
    """The crate's paths that a module names, in `use` and elsewhere. A `pub use` of its own children is none of them."""
    base = _prefix(module)
    inline = [(match.start(), _close(module.code, match.end() - 1)) for match in _INLINE_MOD.finditer(module.code)]

    def is_relative(names: list[str], at: int) -> bool:
        return names[0] == "super" and not any(start < at < end for start, end in inline)

    for match in _USE.finditer(module.code):
        for path in expand(match["tree"]):
            names = path.partition(" as ")[0].split("::")
            absolute = _absolute(names, module)
            if absolute and not (match["pub"] and base and absolute[: len(base)] == base):
                yield Import(tuple(absolute), _line(module.code, match.start("tree")), is_relative(names, match.start()))
    rest = _USE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), module.code)
    for match in _PATH.finditer(rest):
        if re.search(r"\bpub\s*\(\s*(?:in\s+)?$", rest[max(0, match.start() - 32) : match.start()]):
            continue  # the scope of a `pub(in path)`
        names = [name.strip() for name in match[0].split("::")]
        if absolute := _absolute(names, module):
            yield Import(tuple(absolute), _line(rest, match.start()), is_relative(names, match.start()))


def _absolute(names: list[str], module: Module) -> list[str] | None:
    """A path as names below the crate's root; None for one that leads out of the crate or stays in the file."""
    base, rest = _prefix(module), list(names)
    if rest[0].lstrip("$") == "crate":
        return rest[1:]
    if rest[0] == "self":
        return base + rest[1:]
    if rest[0] == "super":
        while rest and rest[0] == "super":
            base, rest = base[:-1], rest[1:]
        return base + rest
    if rest[0] in module.children:
        return base + rest
    return None


# --- the rules ---


def resolve(path: tuple[str, ...], modules: dict[str, Module]) -> tuple[Module | None, tuple[str, ...]]:
    """The module that a path reaches, and the names behind it. A path that no module begins names an item of lib.rs."""
    for length in range(len(path), 0, -1):
        if found := modules.get("::".join(path[:length])):
            return found, path[length:]
    return modules.get("lib"), path


def layer_of(path: str) -> int | None:
    """The layer of a module; None for a module that `LAYERS` does not name."""
    top = path.split("::")[0]
    return next((number for number, layer in enumerate(LAYERS) if top in layer), None)


def _layer_problem(source: Module, target: Module, shown: str) -> str | None:
    mine, other = source.path.split("::")[0], target.path.split("::")[0]
    for limited, allowed in ALLOWED_ONLY.items():
        inside = f"{source.path}::".startswith(f"{limited}::")
        if inside and not f"{target.path}::".startswith(f"{limited}::") and other not in allowed:
            return f"{limited} imports {shown}, and may import only {', '.join(sorted(allowed))}; move the item, or pass it in"
    if mine == other:
        return None
    if other in FORBIDDEN.get(mine, ()):
        return f"{mine} imports {shown}, and must not import {other}; move what both need to a lower layer"
    above, below = layer_of(source.path), layer_of(target.path)
    if above is None or below is None:
        return None  # reported once for the module itself
    if target.path == "lib":
        return f"imports {shown} from lib.rs; name the module that defines it"
    if below > above:
        return f"{mine} imports {shown} from a higher layer; move the item down, or invert the call by a trait or a closure"
    if below == above:
        return f"{mine} imports {shown} of the same layer; move what both need to a lower layer"
    return None


def check_imports(modules: dict[str, Module]) -> Iterator[Problem]:
    """The rules layer, circle and origin."""
    unknown = {module.path.split("::")[0]: module for module in modules.values() if layer_of(module.path) is None}
    for name, module in unknown.items():
        yield Problem(module.file, 1, "layer", f"module {name} has no layer; add it to LAYERS in tools/structure.py")
    arrows: dict[str, dict[str, int]] = defaultdict(dict)
    for module in modules.values():
        if module.test or module.path in ("", "lib") or module.path.startswith("bin"):
            continue
        seen: set[tuple[str, int]] = set()
        for one in imports(module):
            target, rest = resolve(one.path, modules)
            if target is None or target is module or target.test:
                continue
            shown = "crate::" + "::".join(one.path)
            if (shown, one.line) in seen:
                continue
            seen.add((shown, one.line))
            if text := _layer_problem(module, target, shown):
                yield Problem(module.file, one.line, "layer", text)
                continue
            arrows[module.path].setdefault(target.path, one.line)
            if one.relative:
                yield Problem(module.file, one.line, "origin", f"super:: is relative; write {shown}")
            if rest and rest[0] in target.reexports and rest[0] not in target.defined:
                text = f"{shown} is a re-export; name the module that defines {rest[0]}"
                yield Problem(module.file, one.line, "origin", text)
    for circle in circles(arrows):
        steps = " -> ".join([*circle, circle[0]])
        first = modules[circle[0]]
        line = arrows[circle[0]][circle[1]]
        yield Problem(first.file, line, "circle", f"{steps}; move what both ends need to a file below them")


def circles(arrows: dict[str, dict[str, int]]) -> list[list[str]]:
    """One shortest circle of each group of modules that reach each other."""
    found = []
    for group in _components(arrows):
        best: list[str] | None = None
        for start in sorted(group):
            before, queue = {start: ""}, [start]
            for node in queue:
                for other in sorted(arrows.get(node, {})):
                    if other == start:
                        path = [node]
                        while before[path[0]]:
                            path.insert(0, before[path[0]])
                        if best is None or len(path) < len(best):
                            best = path
                    elif other in group and other not in before:
                        before[other] = node
                        queue.append(other)
        if best:
            found.append(best)
    return found


def _components(arrows: dict[str, dict[str, int]]) -> list[set[str]]:
    """The groups of two and more nodes that all reach each other."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        queue = [start]
        for node in queue:
            fresh = set(arrows.get(node, {})) - seen
            seen |= fresh
            queue += fresh
        return seen

    reach = {node: reached(node) for node in arrows}
    groups: list[set[str]] = []
    for node in sorted(arrows):
        if not any(node in group for group in groups):
            group = {other for other in reach[node] if node in reach.get(other, ())}
            if len(group) > 1:
                groups.append(group)
    return groups


def check_names(modules: dict[str, Module]) -> Iterator[Problem]:
    """The rule name."""
    owners: dict[str, list[Module]] = defaultdict(list)
    for module in modules.values():
        if not module.test and module.path.split("::")[0] not in ("ffi", "bin"):
            for name in module.defined:
                owners[name].append(module)
    for name, several in sorted(owners.items()):
        if len(several) > 1 and name not in SHARED_NAMES:
            first, *others = several
            places = ", ".join(f"{other.file}:{other.defined[name]}" for other in others)
            text = f"type {name} is also defined in {places}; name each after what it is, or allow it in tools/structure.py"
            yield Problem(first.file, first.defined[name], "name", text)
    for name in SHARED_NAMES:
        if len(owners[name]) < 2:
            yield Problem("tools/structure.py", 1, "name", f"{name} is no longer shared; remove it from SHARED_NAMES")


def check_sizes(root: Path, files: list[str], test_files: set[str]) -> Iterator[Problem]:
    """The rule size, for those of `files` that a pattern of `LIMITS` matches."""
    for file in files:
        limit = next((limit for pattern, limit in LIMITS if matches(file, pattern)), None)
        if limit is None:
            continue
        limit = TEST_LIMIT if file in test_files else limit
        lines = (root / file).read_text(encoding="utf-8").count("\n")
        if lines > limit and file not in LARGE_FILES:
            yield Problem(file, limit + 1, "size", f"{lines} lines, at most {limit} are allowed; split it by its ideas")
        if lines <= limit and file in LARGE_FILES:
            yield Problem(file, 1, "size", "no longer exceeds its limit; remove it from LARGE_FILES in tools/structure.py")
    for file in LARGE_FILES.keys() - set(files):
        yield Problem("tools/structure.py", 1, "size", f"{file} does not exist; remove it from LARGE_FILES")


def matches(file: str, pattern: str) -> bool:
    """Whether a path matches a pattern in which `**` stands for any number of folders."""
    start, _, rest = pattern.partition("/**/")
    path = PurePosixPath(file)
    return path.match(pattern) if not rest else file.startswith(start + "/") and path.match(rest)


def check(root: Path, files: list[str]) -> list[Problem]:
    """All findings in the tree at `root`, whose files are `files`."""
    modules = read_modules(root)
    tests = {module.file for module in modules.values() if module.test}
    problems = [*check_imports(modules), *check_names(modules), *check_sizes(root, files, tests)]
    return sorted(problems, key=lambda problem: (problem.rule, problem.file, problem.line, problem.text))


def listed_files(root: Path) -> list[str]:
    """The files of the repository: tracked ones, and new ones that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(name for name in names if name and (root / name).is_file())


def main() -> int:
    """Runs the checks on this repository; the exit status is 1 if there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rule", nargs="*", help="report these rules only: layer, circle, origin, size, name")
    rules = parser.parse_args().rule
    if unknown := set(rules) - {"layer", "circle", "origin", "size", "name"}:
        parser.error(f"unknown rule: {', '.join(sorted(unknown))}")
    files = listed_files(TOP)
    problems = [problem for problem in check(TOP, files) if not rules or problem.rule in rules]
    for problem in problems:
        print(problem)
    if problems:
        print(f"structure: {len(problems)} findings")
        return 1
    print(f"ok: the structure of {len(files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
