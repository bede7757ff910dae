"""Pictures of the flood demo: shaded relief under water, as an image and an animation."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LightSource, LinearSegmentedColormap, LogNorm
from PIL import Image, ImageDraw, ImageFont

SHALLOW, DEEP = 0.03, 20.0  # metres: depths of the first and the last shade of blue
SKY_SHADE = 0.35  # darkening in the storm's centre

LAND = LinearSegmentedColormap.from_list("land", ["#6f7f5c", "#a8a57a", "#cbbf9a", "#efe9dc"])
WATER = LinearSegmentedColormap.from_list(
    "water", [(0.35, 0.62, 0.85, 0.35), (0.25, 0.55, 0.85, 0.8), (0.10, 0.35, 0.75, 1.0), (0.02, 0.12, 0.42, 1.0)]
)
DEPTHS = LogNorm(SHALLOW, DEEP)


class Frame(NamedTuple):
    """The content of a front for the animation: shades, one byte per cell."""

    water: np.ndarray
    sky: np.ndarray
    hours: float

    @classmethod
    def of(cls, depth: np.ndarray, rain: np.ndarray, hours: float) -> Frame:
        """`rain` is the rain since the last frame: it becomes the shadow of the storm."""
        shade = np.clip(DEPTHS(np.maximum(depth, SHALLOW / 2)), 0, 1)
        water = np.where(_on_land(depth) < SHALLOW, 0, 1 + 254 * shade)
        sky = 255 * rain / max(rain.max(), 1e-9)
        return cls(water.astype(np.uint8), sky.astype(np.uint8), hours)


class Map:
    """A landscape with cells of dx by dy metres; draws the water on it."""

    def __init__(self, ground: np.ndarray, dx: float, dy: float) -> None:
        self.dx, self.dy = dx, dy
        light = LightSource(azdeg=315, altdeg=45)
        shaded = light.shade(ground, cmap=LAND, blend_mode="soft", vert_exag=2, dx=dx, dy=dy)
        self.land = shaded[..., :3]

    def picture(self, depth: np.ndarray, title: str, note: str, path: Path) -> None:
        """Saves an image with relief, water by depth, and a scale."""
        rows, cols = depth.shape
        extent = (0, cols * self.dx / 1000, rows * self.dy / 1000, 0)
        figure, axes = plt.subplots(figsize=(10.5, 9.5), layout="constrained")
        axes.imshow(self.land, extent=extent, interpolation="bilinear")
        water = np.ma.masked_less(_on_land(depth), SHALLOW)
        drawn = axes.imshow(water, extent=extent, cmap=WATER, norm=DEPTHS, interpolation="nearest")
        axes.set_title(title, fontsize=15)
        axes.set_xlabel("km\n" + note)
        axes.set_ylabel("km")
        scale = figure.colorbar(drawn, ax=axes, shrink=0.8, label="depth of water")
        scale.set_ticks([0.03, 0.1, 0.5, 2, 5, 20], labels=["3 cm", "10 cm", "50 cm", "2 m", "5 m", "20 m"])
        scale.minorticks_off()
        figure.savefig(path, dpi=120)
        plt.close(figure)

    def animation(self, frames: list[Frame], path: Path, frames_per_second: float) -> None:
        """Saves an endless animation that pauses on its last frame."""
        images = [self._draw(frame) for frame in frames]
        durations = [round(1000 / frames_per_second)] * (len(images) - 1) + [2000]
        images[0].save(path, save_all=True, append_images=images[1:], duration=durations, loop=0, quality=75)

    def _draw(self, frame: Frame, width: int = 560) -> Image.Image:
        shades = WATER(np.linspace(0, 1, 256))
        shades[0, 3] = 0  # dry
        water = shades[frame.water]
        opacity = water[..., 3:]
        sky = 1 - SKY_SHADE * frame.sky[..., None] / 255
        colours = (self.land * (1 - opacity) + water[..., :3] * opacity) * sky
        rows, cols = frame.water.shape
        height = round(width * rows * self.dy / (cols * self.dx))
        image = Image.fromarray((colours * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
        clock = f"{int(frame.hours):2d}:{int(frame.hours % 1 * 60):02d} h"
        ImageDraw.Draw(image).text((10, 8), clock, fill="black", font=ImageFont.load_default(size=16))
        return image


def _on_land(depth: np.ndarray) -> np.ndarray:
    """The depth without the gutter around the map, whose cells hold the drained water."""
    land = np.zeros_like(depth)
    land[1:-1, 1:-1] = depth[1:-1, 1:-1]
    return land
