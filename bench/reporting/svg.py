"""Plots as small SVG files: lines, steps and stacked bars, with axes and a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import floor, log10
from pathlib import Path
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 820, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 260, 40, 50
_TICKS = 5
# Told apart also by those who see colours otherwise (Okabe and Ito).
_COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442", "#555555",
    "#999999", "#7a5195", "#3b3b98", "#a05a2c",
)  # fmt: skip

Point = tuple[float, float]


class Plot:
    """A drawing area with a title, both axes from 0, and a legend at its right."""

    def __init__(self, title: str, x: str, y: str, most: Point) -> None:
        self._most = (most[0] or 1.0, most[1] or 1.0)
        self._marks: list[str] = [
            f'<text x="{_LEFT}" y="20" font-weight="bold">{escape(title)}</text>',
            _text((_LEFT + _right()) / 2, _HEIGHT - 10, x, "middle"),
            f'<text transform="translate(16 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
            f"{escape(y)}</text>",
        ]
        self._names: list[str] = []

    def grid(self, *, vertical: bool = True) -> None:
        """Draw lines at round values, each with its value."""
        for value in ticks(self._most[1]):
            self._marks.append(_line([self._at(0, value), self._at(self._most[0], value)], "#ddd"))
            self._marks.append(_text(_LEFT - 8, self._at(0, value)[1] + 4, f"{value:,g}", "end"))
        for value in ticks(self._most[0]) if vertical else ():
            x, y = self._at(value, 0)
            self._marks.append(_text(x, y + 18, f"{value:,g}", "middle"))

    def line(self, name: str, points: Sequence[Point]) -> None:
        """Join points."""
        self._marks.append(_line([self._at(*point) for point in points], self._colour(name), 2))

    def bar(self, place: float, width: float, bottom: float, top: float, name: str) -> None:
        """Draw one part of a stack."""
        (left, low), (right, high) = self._at(place, bottom), self._at(place + width, top)
        self._marks.append(
            f'<rect x="{left:.1f}" y="{high:.1f}" width="{right - left:.1f}"'
            f' height="{low - high:.1f}" fill="{self._colour(name)}"/>'
        )

    def label(self, x: float, text: str) -> None:
        """Write below the axis."""
        left, low = self._at(x, 0)
        self._marks.append(_text(left, low + 18, text, "middle"))

    def write(self, path: Path) -> None:
        """Write the file."""
        legend = "".join(_legend(number, name) for number, name in enumerate(self._names))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
            ' font-family="sans-serif" font-size="12">'
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
            f"{''.join(self._marks)}{legend}</svg>\n",
            encoding="utf-8",
        )

    def _at(self, x: float, y: float) -> Point:
        height = _HEIGHT - _TOP - _BOTTOM
        across = _LEFT + x / self._most[0] * (_right() - _LEFT)
        return across, _HEIGHT - _BOTTOM - y / self._most[1] * height

    def _colour(self, name: str) -> str:
        if name not in self._names:
            self._names.append(name)
        return _COLOURS[self._names.index(name) % len(_COLOURS)]


def lines(path: Path, title: str, axes: tuple[str, str], series: Mapping[str, list[Point]]) -> str:
    """Plot series of points; return the file's name."""
    points = [point for each in series.values() for point in each]
    plot = Plot(title, *axes, (max(x for x, _ in points), max(y for _, y in points)))
    plot.grid()
    for name, each in series.items():
        plot.line(name, each)
    plot.write(path)
    return path.name


def steps(path: Path, title: str, axes: tuple[str, str], series: Mapping[str, list[Point]]) -> str:
    """Plot values that hold until the next one; return the file's name."""
    held = {name: _held(points) for name, points in series.items()}
    return lines(path, title, axes, held)


def stacks(path: Path, title: str, unit: str, bars: Mapping[str, Mapping[str, float]]) -> str:
    """Plot a bar for each name, made of its parts; return the file's name."""
    highest = max(sum(parts.values()) for parts in bars.values())
    plot = Plot(title, "", unit, (float(len(bars)), highest))
    plot.grid(vertical=False)
    for place, (name, parts) in enumerate(bars.items()):
        bottom = 0.0
        for part, size in parts.items():
            plot.bar(place + 0.2, 0.6, bottom, bottom + size, part)
            bottom += size
        plot.label(place + 0.5, name)
    plot.write(path)
    return path.name


def ticks(most: float) -> list[float]:
    """Choose about five round values from 0 up to the largest."""
    rough = most / _TICKS
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [round(step * number, 10) for number in range(int(most / step) + 1)]


def _held(points: Sequence[Point]) -> list[Point]:
    corners = [corner for one, other in pairwise(points) for corner in (one, (other[0], one[1]))]
    return [*corners, *points[-1:]]


def _right() -> int:
    return _WIDTH - _RIGHT


def _line(points: Sequence[Point], colour: str, width: int = 1) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _legend(number: int, name: str) -> str:
    left, top = _right() + 15, _TOP + number * 20
    colour = _COLOURS[number % len(_COLOURS)]
    return f'<rect x="{left}" y="{top}" width="12" height="12" fill="{colour}"/>' + _text(
        left + 18, top + 11, name, "start"
    )
