#!/usr/bin/env python3
"""Writes include/backbuf.h as C tables for the random-call test.

They hold every function with its parameters, every struct with its members, and what ends each kind of handle.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tools"))

import c_api  # noqa: E402  (its folder is put on the path above)

INTEGERS = {"uint32_t": 4, "uint64_t": 8, "int32_t": 4, "int64_t": 8, "uint8_t": 1, "bool": 1, "float": 4}
ENUMS = ("bb_status", "bb_buffer_state")
# Where a kind has several functions that take nothing but the handle, the first of these ends the handle.
ENDS = ("release", "cancel", "end", "destroy")


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def read_types(text: str) -> tuple[list[str], dict[str, list[str]], set[str]]:
    """The kinds of handles, the structs with their members' declarations, and the types of callbacks."""
    structs = {name: body for body, name in re.findall(r"typedef struct \{(.*?)\} (bb_\w+);", text, re.DOTALL)}
    members = {name: [" ".join(part.split()) for part in body.split(";") if part.strip()] for name, body in structs.items()}
    kinds = re.findall(r"typedef struct bb_(\w+) bb_\1;", text)
    return kinds, members, set(re.findall(r"\(\*(bb_\w+)\)", text))


class Table:
    def __init__(self, header: Path) -> None:
        self.functions = c_api.functions(header)
        self.kinds, self.structs, self.callbacks = read_types(without_comments(header.read_text(encoding="utf-8")))

    def member(self, struct: str, declaration: str) -> str:
        pointer = re.match(r"(?:void|bool|int32_t|uint64_t|const char \*) ?\(\*(\w+)\)", declaration)
        if pointer:
            return self.row("FUNCTION", pointer[1], f"{struct}.{pointer[1]}", "8", struct)
        match = re.fullmatch(r"(.*?[\s*])(\w+)(\[\w+\])?", declaration)
        if match is None:
            raise c_api.HeaderError(f"{struct}: cannot read the member `{declaration}`")
        kind, name, array = match[1].strip(), match[2], match[3]
        if array:
            return self.row("ARRAY", name, kind, f"sizeof(((({struct} *)0)->{name}))", struct)
        if kind in INTEGERS or kind in ENUMS:
            return self.row("NUMBER", name, kind, str(INTEGERS.get(kind, 4)), struct)
        if kind in self.callbacks:
            return self.row("FUNCTION", name, kind, "8", struct)
        what = {"const char *": "TEXT", "const uint64_t *": "COUNTS", "const int64_t *": "STEPS", "const void *": "DATA"}
        return self.row(what.get(kind, "POINTER"), name, kind, "8", struct)

    @staticmethod
    def row(what: str, name: str, kind: str, size: str, struct: str) -> str:
        return f'{{{what}, "{name}", "{kind}", {size}, offsetof({struct}, {name})}}'

    def parameter(self, function: c_api.Function, at: int) -> tuple[str, str, str]:
        """What a parameter is, the kind of handle or the struct, and the bytes that it has or points to."""
        parameter = function.parameters[at]
        kind, name = parameter.type, parameter.name
        names = [other.name for other in function.parameters]
        handle = re.fullmatch(r"bb_(\w+) (\*|\*\*|\*const \*)", kind)
        struct = re.fullmatch(r"(const )?(bb_\w+) \*", kind)
        if handle and handle[1] in self.kinds:
            return {"*": "HANDLE", "**": "NEW_HANDLE", "*const *": "HANDLES"}[handle[2]], f"KIND_{handle[1]}", "8"
        if struct and struct[2] in self.structs:
            what = "STRUCT_STATE" if "zeros at first" in parameter.doc else "STRUCT_OUT"
            return "STRUCT" if struct[1] else what, f"STRUCT_{struct[2]}", f"sizeof({struct[2]})"
        if kind in self.callbacks:
            return "FUNCTION", "0", "8"
        if kind in INTEGERS:
            return self.number(function, at), "0", str(INTEGERS[kind])
        if kind.endswith(" *") and kind[:-2] in INTEGERS:
            return "NUMBER_OUT", "0", str(INTEGERS[kind[:-2]])
        what = {"const char *": "TEXT", "char *": "TEXT_OUT", "const uint64_t *": "COUNTS", "const void *": "DATA"}.get(kind)
        if kind == "void *":
            what = "USER_DATA" if name == "user_data" else "ROOM"
        if kind == "const void *" and name == "handle":
            what = "ANY_HANDLE"
        if what is None:
            raise c_api.HeaderError(
                f"{function.name}: the parameter {name} has the type `{kind}`, which {__file__} does not know"
            )
        return what, "0", "1" if "bytes" not in names else "0"

    @staticmethod
    def number(function: c_api.Function, at: int) -> str:
        """Numbers that must fit another parameter have a kind of their own."""
        name = function.parameters[at].name
        pointers = [other.name for other in function.parameters if "*" in other.type]
        if name in ("timeout", "budget"):
            return "TIMEOUT"
        if name == "struct_size":
            return "STRUCT_SIZE"
        if name == "ndim":
            return "NDIM"
        if name == "capacity" and "text" in pointers:
            return "CAPACITY"
        if name.endswith("length"):
            return "LENGTH"
        if name == "bytes" and {"data", "dst"} & set(pointers):
            return "BYTES"
        if name.endswith("count") and (function.parameters[at - 1].name in pointers or "chunks" in pointers):
            return "COUNT"
        if name == "capacity" and "ranges" in pointers:
            return "COUNT"
        return "NUMBER"

    def end_of(self, kind: str) -> str:
        takes = f"bb_{kind} *"
        for end in ENDS:
            function = self.functions.get(f"bb_{kind}_{end}")
            if function and [parameter.type for parameter in function.parameters] == [takes]:
                return function.name
        raise c_api.HeaderError(f"no function ends a bb_{kind}")

    def call(self, number: int, function: c_api.Function) -> str:
        arguments = ", ".join(
            f"({parameter.type})a[{i}]" if parameter.type in INTEGERS else f"({parameter.type})(uintptr_t)a[{i}]"
            for i, parameter in enumerate(function.parameters)
        )
        call = f"{function.name}({arguments})"
        if function.returns == "bb_status":
            body = f"return {call};"
        elif function.returns.endswith("*"):
            body = f"return {call} == NULL ? BB_E_PANIC : BB_OK;"
        else:
            body = f"return {call} == 0 ? BB_E_PANIC : BB_OK;"
        unused = "" if function.parameters else "(void)a; "
        return f"static bb_status call_{number}(const uint64_t *a) {{ {unused}{body} }}"

    def write(self) -> str:
        out = ["/* Made from include/backbuf.h by c_tests/api_table.py. Included by c_tests/api.h. */", ""]
        out.append("enum { " + ", ".join(f"KIND_{kind}" for kind in self.kinds) + ", KINDS };")
        out.append("enum { " + ", ".join(f"STRUCT_{name}" for name in self.structs) + ", STRUCTS };")
        out += [
            f"static bb_status api_end_{kind}(void *handle) {{ return {self.end_of(kind)}(handle); }}" for kind in self.kinds
        ]
        out.append("static const api_kind kinds[] = {")
        out += [f'    {{"{kind}", "{self.end_of(kind)}", api_end_{kind}}},' for kind in self.kinds]
        out.append("};")
        for name, members in self.structs.items():
            out.append(f"static const api_member members_of_{name}[] = {{")
            out += [f"    {self.member(name, member)}," for member in members]
            out.append("};")
            if f"{name}_init" in self.functions and len(self.functions[f"{name}_init"].parameters) == 1:
                out.append(f"static bb_status api_init_{name}(void *to) {{ return {name}_init(to); }}")
            else:
                out.append(f"#define api_init_{name} NULL")
        out.append("static const api_struct structs[] = {")
        for name, members in self.structs.items():
            out.append(f'    {{"{name}", sizeof({name}), members_of_{name}, {len(members)}, api_init_{name}}},')
        out.append("};")
        for number, function in enumerate(self.functions.values()):
            out.append(self.call(number, function))
        out.append("static const api_function functions[] = {")
        for number, function in enumerate(self.functions.values()):
            rows = []
            for at, parameter in enumerate(function.parameters):
                what, of, size = self.parameter(function, at)
                rows.append(f'{{{what}, "{parameter.name}", "{parameter.type}", {of}, {size}}}')
            parameters = f"{{{', '.join(rows)}}}" if rows else "{{0}}"
            out.append(
                f'    {{"{function.name}", call_{number}, {len(rows)}, {parameters}}},',
            )
        out += ["};", ""]
        return "\n".join(out)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("header", type=Path, help="include/backbuf.h")
    arguments.add_argument("output", type=Path, help="the C file to write")
    given = arguments.parse_args()
    given.output.write_text(Table(given.header).write(), encoding="utf-8")


if __name__ == "__main__":
    main()
