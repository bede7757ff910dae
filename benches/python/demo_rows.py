"""Bench row demo.library_share: the library's share of the CPU time of the flood demo's process."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

FLOOD = Path(__file__).resolve().parent.parent.parent / "python" / "examples" / "flood.py"
NEEDED = ("matplotlib", "PIL", "tqdm")
"""What the demo imports beside NumPy and backbuf."""
LEAST = 5.0
"""Seconds below which the demo's start-up would count too much."""


def measure(_row: str, seconds: float) -> dict[str, object]:
    """Runs the demo; the figure is a percentage."""
    if lacking := [name for name in NEEDED if not importlib.util.find_spec(name)]:
        return {"not_run": f"the demo needs {', '.join(lacking)}: run scripts/setup demo"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(FLOOD), "--seconds", str(max(seconds, LEAST)), "--output", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        measured = json.loads(next(Path(folder).glob("*.json")).read_text(encoding="utf-8"))
    return {"ours": 100.0 * measured["library_share_of_process_cpu"], "peers": {}, "spread": 0.0}
