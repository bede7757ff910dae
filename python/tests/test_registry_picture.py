"""PNG pictures of layouts: the same content as the SVG, at the same positions."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

import backbuf


@pytest.fixture
def registry() -> backbuf.BufferRegistry:
    registry = backbuf.BufferRegistry("typed")
    registry.register("$k_1^", "solver", 20, "shared")
    registry.register("slice", "solver", 5, "shared", aliases="$k_1^")
    registry.register("fell", "solver", 50, "shared", aliases="$k_1^")
    registry.register_child("child", "solver", "newton")
    registry.register("größe", "newton", 9, "shared", lifetime=(0, 3))
    registry.register("gap", "solver", 1, "shared", precision="f64")
    return registry


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def colour(text: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(text.removeprefix("#")))


@pytest.mark.parametrize("dark", [False, True])
def test_each_rectangle_of_the_svg_has_its_colour(registry: backbuf.BufferRegistry, dark: bool) -> None:
    svg, picture = registry.svg("solver"), pixels(registry.png("solver", dark=dark, scale=1))
    size = re.search(r'width="(\d+)" height="(\d+)"', svg)
    assert size is not None
    assert picture.shape == (int(size[2]), int(size[1]), 3)
    sheet = svg.partition("@media")[2 if dark else 0]
    seen = set()
    box = r'<rect class="(\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"'
    for kind, *numbers in re.findall(box, svg):
        x, y, width, height = map(float, numbers)
        fill = re.search(rf"\.{kind}{{fill:(#\w+)", sheet)
        assert fill is not None
        if height > 4:
            # Near its lower right corner, which no other shape covers.
            assert tuple(picture[int(y + height - 3), int(x + width - 3)]) == colour(fill[1]), kind
            seen.add(kind)
    assert seen == {"own", "in", "back", "child"}
    page = re.search(r"\.page{fill:(#\w+)", sheet)
    assert page is not None
    assert tuple(picture[2, 2]) == colour(page[1])


def test_scale_and_lifetimes(registry: backbuf.BufferRegistry) -> None:
    light, large = pixels(registry.png("newton", scale=1)), pixels(registry.png("newton"))
    assert large.shape[:2] == tuple(2 * side for side in light.shape[:2])
    assert len(np.unique(light.reshape(-1, 3), axis=0)) > 10
    with pytest.raises(KeyError):
        registry.png("absent")
