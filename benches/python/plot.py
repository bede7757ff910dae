#!/usr/bin/env python3
"""Draws target/bench/report.json: how many times as good as each peer and limit ours is, row by row."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

STYLES = {
    "left_right": ("o", "tab:blue"),
    "channel_bitmap": ("s", "tab:orange"),
    "channel_triple": ("^", "tab:green"),
    "channel_arc_swap": ("v", "tab:olive"),
    "seed_c": ("x", "tab:red"),
    "seed_c_correct": ("+", "tab:purple"),
    "seed_python": ("x", "tab:brown"),
}


def ratio(row: dict[str, Any], value: float) -> float:
    """More than 1: ours is better, whichever direction is better."""
    return value / row["ours"] if row["better"] == "lower" else row["ours"] / value


def draw(rows: list[dict[str, Any]], file: Path) -> None:
    """One line a row, one mark a peer, on a logarithmic scale."""
    rows = [row for row in rows if row["ours"] and row["peers"]][::-1]
    figure, axes = plt.subplots(figsize=(10, 1.5 + 0.28 * len(rows)), layout="constrained")
    for name in sorted({name for row in rows for name in row["peers"]}):
        marker, color = STYLES.get(name, ("|", "black"))
        points = [(ratio(row, row["peers"][name]), y) for y, row in enumerate(rows) if name in row["peers"]]
        axes.scatter(*zip(*points, strict=True), marker=marker, color=color, label=name)
    wanted = [(goal["ratio"], y) for y, row in enumerate(rows) for goal in row["goals"] if goal.get("versus") == "best_peer"]
    if wanted:
        axes.scatter(*zip(*wanted, strict=True), marker="d", s=18, color="none", edgecolors="grey", label="goal, best peer")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [row["name"].removeprefix("manager.") for row in rows])
    axes.set_xlabel("times as good as the peer (right of 1: backbuf is better)")
    axes.grid(axis="both", alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=4, fontsize="small")
    figure.savefig(file)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where report.json lies and comparison.svg goes")
    folder = parser.parse_args().folder
    rows = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    if any(row["ours"] and row["peers"] for row in rows):
        draw(rows, folder / "comparison.svg")
        print(f"drawn: {folder / 'comparison.svg'}")


if __name__ == "__main__":
    main()
