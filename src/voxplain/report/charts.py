"""Curves and intervals as SVG that takes the page's colors, and whose points know their cell of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from markupsafe import Markup

from ..figures import COLORS, GRAY
from . import formats

SHAPES = {"o": "circle", "s": "square", "^": "triangle", "D": "diamond", "v": "wedge", "x": "cross"}
_PATHS = {
    "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "square": "M-3.6 -3.6h7.2v7.2h-7.2z",
    "triangle": "M0 -4.6L4.4 3.4H-4.4z",
    "diamond": "M0 -5L4.6 0L0 5L-4.6 0z",
    "wedge": "M0 4.6L4.4 -3.4H-4.4z",
    "cross": "M-4.2 -2.6L-2.6 -4.2L0 -1.6L2.6 -4.2L4.2 -2.6L1.6 0L4.2 2.6L2.6 4.2L0 1.6L-2.6 4.2L-4.2 2.6L-1.6 0z",
}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 340, 240, 44, 10, 10, 40


@dataclass(frozen=True)
class Point:
    """A point of a curve.

    Attributes
    ----------
    x, y : float
        As they are drawn.
    low, high : float
        Ends of the interval, NaN for none.
    row, column, value : int or None, str, float
        The table's cell that `y` is drawn from.
    digits : int
        Decimals that the table shows of it.
    """

    x: float
    y: float
    low: float = float("nan")
    high: float = float("nan")
    row: int | None = None
    column: str = ""
    value: float = float("nan")
    digits: int = 1


@dataclass(frozen=True)
class Line:
    """A curve: its name, look and points.

    Attributes
    ----------
    color : str
    shape : str
        One of the values of `SHAPES`.
    dashes : str
        SVG's dash array; "" for none.
    marked : bool
        Whether its points are drawn.
    """

    name: str
    color: str
    shape: str
    points: Sequence[Point]
    dashes: str = ""
    marked: bool = True


def look(number: int) -> tuple[str, str]:
    """Color and shape of the n-th of many lines: no two of the first 42 have both in common."""
    colors, shapes = (*COLORS, GRAY), list(SHAPES.values())
    return colors[number % len(colors)], shapes[number % len(shapes)]


def mark(color: str, shape: str) -> Markup:
    """A line's sign, for a legend."""
    return Markup(
        f'<svg class="mark" viewBox="-6 -6 12 12" aria-hidden="true"><path d="{_PATHS[shape]}" fill="{color}"/></svg>'
    )


@dataclass(frozen=True)
class Axes:
    """Limits, ticks and words of a chart."""

    x_label: str
    y_label: str
    y_low: float = 0.0
    y_high: float | None = None
    x_ticks: Sequence[float] | None = None
    references: Sequence[tuple[float, str]] = field(default_factory=tuple)
    at: float | None = None


def curves(lines: Sequence[Line], axes: Axes, *, table: str, text: str) -> Markup:
    """Draw curves with interval bands.

    Parameters
    ----------
    lines : sequence of Line
    axes : Axes
        `references` are dashed level lines with a word; `at` is an x that is marked.
    table : str
        Name of the table that the points' cells are of.
    text : str
        Alternative text.
    """
    points = [point for line in lines for point in line.points if point.y == point.y]
    xs = np.array([point.x for point in points] or [0.0, 1.0])
    tops = [max(point.y, point.high if point.high == point.high else point.y) for point in points]
    high = (
        axes.y_high
        if axes.y_high is not None
        else max([*tops, *(y for y, _ in axes.references), 1e-9]) * 1.05
    )
    low_x, high_x = float(xs.min()), float(max(xs.max(), xs.min() + 1e-9))
    y_ticks = _ticks(axes.y_low, high)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (y - axes.y_low) / (high - axes.y_low)
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * (0.03 + 0.94 * (x - low_x) / (high_x - low_x)),
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(share, 0.0), 1.0),
        )

    parts = []
    for tick in y_ticks:
        _, y = place(low_x, tick)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in axes.x_ticks if axes.x_ticks is not None else sorted(set(xs.tolist())):
        x, _ = place(tick, axes.y_low)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(axes.x_label)}</text>'
        f'<text transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">{escape(axes.y_label)}</text>'
    )
    if axes.at is not None and low_x <= axes.at <= high_x:
        x, _ = place(axes.at, axes.y_low)
        parts.append(f'<path class="chosen" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
    for y, word in axes.references:
        _, level = place(low_x, y)
        parts.append(f'<path class="reference" d="M{LEFT} {level:.1f}H{WIDTH - RIGHT}"/>')
        above = level - 4 if level > TOP + 14 else level + 13
        parts.append(f'<text x="{WIDTH - RIGHT}" y="{above:.1f}" text-anchor="end">{escape(word)}</text>')
    for line in lines:
        parts.append(_band(line, place))
    for line in lines:
        parts.append(_curve(line, place, table))
    return _svg(parts, WIDTH, HEIGHT, text)


@dataclass(frozen=True)
class Interval:
    """A row of a chart of intervals: words, point, ends, and where chance is (NaN: nowhere)."""

    name: str
    point: Point
    color: str = COLORS[1]
    shape: str = "circle"
    chance: float = float("nan")


def intervals(
    rows: Sequence[Interval], *, x_label: str, table: str, text: str, reference: float | None = None
) -> Markup:
    """Draw a point with its interval per row, and chance as a bar or as one line for all (`reference`).

    A point's `x` is not used.
    """
    values = [
        v for row in rows for v in (row.point.y, row.point.low, row.point.high, row.chance) if not np.isnan(v)
    ]
    values += [] if reference is None else [reference]
    low, high = min([*values, 0.0]), max([*values, 1e-9])
    low, high = low - 0.03 * (high - low) * (low < 0), high + 0.05 * (high - low)
    left, step = 16 + 6.7 * max(len(row.name) for row in rows), 17
    width, height = int(left) + 290, TOP + step * len(rows) + BOTTOM

    def across(x: float) -> float:
        return left + (width - left - RIGHT) * (x - low) / (high - low)

    bottom = height - BOTTOM
    parts = []
    for tick in _ticks(low, high):
        parts.append(f'<path class="grid" d="M{across(tick):.1f} {TOP}V{bottom}"/>')
        parts.append(
            f'<text x="{across(tick):.1f}" y="{bottom + 15}" text-anchor="middle">{_signed(tick)}</text>'
        )
    if reference is not None:
        parts.append(f'<path class="reference" d="M{across(reference):.1f} {TOP}V{bottom}"/>')
    parts.append(
        f'<text x="{(left + width - RIGHT) / 2:.1f}" y="{height - 6}" text-anchor="middle">{escape(x_label)}</text>'
    )
    for number, row in enumerate(rows):
        y = TOP + step * (number + 0.5)
        parts.append(f'<text x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(row.name)}</text>')
        if row.chance == row.chance:
            parts.append(f'<path class="chance" d="M{across(row.chance):.1f} {y - 7}V{y + 7}"/>')
        if row.point.low == row.point.low:
            ends = f"M{across(row.point.low):.1f} {y}H{across(row.point.high):.1f}"
            parts.append(f'<path d="{ends}" stroke="{row.color}" stroke-width="2.5" fill="none"/>')
        if row.point.y == row.point.y:
            parts.append(_sign(row.point, across(row.point.y), y, row.color, row.shape, row.name, table))
    return _svg(parts, width, height, text)


def _curve(line: Line, place, table: str) -> str:
    found = [point for point in line.points if point.y == point.y]
    path = "L".join("{:.1f} {:.1f}".format(*place(point.x, point.y)) for point in found)
    dashes = f' stroke-dasharray="{line.dashes}"' if line.dashes else ""
    drawn = (
        f'<path d="M{path}" fill="none" stroke="{line.color}" stroke-width="1.8"{dashes}/>' if path else ""
    )
    if not line.marked:
        return drawn
    signs = (
        _sign(point, *place(point.x, point.y), line.color, line.shape, f"{line.name}, {point.x:g}", table)
        for point in found
    )
    return drawn + "".join(signs)


def _sign(point: Point, x: float, y: float, color: str, shape: str, name: str, table: str) -> str:
    cell = ""
    if point.row is not None:
        cell = f' data-of="{table}" data-row="{point.row}" data-column="{point.column}" data-value="{point.value!r}"'
    told, low, high = (formats.number(value, point.digits) for value in (point.y, point.low, point.high))
    spread = f" ({low} to {high})" if point.low == point.low else ""
    return (
        f'<path d="{_PATHS[shape]}" transform="translate({x:.1f} {y:.1f})" fill="{color}"{cell}>'
        f"<title>{escape(name)}: {told}{spread}</title></path>"
    )


def _band(line: Line, place) -> str:
    found = [point for point in line.points if point.low == point.low]
    if not found:
        return ""
    ends = [place(point.x, point.high) for point in found] + [
        place(point.x, point.low) for point in found[::-1]
    ]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in ends)
    return f'<path d="M{path}z" fill="{line.color}" opacity="0.14"/>'


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers from `low` to `high`."""
    raw = (high - low) / 5
    scale = 10.0 ** np.floor(np.log10(raw))
    step = float(next(factor * scale for factor in (1, 2, 5, 10) if factor * scale >= raw * 0.999))
    return [
        round(step * n, 10)
        for n in range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)
    ]


def _signed(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _svg(parts: Sequence[str], width: int, height: int, text: str) -> Markup:
    return Markup(
        f'<svg class="chart" role="img" viewBox="0 0 {width} {height}" style="max-width: {1.35 * width:.0f}px"'
        f' aria-label="{escape(text)}">{"".join(parts)}</svg>'
    )
