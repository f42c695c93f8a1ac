"""A new linear head on a network with trained weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from tqdm import tqdm

from ..artifacts import open_h5
from ..device import batched
from ..errors import VoxplainError
from .inputs import normalize
from .layers import head_features
from .training import Fetch, augment


@torch.no_grad()
def view_features(
    model: nn.Module,
    fetch: Fetch,
    n: int,
    *,
    views: int = 4,
    flip: bool = False,
    batch: int = 8,
    seed: int = 0,
) -> np.ndarray:
    """Pooled features of clips and of augmented views of them (shifted, other brightness, mirrored where asked for).

    Parameters
    ----------
    model : Module
        As built by `voxplain.build_model`, on its device.
    fetch : callable
        Maps an array of clip numbers to uint8 (n, T, H, W, 3).
    n : int
        Number of clips.
    views : int
        Augmented views of each clip.
    flip : bool
        Mirror half of the views, as no class may hang on left and right then.
    batch, seed : int

    Returns
    -------
    (1 + views, n, d) float32 : the clips themselves first
    """
    device, size = next(model.parameters()).device, fetch(np.array([0])).shape[2]

    def pooled(clips: np.ndarray) -> np.ndarray:
        inputs = normalize(torch.from_numpy(clips).to(device), model.spec)
        return head_features(model, inputs).float().cpu().numpy()

    features: list[list[np.ndarray]] = []
    progress = tqdm(total=n * (1 + views), desc="features", unit="clip", mininterval=10)
    for view in range(1 + views):
        rng = np.random.default_rng([seed, view])
        features.append([])
        for part in np.array_split(np.arange(n), int(np.ceil(n / batch))):
            clips = fetch(part)
            if view:
                clips = augment(
                    clips, rng, flip=flip, shift=size // 14, brightness=0.2, masked=0, fill=(0, 0, 0)
                )
            features[-1].append(batched(pooled, clips, batch))
            progress.update(len(part))
    return np.stack([np.concatenate(view) for view in features])


def fit_head(
    features: np.ndarray,
    targets: np.ndarray,
    videos: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a linear head to features by logistic regression.

    The strength of the L2 penalty is chosen by 5-fold cross-validation over groups of videos (fewer
    folds where a class has fewer), and over the videos of a class that has one group alone, which is printed.

    Parameters
    ----------
    features : (views, n, d) float
        As from `view_features`.
    targets : (n,) int
        Numbers of their classes.
    videos : (n,) array
        The video of each clip; clips and views of one video stay in one fold.
    groups : (n,) array, optional
        Of what is not independent, for each clip: the videos of one group stay in one fold. By default each video is
        one of its own.

    Returns
    -------
    weight : (classes, d) float32
    bias : (classes,) float32

    Raises
    ------
    VoxplainError
        A class has one video alone.
    """
    units = np.array(videos if groups is None else groups, dtype=object)
    for target in np.unique(targets):
        own = targets == target
        if len(np.unique(units[own])) < 2 <= len(np.unique(videos[own])):
            print(
                f"The videos of class {target} are of one group: they lie in several folds, or it has none."
            )
            units[own] = videos[own]
    views = len(features)
    features = features.reshape(-1, features.shape[-1])
    targets, units = np.tile(targets, views), np.tile(units, views)
    least = min(len(np.unique(units[targets == target])) for target in np.unique(targets))
    if least < 2:
        raise VoxplainError(
            "A class has one training video alone; a new head is fitted to two or more of each."
        )
    # Of few, in equal parts of each class, so that none lacks in what a fold is fitted to.
    kind = GroupKFold(5, shuffle=True, random_state=seed)
    if least < 5:
        kind = StratifiedGroupKFold(least, shuffle=True, random_state=seed)
    folds = list(kind.split(features, targets, units))
    logistic = LogisticRegressionCV(
        Cs=np.logspace(-4, 1, 6), l1_ratios=(0.0,), cv=folds, max_iter=2000, scoring="accuracy",
        use_legacy_attributes=False,
    )  # fmt: skip
    pipeline = make_pipeline(StandardScaler(), logistic).fit(features, targets)
    scale = pipeline[0]
    weight = logistic.coef_ / scale.scale_
    bias = logistic.intercept_ - weight @ scale.mean_
    if len(weight) == 1:  # two classes: scikit-learn keeps one row
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight.astype(np.float32), bias.astype(np.float32)


def fit_stored_features(
    path: str | Path, classes: Sequence[str], groups: Mapping[str, str] | None = None, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fit a head to an artifact of the kind ``features``.

    Parameters
    ----------
    path : path
    classes : sequence of str
        In the order of the logits.
    groups : mapping of str to str, optional
        As for `voxplain.models.training.hold_out`.

    Returns
    -------
    weight, bias
        As from `fit_head`.
    accuracy : float
        On the clips as they are.
    """
    with open_h5(path, "features") as file:
        features, videos = file["features"][()], file["video"].asstr()[()]
        targets = np.array([classes.index(name) for name in file["class"].asstr()[()]])
    units = np.array([(groups or {}).get(video, video) for video in videos])
    weight, bias = fit_head(features, targets, videos, units, seed=seed)
    return weight, bias, float(((features[0] @ weight.T + bias).argmax(axis=1) == targets).mean())
