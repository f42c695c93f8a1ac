"""Explainers that ask the network about random parts of a clip: RISE, LIME and KernelSHAP over supervoxels.

They need nothing of a network but its scores. What they give is an estimate, and it says itself how good it is: sampling ends when
two halves of the samples agree, and a warning tells where they never did.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from . import EXPLAINERS
from .backward import at_targets, frozen
from .coalitions import shapley_values, shown_by_shapley_kernel, shown_in_half, shown_less_hidden
from .occlusion import supervoxels_of

log = logging.getLogger(__name__)
Samples = Annotated[int, Field(ge=8)]
Agreement = Annotated[float, Field(ge=-1, le=1)]
Batch = Annotated[int, Field(ge=1)]
Draw = Callable[[np.random.Generator, int, int], np.ndarray]
Fit = Callable[[np.ndarray, np.ndarray], np.ndarray]


@EXPLAINERS("rise", conservative=False, signed=True, needs=("clips",))
def rise(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    samples: Samples = 400,
    agreement: Agreement = 0.95,
    seed: int = 0,
    labels: np.ndarray | torch.Tensor | None = None,
    clips: np.ndarray | torch.Tensor | None = None,
    n_segments: tuple[int, ...] | None = None,
    compactness: float | None = None,
    sigma: float | None = None,
    segmenter: str | None = None,
    segmenter_options: dict[str, Any] | None = None,
    fill: float = 0.0,
    batch: Batch = 8,
) -> Tensor:
    """RISE over supervoxels: mean score where a supervoxel is shown less that where it is hidden, mean over levels.

    Less the mean where it is hidden, which the paper leaves in, as an offset that says nothing about the supervoxel.

    Parameters
    ----------
    samples : int
        Random sets of shown supervoxels at most, of each clip and level; every second one is the complement of the
        one before.
    agreement : float
        Correlation of what two halves of the samples give; where it is reached, sampling ends.
    seed : int
        Of the samples, the same ones for every clip of as many supervoxels.
    labels, clips, n_segments, compactness, sigma, segmenter, segmenter_options, fill, batch
        As for occlusion.

    References
    ----------
    Petsiuk, Das and Saenko, RISE, BMVC (2018), equation (6).
    """
    labels = supervoxels_of(
        inputs, labels, clips, n_segments, compactness, sigma, segmenter, segmenter_options
    )
    given = {"samples": samples, "agreement": agreement, "seed": seed, "fill": fill, "batch": batch}
    return _estimated(model, inputs, targets, labels, shown_in_half, shown_less_hidden, **given)


@EXPLAINERS("lime", conservative=False, signed=True, needs=("clips",))
def lime(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    samples: Samples = 400,
    agreement: Agreement = 0.95,
    seed: int = 0,
    kernel_width: Annotated[float, Field(gt=0)] = 0.25,
    penalty: Annotated[float, Field(ge=0)] = 1.0,
    labels: np.ndarray | torch.Tensor | None = None,
    clips: np.ndarray | torch.Tensor | None = None,
    n_segments: tuple[int, ...] | None = None,
    compactness: float | None = None,
    sigma: float | None = None,
    segmenter: str | None = None,
    segmenter_options: dict[str, Any] | None = None,
    fill: float = 0.0,
    batch: Batch = 8,
) -> Tensor:
    """LIME over supervoxels: coefficients of a ridge regression of the score on what is shown, near the whole clip; mean over levels.

    Parameters
    ----------
    samples, agreement, seed
        As for rise.
    kernel_width : float
        Samples weigh exp(-(distance / kernel_width)^2), with the cosine distance from all being shown.
    penalty : float
        Of the ridge regression.
    labels, clips, n_segments, compactness, sigma, segmenter, segmenter_options, fill, batch
        As for occlusion.

    References
    ----------
    Ribeiro, Singh and Guestrin, "Why should I trust you?", KDD (2016), section 3.4.
    """
    labels = supervoxels_of(
        inputs, labels, clips, n_segments, compactness, sigma, segmenter, segmenter_options
    )

    def fit(shown: np.ndarray, scores: np.ndarray) -> np.ndarray:
        near = np.exp(-(((1 - np.sqrt(shown.mean(axis=1))) / kernel_width) ** 2))
        return Ridge(alpha=penalty).fit(shown, scores, sample_weight=near).coef_

    given = {"samples": samples, "agreement": agreement, "seed": seed, "fill": fill, "batch": batch}
    return _estimated(model, inputs, targets, labels, shown_in_half, fit, **given)


@EXPLAINERS("kernel_shap", conservative=False, signed=True, needs=("clips",))
def kernel_shap(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    samples: Samples = 400,
    agreement: Agreement = 0.95,
    seed: int = 0,
    labels: np.ndarray | torch.Tensor | None = None,
    clips: np.ndarray | torch.Tensor | None = None,
    n_segments: tuple[int, ...] | None = None,
    compactness: float | None = None,
    sigma: float | None = None,
    segmenter: str | None = None,
    segmenter_options: dict[str, Any] | None = None,
    fill: float = 0.0,
    batch: Batch = 8,
) -> Tensor:
    """KernelSHAP over supervoxels: estimated Shapley values, which sum to the clip's score less that of the fill; mean over levels.

    Where `samples` hold all sets of shown supervoxels, the values are exact.

    Parameters
    ----------
    samples, agreement, seed
        As for rise; sets are drawn by the Shapley kernel.
    labels, clips, n_segments, compactness, sigma, segmenter, segmenter_options, fill, batch
        As for occlusion.

    References
    ----------
    Lundberg and Lee, A unified approach to interpreting model predictions, NeurIPS (2017), theorem 2.
    Covert and Lee, Improving KernelSHAP, AISTATS (2021), section 4.2, for the complements.
    """
    labels = supervoxels_of(
        inputs, labels, clips, n_segments, compactness, sigma, segmenter, segmenter_options
    )
    given = {"samples": samples, "agreement": agreement, "seed": seed, "fill": fill, "batch": batch}
    return _estimated(
        model, inputs, targets, labels, shown_by_shapley_kernel, shapley_values, ends=True, **given
    )


def _estimated(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    labels: Tensor,
    draw: Draw,
    fit: Fit,
    *,
    samples: int,
    agreement: float,
    seed: int,
    fill: float,
    batch: int,
    ends: bool = False,
) -> Tensor:
    """Relevance ``(N, T, H, W)``: of each level what `fit` makes of the scores of the sets that `draw` draws.

    With `ends` the empty and the whole set are asked about, too, and are in every half.
    """
    relevance, worst = torch.zeros_like(inputs[:, 0]), 1.0
    with frozen(model), torch.no_grad():
        for clip, target, levels, voxels in zip(inputs, targets, labels, relevance, strict=True):
            for level in levels:
                present, index = level.unique(return_inverse=True)
                index = index - int(present[0] == 0)  # -1: what is labeled 0 is always shown
                count = int(index.max()) + 1
                if not count:
                    continue
                shown = draw(np.random.default_rng([seed, count]), count, samples)
                always = np.array([[False], [True]]).repeat(count, axis=1)[: 2 * ends]

                def ask(
                    some: np.ndarray, clip: Tensor = clip, target: Tensor = target, index: Tensor = index
                ) -> np.ndarray:
                    if not len(some):
                        return np.zeros(0)
                    # A further column for what is labeled 0, which the index -1 finds.
                    rows = torch.as_tensor(np.pad(some, ((0, 0), (0, 1)), constant_values=True))
                    scores = [
                        at_targets(
                            model(torch.where(part[:, index][:, None], clip, fill)), target.expand(len(part))
                        )
                        for part in rows.to(clip.device).split(batch)
                    ]
                    return torch.cat(scores).double().cpu().numpy()

                values, halves = _until_halves_agree(ask, always, shown, fit, agreement)
                worst = min(worst, halves)
                found = torch.as_tensor(values, dtype=voxels.dtype, device=voxels.device)
                voxels += torch.where(index >= 0, found[index], 0)
    if worst < agreement:
        log.warning(
            "%d samples are too few: what their halves give correlates by %.2f at worst, less than %.2f. Give more as "
            "option 'samples', or fewer supervoxels.",
            samples,
            worst,
            agreement,
        )
    return relevance / labels.shape[1]


def _until_halves_agree(
    ask: Callable[[np.ndarray], np.ndarray],
    always: np.ndarray,
    shown: np.ndarray,
    fit: Fit,
    agreement: float,
) -> tuple[np.ndarray, float]:
    """Ask about more and more sets until two halves of them give values that correlate as is wanted.

    Returns
    -------
    (supervoxels,) float, and the correlation (1 where all sets were asked about, or there is nothing to correlate)
    """
    count = shown.shape[1]
    if count < 3 or (len(always) and len(shown) == 2**count - 2):
        return fit(np.concatenate([always, shown]), np.concatenate([ask(always), ask(shown)])), 1.0
    ends, scores, halves = ask(always), np.zeros(0), -1.0
    for end in _rounds(len(shown), 4 * count):
        scores = np.append(scores, ask(shown[len(scores) : end]))
        # Pairs of a set and its complement stay together.
        of_half = np.arange(len(scores)) // 2 % 2
        parts = [
            fit(
                np.concatenate([always, shown[: len(scores)][of_half == half]]),
                np.append(ends, scores[of_half == half]),
            )
            for half in (0, 1)
        ]
        flat = min(np.ptp(part) for part in parts) == 0
        halves = 1.0 if flat and np.ptp(scores) == 0 else 0.0 if flat else float(np.corrcoef(*parts)[0, 1])
        if halves >= agreement:
            break
    return fit(np.concatenate([always, shown[: len(scores)]]), np.append(ends, scores)), halves


def _rounds(most: int, fewest: int) -> list[int]:
    """Numbers of samples after which to look: `fewest` and its doubles, in fours, and `most`."""
    ends, end = [], 4 * max(1, fewest // 4)
    while end < most:
        ends.append(end)
        end *= 2
    return [*ends, most]
