#!/usr/bin/env python3
"""Plots the channels of a recorder with Matplotlib, and redraws only those that have changed.

An engine thread writes samples into a few channels of the state and publishes. The plot asks each front what has changed
since the one it shows, and draws the lines of those channels over their saved backgrounds. At the end the picture is
compared with one that is drawn as a whole, and saved; the exit status is 1 if they differ. Needs Matplotlib.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

import matplotlib as mpl
import numpy as np

import backbuf

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg

SAMPLES = 400


class Recorder(threading.Thread):
    """The engine: at each step one or two channels get new samples."""

    def __init__(self, state: backbuf.CBufferManager) -> None:
        super().__init__()
        self.state, self.rng = state, np.random.default_rng(11)

    def run(self) -> None:
        step, channels = 0, self.state.shape[0]
        time = np.linspace(0, 2 * np.pi, SAMPLES)
        try:
            while True:
                step += 1
                for channel in self.rng.integers(0, channels, 2):
                    self.state[channel] = np.sin(time * (1 + channel) + step / 20) * self.rng.uniform(0.4, 0.9)
                self.state.tag(step)
                self.state.synchronize()
        except backbuf.ClosedError:
            pass  # the plot has closed the manager


class Plot:
    """One row of axes for each channel. `lines` counts the lines that were drawn."""

    def __init__(self, channels: int) -> None:
        self.figure = plt.figure(figsize=(8, 0.5 * channels), dpi=80)
        self.canvas = FigureCanvasAgg(self.figure)
        self.lines, self.epoch = 0, 0
        self.traces = []
        for axes in self.figure.subplots(channels, 1, squeeze=False)[:, 0]:
            axes.set(xlim=(0, SAMPLES - 1), ylim=(-1, 1), xticks=[], yticks=[])
            # Animated lines are left out when the backgrounds are drawn, which are saved without them.
            self.traces.append(axes.plot(np.zeros(SAMPLES), lw=0.8, animated=True)[0])
        self.canvas.draw()
        self.backgrounds = [self.canvas.copy_from_bbox(trace.axes.bbox) for trace in self.traces]
        for channel in range(channels):
            self.draw(channel)

    def draw(self, channel: int) -> None:
        trace = self.traces[channel]
        self.canvas.restore_region(self.backgrounds[channel])
        trace.axes.draw_artist(trace)
        self.lines += 1

    def show(self, front: backbuf.Front) -> None:
        """Draws the channels that may differ from the front that is shown."""
        for part in front.changed_since(self.epoch):
            for channel in range(part.start // SAMPLES, -(-part.stop // SAMPLES)):
                self.traces[channel].set_ydata(front.array[channel].copy())
                self.draw(channel)
        self.epoch = front.epoch

    def picture(self) -> np.ndarray:
        return np.array(self.canvas.buffer_rgba())

    def whole(self, state: np.ndarray) -> np.ndarray:
        """The picture of a state, drawn as a whole."""
        self.canvas.draw()
        for channel, trace in enumerate(self.traces):
            trace.set_ydata(state[channel])
            self.draw(channel)
        return self.picture()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--channels", type=int, default=16, help="number of channels (default: %(default)s)")
    add("--frames", type=int, default=50, help="number of pictures (default: %(default)s)")
    add("--output", type=Path, default=Path("target/traces.png"), help="file for the last picture (default: %(default)s)")
    given = parser.parse_args()
    for name, most in (("channels", 100), ("frames", 100_000)):
        if not 0 < getattr(given, name) <= most:
            parser.error(f"--{name} {getattr(given, name)}: must be 1 to {most}")
    return given


def main() -> int:
    given = arguments()
    plot = Plot(given.channels)
    with backbuf.CBufferManager((given.channels, SAMPLES), "f4", label="recorder") as state:
        recorder = Recorder(state)
        recorder.start()
        for _ in range(given.frames):
            state.wait_epoch(plot.epoch)
            with state.front() as front:
                plot.show(front)
                last = front.array.copy()
        state.close()
        recorder.join()
    lines, picture = plot.lines, plot.picture()
    equal = np.array_equal(picture, plot.whole(last))
    plt.imsave(given.output, picture)
    print(f"{given.frames} pictures up to epoch {plot.epoch}: {lines} of {given.frames * given.channels} lines drawn")
    print(f"written: {given.output}; {'equal to' if equal else 'DIFFERS from'} a picture that is drawn as a whole")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
