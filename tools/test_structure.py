"""Tests of tools/structure.py: small trees with and without a planted violation. Run by `scripts/lint structure`."""

from __future__ import annotations

from pathlib import Path

import pytest
import structure

CLEAN = {
    "src/lib.rs": "mod error; mod sync; mod manager; pub use error::Error;",
    "src/error.rs": "pub struct Error;",
    "src/sync/mod.rs": "pub mod event;",
    "src/sync/event.rs": "use crate::error::Error;\npub struct Event;",
    "src/manager/mod.rs": "mod core; mod task;\npub use core::Core;",
    "src/manager/core.rs": "use crate::{error::Error, sync::event::{self, Event}};\npub struct Core;",
    "src/manager/task.rs": "use crate::manager::core::Core;\npub struct Task;",
}


def found(folder: Path, **changes: str) -> list[str]:
    """`RULE FILE:LINE` of each finding in the clean tree with these files; `__` in a name is a slash."""
    files = CLEAN | {f"src/{name.replace('__', '/')}.rs": text for name, text in changes.items()}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    problems = structure.check(folder, sorted({*files, *structure.LARGE_FILES} & set(files)))
    return [f"{problem.rule} {problem.file}:{problem.line}" for problem in problems if "tools/" not in problem.file]


def test_a_clean_tree_has_no_finding(tmp_path: Path) -> None:
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    "line",
    [
        "use crate::manager::core::Core;",
        "use crate::{\n    manager::{core::{Core as C}},\n};",
        "fn f() -> crate::manager::core::Core { loop {} }",
        "macro_rules! m { () => { $crate::manager::core::Core } }",
        "pub use crate::manager::core::Core;",
        "use super::super::manager::core::Core;",
    ],
)
def test_an_upward_import_is_found(tmp_path: Path, line: str) -> None:
    assert found(tmp_path, sync__event=f"pub struct Event;\n{line}") == ["layer src/sync/event.rs:2"]


@pytest.mark.parametrize(
    "line",
    [
        "// use crate::manager::core::Core;",
        "/* use /* nested */ crate::manager::core::Core; */",
        'const TEXT: &str = "use crate::manager::core::Core;";',
        'const TEXT: &str = r#"use "crate::manager::core::Core;"#;',
        "#[cfg(test)]\nmod tests {\n    use crate::manager::core::Core;\n}",
        "#[cfg(test)]\n#[allow(unused)]\nuse crate::manager::core::Core;",
        "pub(in crate::sync) fn f<'a>(_: &'a str) -> char { '\"' }",
    ],
)
def test_comments_literals_and_unit_tests_are_no_imports(tmp_path: Path, line: str) -> None:
    assert found(tmp_path, sync__event=f"pub struct Event;\n{line}") == []


def test_a_file_of_unit_tests_may_import_everything(tmp_path: Path) -> None:
    changes = {"sync__mod": "pub mod event;\n#[cfg(test)]\nmod tests;", "sync__tests": "use crate::manager::core::Core;"}
    assert found(tmp_path, **changes) == []


def test_modules_of_one_layer_and_forbidden_ones_are_found(tmp_path: Path) -> None:
    changes = {"spsc": "use crate::registry::Plan;", "registry__mod": "pub struct Plan;"}
    assert found(tmp_path, **changes) == ["layer src/spsc.rs:1"]
    assert found(tmp_path, spsc="pub struct Ring;", manager__task="use crate::spsc::Ring;") == ["layer src/manager/task.rs:1"]


def test_the_planner_stands_alone(tmp_path: Path) -> None:
    search = "use crate::error::Error;\nuse crate::planner::Plan;\nuse crate::sync::event::Event;"
    changes = {
        "planner__mod": "mod search;",
        "planner__search": search,
    }
    assert found(tmp_path, **changes) == ["layer src/planner/search.rs:3"]


def test_reexports_are_found(tmp_path: Path) -> None:
    changes = {"manager__task": "use crate::manager::Core;\nuse crate::Error;"}
    assert found(tmp_path, **changes) == ["layer src/manager/task.rs:2", "origin src/manager/task.rs:1"]
    changes = {"sync__mod": "pub mod event;\npub use std::sync::Mutex;", "manager__task": "use crate::sync::Mutex;"}
    assert found(tmp_path, **changes) == []


def test_relative_imports_are_found(tmp_path: Path) -> None:
    task = "use super::core::Core;\npub struct Task;\nmod inner {\n    use super::Task;\n}"
    assert found(tmp_path, manager__task=task) == ["origin src/manager/task.rs:1"]


def test_circles_are_found_once(tmp_path: Path) -> None:
    changes = {
        "manager__mod": "mod a; mod b; mod c; mod core; mod task;",
        "manager__a": "pub struct A;\nuse crate::manager::b::B;",
        "manager__b": "pub struct B;\nuse crate::manager::c::C;",
        "manager__c": "pub struct C;\nuse crate::manager::a::A;",
    }
    assert found(tmp_path, **changes) == ["circle src/manager/a.rs:2"]


def test_a_module_without_a_layer_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, attic="") == ["layer src/attic.rs:1"]


def test_long_files_are_found(tmp_path: Path) -> None:
    assert found(tmp_path, error="pub struct Error;" + "\n" * 499) == []
    assert found(tmp_path, error="pub struct Error;" + "\n" * 500) == ["size src/error.rs:501"]


def test_names_of_two_modules_are_found(tmp_path: Path) -> None:
    twice = "use crate::manager::core::Core;\n\npub enum Event { A }"
    assert found(tmp_path, manager__task=twice) == ["name src/manager/task.rs:3"]
    elsewhere = "impl Iterator for Core { type Event = u8; }\n#[cfg(test)]\nmod tests { struct Event; }"
    assert found(tmp_path, manager__task=f"use crate::manager::core::Core;\n{elsewhere}") == []


def test_every_problem_names_file_line_rule_and_remedy() -> None:
    problem = structure.Problem("src/a.rs", 7, "size", "501 lines, at most 500 are allowed; split it by its ideas")
    assert str(problem) == "src/a.rs:7: size: 501 lines, at most 500 are allowed; split it by its ideas"
