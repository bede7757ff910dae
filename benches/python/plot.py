#!/usr/bin/env python3
"""Draws target/bench/report.json: the ratio of backbuf to each peer and limit, row by row, one chart per module."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

MARKERS = "os^vDPX<>*"


def ratio(row: dict[str, Any], value: float) -> float:
    """Above 1, backbuf is better, whether lower or higher is better."""
    return value / row["ours"] if row["better"] == "lower" else row["ours"] / value


def draw(axes: Axes, part: str, rows: list[dict[str, Any]]) -> None:
    """One line a row, one mark a peer, on a logarithmic scale."""
    names = sorted({name for row in rows for name in row["peers"]}, key=lambda name: (name.startswith("limit."), name))
    for index, name in enumerate(names):
        points = [(ratio(row, row["peers"][name]), y) for y, row in enumerate(rows) if name in row["peers"]]
        style = {"marker": "|", "color": "black"}
        if not name.startswith("limit."):
            style = {"marker": MARKERS[index % len(MARKERS)], "color": f"C{(index + index // 10) % 10}"}
        axes.scatter(*zip(*points, strict=True), label=name, **style)
    best = ("best_peer", "best_byte_ring")
    wanted = [(goal["ratio"], y) for y, row in enumerate(rows) for goal in row["goals"] if goal.get("versus") in best]
    if wanted:
        axes.scatter(*zip(*wanted, strict=True), marker="d", s=18, color="none", edgecolors="grey", label="goal, best peer")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [row["name"].removeprefix(f"{part}.") for row in rows])
    renderers = sorted({row["renderer"] for row in rows if "renderer" in row})
    axes.set_title(" on ".join([part, *renderers]))
    axes.set_xlabel("times as good as the peer (right of 1: backbuf is better)")
    axes.grid(axis="both", alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where report.json lies and the charts go, as MODULE.svg")
    folder = parser.parse_args().folder
    rows = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in reversed(rows):
        if row["ours"] and row["peers"]:
            parts.setdefault(row["name"].partition(".")[0], []).append(row)
    for part, lines in parts.items():
        # The height of a row; a legend needs at least as many rows.
        figure, axes = plt.subplots(figsize=(10, 1.2 + 0.28 * max(len(lines), 10)), layout="constrained")
        draw(axes, part, lines)
        figure.savefig(folder / f"{part}.svg")
        plt.close(figure)
    print(f"drawn in {folder}: {', '.join(f'{part}.svg' for part in parts) or 'nothing'}")


if __name__ == "__main__":
    main()
