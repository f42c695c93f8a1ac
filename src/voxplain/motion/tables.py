"""Tables 1 to 4 of Selective Relevance, the same against ground truth and controls, and comparisons of two networks.

The paper does not say whether its means are over clips or over videos: `mean` and `sd` are over clips, of
which 1,010 videos gave it 12,219. Intervals and tests are over videos, whose clips are not independent, crossed with
training seeds (`voxplain.statistics.mean_interval`). The classes are those of the data, not a sample of classes: how
much they differ widens intervals of means, and not those of differences within a video.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

import numpy as np
import pandas as pd

from ..editing import reverse_of
from ..statistics import adjust_p_values, group_values, mean_interval, mean_p_value
from ..tables import Figure, table, video_groups
from .controls import is_control
from .precision import RANKING_SCORES, counts_as_zero, summarize

PLACE = ["model", "method"]
ENTRY = ["model", "method", "control_of", "selective"]  # a map, its selective map, or a control
STRATIFIED = "stratified_auroc"
MEASURES = (*RANKING_SCORES, STRATIFIED, "precision", "recall", "iou", "relevance_on_target", "pointing")
COMPARED = (*RANKING_SCORES, "precision")
REVERSIBLE = ("auroc", STRATIFIED)  # of a map read from its least value on: 1 less it


@table(
    "motion_precision",
    part="relevance",
    title="Relevant voxels that move (Selective Relevance, table 1)",
    meaning="Precision: the share of the voxels that an explanation calls relevant that move by the estimated flow; and how "
    "well its relevance ranks those that move, whatever the threshold. Controls are rows like explainers.",
    columns="""
    model
    method: explainer or control, by name
    control_of: explainer that a control belongs to; empty for explainers, and for controls of all of them
    selective: true: only the relevance that changes in time, or a control of that
    mean: precision, mean over clips
    sd: its standard deviation over clips
    ci_low, ci_high
    video_mean: precision, mean over videos
    video_sd: its standard deviation over videos
    base_rate: share of all voxels that move by the estimated flow, which chance would give
    lift: mean over base rate
    mean_exact: the same precision by the exact flow; empty where that is not known
    base_rate_exact: share of all voxels that move by the exact flow; empty where that is not known
    auroc: area under the ROC curve of relevance for what moves by the estimated flow, mean over videos; .5 by chance
    auroc_ci_low: lower end of the 95 % interval of auroc
    auroc_ci_high: upper end of the 95 % interval of auroc
    average_precision: average precision of relevance for it; by chance the base rate
    average_precision_ci_low: lower end of the 95 % interval of average_precision
    average_precision_ci_high: upper end of the 95 % interval of average_precision
    precision_equal_area: precision of as many voxels of the greatest relevance as move
    precision_equal_area_ci_low: lower end of the 95 % interval of precision_equal_area
    precision_equal_area_ci_high: upper end of the 95 % interval of precision_equal_area
    n_clips, n_videos, n_empty, n_seeds
    published_mean: the paper's mean
    published_sd: the paper's standard deviation
    """,
    inputs={"scores": "motion_scores"},
    options={"empty": "relevance.empty"},
    published=True,
)
def motion_precision_table(
    scores: pd.DataFrame, published: pd.DataFrame, *, empty: str = "nan"
) -> pd.DataFrame:
    """Precision of every method and its selective counterpart (table 1).

    Parameters
    ----------
    scores : DataFrame
        model, seed, method, control_of, selective, video, clip, precision, base_rate, precision_exact,
        base_rate_exact, auroc, average_precision, precision_equal_area
    published : DataFrame
        method, selective, published_mean, published_sd
    empty : {"nan", "zero"}
        Precision of clips without a relevant voxel.

    Returns
    -------
    DataFrame
        model, method, control_of, selective, mean, sd, ci_low, ci_high (95 %, over videos and seeds),
        video_mean, video_sd, base_rate (of the clips that count), lift (mean over base rate), mean_exact,
        base_rate_exact, the ranking's scores with {name}_{ci_low,ci_high}, n_clips, n_videos, n_empty, n_seeds, and
        the paper's cells.
    """
    rows = []
    for key, group in scores.groupby(ENTRY, sort=False):
        # Without a pair of frames that follow each other there is no motion to be precise about.
        group = group.dropna(subset=["base_rate"])
        counted = with_empty(group, empty).dropna(subset=["precision"])
        clips = summarize(group["precision"], empty=empty)
        videos = summarize(group["precision"], group["video"], empty=empty)
        base = counted["base_rate"].mean()
        low, high = mean_interval(per_video(counted, "precision"), share=True)
        rows.append(
            {
                **dict(zip(ENTRY, key, strict=True)),
                "mean": clips["mean"],
                "sd": clips["sd"],
                "ci_low": low,
                "ci_high": high,
                "video_mean": videos["mean"],
                "video_sd": videos["sd"],
                "base_rate": base,
                "lift": clips["mean"] / base if base else np.nan,
                "mean_exact": counted["precision_exact"].mean(),
                "base_rate_exact": counted["base_rate_exact"].mean(),
                **_with_intervals(group, RANKING_SCORES),
                "n_clips": clips["n_clips"],
                "n_videos": videos["n_videos"],
                "n_empty": clips["n_empty"],
                "n_seeds": group["seed"].nunique(),
            }
        )
    return pd.DataFrame(rows).merge(published, how="left", on=["method", "selective"])


@table(
    "baseline_agreement",
    part="relevance",
    title="Agreement of explainers (Selective Relevance, table 2)",
    meaning="Overlap of what two explainers call relevant.",
    columns="""
    model
    method_a: an explainer
    method_b: another one
    mean: overlap, mean over clips
    sd: its standard deviation over clips
    ci_low, ci_high, n_clips, n_videos, n_empty
    published_mean: the paper's mean
    published_sd: the paper's standard deviation
    """,
    inputs={"agreements": "map_agreement"},
    published=True,
)
def baseline_agreement_table(agreements: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Agreement of every two methods (table 2).

    Parameters
    ----------
    agreements : DataFrame
        model, seed, method_a, method_b, video, clip, agreement
    published : DataFrame
        method_a, method_b (in either order), published_mean, published_sd

    Returns
    -------
    DataFrame
        model, method_a, method_b, mean, sd, ci_low, ci_high, n_clips, n_videos, n_empty, and the paper's
        cells.
    """
    pairs = ["method_a", "method_b"]
    either = pd.concat([published, published.rename(columns=dict(zip(pairs, pairs[::-1], strict=True)))])
    rows = [
        {
            **dict(zip(["model", *pairs], key, strict=True)),
            **_summary(group, "agreement"),
            **_counts(group, "agreement"),
        }
        for key, group in agreements.groupby(["model", *pairs], sort=False)
    ]
    return pd.DataFrame(rows, columns=[*rows[0]] if rows else ["model", *pairs]).merge(
        either, how="left", on=pairs
    )


@table(
    "selectivity",
    part="relevance",
    title="What selective maps keep (Selective Relevance, table 3)",
    meaning="Shares of the area and of the relevance of an explanation that are selected.",
    columns="""
    model, method
    sigma: threshold of the selection, in standard deviations
    area_mean: share of the relevant area, mean over clips
    area_sd: its standard deviation over clips
    area_ci_low: lower end of its 95 % interval
    area_ci_high: upper end of its 95 % interval
    relevance_mean: share of the relevance, mean over clips
    relevance_sd: its standard deviation over clips
    relevance_ci_low: lower end of its 95 % interval
    relevance_ci_high: upper end of its 95 % interval
    n_clips, n_videos, n_empty
    published_area_mean: the paper's mean, of sigma 4 as its code computes it
    published_area_sd: the paper's standard deviation
    published_relevance_mean: the paper's mean, of sigma 4 as its code computes it
    published_relevance_sd: the paper's standard deviation
    """,
    inputs={"scores": "motion_scores"},
    options={"sigma": "selective.sigma"},
    published=True,
)
def selectivity_table(scores: pd.DataFrame, published: pd.DataFrame, *, sigma: float) -> pd.DataFrame:
    """Share of an explanation that its selective map keeps, in area and in relevance (table 3).

    Parameters
    ----------
    scores : DataFrame
        As in `motion_precision_table`, with area_share and relevance_share of selective maps.
    published : DataFrame
        method, published_area_mean, published_area_sd, published_relevance_mean, published_relevance_sd
    sigma : float
        The threshold of the selection.

    Returns
    -------
    DataFrame
        model, method, sigma, {area,relevance}_{mean,sd,ci_low,ci_high}, n_clips, n_videos, n_empty (clips
        without positive relevance), and the paper's cells, of sigma 4.
    """
    rows = []
    for key, group in _selective(scores).groupby(PLACE, sort=False):
        row = {**dict(zip(PLACE, key, strict=True)), "sigma": sigma}
        for share in ("area", "relevance"):
            row |= {f"{share}_{name}": value for name, value in _summary(group, f"{share}_share").items()}
        rows.append({**row, **_counts(group, "area_share")})
    return pd.DataFrame(rows).merge(published, how="left", on="method")


@table(
    "selected_share",
    part="relevance",
    title="Selected share",
    meaning="Share of the explanations that is selected, per video, and its difference from another run's.",
    columns="""
    model, method
    share: of the relevant area, or of its relevance
    mean: share that is selected, mean over videos
    mean_ci_low: lower end of its 95 % interval
    mean_ci_high: upper end of its 95 % interval
    n_videos
    compared_with: the other run, relevance.compare_with
    other_mean: its mean
    difference: this run's mean minus the other's
    difference_ci_low: lower end of its 95 % interval
    difference_ci_high: upper end of its 95 % interval
    """,
    inputs={"scores": "motion_scores", "other": "other_motion_scores"},
    options={"run": "relevance.compare_with"},
)
def selected_share_table(
    scores: pd.DataFrame, other: pd.DataFrame | None = None, *, run: str | None = None
) -> pd.DataFrame:
    """Share of relevance that is selected, and its difference from another run's networks.

    Where one network can tell classes apart by motion alone and another by context alone, the first should
    have the larger share: the paper's claim, which its data could not test.

    Parameters
    ----------
    scores : DataFrame
        As in `selectivity_table`.
    other : DataFrame, optional
        The same of another run, whose videos are others.
    run : str, optional
        Name of that run.

    Returns
    -------
    DataFrame
        model, method, share (area or relevance), mean, mean_ci_low, mean_ci_high, n_videos; with `other` also
        compared_with, other_mean, difference (this run's minus the other's), difference_ci_low, difference_ci_high
        (95 %, over the videos and seeds of both; where each run has one seed, that of two given networks).
    """
    rows = []
    for key, group in _selective(scores).groupby(PLACE, sort=False):
        for share in ("area", "relevance"):
            mine = per_video(group, f"{share}_share")
            low, high = mean_interval(mine, share=True)
            row = {**dict(zip(PLACE, key, strict=True)), "share": share, "mean": mine.mean()}
            row |= {"mean_ci_low": low, "mean_ci_high": high, "n_videos": group["video"].nunique()}
            if other is not None:
                row |= _difference(mine, _same_place(other, key, f"{share}_share"), run)
            rows.append(row)
    return pd.DataFrame(rows)


@table(
    "explanation_overhead",
    part="relevance",
    title="What explanations cost (Selective Relevance, table 4)",
    meaning="Milliseconds per clip for an explanation, and for it and its selective map.",
    columns="""
    model, method
    selective: whether the selection is counted in
    mean_ms: milliseconds per clip, mean over measurements
    sd_ms: their standard deviation
    device: processor or graphics card
    batch: clips at once
    n: measurements
    published_mean_ms: the paper's mean
    published_sd_ms: the paper's standard deviation
    """,
    inputs={"timings": "timings"},
    published=True,
)
def explanation_overhead_table(timings: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds per clip for an explanation, and for it and its selective map (table 4).

    Parameters
    ----------
    timings : DataFrame
        model, method, selective, device, batch, ms (per clip): one row per measurement.
    published : DataFrame
        method, selective, published_mean_ms, published_sd_ms

    Returns
    -------
    DataFrame
        model, method, selective, mean_ms, sd_ms, device, batch, n, and the paper's cells.
    """
    keys = ["model", "method", "selective", "device", "batch"]
    table = timings.groupby(keys, sort=False)["ms"].agg(mean_ms="mean", sd_ms="std", n="size").reset_index()
    columns = ["model", "method", "selective", "mean_ms", "sd_ms", "device", "batch", "n"]
    return table[columns].merge(published, how="left", on=["method", "selective"])


@table(
    "ground_truth_precision",
    part="relevance",
    title="Relevance against the ground truth",
    meaning="How well maps find what is known to matter, or to move; controls are rows like explainers.",
    columns="""
    model
    method: explainer or control, by name
    control_of: explainer that a control belongs to; empty for explainers, and for controls of all of them
    selective: true: only the relevance that changes in time, or a control of that
    target: what is to be found: the evidence, a distractor, the actor, the cue, what moves by the exact flow, evidence_among_objects (the evidence asked of the objects' voxels alone), or what truth.targets names
    auroc: area under the ROC curve of relevance for the target, mean over videos; .5 by chance
    auroc_ci_low: lower end of the 95 % interval of auroc
    auroc_ci_high: upper end of the 95 % interval of auroc
    average_precision: average precision of relevance for the target; by chance the base rate
    average_precision_ci_low: lower end of the 95 % interval of average_precision
    average_precision_ci_high: upper end of the 95 % interval of average_precision
    stratified_auroc: of whole maps and the evidence: AUROC among voxels alike in how much they change, in saturation and in distance from the center
    stratified_auroc_ci_low: lower end of the 95 % interval of stratified_auroc
    stratified_auroc_ci_high: upper end of the 95 % interval of stratified_auroc
    precision: share of relevant voxels that lie on the target
    precision_ci_low: lower end of the 95 % interval of precision
    precision_ci_high: upper end of the 95 % interval of precision
    recall: share of the target that is relevant
    recall_ci_low: lower end of the 95 % interval of recall
    recall_ci_high: upper end of the 95 % interval of recall
    iou: intersection of the relevant voxels and the target over their union
    iou_ci_low: lower end of the 95 % interval of iou
    iou_ci_high: upper end of the 95 % interval of iou
    precision_equal_area: precision of as many voxels of the greatest relevance as the target has
    precision_equal_area_ci_low: lower end of the 95 % interval of precision_equal_area
    precision_equal_area_ci_high: upper end of the 95 % interval of precision_equal_area
    relevance_on_target: share of the positive relevance that lies on the target (energy inside the mask)
    relevance_on_target_ci_low: lower end of the 95 % interval of relevance_on_target
    relevance_on_target_ci_high: upper end of the 95 % interval of relevance_on_target
    pointing: share of clips whose voxel of the greatest relevance lies on the target (pointing game)
    pointing_ci_low: lower end of the 95 % interval of pointing
    pointing_ci_high: upper end of the 95 % interval of pointing
    base_rate: share of voxels that the target fills
    base_rate_ci_low: lower end of the 95 % interval of base_rate
    base_rate_ci_high: upper end of the 95 % interval of base_rate
    n_videos
    n_groups: classes of these videos
    n_seeds, n_clips, n_empty
    """,
    inputs={"found": "ground_truth_scores"},
    options={"empty": "relevance.empty"},
    needs=["ground_truth"],
)
def ground_truth_precision_table(found: pd.DataFrame, *, empty: str = "nan") -> pd.DataFrame:
    """How well maps find what is known to matter, or to move.

    Parameters
    ----------
    found : DataFrame
        model, seed, method, control_of, selective, target, video, class, clip, share, relevance_on_target, pointing, and
        the scores of `voxplain.motion.precision.ground_truth_scores`
    empty : {"nan", "zero"}
        Precision of clips without a relevant voxel.

    Returns
    -------
    DataFrame
        model, method, control_of, selective, target, the scores and base_rate (means over videos, and over clips
        within them), each with {name}_{ci_low,ci_high} (95 %, over videos and seeds), n_videos (with the target),
        n_groups, n_seeds, n_clips, n_empty.
    """
    found, keys = found.rename(columns={"share": "base_rate"}), [*ENTRY, "target"]
    rows = []
    for key, group in found.groupby(keys, sort=False):
        known = group.dropna(subset=["auroc"])
        if known.empty:  # no clip shows the target
            continue
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                **_with_intervals(with_empty(known, empty), (*MEASURES, "base_rate")),
                "n_videos": known["video"].nunique(),
                "n_groups": known["class"].nunique(),
                "n_seeds": group["seed"].nunique(),
                "n_clips": len(known),
                "n_empty": int(known["precision"].isna().sum()),
            }
        )
    return pd.DataFrame(rows)


_COMPARED_COLUMNS = """
    target: what is to be found: flow (what moves by the estimated flow), and what ground_truth_precision has
    measure: auroc, average_precision, precision_equal_area{more} (see ground_truth_precision)
    value: the explainer's, mean over videos and seeds
    control_value: the control's
    difference: value minus control_value
    ci_low: lower end of the 95 % interval of the difference, paired by video and seed
    ci_high: upper end of it
    p_value: that the difference is 0
    p_adjusted: corrected for all rows of the table (Benjamini and Hochberg)
    n_videos, n_units, n_seeds
    """


@table(
    "explanation_controls",
    part="relevance",
    title="Explanations against controls",
    meaning="Whole maps against maps that know the pixels alone, or another class, or a network with a random head.",
    columns=f"""
    model, method
    control: saturation, hue, brightness and local contrast (of each frame, and of what stands still), difference to the next frame, as it is and blurred, motion against the camera, nearness to the centre, size of the supervoxel, noise, the norm of the network's activation, the same explainer's map for another class or of a network with a random head; with _least after it the reverse, where the measure has one
    {_COMPARED_COLUMNS.format(more=", stratified_auroc")}""",
    inputs={"scores": "motion_scores", "found": "ground_truth_scores"},
)
def explanation_controls_table(scores: pd.DataFrame, found: pd.DataFrame | None = None) -> pd.DataFrame:
    """Every explainer's whole maps against every control, paired by video and seed.

    Parameters
    ----------
    scores : DataFrame
        As in `motion_precision_table`.
    found : DataFrame, optional
        As in `ground_truth_precision_table`.

    Returns
    -------
    DataFrame
        model, method, control, target, measure, value, control_value, difference, ci_low, ci_high (95 %), p_value,
        p_adjusted, n_videos, n_units, n_seeds
    """

    def belongs(method: str, entry: tuple) -> str | None:
        control, of, selective = entry
        return control if is_control(control) and not selective and of in ("", method) else None

    measures = (*RANKING_SCORES, STRATIFIED)
    return _compare(scores, found, selective=False, measures=measures, belongs=belongs)


@table(
    "selection_controls",
    part="relevance",
    title="Selective maps against controls",
    meaning="Selective maps against the whole map, and against other ways of keeping as many of its voxels: those of the "
    "greatest relevance, in the clip or frame by frame, those where it changes most in space, and those where the pixels do in time.",
    columns=f"""
    model, method
    control: whole, control_same_size, control_same_size_per_frame, control_spatial_derivative, control_pixel_change (as many voxels where the pixels change most)
    {_COMPARED_COLUMNS.format(more=", precision")}""",
    inputs={"scores": "motion_scores", "found": "ground_truth_scores"},
    options={"empty": "relevance.empty"},
)
def selection_controls_table(
    scores: pd.DataFrame, found: pd.DataFrame | None = None, *, empty: str = "nan"
) -> pd.DataFrame:
    """Selective maps against every other way of keeping as many voxels, paired by video and seed.

    Parameters and columns are those of `explanation_controls_table`, and `empty` is that of
    `motion_precision_table`.
    """
    scores = with_empty(scores, empty)
    if found is not None and len(found):
        found = with_empty(found.rename(columns={"share": "base_rate"}), empty)

    def belongs(method: str, entry: tuple) -> str | None:
        control, of, selective = entry
        if (control, of, bool(selective)) == (method, "", False):
            return "whole"
        return control if of == method and selective else None

    return _compare(scores, found, selective=True, measures=COMPARED, belongs=belongs)


@table(
    "motion_sweep",
    part="relevance",
    title="What the thresholds do",
    meaning="Left: precision of selective maps over the share of voxels that move, where 1 is chance. Middle: share of "
    "positive relevance that is selected. Right: precision by the speed from which on a voxel counts as moving, of whole "
    "maps (dotted) and selective ones.",
    columns="""
    model, method
    sigma: threshold of the selection, in standard deviations; empty for whole maps
    flow_threshold: threshold of motion, in flow.moving.unit
    precision: share of relevant voxels that move, mean over clips
    base_rate: share of all voxels that move
    lift: precision over base rate
    area_share: share of the relevant area that is selected
    relevance_share: share of the relevance that is selected
    n_clips, n_empty
    """,
    inputs={"sweeps": "sweep_scores"},
    options={"empty": "relevance.empty"},
    figure=Figure(
        "motion_sweep_figure",
        {"table": "motion_sweep"},
        {"sigma": "selective.sigma", "threshold": "flow.moving.threshold", "unit": "flow.moving.unit"},
    ),
)
def motion_sweep_table(sweeps: pd.DataFrame, *, empty: str = "nan") -> pd.DataFrame:
    """Means over clips at every threshold of selection (sigma; NaN for whole maps) and of motion.

    Parameters
    ----------
    sweeps : DataFrame
        model, method, sigma, flow_threshold, precision, base_rate, area_share, relevance_share
    empty : {"nan", "zero"}
        Precision of clips without a relevant voxel.

    Returns
    -------
    DataFrame
        The same columns, and lift, n_clips and n_empty.
    """
    keys = ["model", "method", "sigma", "flow_threshold"]
    known = sweeps.dropna(subset=["base_rate"])
    known = with_empty(known.assign(nothing=known["precision"].isna()), empty)
    # The lift compares with the clips that count.
    known = known.assign(base_rate=known["base_rate"].where(known["precision"].notna()))
    groups = known.groupby(keys, sort=False, dropna=False)
    means = groups[["precision", "base_rate", "area_share", "relevance_share"]].mean()
    counts = groups.agg(n_clips=("precision", "count"), n_empty=("nothing", "sum"))
    table = means.join(counts).reset_index()
    table.insert(
        table.columns.get_loc("base_rate") + 1,
        "lift",
        table["precision"] / table["base_rate"].replace(0, np.nan),
    )
    return table


@table(
    "flow_error",
    part="relevance",
    title="Optical flow against the exact one",
    meaning="Endpoint error and cost of flow estimators, where the flow is known.",
    columns="""
    method: flow estimator
    epe: endpoint error in pixels, mean over clips
    epe_sd: its standard deviation
    epe_actor: endpoint error of the acting shape's voxels
    ms_per_frame: milliseconds per frame, in one process
    zero_epe: endpoint error of no motion at all
    n_clips
    best: whether its error is the smallest
    """,
    inputs={"errors": "flow_errors"},
    needs=["exact_flow"],
)
def flow_error_table(errors: pd.DataFrame) -> pd.DataFrame:
    """Endpoint error and cost of flow estimators.

    Parameters
    ----------
    errors : DataFrame
        As from `voxplain.motion.flow_error.flow_errors`.

    Returns
    -------
    DataFrame
        method, epe and epe_actor (means over clips), epe_sd, ms_per_frame (the first clip does not count, unless it
        is the only one), zero_epe, n_clips, best (smallest epe).
    """
    groups = errors.groupby("method", sort=False)
    table = groups.agg(
        epe=("epe", "mean"),
        epe_sd=("epe", "std"),
        epe_actor=("epe_actor", "mean"),
        ms_per_frame=("ms", lambda values: values.iloc[1:].mean() if len(values) > 1 else values.mean()),
        zero_epe=("zero_epe", "mean"),
        n_clips=("epe", "count"),
    ).reset_index()
    return table.assign(best=table["epe"] == table["epe"].min())


def with_empty(rows: pd.DataFrame, empty: str) -> pd.DataFrame:
    """Rows with precision 0 in clips without a relevant voxel, where that is what `empty` says.

    Where there is nothing to be precise about, which has no base rate, it stays unknown.

    Parameters
    ----------
    rows : DataFrame
        motion_precision, or precision and maybe precision_exact; and base_rate, or base_rate_exact.
    empty : {"nan", "zero"}
    """
    if not counts_as_zero(empty):
        return rows
    known = {
        "precision": "base_rate",
        "motion_precision": "base_rate",
        "precision_exact": "base_rate_exact",
    }
    return rows.assign(
        **{
            name: rows[name].mask(rows[name].isna() & rows[base].notna(), 0.0)
            for name, base in known.items()
            if name in rows
        }
    )


def per_video(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Mean over clips as (seeds, videos) float; videos without a value for every seed are left out.

    Videos of one group, where the rows say it, are not independent: `group_values` stand for them, of the same mean.
    """
    return of_groups(rows.groupby(["seed", "video"])[column].mean().unstack("video").dropna(axis=1), rows)


def of_groups(values: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Values (seeds, groups) of those of the videos, in the columns, where the rows have groups."""
    groups = video_groups(rows)
    of = None if groups is None else groups.reindex(values.columns)
    return group_values(values.to_numpy(dtype=float), of)


def _summary(rows: pd.DataFrame, column: str) -> dict[str, float]:
    clips = summarize(rows[column])
    low, high = mean_interval(per_video(rows, column), share=True)
    return {"mean": clips["mean"], "sd": clips["sd"], "ci_low": low, "ci_high": high}


def _counts(rows: pd.DataFrame, column: str) -> dict[str, int]:
    known = rows[rows[column].notna()]
    return {"n_clips": len(known), "n_videos": known["video"].nunique(), "n_empty": len(rows) - len(known)}


def _same_place(rows: pd.DataFrame, key: tuple[Hashable, ...], column: str) -> np.ndarray:
    rows = _selective(rows)
    return per_video(rows[(rows[PLACE] == list(key)).all(axis=1)], column)


def _selective(scores: pd.DataFrame) -> pd.DataFrame:
    """Rows of selective maps; controls of selections are none."""
    return scores[scores["selective"] & (scores["control_of"] == "")]


def _with_intervals(rows: pd.DataFrame, names: Iterable[str]) -> dict[str, float]:
    """Means over videos and seeds, each with its interval; videos without a value for every seed do not count."""
    found, names = {}, list(names)
    wide = rows.groupby(["seed", "video"])[names].mean().unstack("video")
    for name in names:
        values = of_groups(wide[name].dropna(axis=1), rows)
        low, high = mean_interval(values, share=True)
        mean = values.mean() if values.size else np.nan
        found |= {name: mean, f"{name}_ci_low": low, f"{name}_ci_high": high}
    return found


def _by_entry(scores: pd.DataFrame, found: pd.DataFrame | None) -> pd.DataFrame:
    """Measures by target (``flow``: what moves by the estimated flow) and `ENTRY`, videos in the columns."""
    parts = [scores.assign(target="flow"), *([found] if found is not None and len(found) else [])]
    rows = pd.concat(parts, ignore_index=True)
    places = [ENTRY[0], "target", *ENTRY[1:], "seed", "video"]
    rows = rows.reindex(columns=[*rows.columns.difference([STRATIFIED], sort=False), STRATIFIED])
    return rows.groupby(places, sort=False)[[*COMPARED, STRATIFIED]].mean().unstack("video")


def _compare(
    scores: pd.DataFrame,
    found: pd.DataFrame | None,
    *,
    selective: bool,
    measures: Iterable[str],
    belongs: Callable[[str, tuple], str | None],
) -> pd.DataFrame:
    """Difference of every explainer's maps, whole or selective, from their controls, paired by video and seed.

    `belongs` says what a control's rows, by `ENTRY`, are called beside an explainer's; None where they are not its.
    What knows no network may be read in either direction: the least red may be the evidence.
    """
    wide = _by_entry(scores, found)
    entries = {
        key: rows.droplevel(list(range(5))) for key, rows in wide.groupby(level=list(range(5)), sort=False)
    }
    rows = []
    for (model, target, *entry), mine in entries.items():
        if is_control(entry[0]) or bool(entry[2]) != selective:
            continue
        for (its_model, its_target, *other), theirs in entries.items():
            control = belongs(entry[0], tuple(other)) if (its_model, its_target) == (model, target) else None
            if control is None:
                continue
            for measure in measures:
                ours = mine[measure]
                if ours.isna().all(axis=None):  # not of this target
                    continue
                place = {"model": model, "method": entry[0], "target": target, "measure": measure}
                values = theirs[measure].reindex(index=ours.index, columns=ours.columns)
                named = {control: values}
                if measure in REVERSIBLE and not selective and not other[1] and control != "random":
                    named[reverse_of(control)] = 1 - values
                rows += [
                    place | {"control": name} | _paired_difference(ours, one, scores)
                    for name, one in named.items()
                ]
    columns = ["model", "method", "control", "target", "measure", "value", "control_value", "difference"]
    columns += ["ci_low", "ci_high", "p_value", "p_adjusted", "n_videos", "n_units", "n_seeds"]
    return pd.DataFrame(rows, columns=[name for name in columns if name != "p_adjusted"]).assign(
        p_adjusted=lambda table: adjust_p_values(table["p_value"])
    )[columns]


def _paired_difference(mine: pd.DataFrame, theirs: pd.DataFrame, rows: pd.DataFrame) -> dict[str, float]:
    """Mean of each of two (seeds, videos) tables over the videos that both have for every seed, and their difference."""
    known = (mine + theirs).notna().all(axis=0)
    mine, theirs = (of_groups(table.loc[:, known], rows) for table in (mine, theirs))
    difference = mine - theirs
    low, high = mean_interval(difference)
    means = [table.mean() if table.size else np.nan for table in (mine, theirs, difference)]
    return {
        **dict(zip(("value", "control_value", "difference"), means, strict=True)),
        "ci_low": low,
        "ci_high": high,
        "p_value": mean_p_value(difference),
        "n_videos": int(known.sum()),
        "n_units": difference.shape[1],
        "n_seeds": len(mine),
    }


def _difference(mine: np.ndarray, others: np.ndarray, run: str | None) -> dict[str, object]:
    """Difference of two means of (seeds, videos), of other videos, and its interval."""
    if not mine.size or not others.size:
        return {
            "compared_with": run,
            **dict.fromkeys(("other_mean", "difference", "difference_ci_low", "difference_ci_high")),
        }
    # Of independent means: distances to the ends of both intervals, squared and added (Zou and Donner 2008).
    (low, high), (other_low, other_high) = (mean_interval(shares, share=True) for shares in (mine, others))
    mean, other = mine.mean(), others.mean()
    return {
        "compared_with": run,
        "other_mean": other,
        "difference": mean - other,
        "difference_ci_low": mean - other - float(np.hypot(mean - low, other_high - other)),
        "difference_ci_high": mean - other + float(np.hypot(high - mean, other - other_low)),
    }
