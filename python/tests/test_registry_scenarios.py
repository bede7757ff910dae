"""Scenarios of the layout rules, and the command `python -m backbuf.registry`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backbuf.registry._scenarios import differences, run

VECTORS = Path(__file__).parents[2] / "tests" / "data" / "registry" / "vectors.json"
SCENARIOS = json.loads(VECTORS.read_text(encoding="utf-8"))["scenarios"]


def test_all_scenarios_agree() -> None:
    assert len(SCENARIOS) == 144
    for scenario in SCENARIOS:
        result = run(scenario)
        assert differences(scenario, result) == [], scenario["id"]
        if "undefined_upstream" not in scenario:
            assert result["layout"] == scenario["expected"]["layout"], scenario["id"]


def command(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backbuf.registry", *words]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def test_the_command_prints_a_line_for_each_result() -> None:
    done = command("run", str(VECTORS))
    assert done.returncode == 0, done.stderr
    assert done.stderr == "144 scenarios: 144 agree, 0 differ\n"
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["id"] for result in results] == [scenario["id"] for scenario in SCENARIOS]
    for scenario, result in zip(SCENARIOS, results, strict=True):
        assert result["agrees"] is True
        if "undefined_upstream" not in scenario:
            assert {"ops": result["ops"], "layout": result["layout"]} == scenario["expected"]


def test_the_command_reports_differences() -> None:
    wrong, bare = json.loads(json.dumps(SCENARIOS[:2]))
    wrong["expected"]["layout"]["totals"]["shared"] += 1
    del bare["expected"]
    done = command("run", "-", stdin=json.dumps({"scenarios": [wrong, bare]}))
    assert done.returncode == 1
    assert [json.loads(line)["agrees"] for line in done.stdout.splitlines()] == [False, None]
    assert f"{wrong['id']}: layout.totals: {{'shared': 100" in done.stderr
    assert done.stderr.endswith("2 scenarios: 0 agree, 1 differ\n")


def test_an_accepted_impossible_alias_differs() -> None:
    scenario = next(scenario for scenario in SCENARIOS if "undefined_upstream" in scenario)
    result = run(scenario)
    place = next(place for place, op in enumerate(scenario["ops"]) if op["op"] == "update_buffer")
    assert result["ops"][place]["ok"] is False
    result["ops"][place] = {"ok": True, "recognized": True, "changed": True}
    assert "accepted" in differences(scenario, result)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1 column 2"),
        ("[]", "scenarios"),
        ('{"scenarios": [{"id": 1}]}', "scenarios[0] is not a scenario"),
        ('{"scenarios": [{"id": 1, "ops": [{"op": "fly"}]}]}', "there is no operation 'fly'"),
    ],
)
def test_the_command_refuses_other_files(text: str, message: str) -> None:
    done = command("run", "-", stdin=text)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_has_help_and_reports_a_missing_file() -> None:
    assert "vectors.json" in command("run", "--help").stdout
    done = command("run", "nowhere.json")
    assert done.returncode == 2
    assert "nowhere.json" in done.stderr
