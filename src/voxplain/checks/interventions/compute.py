"""Change what moves, or what is behind it, and ask the network again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy

from ...explaining import activation_control, explain_by_all
from ...models.trained import TrainedModel
from ...motion.controls import pixel_controls
from ...statistics import auroc

NONE = "none"
# What every clip allows, and what needs a mask of the evidence.
OF_TIME = ("frozen", "shuffled", "reversed")
OF_COLOR = ("gray",)
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
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
INTERVENTIONS = (NONE, *OF_TIME, *OF_COLOR, *OF_PLACE)


def intervened(
    clip: np.ndarray,
    evidence: np.ndarray | None,
    other: np.ndarray,
    other_evidence: np.ndarray | None,
    *,
    fill: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """A clip under every intervention, with the place of its own evidence in each.

    Parameters
    ----------
    clip, other : (T, H, W, 3) uint8
        The clip, and one of another class.
    evidence, other_evidence : (T, H, W) bool or None
        What decides their classes; None, or nothing, where that is not known.
    fill : (3,) uint8
        What hidden voxels show: the network's input mean.
    rng : Generator
        Of the order of frames.

    Returns
    -------
    dict of str to (clip, evidence)
        none: as it is. frozen: the middle frame all the time. shuffled, reversed: in other orders. gray: without color. With evidence:
        background_filled, evidence_filled: hidden. path_filled: in all frames all is hidden that the evidence ever covers, so
        that no outline moves; mirrored_path_filled: the same on the other side of the frame, except the evidence. background_frozen: the evidence moves over the background of the middle
        frame. background_exchanged: over the other clip, whose own evidence is hidden. evidence_exchanged: in its place,
        hidden, and over it the other's evidence. evidence_added: the other's evidence over the clip, behind its own.
    """
    frames = len(clip)
    order = rng.permutation(frames)
    while frames > 1 and (order == np.arange(frames)).all():
        order = rng.permutation(frames)
    frozen, backwards = np.full(frames, frames // 2), np.arange(frames)[::-1]
    found = {NONE: (clip, evidence)}
    for name, places in zip(OF_TIME, (frozen, order, backwards), strict=True):
        found[name] = (clip[places], None if evidence is None else evidence[places])
    found["gray"] = np.repeat(np.rint(clip @ LUMA).astype(np.uint8)[..., None], 3, axis=-1), evidence
    if evidence is None or not evidence.any():
        return found
    seen = evidence[..., None]
    found["background_filled"] = (np.where(seen, clip, fill), evidence)
    found["evidence_filled"] = (np.where(seen, fill, clip), None)
    path = np.broadcast_to(evidence.any(axis=0)[None, ..., None], seen.shape)
    found["path_filled"] = (np.where(path, fill, clip), None)
    found["mirrored_path_filled"] = (np.where(path[:, :, ::-1] & ~seen, fill, clip), evidence)
    found["background_frozen"] = (np.where(seen, clip, still_background(clip, evidence, fill)), evidence)
    if other_evidence is not None and other_evidence.any():
        others = other_evidence[..., None]
        found["background_exchanged"] = (np.where(seen, clip, np.where(others, fill, other)), evidence)
        found["evidence_exchanged"] = (np.where(others, other, np.where(seen, fill, clip)), None)
        found["evidence_added"] = (np.where(others & ~seen, other, clip), evidence)
    return {name: (shown.astype(np.uint8), mask) for name, (shown, mask) in found.items()}


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
    clip: np.ndarray,
    evidence: np.ndarray | None,
    class_name: str,
    other: np.ndarray,
    other_evidence: np.ndarray | None,
    other_class: str,
    explainers: Mapping[str, Any],
    *,
    fill: np.ndarray,
    rng: np.random.Generator,
    batch: int = 8,
) -> pd.DataFrame:
    """Ask the network, and explain its answer for the clip's class, under every intervention.

    Parameters
    ----------
    model : TrainedModel
    clip, evidence, other, other_evidence, fill, rng
        As for `intervened`.
    class_name, other_class : str
    explainers, batch
        As for `voxplain.explaining.explain_by_all`.

    Returns
    -------
    DataFrame
        intervention; measure (accuracy: 1 where the answer is the class; other_accuracy: where it is the other clip's;
        probability of the class; auroc of the map on the clip's own evidence, where it is seen; class_auroc, where both
        classes' evidence is seen: of a class's map on its own evidence against the other's, mean of both classes, which is
        exactly .5 for whatever is the same for both); method (of both AUROCs: the
        explainer, control_activation, or a map of `voxplain.motion.controls.pixel_controls` of what is shown; else empty); value.
    """
    shown = intervened(clip, evidence, other, other_evidence, fill=fill, rng=rng)
    clips = np.stack([one for one, _ in shown.values()])
    logits = np.concatenate(
        [model.logits(clips[start : start + batch]) for start in range(0, len(clips), batch)]
    )
    probability = scipy.special.softmax(logits.astype(float), axis=1)[:, model.classes.index(class_name)]
    answers = [model.classes[number] for number in logits.argmax(axis=1)]
    maps = explain_by_all(model, clips, model.targets([class_name] * len(clips)), explainers, batch=batch)
    maps |= activation_control(model, clips, batch=batch)
    rows = []
    for number, (name, (seen, mask)) in enumerate(shown.items()):
        measures = {
            "accuracy": answers[number] == class_name,
            "other_accuracy": answers[number] == other_class,
            "probability": probability[number],
        }
        rows += [(name, measure, "", float(value)) for measure, value in measures.items()]
        if mask is not None and mask.any():
            own = {method: values[number] for method, values in maps.items()}
            own |= {method: values for (method, _), values in pixel_controls(seen).items()}
            rows += [(name, "auroc", method, auroc(values, mask)) for method, values in own.items()]
    rival = None if other_evidence is None or evidence is None else other_evidence & ~evidence
    if "evidence_added" in shown and rival.any():
        both = shown["evidence_added"][0][None]
        others = explain_by_all(model, both, model.targets([other_class]), explainers, batch=batch)
        number = list(shown).index("evidence_added")
        for method, (its,) in others.items():
            value = class_auroc(maps[method][number], its, evidence, rival)
            rows.append(("evidence_added", "class_auroc", method, value))
    return pd.DataFrame(rows, columns=["intervention", "measure", "method", "value"])


def class_auroc(own: np.ndarray, other: np.ndarray, evidence: np.ndarray, rival: np.ndarray) -> float:
    """AUROC of a class's map on its own evidence against another class's, mean of the two classes.

    Parameters
    ----------
    own, other : (T, H, W)
        Maps of one clip for the two classes.
    evidence, rival : (T, H, W) bool
        What decides for the first, and for the second; they do not meet.

    Returns
    -------
    float
        .5 for maps that are the same, whatever they show. NaN where one of the two is nowhere.
    """
    both = evidence | rival
    return (auroc(own[both], evidence[both]) + auroc(other[both], rival[both])) / 2
