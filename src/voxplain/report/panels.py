"""The report's charts, made from the tables alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from ..figures import COLORS, STYLES
from ..motion.figures import TITLES
from . import formats, words
from .charts import SHAPES, Axes, Interval, Line, Point, curves, intervals, look, mark

DIGITS = {1: 2, 100: 1}  # decimals, in tables too, of numbers as they are and of percent


@dataclass(frozen=True)
class Panel:
    """A chart with its caption."""

    caption: str
    chart: Markup


@dataclass(frozen=True)
class Group:
    """Charts that share a legend of (sign, name)."""

    panels: list[Panel]
    legend: list[tuple[Markup, str]] = field(default_factory=list)


def title_of(method: str) -> str:
    """What an explainer is called."""
    title = TITLES.get(method.removesuffix("_least"), method)
    return f"{title}, reversed" if method.endswith("_least") and title != method else title


def editing_group(table: pd.DataFrame, experiment: str) -> Group:
    """Accuracy over the number of concepts, a panel per network and layer; the paper's dotted.

    Parameters
    ----------
    table : DataFrame
        concept_addition or concept_removal, which `experiment` names.
    """
    panels = []
    for (model, layer), rows in table.groupby(["model", "layer"], sort=False):
        lines = []
        for name, (color, marker, label) in STYLES.items():
            own = rows[rows["strategy"] == name].sort_values("k")
            lines.append(Line(label, color, SHAPES[marker], _points(own, "k", "accuracy")))
            published = _points(own.dropna(subset="published"), "k", "published", ends=False)
            if published:
                lines.append(Line(f"{label}, paper", color, SHAPES[marker], published, "2 4", marked=False))
        baseline = 100 * float(rows["baseline"].iloc[0])
        axes = Axes(
            f"concepts {words.VERBS[experiment]}",
            "accuracy, %",
            y_high=100,
            references=[(baseline, "unedited")],
        )
        text = words.curve_text(rows, experiment)
        panels.append(Panel(f"{model}, {layer}", curves(lines, axes, table=experiment, text=text)))
    used = set(table["strategy"])
    legend = [
        (mark(color, SHAPES[sign]), label) for name, (color, sign, label) in STYLES.items() if name in used
    ]
    return Group(panels, legend)


def gap_chart(gaps: pd.DataFrame) -> Markup:
    """Differences between the most important concepts and others, in points, with their intervals."""
    rows, described = [], []
    for row, gap in gaps[gaps["better"] == "top"].iterrows():
        verb = "adding" if gap["experiment"] == "concept_addition" else "removing"
        name = f"{gap['model']}, {verb}: top − {_short(gap['worse'])}"
        color = COLORS[0] if gap["experiment"] == "concept_addition" else COLORS[1]
        shape = "circle" if gap["experiment"] == "concept_addition" else "square"
        rows.append(Interval(name, _point(row, gap, "gap"), color, shape))
        described.append(
            {"name": name, "value": gap["gap"], "ci_low": gap["ci_low"], "ci_high": gap["ci_high"]}
        )
    text = words.intervals_text(
        pd.DataFrame(described), "Differences of accuracy in points with 95 % intervals"
    )
    return intervals(
        rows, x_label="difference of accuracy, points", table="concept_gaps", text=text, reference=0
    )


SHORT = {"random_volume": "equal volume", "other_class": "other class", "score": "the paper's score"}


def _short(strategy: str) -> str:
    return SHORT.get(strategy, strategy.removeprefix("control_").replace("_", " "))


def precision_group(table: pd.DataFrame) -> Group:
    """Share of the relevant voxels that move, of whole maps and selective ones; a panel per network."""
    panels = []
    for model, found in words.explainers_alone(table).groupby("model", sort=False):
        rows, described = [], []
        for row, cells in found.iterrows():
            selective = bool(cells["selective"])
            name = title_of(cells["method"]) + (", selective" if selective else "")
            chance = float(cells["base_rate"])
            color, shape = (COLORS[0], "diamond") if selective else (COLORS[1], "circle")
            rows.append(Interval(name, _point(row, cells, "mean"), color, shape, 100 * chance))
            described.append(
                {
                    "name": name,
                    "value": cells["mean"],
                    "ci_low": cells["ci_low"],
                    "ci_high": cells["ci_high"],
                    "chance": chance,
                }
            )
        text = words.intervals_text(
            pd.DataFrame(described), f"{model}: relevant voxels that move, in percent"
        )
        chart = intervals(rows, x_label="relevant voxels that move, %", table="motion_precision", text=text)
        panels.append(Panel(model, chart))
    legend = [
        (mark(COLORS[1], "circle"), "whole explanation"),
        (mark(COLORS[0], "diamond"), "its selective part"),
    ]
    return Group(panels, legend[: 1 + bool(table["selective"].any())])


def sweep_group(table: pd.DataFrame, *, sigma: float, threshold: float) -> Group:
    """What the thresholds do (Selective Relevance): three panels per network.

    Parameters
    ----------
    table : DataFrame
        motion_sweep.
    sigma, threshold : float
        The config's thresholds of selection and of motion, which the table has.
    """
    methods = list(table["method"].unique())
    panels = []
    for model, rows in table.groupby("model", sort=False):
        held = rows[(rows["flow_threshold"] == threshold) & rows["sigma"].notna()].sort_values("sigma")
        for column, factor, y_label, caption in (
            ("lift", 1, "precision over chance", "precision over the share of moving voxels (1 is chance)"),
            ("relevance_share", 100, "relevance selected, %", "share of the relevance that is selected"),
        ):
            lines = [
                Line(
                    title_of(m),
                    *look(n),
                    _points(held[held["method"] == m], "sigma", column, ends=False, factor=factor),
                )
                for n, m in enumerate(methods)
            ]
            axes = Axes(
                "threshold of selection, σ",
                y_label,
                at=sigma,
                references=[(1.0, "chance")] if column == "lift" else [],
            )
            text = _sweep_text(model, held, methods, "sigma", column, factor, caption)
            panels.append(Panel(f"{model}: {caption}", curves(lines, axes, table="motion_sweep", text=text)))
        at = rows[rows["sigma"] == sigma].sort_values("flow_threshold")
        lines = [
            Line(
                title_of(m),
                *look(n),
                _points(at[at["method"] == m], "flow_threshold", "precision", ends=False),
            )
            for n, m in enumerate(methods)
        ]
        caption = f"selected voxels that move, over what counts as motion (σ = {sigma:g})"
        ticks = sorted(at["flow_threshold"].unique())
        axes = Axes(
            "threshold of motion",
            "selected that move, %",
            x_ticks=ticks[-3:] if len(ticks) > 4 else ticks,
            at=threshold,
        )
        text = _sweep_text(model, at, methods, "flow_threshold", "precision", 100, caption)
        panels.append(Panel(f"{model}: {caption}", curves(lines, axes, table="motion_sweep", text=text)))
    return Group(panels, [(mark(*look(n)), title_of(method)) for n, method in enumerate(methods)])


def plain_columns(table: pd.DataFrame) -> list[tuple[str, str, Any]]:
    """Columns of a table that the report knows nothing of: (column, heading, format)."""
    columns: list[tuple[str, str, Any]] = []
    for name in table.columns:
        form: Any = None
        if table[name].dtype.kind == "b":
            form = formats.yes_no
        elif table[name].dtype.kind == "f":
            form = formats.p_value if name.startswith("p_") else formats.compact
        columns.append((name, name.replace("_", " "), form))
    return columns


def _sweep_text(
    model: str, rows: pd.DataFrame, methods: list[str], x: str, column: str, factor: int, caption: str
) -> str:
    parts = []
    for method in methods:
        own = rows[rows["method"] == method].sort_values(x)
        values = ", ".join(formats.number(factor * value, DIGITS[factor]) for value in own[column])
        parts.append(f"{title_of(method)} {values}")
    xs = ", ".join(f"{value:g}" for value in sorted(rows[x].unique()))
    return f"{model}: {caption}, at {xs}: {'; '.join(parts)}."


def _point(row: Any, cells: pd.Series, column: str) -> Point:
    low, high = 100 * float(cells["ci_low"]), 100 * float(cells["ci_high"])
    return Point(0.0, 100 * float(cells[column]), low, high, int(row), column, float(cells[column]))


def _points(rows: pd.DataFrame, x: str, y: str, *, ends: bool = True, factor: int = 100) -> list[Point]:
    found = []
    for row, cells in rows.iterrows():
        low, high = (
            (factor * float(cells[end]) for end in ("ci_low", "ci_high")) if ends else (np.nan, np.nan)
        )
        value = float(cells[y])
        found.append(Point(float(cells[x]), factor * value, low, high, int(row), y, value, DIGITS[factor]))
    return found
