"""The same run under presets and single deviations, and one table of what each changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...activation_store import LayerActivations
from ...concepts.clustering import places_of
from ...concepts.random_sets import draw_sets
from ...concepts.rankings import ranking
from ...editing import RankedConcepts, edit_answers, random_rankings
from ...errors import VoxplainError
from ...models.trained import TrainedModel
from ...motion.precision import motion_precision, moving_mask, selectivity
from ...motion.scores import relevant_voxels
from ...motion.selective import selective_relevance
from ...streams import stream
from ...supervoxels import distinct_supervoxels
from ...videos.store import ClipStore, SupervoxelStore
from ..findings import KEY, Found, find_concepts, members_table, rank_agreement
from ..looking import Place, answers, clip_gradients, look_at_supervoxels
from .variants import SELECTIONS, Variant, View, with_layer

GRAY = 0.05 * 255  # threshold in gray levels


@dataclass(frozen=True)
class Bench:
    """What the variants are tried on.

    Attributes
    ----------
    model : TrainedModel
    clips, supervoxels
        Of all videos.
    discovery, evaluation : list of str
        Videos.
    layer : str
    clustering : dict
        clusters, min_supervoxels, max_members, cutoff.
    sets : dict
        sets, size: of random sets.
    editing : dict
        k_max, clip_draws: of `voxplain.editing.edit_answers`.
    known : mapping of (View, place) to (DataFrame, array)
        Supervoxels (`KEY`) that were already shown, and their activations (n, d).
    batch : int
    seeds : mapping of str to int
        clustering, random_sets, draws.
    """

    model: TrainedModel
    clips: ClipStore
    supervoxels: SupervoxelStore
    discovery: Sequence[str]
    evaluation: Sequence[str]
    layer: str
    clustering: Mapping[str, Any]
    sets: Mapping[str, int]
    editing: Mapping[str, int]
    known: Mapping[tuple[View, Place], tuple[pd.DataFrame, np.ndarray]]
    batch: int
    seeds: Mapping[str, int]

    def place(self, variant: Variant) -> Place:
        """Layer and grid that a variant looks at."""
        spec = self.model.spec
        return with_layer(variant, self.layer, spec.last_conv, spec.concept_layers), variant.grid

    def kept(self, variant: Variant) -> pd.DataFrame:
        """video, clip, level, supervoxel and class of what a variant keeps of all clips."""
        parts = [
            pd.DataFrame(
                distinct_supervoxels(
                    self.supervoxels.labels(video, clip), variant.preset, **variant.criteria
                ),
                columns=["level", "supervoxel"],
            ).assign(**{"video": video, "clip": clip, "class": class_name})
            for video, clip, class_name in self.clips.table[["video", "clip", "class"]].itertuples(
                index=False
            )
        ]
        return pd.concat(parts, ignore_index=True)


def try_variants(bench: Bench, variants: Mapping[str, Variant]) -> dict[str, pd.DataFrame]:
    """Find, score and edit concepts under every variant, on the same videos.

    Supervoxels of variants with one view are shown to the network once, whatever keeps them.

    Parameters
    ----------
    bench : Bench
    variants : mapping
        The first is what the others are compared with.

    Returns
    -------
    dict of DataFrame, each with column variant
        scores: class and the columns of `Found.scores`. members: video, clip, level, supervoxel, concept,
        class. edits: as `voxplain.editing.edit_answers`, with video, clip, class, correct. agreement: class,
        kept (supervoxels per discovery clip), tau (of concept ranks with the first variant; NaN where no
        concept was found, and for all where the first has none).
    """
    tables: dict[str, list[pd.DataFrame]] = {"scores": [], "members": [], "edits": [], "agreement": []}
    kept = {name: bench.kept(variant) for name, variant in variants.items()}
    reference: dict[str, Found] | None = None
    views: dict[View, dict[str, Variant]] = {}
    for name, variant in variants.items():
        views.setdefault(variant.view, {})[name] = variant
    for view, group in views.items():
        needed = {
            place: pd.concat([kept[name] for name in group if bench.place(group[name]) == place])
            .drop_duplicates(KEY)
            .reset_index(drop=True)
            for place in dict.fromkeys(bench.place(variant) for variant in group.values())
        }
        seen = _show(bench, view, needed)
        for name, variant in group.items():
            rows, activations = seen[bench.place(variant)]
            activations = activations[_numbers(rows, kept[name])]
            found = _find(bench, variant, kept[name], activations)
            reference = found if reference is None else reference  # of the first, though it be empty
            for table, part in _tables(bench, kept[name], activations, found, reference).items():
                tables[table].append(part.assign(variant=name))
    # A variant without concepts has no columns, and would turn whole numbers into others.
    return {
        name: pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
        for name, parts in tables.items()
    }


def _show(
    bench: Bench, view: View, needed: Mapping[Place, pd.DataFrame]
) -> dict[Place, tuple[pd.DataFrame, np.ndarray]]:
    """Activations of the needed supervoxels at each place; what is known is not computed again."""
    missing = {}
    for place, rows in needed.items():
        known, _ = bench.known.get((view, place), (rows.head(0), None))
        missing[place] = rows[_numbers(known, rows) < 0]
    places = [place for place, rows in missing.items() if len(rows)]
    seen: dict[Place, tuple[pd.DataFrame, np.ndarray]] = {}
    if places:
        shown = pd.concat([missing[place] for place in places]).drop_duplicates(KEY).reset_index(drop=True)
        answered = look_at_supervoxels(
            bench.model, bench.clips, bench.supervoxels, shown, places, view=view, batch=bench.batch
        )
        for place in places:  # of what was shown for another place, this one may know some already
            own = _numbers(missing[place], shown) >= 0
            seen[place] = shown[own], answered[place][own]
    for place in needed:
        if (view, place) in bench.known:
            parts = [part for part in (bench.known[view, place], seen.get(place)) if part is not None]
            seen[place] = (
                pd.concat([rows for rows, _ in parts]),
                np.concatenate([array for _, array in parts]),
            )
        elif place not in seen:
            seen[place] = needed[place], np.empty((0, 1), np.float32)
    return seen


def _numbers(table: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Place in `table` of each of `rows`, by `KEY`; -1 where it is not there."""
    if table.empty:
        return np.full(len(rows), -1)
    return pd.MultiIndex.from_frame(table[KEY]).get_indexer(pd.MultiIndex.from_frame(rows[KEY]))


def _find(bench: Bench, variant: Variant, kept: pd.DataFrame, activations: np.ndarray) -> dict[str, Found]:
    """Concepts of every class that has some."""
    place = bench.place(variant)
    discovery = bench.clips.table["video"].isin(bench.discovery).to_numpy()
    clip_table = bench.clips.table[discovery].reset_index(drop=True)
    clips = bench.clips.fetch(np.flatnonzero(discovery))
    own = kept["video"].isin(bench.discovery).to_numpy()
    batches = range(0, len(clips), bench.batch)
    wholes = [answers(bench.model, clips[first : first + bench.batch], [place])[place] for first in batches]
    seen = LayerActivations(
        kept[own].reset_index(drop=True),
        activations[own],
        clip_table,
        np.concatenate(wholes),
        clip_gradients(bench.model, clips, clip_table["class"].tolist(), [place], of=variant.gradient)[place],
    )
    found = {}
    for class_name in sorted(clip_table["class"].unique()):
        try:
            pool = seen.supervoxels if variant.negatives == "supervoxels" else seen.clips
            sets = draw_sets(pool, **bench.sets, seed=bench.seeds["random_sets"])
            found[class_name] = find_concepts(
                class_name,
                seen,
                sets,
                clustering={**bench.clustering, **variant.clustering},
                classifier=variant.classifier,
                rank_by=variant.rank_by,
                seed=bench.seeds["clustering"],
            )
        except VoxplainError as error:
            print(f"{class_name}: {variant.changes}: no concepts. {error}")
    return found


def _tables(
    bench: Bench,
    kept: pd.DataFrame,
    activations: np.ndarray,
    found: Mapping[str, Found],
    reference: Mapping[str, Found],
) -> dict[str, pd.DataFrame]:
    discovery = kept["video"].isin(bench.discovery)
    clips = bench.clips.table[bench.clips.table["video"].isin(bench.discovery)].groupby("class").size()
    agreement = [
        {
            "class": class_name,
            "kept": int((discovery & (kept["class"] == class_name)).sum()) / clips[class_name],
            "tau": rank_agreement(reference[class_name].table, found[class_name].table)
            if class_name in found and class_name in reference
            else np.nan,
        }
        for class_name in clips.index
    ]
    edits = []
    for (video, clip, class_name), rows in kept[~discovery].groupby(["video", "clip", "class"], sort=False):
        if class_name not in found:
            continue
        concepts = found[class_name]
        ranked = RankedConcepts(
            *places_of(concepts.concepts),
            {"top": ranking(concepts.scores)},
            random_rankings(
                len(concepts.scores),
                bench.editing["clip_draws"],
                stream(bench.seeds["draws"], "rankings", class_name),
            ),
        )
        answered = edit_answers(
            bench.model.predict,
            bench.clips.clip(video, clip),
            bench.supervoxels.labels(video, clip),
            rows[["level", "supervoxel"]].to_numpy(),
            activations[rows.index],
            class_name,
            {class_name: ranked},
            fill=bench.model.fill("mean"),
            batch=bench.batch,
            rng=stream(bench.seeds["draws"], "edit", video, clip),
            **bench.editing,
        )
        edits.append(answered.assign(**{"video": video, "clip": clip, "class": class_name}))
    none = pd.DataFrame()
    return {
        "scores": pd.concat([f.scores.assign(**{"class": name}) for name, f in found.items()] or [none]),
        "members": pd.concat([members_table(f) for f in found.values()] or [none]),
        "edits": pd.concat(edits or [none]),
        "agreement": pd.DataFrame(agreement),
    }


def select_by_variants(
    maps: Mapping[str, np.ndarray],
    flow: np.ndarray,
    *,
    pairs: np.ndarray,
    sigma: float,
    names: Sequence[str],
    relevant: Mapping[str, Any],
    moving: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Selected share and motion precision of one clip's maps under every variant of the selection.

    Parameters
    ----------
    maps : mapping of str to (T, H, W) array
    flow : (T-1, H, W, 2) array
    pairs : (T-1,) bool array
        Frames that are followed by the next one of the video.
    sigma : float
        The same for all: a preset's values are not another's.
    names : sequence of str
        Of `SELECTIONS`.
    relevant, moving : mapping
        unit and threshold of the corrected form.

    Returns
    -------
    list of dict : variant, method, selected_share (of relevance), motion_precision (NaN where nothing is selected),
        base_rate (share of voxels that move)
    """
    rows = []
    for name in names:
        options = dict(SELECTIONS[name][1])
        units = (options.pop("relevant", None), options.pop("moving", None))
        shown, moved = (
            {"unit": unit, "threshold": GRAY} if unit else own
            for unit, own in zip(units, (relevant, moving), strict=True)
        )
        moves = moving_mask(flow, **moved)
        preset = options.pop("preset", "corrected")
        for method, relevance in maps.items():
            selected = selective_relevance(relevance, sigma, preset, **options)
            chosen = relevant_voxels(relevance, selected != 0, **shown)
            precision = motion_precision(chosen[:-1][pairs], moves[pairs]) if pairs.any() else np.nan
            base_rate = moves[pairs].mean() if pairs.any() else np.nan
            _, share = selectivity(relevance, relevant_voxels(relevance, **shown), chosen)
            rows.append(
                {
                    "variant": name,
                    "method": method,
                    "selected_share": share,
                    "motion_precision": precision,
                    "base_rate": base_rate,
                }
            )
    return rows
