"""Whether a network may be shown its clips in bfloat16: float32 and bfloat16 beside each other on a run's own clips.

What is compared is what a run asks: supervoxels alone under the fill, and clips of which more and more is hidden.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy
import torch

from ..activations import layer_activations
from ..device import Precision, has_bfloat16
from ..patches import keep_only
from ..timing import now
from .trained import TrainedModel

log = logging.getLogger(__name__)
# Classes whose odds differ by less are as good as equal: other seeds of training, and the fill's color, decide more.
OPEN_ODDS = 1.05
# Of all decisions, open ones included, that may differ. Accuracies of a few hundred edited clips have wider intervals.
MOST_CHANGED = 0.02
# Kendall's tau of a class's logits, on average over clips: other seeds of clustering and random sets leave less of a ranking.
LEAST_TAU = 0.9
# Cosine of activations less their mean, which is what is clustered.
LEAST_COSINE = 0.99
LEAST_SPEED = 1.2
SUPERVOXELS = 24  # of a clip at most
NONE = {
    "n_clips": 0,
    "n_inputs": 0,
    "changed": math.nan,
    "changed_clearly": math.nan,
    "tau_alone": math.nan,
    "tau_hidden": math.nan,
    "cosine": math.nan,
    "speed": math.nan,
}


class Sample(NamedTuple):
    """A clip with its supervoxels.

    Attributes
    ----------
    clip : (T, H, W, 3) uint8
    labels : (levels, T, H, W) uint16
    kept : (n, 2) int
        (level, label) of each supervoxel.
    class_name : str
    """

    clip: np.ndarray
    labels: np.ndarray
    kept: np.ndarray
    class_name: str


Timed = Callable[[Callable[[], Any], torch.device], tuple[Any, float]]


def timed(work: Callable[[], Any], device: torch.device) -> tuple[Any, float]:
    """What a function returns, and the seconds that it takes: on a CPU the process's own, whatever else runs there."""
    clock = time.process_time if device.type == "cpu" else partial(now, device)
    start = clock()
    return work(), clock() - start


def decide_precision(
    model: TrainedModel,
    samples: Sequence[Sample],
    layers: Sequence[str],
    asked: Literal["bfloat16", "auto"],
    *,
    timed: Timed = timed,
    **shown: Any,
) -> dict[str, Any]:
    """Decide at which precision a network is shown its clips.

    Parameters
    ----------
    model, samples, layers, timed, **shown
        As for `compare_precisions`.
    asked : {"bfloat16", "auto"}
        bfloat16: wherever the hardware has it, whatever it changes. auto: where it also changes nothing that counts,
        and is faster.

    Returns
    -------
    dict
        asked, precision, reason (why it is not bfloat16, or should not be; else empty), and what
        `compare_precisions` returns.
    """
    found, reason = dict(NONE), ""
    if not has_bfloat16(model.device):
        reason = "the hardware has no bfloat16 of its own"
    elif not samples:
        reason = "no clip has a supervoxel to compare by"
    else:
        found = compare_precisions(model, samples, layers, timed=timed, **shown)
        reason = objection(found)
    taken = has_bfloat16(model.device) if asked == "bfloat16" else not reason
    precision: Precision = "bfloat16" if taken else "float32"
    if reason and taken:
        log.warning("bfloat16 is used, as the config asks for, although %s.", reason)
    elif reason:
        log.warning("float32 is used: %s.", reason)
    return {"asked": asked, "precision": precision, "reason": reason, **found}


def objection(found: dict[str, Any]) -> str:
    """Why bfloat16 should not be used, by what `compare_precisions` found; empty where nothing speaks against it.

    A number that is none, as of a network whose answers never differ, speaks against it.
    """
    limits = (
        (found["changed_clearly"] <= 0, "it changes decisions that float32 makes clearly"),
        (found["changed"] <= MOST_CHANGED, f"it changes more than {MOST_CHANGED:.0%} of decisions"),
        (found["tau_alone"] >= LEAST_TAU, "it changes the ranks of supervoxels alone"),
        (found["tau_hidden"] >= LEAST_TAU, "it changes the ranks of clips partly hidden"),
        (found["cosine"] >= LEAST_COSINE, "it changes activations"),
        (found["speed"] >= LEAST_SPEED, f"it is not {LEAST_SPEED:g} times as fast"),
    )
    return "; ".join(words for kept, words in limits if not kept)


def compare_precisions(
    model: TrainedModel,
    samples: Sequence[Sample],
    layers: Sequence[str],
    *,
    fill: str | tuple[int, int, int] = "mean",
    batch: int = 8,
    rng: np.random.Generator,
    timed: Timed = timed,
) -> dict[str, Any]:
    """Show a network clips, whole and edited, in float32 and in bfloat16.

    Parameters
    ----------
    model : TrainedModel
        Whatever its own precision.
    samples : sequence of Sample
        At least one, each with at least one supervoxel.
    layers : names of modules
    fill : str or color
        What hidden voxels show.
    batch : int
        Clips per forward pass.
    rng : Generator
        Of which supervoxels, and of the order in which they are hidden.
    timed : callable
        As `timed`.

    Returns
    -------
    dict
        n_clips; n_inputs; changed (share of all inputs whose largest logit is another class's); changed_clearly (share
        where, besides, float32 gives the two classes odds of `OPEN_ODDS` or more); tau_alone, tau_hidden (Kendall's tau
        of the clip's class's logit, mean over clips; NaN where no clip has two inputs that differ); cosine (of activations less their mean in float32,
        mean over supervoxels, of the layer where it is least); speed (float32's time over bfloat16's, median over batches).
    """
    color, ratios, warm = model.fill(fill), [], False
    alone: list[tuple[dict, dict]] = []
    logits: list[tuple[np.ndarray, np.ndarray]] = []
    taus: dict[str, list[float]] = {"alone": [], "hidden": []}
    for sample in samples:
        chosen = rng.permutation(len(sample.kept))[:SUPERVOXELS]
        masks = [sample.labels[level] == label for level, label in sample.kept[chosen]]
        hidden = np.logical_or.accumulate(masks)
        shown = {"alone": masks, "hidden": [np.ones_like(masks[0]), *~hidden]}
        own = int(model.targets([sample.class_name])[0])
        for name, some in shown.items():
            parts: tuple[list, list] = ([], [])
            for start in range(0, len(some), batch):
                clips = np.stack(
                    [keep_only(sample.clip, mask, color) for mask in some[start : start + batch]]
                )
                if not warm:  # what is made once for a shape, such as the kernels' plans
                    _both(model, clips, layers, timed)
                    warm = True
                *answers, ratio = _both(model, clips, layers, timed)
                ratios.append(ratio)
                for part, answer in zip(parts, answers, strict=True):
                    part.append(answer)
            joined = [_joined(part) for part in parts]
            found = [one.pop("") for one in joined]
            logits.append((found[0], found[1]))
            taus[name].append(_tau(found[0][:, own], found[1][:, own]))
            if name == "alone":
                alone.append((joined[0], joined[1]))
    exact, rounded = (np.concatenate(part) for part in zip(*logits, strict=True))
    changed, clearly = changed_decisions(exact, rounded)
    return {
        "n_clips": len(samples),
        "n_inputs": len(exact),
        "changed": float(changed.mean()),
        "changed_clearly": float(clearly.mean()),
        **{f"tau_{name}": _mean(values) for name, values in taus.items()},
        "cosine": float(
            np.min([_cosine(*(_of(layer, part) for part in zip(*alone, strict=True))) for layer in layers])
        ),
        "speed": float(np.median(ratios)),
    }


def changed_decisions(exact: np.ndarray, rounded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which decisions differ, and which of these the exact logits do not leave open.

    A difference of two logits is the logarithm of the odds that the network gives the two classes.

    Parameters
    ----------
    exact, rounded : (n, classes) float

    Returns
    -------
    changed, clearly : (n,) bool
    """
    rows = np.arange(len(exact))
    before, after = exact.argmax(axis=1), rounded.argmax(axis=1)
    gap = exact[rows, before] - exact[rows, after]
    # Logits that are no numbers decide nothing.
    broken = ~np.isfinite(rounded).all(axis=1)
    changed = (before != after) | broken
    return changed, changed & ((gap >= math.log(OPEN_ODDS)) | broken)


def _both(
    model: TrainedModel, clips: np.ndarray, layers: Sequence[str], timed: Timed
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], float]:
    """Activations by layer, and logits under an empty name, in float32 and in bfloat16, and how much faster that is."""
    answers, seconds = [], []
    for precision in ("float32", "bfloat16"):
        other = dataclasses.replace(model, precision=precision)
        inputs = other.inputs(clips)

        def ask(other: TrainedModel = other, inputs: torch.Tensor = inputs) -> tuple[dict, torch.Tensor]:
            with other.passes():
                return layer_activations(other.network, inputs, layers)

        (found, logits), took = timed(ask, model.device)
        answers.append(
            {name: values.float().cpu().numpy() for name, values in (found | {"": logits}).items()}
        )
        seconds.append(took)
    return answers[0], answers[1], seconds[0] / seconds[1]


def _joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _of(layer: str, parts: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
    return np.concatenate([part[layer] for part in parts]).astype(float)


def _tau(exact: np.ndarray, rounded: np.ndarray) -> float:
    if not np.isfinite(rounded).all():
        return 0.0
    return float(scipy.stats.kendalltau(exact, rounded).statistic) if len(exact) > 1 else math.nan


def _cosine(exact: np.ndarray, rounded: np.ndarray) -> float:
    """Mean cosine of rows (n, d) less the mean of the exact ones; rows that are the mean do not count."""
    a, b = exact - exact.mean(axis=0), rounded - exact.mean(axis=0)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    there = lengths != 0
    return float(((a * b).sum(axis=1)[there] / lengths[there]).mean()) if there.any() else math.nan


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
