"""Change what moves, or what is behind it, and ask the network again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from ...explaining import activation_control, explain_by_all, mean_over_supervoxels
from ...explanation_store import ACTIVATION
from ...models.trained import TrainedModel
from ...motion.controls import pixel_controls
from ...motion.scores import strength
from ...pixel_maps import brightness_map
from ...statistics import auroc

NONE = "none"
# What every clip allows, and what needs a mask of the evidence.
OF_TIME = ("frozen", "shuffled", "reversed")
OF_COLOR = ("gray",)
OF_PLACE = (
    "background_filled",
    "evidence_filled",
    "path_filled",
    "mirrored_path_filled",
    "background_frozen",
    "background_exchanged",
    "evidence_exchanged",
    "evidence_added",
)
ADDED = OF_PLACE[-1]
# The activation's norm, for the class that the network prefers of two; of an explainer by supervoxels also as fine as that.
ANSWER = f"{ACTIVATION}_answer"
MOST_CLASSES = 12
INTERVENTIONS = (NONE, *OF_TIME, *OF_COLOR, *OF_PLACE)


@dataclass(frozen=True)
class Scene:
    """A clip, and what is known of it.

    Attributes
    ----------
    clip : (T, H, W, 3) uint8
    evidence : (T, H, W) bool or None
        What decides its class; None, or nothing, where that is not known.
    known : (T, H, W) bool or None
        Voxels of which is known whether they are evidence: all that a map is judged on. None: all.
    """

    clip: np.ndarray
    evidence: np.ndarray | None = None
    known: np.ndarray | None = None


def intervened(own: Scene, other: Scene, *, fill: np.ndarray, rng: np.random.Generator) -> dict[str, Scene]:
    """A clip under every intervention, with the place of its own evidence in each.

    What is hidden or put in is known not to be the clip's own evidence, unless it was not known where it comes from.

    Parameters
    ----------
    own, other : Scene
        The clip, and one of another class.
    fill : (3,) uint8
        What hidden voxels show: the network's input mean.
    rng : Generator
        Of the order of frames.

    Returns
    -------
    dict of str to Scene
        none: as it is. frozen: the middle frame all the time. shuffled, reversed: in other orders. gray: without color. With evidence:
        background_filled, evidence_filled: hidden. path_filled: in all frames all is hidden that the evidence ever covers, so
        that no outline moves; mirrored_path_filled: the same on the other side of the frame, except the evidence. background_frozen: the evidence moves over the background of the middle
        frame. background_exchanged: over the other clip, whose own evidence is hidden. evidence_exchanged: in its place,
        hidden, and over it the other's evidence. evidence_added: the other's evidence over the clip, behind its own.
    """
    clip, evidence, frames = own.clip, own.evidence, len(own.clip)
    known, others_known = (
        np.ones(scene.clip.shape[:-1], bool) if scene.known is None else scene.known for scene in (own, other)
    )
    order = rng.permutation(frames)
    while frames > 1 and (order == np.arange(frames)).all():
        order = rng.permutation(frames)
    frozen, backwards = np.full(frames, frames // 2), np.arange(frames)[::-1]
    found = {NONE: Scene(clip, evidence, known)}
    for name, places in zip(OF_TIME, (frozen, order, backwards), strict=True):
        there = None if evidence is None else evidence[places]
        found[name] = Scene(clip[places], there, known[places])
    gray = np.repeat(np.rint(brightness_map(clip)).astype(np.uint8)[..., None], 3, axis=-1)
    found["gray"] = Scene(gray, evidence, known)
    if evidence is None or not evidence.any():
        return found

    def keep(
        name: str, seen: np.ndarray, instead: np.ndarray, instead_known: np.ndarray | bool = True
    ) -> None:
        """The clip where it is seen; its evidence is there unless the intervention hides it."""
        shown = np.where(seen[..., None], clip, instead).astype(np.uint8)
        there = evidence if (seen | ~evidence).all() else None
        found[name] = Scene(shown, there, np.where(seen, known, instead_known))

    path = np.broadcast_to(evidence.any(axis=0), evidence.shape)
    keep("background_filled", evidence, fill)
    keep("evidence_filled", ~evidence, fill)
    keep("path_filled", ~path, fill)
    keep("mirrored_path_filled", ~path[:, :, ::-1] | evidence, fill)
    still_known = still_background(known[..., None], evidence, np.ones(1))[..., 0].astype(bool)
    keep("background_frozen", evidence, still_background(clip, evidence, fill), still_known)
    others = other.evidence
    if others is not None and others.any():
        theirs = others[..., None]
        keep("background_exchanged", evidence, np.where(theirs, fill, other.clip), others | others_known)
        keep("evidence_exchanged", ~(evidence | others), np.where(theirs, other.clip, fill))
        keep("evidence_added", ~others | evidence, other.clip)
    return found


def still_background(clip: np.ndarray, evidence: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """The background of the middle frame; what is hidden there, from the nearest frame that shows it, or filled.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8
    evidence : (T, H, W) bool
    fill : (3,) uint8

    Returns
    -------
    (H, W, 3) uint8
    """
    nearest = np.argsort(np.abs(np.arange(len(clip)) - len(clip) // 2), kind="stable")
    first = (~evidence[nearest]).argmax(axis=0)
    shown = np.take_along_axis(clip[nearest], first[None, ..., None], axis=0)[0]
    return np.where(evidence.all(axis=0)[..., None], fill, shown).astype(np.uint8)


def intervene(
    model: TrainedModel,
    own: Scene,
    class_name: str,
    other: Scene,
    other_class: str,
    explainers: Mapping[str, Any],
    *,
    classes: Sequence[str] = (),
    segmentation: Mapping[str, Any] | None = None,
    fill: np.ndarray,
    rng: np.random.Generator,
    batch: int = 8,
) -> pd.DataFrame:
    """Ask the network, and explain its answer for the clip's class, under every intervention.

    Parameters
    ----------
    model : TrainedModel
    own, other, fill, rng
        As for `intervened`.
    class_name, other_class : str
    explainers, segmentation, batch
        As for `voxplain.explaining.explain_by_all`.
    classes : sequence of str
        Those whose maps are drawn where both classes' evidence is seen; the two are always among them.

    Returns
    -------
    DataFrame
        intervention; measure (accuracy: 1 where the answer is the class; other_accuracy: where it is the other clip's;
        probability of the class; hidden, of what hides under the fill: share of the clip's voxels; auroc of the map on the clip's own evidence, where it is seen, over voxels of which is known what they are; class_auroc, where both
        classes' evidence is seen: of a class's map on the clip's own evidence against the other's); method (of both
        AUROCs: the explainer, control_activation, or a map of `voxplain.motion.controls.pixel_controls` of what is shown; of
        class_auroc the explainer, control_activation_answer, or that averaged over the supervoxels which the explainer NAME
        explains by, control_activation_answer_NAME; else empty); explained (of class_auroc: the class; else empty);
        value. Of maps, positive relevance counts.
    """
    shown = intervened(own, other, fill=fill, rng=rng)
    clips = np.stack([scene.clip for scene in shown.values()])
    logits = np.concatenate(
        [model.logits(clips[start : start + batch]) for start in range(0, len(clips), batch)]
    )
    probability = scipy.special.softmax(logits.astype(float), axis=1)[:, model.classes.index(class_name)]
    answers = [model.classes[number] for number in logits.argmax(axis=1)]
    how = {"segmentation": segmentation, "batch": batch}
    maps = explain_by_all(model, clips, model.targets([class_name] * len(clips)), explainers, **how)
    maps |= activation_control(model, clips, batch=batch)
    rows = []
    for number, (name, scene) in enumerate(shown.items()):
        seen, mask = scene.clip, scene.evidence
        measures = {
            "accuracy": answers[number] == class_name,
            "other_accuracy": answers[number] == other_class,
            "probability": probability[number],
        }
        if name.endswith("_filled"):
            measures["hidden"] = ((seen == fill).all(axis=-1) & (own.clip != fill).any(axis=-1)).mean()
        rows += [(name, measure, "", "", float(value)) for measure, value in measures.items()]
        if mask is not None and mask.any():
            its = {method: values[number] for method, values in maps.items()}
            its |= {method: values for (method, _), values in pixel_controls(seen).items()}
            rows += [
                (name, "auroc", method, "", auroc(strength(values, "share")[scene.known], mask[scene.known]))
                for method, values in its.items()
            ]
    evidence = own.evidence
    rival = None if other.evidence is None or evidence is None else other.evidence & ~evidence
    if ADDED in shown and rival.any():
        number = list(shown).index(ADDED)
        painted = {ANSWER: values[number] for name, values in maps.items() if name == ACTIVATION}
        for name, settings in explainers.items() if painted else ():
            method, options = settings.get("method") or name, settings.get("options", {})
            norm = maps[ACTIVATION][number][None]
            coarse = mean_over_supervoxels(norm, clips[number][None], method, options, segmentation)
            painted |= {} if coarse is None else {f"{ANSWER}_{name}": coarse[0]}
        others = [name for name in dict.fromkeys([other_class, *classes]) if name != class_name]
        its = np.repeat(clips[number][None], len(others), axis=0)
        drawn = explain_by_all(model, its, model.targets(others), explainers, **how)
        for method, values in drawn.items():
            by_class = zip([class_name, *others], [maps[method][number], *values], strict=True)
            rows += [
                (ADDED, "class_auroc", method, name, own_auroc(strength(relevance, "share"), evidence, rival))
                for name, relevance in by_class
            ]
        answer, rivals = (logits[number][model.classes.index(name)] for name in (class_name, other_class))
        for method, values in painted.items():
            # The norm for the class that the network prefers, and the other way round for the other.
            value = own_auroc(values, evidence, rival)
            value = value if answer > rivals else 1 - value
            rows.append((ADDED, "class_auroc", method, class_name, value))
            rows.append((ADDED, "class_auroc", method, other_class, 1 - value))
    return pd.DataFrame(rows, columns=["intervention", "measure", "method", "explained", "value"])


def own_auroc(relevance: np.ndarray, evidence: np.ndarray, rival: np.ndarray) -> float:
    """AUROC of a map on a clip's own evidence against another class's, in the same clip.

    Parameters
    ----------
    relevance : (T, H, W)
    evidence, rival : (T, H, W) bool
        What decides for the clip's class, and for the other; they do not meet.

    Returns
    -------
    float
        NaN where one of the two is nowhere.
    """
    both = evidence | rival
    return auroc(relevance[both], evidence[both])


def class_blocks(classes: Sequence[str], most: int = MOST_CLASSES) -> list[list[str]]:
    """Classes in parts of two or more and at most `most`, as equal as can be; whose maps are compared with each other.

    Parameters
    ----------
    classes : sequence of str
    most : int
        3 or more: of more classes not all are drawn on every clip, for the sake of time.
    """
    parts = np.array_split(np.array(classes, dtype=object), max(1, -(-len(classes) // most)))
    return [part.tolist() for part in parts]


def donors(
    clips: pd.DataFrame, hosts: Collection[str], blocks: Sequence[Sequence[str]]
) -> dict[tuple[str, int], tuple[str, int]]:
    """For each clip of some videos one of another class of its block, whose evidence it is given.

    Clips of videos that are no hosts are taken first, each as seldom as can be, so that hosts' values are independent of
    each other; where there are too few, hosts are taken too. Never one of the same group. A class's clips take the
    other classes in turn.

    Parameters
    ----------
    clips : DataFrame
        video, class, clip, group: of hosts and of all others that may be taken.
    hosts : collection of str
        Videos.
    blocks : sequence of sequence of str
        As of `class_blocks`.

    Returns
    -------
    dict of (video, clip) to (video, clip)
        Without hosts that no other clip is there for.
    """
    block_of = {name: list(block) for block in blocks for name in block}
    used: Counter[str] = Counter()
    taken = {}
    for class_name, rows in clips[clips["video"].isin(hosts)].groupby("class", sort=True):
        block = block_of[class_name]
        start = block.index(class_name)
        others = block[start + 1 :] + block[:start]
        for place, row in enumerate(rows.itertuples()):
            for turn in range(len(others)):
                name = others[(place + turn) % len(others)]
                own = clips[(clips["class"] == name) & (clips["group"] != row.group)]
                if len(own):
                    found = min(own.itertuples(), key=lambda its: (its.video in hosts, used[its.group]))
                    used[found.group] += 1
                    taken[row.video, row.clip] = (found.video, found.clip)
                    break
    return taken
