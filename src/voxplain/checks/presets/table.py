"""What every deviation from the corrected form changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ...concepts.tables import gap_table
from ...motion.tables import with_empty
from ...tables import Figure, table
from ..tables import by_unit, mean_of
from .variants import SELECTIONS, VARIANTS, Variant


@table(
    "presets",
    part="checks",
    title="Papers, released code and corrections",
    meaning="What each deviation between the authors' code, the papers and the corrected form changes.",
    columns="""
    model
    variant: preset or single deviation
    changes: what it changes, in words
    kept: supervoxels kept per discovery clip
    kept_ci_low: lower end of its 95 % interval; units are classes, and seeds, down to tau
    kept_ci_high: upper end of its 95 % interval
    concepts: concepts per class
    concepts_ci_low: lower end of its 95 % interval
    concepts_ci_high: upper end of its 95 % interval
    cav_accuracy: held-out accuracy of the CAVs
    cav_accuracy_ci_low: lower end of its 95 % interval
    cav_accuracy_ci_high: upper end of its 95 % interval
    tau: Kendall's tau of the supervoxels' importance with the corrected form
    tau_ci_low: lower end of its 95 % interval
    tau_ci_high: upper end of its 95 % interval
    addition_gap: accuracy with the most important concepts shown minus that with supervoxels of equal volume
    addition_gap_ci_low: lower end of its 95 % interval; as in concept_gaps
    addition_gap_ci_high: upper end of its 95 % interval
    removal_gap: accuracy with the most important concepts hidden minus that with supervoxels of equal volume
    removal_gap_ci_low: lower end of its 95 % interval
    removal_gap_ci_high: upper end of its 95 % interval
    selected_share: share of relevance that is selected
    selected_share_ci_low: lower end of its 95 % interval; units are videos, and seeds, here and below
    selected_share_ci_high: upper end of its 95 % interval
    motion_precision: share of selected voxels that move; a clip of which nothing is selected counts as relevance.empty says
    motion_precision_ci_low: lower end of its 95 % interval
    motion_precision_ci_high: upper end of its 95 % interval
    n_classes: classes with concepts
    n_videos: edited videos
    n_seeds
    """,
    inputs={
        "scores": "variant_scores",
        "edits": "variant_edits",
        "agreement": "variant_agreement",
        "selections": "variant_selections",
    },
    options={"empty": "relevance.empty"},
    figure=Figure("presets_figure", {"table": "presets"}),
)
def presets_table(
    scores: pd.DataFrame,
    edits: pd.DataFrame,
    agreement: pd.DataFrame,
    selections: pd.DataFrame | None,
    *,
    empty: str = "nan",
) -> pd.DataFrame:
    """What every variant changes.

    Parameters
    ----------
    scores, edits, agreement : DataFrame
        As from `try_variants`, with model, seed, layer.
    selections : DataFrame or None
        model, seed, variant, method, video, selected_share, motion_precision, base_rate.
    empty : {"nan", "zero"}
        What a clip of which nothing is selected counts as.

    Returns
    -------
    DataFrame, one row per model and variant
        changes, kept, concepts (per class), cav_accuracy, tau, addition_gap and removal_gap (top minus random
        supervoxels of equal volume, over all k), selected_share, motion_precision (mean over methods), each
        with _ci_low and _ci_high (95 %; over classes and seeds, gaps as in concept_gaps, what follows over videos
        and seeds); n_classes with concepts, n_videos edited, n_seeds. NaN where a variant has no say.
    """
    rows = []
    selections = None if selections is None else with_empty(selections, empty)
    names = [name for name in {**VARIANTS, **SELECTIONS} if name in set(agreement["variant"])]
    chosen = set() if selections is None else set(selections["variant"])
    names += [name for name in SELECTIONS if name in chosen and name not in names]
    for model in agreement["model"].unique():
        for name in names:
            part = {
                key: table[(table["model"] == model) & (table["variant"] == name)]
                for key, table in {"scores": scores, "edits": edits, "agreement": agreement}.items()
            }
            said = [known[name] for known in (VARIANTS, SELECTIONS) if name in known]
            words = [v.changes if isinstance(v, Variant) else v[0] for v in said]
            row: dict[str, Any] = {
                "model": model,
                "variant": name,
                "changes": "; ".join(dict.fromkeys(words)),
            }
            row |= _mean(part["agreement"], "class", "kept")
            row |= _mean(_per_class(part["scores"], "size"), "class", "concepts")
            row |= _mean(_per_class(part["scores"], "mean"), "class", "cav_accuracy")
            row |= _mean(part["agreement"], "class", "tau")
            row |= _gaps(part["edits"])
            mine = (
                None
                if selections is None
                else selections[(selections["model"] == model) & (selections["variant"] == name)]
            )
            for column in ("selected_share", "motion_precision"):
                row |= _mean(mine, "video", column)
            row["n_classes"] = part["scores"]["class"].nunique() if len(part["scores"]) else 0
            row["n_videos"] = part["edits"]["video"].nunique() if len(part["edits"]) else 0
            row["n_seeds"] = agreement.loc[agreement["model"] == model, "seed"].nunique()
            rows.append(row)
    return pd.DataFrame(rows)


def _per_class(scores: pd.DataFrame, how: str) -> pd.DataFrame | None:
    if not len(scores):
        return None
    grouped = scores.groupby(["seed", "class"])
    if how == "size":
        return grouped.size().rename("concepts").reset_index()
    return grouped["cav_accuracy"].mean().reset_index()


def _mean(table: pd.DataFrame | None, unit: str, column: str) -> dict[str, float]:
    """Mean of a column with its interval over units and seeds, NaN where there is none."""
    values = np.empty((1, 0)) if table is None or not len(table) else by_unit(table, unit, column)
    return mean_of(column, values)


def _gaps(edits: pd.DataFrame) -> dict[str, float]:
    found = {}
    gaps = gap_table(edits.dropna(subset=["experiment"])) if len(edits) else pd.DataFrame()
    for experiment in ("addition", "removal"):
        name = f"{experiment}_gap"
        found |= {name: np.nan, f"{name}_ci_low": np.nan, f"{name}_ci_high": np.nan}
        if len(gaps) and (gaps["experiment"] == f"concept_{experiment}").any():
            pair = (gaps["better"] == "top") & (gaps["worse"] == "random_volume")
            row = gaps[pair & (gaps["experiment"] == f"concept_{experiment}")]
            found |= {
                name: row["gap"].item(),
                f"{name}_ci_low": row["ci_low"].item(),
                f"{name}_ci_high": row["ci_high"].item(),
            }
    return found
