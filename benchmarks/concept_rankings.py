"""What else could rank concepts: gradients taken elsewhere, integrated effects and hiding, against the ground truth.

::

    python -m benchmarks.concept_rankings results/which_motion [results/OTHER ...]

takes finished runs whose data say what decides the class, and asks of each order of a class's concepts whether those that lie
on the evidence come first (as the tables concept_ground_truth does, whose measures these are). Prints every order with its
intervals over classes and seeds, what it has more than the run's own, and the best control beside it.

Of a network that is followed from the fill to a member, all directions together change the logit by what the member alone
has more than the fill (the integral of the gradient along the way): that is `member_logit`. From the clip without a member to
the clip it is `hidden`. `effect_along` is the part of the first that lies along the concept's CAVs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from tqdm import tqdm

from voxplain.artifacts import open_h5, read_table
from voxplain.checks.concept_ground_truth.table import MOSTLY, voxel_auroc
from voxplain.checks.faithfulness.compute import hide
from voxplain.checks.looking import clip_gradients
from voxplain.concepts.controls import CONTROLS
from voxplain.editing import reverse_of
from voxplain.finished import FinishedLayer, finished_clips, finished_layers
from voxplain.models.trained import TrainedModel, load_trained
from voxplain.patches import supervoxel_inputs
from voxplain.statistics import auroc, mean_interval
from voxplain.videos.store import ClipStore, SupervoxelStore
from voxplain.videos.table import safe_name

STEPS = 5  # of the way from the fill to a member
BATCH = 16
OWN = "effect"
KEY = ["class", "concept"]


def measure(run: Path, place: FinishedLayer) -> pd.DataFrame:
    """Orders of the concepts of one network, seed and layer.

    Returns
    -------
    DataFrame, a row per concept
        class, concept, evidence (share of its members' voxels), and a column per order, of which the greatest comes first.
    """
    model = load_trained(place.network / "weights.safetensors")
    found = finished_clips(run, place)
    known = read_table(place.folder / "matched_concepts.parquet", "matched_concepts")
    known = known[known["variant"] == "run"]
    controls = read_table(place.folder / "concept_controls.parquet", "concept_controls")
    scores = read_table(place.folder / "scored_concepts.parquet", "scored_concepts")
    rows = known[[*KEY, "evidence"]].merge(scores[[*KEY, "effect", "score", "derivative"]], on=KEY)
    rows = rows.merge(
        controls[[*KEY, *CONTROLS]].rename(columns={n: f"control_{n}" for n in CONTROLS}), on=KEY
    )
    parts = []
    with ClipStore(found.paths) as clips, SupervoxelStore(found.supervoxels) as supervoxels:
        for class_name in tqdm(rows["class"].unique(), unit="class", mininterval=10):
            members = read_table(
                place.folder / "concept_members" / f"{safe_name(class_name)}.parquet", "concept_members"
            )
            with open_h5(place.folder / "cavs" / f"{safe_name(class_name)}.h5", "cavs") as cavs:
                vectors, distances = cavs["vectors"][()], cavs["distances"][()]
            own = of_class(
                model, place.layer, place.shown, class_name, members, (vectors, distances), clips, supervoxels
            )
            parts.append(own.assign(**{"class": class_name}))
    return rows.merge(pd.concat(parts), on=KEY)


def of_class(
    model: TrainedModel,
    layer: str,
    made: dict,
    class_name: str,
    members: pd.DataFrame,
    cavs: tuple[np.ndarray, np.ndarray],
    clips: ClipStore,
    supervoxels: SupervoxelStore,
) -> pd.DataFrame:
    """A class's concepts by what the network says of their members: a row per concept, in order."""
    where, number = (layer, made["pooling"] and tuple(made["pooling"])), model.classes.index(class_name)
    color = model.fill("mean")
    parts, whole, at, along = [], [], [], []
    for (video, clip_number), rows in members.groupby(["video", "clip"], sort=False):
        clip, labels = clips.clip(video, clip_number), supervoxels.labels(video, clip_number)
        kept = rows[["level", "supervoxel"]].to_numpy()
        fill = model.fill(made["fill"])
        alone = np.concatenate(
            list(supervoxel_inputs(clip, labels, kept, form=made["form"], fill=fill, batch=BATCH))
        )
        without = np.stack([hide(clip, labels[level] == label, color=color) for level, label in kept])
        logits = {
            name: np.concatenate([model.logits(shown[i : i + BATCH]) for i in range(0, len(shown), BATCH)])
            for name, shown in {"alone": alone, "without": without, "clip": clip[None]}.items()
        }
        surer = {name: scipy.special.log_softmax(values, axis=1) for name, values in logits.items()}
        way = [
            gradients(model, np.rint(fill + share * (alone.astype(float) - fill)), class_name, where)
            for share in np.linspace(1 / STEPS, 1, STEPS)
        ]
        at.append(way[-1])
        along.append(np.mean(way, axis=0))
        parts.append(
            rows[["concept"]].assign(
                hidden=logits["clip"][0, number] - logits["without"][:, number],
                hidden_log_probability=surer["clip"][0, number] - surer["without"][:, number],
                member_log_probability=surer["alone"][:, number],
            )
        )
        whole.append(clip)
    shown = pd.concat(parts, ignore_index=True)
    places, (vectors, distances), every = shown.groupby("concept").indices, cavs, np.stack(whole)
    sure = clip_gradients(model, every, [class_name] * len(every), [where], of="loss")[where]

    def effect(gradient: np.ndarray) -> np.ndarray:
        """(concepts,) of one gradient (d,) for all concepts or one each (concepts, d): as `scores.effects`, mean over sets."""
        gradient = np.broadcast_to(gradient, (len(vectors), vectors.shape[-1]))
        return (np.einsum("csd,cd->cs", vectors, gradient) * distances).mean(axis=1)

    def effect_of_own(parts: list[np.ndarray]) -> np.ndarray:
        """Of the mean gradient over each concept's members."""
        values = np.concatenate(parts)
        return effect(np.stack([values[places[concept]].mean(axis=0) for concept in sorted(places)]))

    means = shown.groupby("concept").mean()
    return means.assign(
        effect_log_probability=effect(sure.mean(axis=0)),
        effect_at_members=effect_of_own(at),
        effect_along=effect_of_own(along),
    ).reset_index()


def gradients(model: TrainedModel, shown: np.ndarray, class_name: str, where: tuple) -> np.ndarray:
    """(N, d) of the class's logit at the layer, at clips (N, T, H, W, 3)."""
    shown = shown.astype(np.uint8)
    return clip_gradients(model, shown, [class_name] * len(shown), [where], batch=BATCH)[where]


def compare(rows: pd.DataFrame) -> pd.DataFrame:
    """Every order's AUROCs for the evidence, and what it has more than the run's own order.

    Parameters
    ----------
    rows : DataFrame
        As of `measure`, with model, seed and layer.

    Returns
    -------
    DataFrame, by model and layer and by voxel AUROC
        order; auroc (of concepts that lie mostly on the evidence) and voxel_auroc, each with its interval over classes and
        seeds; beyond: voxel AUROC less that of the run's own order.
    """
    place = ["model", "layer"]
    orders = [name for name in rows if name not in {*place, *KEY, "seed", "evidence"}]
    found = []
    for key, part in rows.groupby(place, sort=False):
        values = {name: part[name].to_numpy(float) for name in orders}
        values |= {reverse_of(name): -values[name] for name in orders if name.startswith("control_")}
        cells = part.reset_index(drop=True).groupby(["seed", "class"]).indices
        share = part["evidence"].to_numpy(float)
        known: dict[str, dict[str, pd.DataFrame]] = {}
        for name, order in values.items():
            by_cell = {
                cell: (
                    auroc(order[index], share[index] > MOSTLY)
                    if 0 < (share[index] > MOSTLY).sum() < len(index)
                    else np.nan,
                    voxel_auroc(order[index], share[index]),
                )
                for cell, index in cells.items()
            }
            table = pd.DataFrame(by_cell, index=["auroc", "voxel_auroc"]).T
            known[name] = {
                measure: table[measure].unstack(0).dropna().T for measure in ("auroc", "voxel_auroc")
            }
        for name, its in known.items():
            row = dict(zip(place, key, strict=True)) | {"order": name}
            for column, cells_of in its.items():
                low, high = mean_interval(cells_of.to_numpy(), share=True)
                row |= {column: cells_of.to_numpy().mean(), f"{column}_low": low, f"{column}_high": high}
            beyond = (its["voxel_auroc"] - known[OWN]["voxel_auroc"]).to_numpy()
            low, high = mean_interval(beyond)
            found.append(row | {"beyond": beyond.mean(), "beyond_low": low, "beyond_high": high})
    return pd.DataFrame(found).sort_values([*place, "voxel_auroc"], ascending=[True, True, False])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.concept_rankings", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of finished runs")
    for run in parser.parse_args(arguments).runs:
        parts = [
            measure(run, place).assign(model=place.model, seed=place.seed, layer=place.layer)
            for place in finished_layers(run)
        ]
        print(f"\n{run}")
        print(compare(pd.concat(parts)).to_string(index=False, float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
