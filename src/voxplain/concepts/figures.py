"""Figures of the final tables of concepts."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ..figures import editing_figure


def concept_addition_figure(table: pd.DataFrame) -> Figure:
    """Accuracy over the number of concepts shown."""
    return editing_figure(table, title="Adding concepts", verb="shown")


def concept_removal_figure(table: pd.DataFrame) -> Figure:
    """Accuracy over the number of concepts hidden."""
    return editing_figure(table, title="Removing concepts", verb="hidden")
