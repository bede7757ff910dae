"""HTML of objects in notebooks: a table of properties, with a preview of the values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from html import escape
from typing import Any

import numpy as np

from ._memory import Array

_CELL = "text-align:left;padding:1px 8px 1px 0"


def table(title: str, rows: Mapping[str, object], values: Array | None = None) -> str:
    """A titled table of names and values; `values` is shown below it, abbreviated."""
    cells = "".join(
        f'<tr><th style="{_CELL}">{escape(name)}</th><td style="{_CELL}">{escape(_text(value))}</td></tr>'
        for name, value in rows.items()
    )
    preview = "" if values is None else f"<pre>{escape(_preview(values))}</pre>"
    return f"<div><strong>{escape(title.strip())}</strong><table><tbody>{cells}</tbody></table>{preview}</div>"


class HtmlFields:
    """Base class of dataclasses that notebooks show as a table of their fields."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]  # subclasses are dataclasses
        return table(type(self).__name__, {name: getattr(self, name) for name in names})


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)


def _preview(values: Array) -> str:
    """The array as text, of a few lines whatever its size."""
    return np.array2string(values, threshold=64, edgeitems=3)
