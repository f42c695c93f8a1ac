"""Train a network, from scratch or from given weights.

Augmentation includes masked boxes: concepts are later judged by clips of which most is filled
(section 3 of 3D-ACE), and a network that never saw a filled box answers such clips by accident.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from ..device import choose_precision, passes_in
from ..errors import VoxplainError
from .build import in_fastest_order
from .inputs import normalize
from .layers import layers_before

Fetch = Callable[[np.ndarray], np.ndarray]


def train(
    model: nn.Module,
    fetch: Fetch,
    targets: np.ndarray,
    validation: np.ndarray,
    *,
    epochs: int = 40,
    batch: int = 16,
    optimizer: Literal["adamw", "sgd"] = "adamw",
    learning_rate: float = 2e-3,
    weight_decay: float = 0.02,
    schedule: Literal["one_cycle", "plateau"] = "one_cycle",
    plateau_epochs: int = 10,
    patience: int = 40,
    label_smoothing: float = 0.0,
    flip: bool = False,
    shift: int = 4,
    brightness: float = 0.2,
    masked: float = 0.5,
    precision: Literal["float32", "bfloat16"] = "float32",
    from_layer: str | None = None,
    seed: int = 0,
    state: dict[str, Any] | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> pd.DataFrame:
    """Train `model` in place and leave it with its best validation weights.

    Parameters
    ----------
    model : Module
        As built by `voxplain.build_model`, on its device.
    fetch : callable
        Maps an array of clip numbers to uint8 (n, T, H, W, 3).
    targets : (clips,) int
        Numbers of their classes.
    validation : (clips,) bool
        Clips that early stopping and the schedule watch; the others are trained on.
    epochs, batch, optimizer, learning_rate, weight_decay, schedule, label_smoothing
        The recipe. ``plateau`` divides the rate by 10 after `plateau_epochs` epochs without
        progress (selective relevance, section 4.2), at a momentum of 0.9; ``one_cycle`` warms up and anneals, while
        momentum (AdamW's first beta) goes from 0.95 down to 0.85 and back, as torch's `OneCycleLR` has it.
    patience : int
        Epochs without progress after which training stops.
    flip : bool
        Mirror half the clips left to right. Not for classes that differ in direction.
    shift : int
        Largest random translation, in pixels.
    brightness : float
        Largest relative change of gain, and of offset in units of 255.
    masked : float
        Share of clips of which random boxes are hidden under the input mean, or all but random boxes; it
        is reached halfway.
    precision : {"float32", "bfloat16"}
        Of the forward and backward pass, where the hardware has bfloat16.
    from_layer : str, optional
        Train this layer and what follows it in a forward pass. What comes before it stays as it is, bit for bit, and
        works as in evaluation: batch norm by its statistics, no dropout. All are trained where not given.
    seed : int
        Seeds batches, augmentation and dropout, for each epoch anew, so that a resumed run equals
        an undisturbed one.
    state : dict, optional
        What `on_epoch` was given last; training goes on from there.
    on_epoch : callable, optional
        Called with the whole state after each epoch.

    Returns
    -------
    DataFrame, one row per epoch
        epoch, learning_rate, train_loss, validation_loss, validation_accuracy

    Raises
    ------
    VoxplainError
        There is nothing to train on, there is no layer `from_layer`, or the loss is no longer finite.
    """
    device, fill = next(model.parameters()).device, np.rint(model.spec.mean)
    training = np.flatnonzero(~validation)
    if len(training) < 2:
        raise VoxplainError(
            f"Only {len(training)} clips to train on: check the split column of the video table."
        )
    in_fastest_order(model, fetch(training[:1]).shape[1:4])
    frozen: list[nn.Module] = []
    if from_layer is not None:
        example = torch.from_numpy(fetch(training[:1])).to(device)
        frozen = layers_before(model, from_layer, normalize(example, model.spec))
    for module in frozen:
        module.requires_grad_(False)
    batch = min(batch, len(training))
    steps = max(1, len(training) // batch)
    optimize = _optimizer(model, optimizer, learning_rate, weight_decay)
    if schedule == "one_cycle":
        total = epochs * steps
        # Of ten steps the first would be all of the way up, by which torch divides.
        up = 0.11 if total == 10 else 0.1
        anneal = torch.optim.lr_scheduler.OneCycleLR(optimize, learning_rate, total, pct_start=up)
    else:
        anneal = torch.optim.lr_scheduler.ReduceLROnPlateau(optimize, factor=0.1, patience=plateau_epochs)
    history: list[dict[str, float]] = []
    best = {"loss": np.inf, "epoch": -1, "weights": copy.deepcopy(model.state_dict())}
    if state is not None:
        model.load_state_dict(state["model"])
        optimize.load_state_dict(state["optimizer"])
        anneal.load_state_dict(state["schedule"])
        history, best = state["history"], state["best"]

    progress = tqdm(
        range(len(history), epochs), initial=len(history), total=epochs, desc="epochs", mininterval=10
    )
    for epoch in progress:
        if epoch - best["epoch"] > patience:
            break
        rng = np.random.default_rng([seed, epoch])
        # Masked clips are hard: a small network that meets them from the start takes long to learn anything.
        share = masked * min(1.0, 2 * epoch / epochs)
        torch.manual_seed(int(rng.integers(2**31)))
        model.train()
        for module in frozen:
            module.eval()
        losses = []
        for rows in np.array_split(rng.permutation(training)[: steps * batch], steps):
            clips = augment(
                fetch(np.sort(rows)),
                rng,
                flip=flip,
                shift=shift,
                brightness=brightness,
                masked=share,
                fill=fill,
            )
            wanted = torch.as_tensor(targets[np.sort(rows)], device=device)
            inputs = normalize(torch.from_numpy(clips).to(device), model.spec)
            with choose_precision(device, precision):
                logits = _logits(model, inputs)
            loss = F.cross_entropy(logits.float(), wanted, label_smoothing=label_smoothing)
            if not torch.isfinite(loss):
                raise VoxplainError(f"The loss is not finite in epoch {epoch}: lower training.learning_rate.")
            optimize.zero_grad()
            loss.backward()
            optimize.step()
            losses.append(loss.item())
            if schedule == "one_cycle":
                anneal.step()
        watched = np.flatnonzero(validation) if validation.any() else training
        logits = predict(model, fetch, watched, batch=batch)
        validation_loss = float(F.cross_entropy(torch.from_numpy(logits), torch.as_tensor(targets[watched])))
        history.append(
            {
                "epoch": epoch,
                "learning_rate": optimize.param_groups[0]["lr"],
                "train_loss": float(np.mean(losses)),
                "validation_loss": validation_loss,
                "validation_accuracy": float((logits.argmax(axis=1) == targets[watched]).mean()),
            }
        )
        if schedule == "plateau":
            anneal.step(validation_loss)
        if validation_loss < best["loss"]:
            best = {"loss": validation_loss, "epoch": epoch, "weights": copy.deepcopy(model.state_dict())}
        progress.set_postfix(
            loss=f"{validation_loss:.2f}", accuracy=f"{history[-1]['validation_accuracy']:.2f}"
        )
        if on_epoch is not None:
            on_epoch(
                {
                    "model": model.state_dict(),
                    "optimizer": optimize.state_dict(),
                    "schedule": anneal.state_dict(),
                    "history": history,
                    "best": best,
                }
            )
    model.load_state_dict(best["weights"])
    model.eval()
    for module in frozen:
        module.requires_grad_(True)
    return pd.DataFrame(history)


def _logits(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    try:
        return model(inputs)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise VoxplainError(
            f"The network has batch norms, which need several values of each channel to train, and {len(inputs)} clip "
            "gives one: raise training.batch to 2 or more."
        ) from error


def _optimizer(model: nn.Module, name: str, rate: float, decay: float) -> torch.optim.Optimizer:
    parameters = [p for p in model.parameters() if p.requires_grad]
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=0.9, weight_decay=decay)
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)


@torch.no_grad()
def predict(model: nn.Module, fetch: Fetch, rows: np.ndarray, *, batch: int = 16) -> np.ndarray:
    """Logits of the clips with the given numbers, as (n, classes) float32."""
    model.eval()
    device = next(model.parameters()).device
    with passes_in(device, "float32"):
        logits = [
            model(normalize(torch.from_numpy(fetch(part)).to(device), model.spec)).float().cpu()
            for part in np.array_split(rows, int(np.ceil(len(rows) / batch)))
        ]
    return torch.cat(logits).numpy()


def hold_out(
    videos: pd.Series,
    classes: pd.Series,
    groups: Mapping[str, str] | None = None,
    *,
    share: float,
    seed: int,
) -> np.ndarray:
    """Hold out a share of each class's groups of videos for early stopping, and print which classes have none.

    Parameters
    ----------
    videos, classes : (clips,) Series
        Video and class of each clip.
    groups : mapping of str to str, optional
        Of what is not independent, by video: a group's videos stay together, also those of several classes. A video
        that is not in it is a group of its own.
    share : float
        0 to 1, rounded down to whole groups of each class, but at least one of two or more. A class keeps at least one
        to train on.
    seed : int

    Returns
    -------
    (clips,) bool
    """
    rng, held = np.random.default_rng(seed), set()
    units = videos.map(groups or {}).fillna(videos).to_numpy()
    pairs = pd.DataFrame({"class": classes.to_numpy(), "unit": units}).drop_duplicates()
    of = pairs.groupby("unit")["class"].agg(list)
    left = pairs.groupby("class")["unit"].agg(set)  # to train on
    for names in left.map(sorted):
        # A group of several classes may be held out for one before.
        missing = (max(1, int(share * len(names))) if share else 0) - len(held.intersection(names))
        for name in rng.permutation(names):
            if missing > 0 and name not in held and all(len(left[other]) > 1 for other in of[name]):
                missing -= 1
                held.add(name)
                for other in of[name]:
                    left[other].remove(name)
    without = sorted(set(left.index) - set(pairs.loc[pairs["unit"].isin(held), "class"]))
    if share and without:
        print(
            f"Early stopping watches no video of {', '.join(without)}: it takes two groups of videos, one to train on."
        )
    return np.isin(units, list(held))


def augment(
    clips: np.ndarray,
    rng: np.random.Generator,
    *,
    flip: bool,
    shift: int,
    brightness: float,
    masked: float,
    fill: Sequence[float],
) -> np.ndarray:
    """Augment a batch of clips; options as in `train`.

    Parameters
    ----------
    clips : (N, T, H, W, 3) uint8

    Returns
    -------
    (N, T, H, W, 3) uint8
    """
    out = np.empty_like(clips)
    for clip, new in zip(clips, out, strict=True):
        if flip and rng.random() < 0.5:
            clip = clip[:, :, ::-1]
        if shift:
            padded = np.pad(clip, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="edge")
            y, x = rng.integers(0, 2 * shift + 1, size=2)
            clip = padded[:, y : y + clip.shape[1], x : x + clip.shape[2]]
        if brightness:
            gain, offset = (
                1 + rng.uniform(-brightness, brightness),
                255 * rng.uniform(-brightness, brightness) / 2,
            )
            table = np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8)
            clip = table[clip]
        new[...] = clip
        if masked and rng.random() < masked:
            boxes = random_boxes(clip.shape[:3], rng)
            new[boxes if rng.random() < 0.5 else ~boxes] = np.asarray(fill, dtype=np.uint8)
    return out


def random_boxes(shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Union of 1 to 6 random boxes in time and space, each a quarter to three quarters as wide.

    Returns
    -------
    (T, H, W) bool
    """
    mask = np.zeros(shape, dtype=bool)
    for _ in range(rng.integers(1, 7)):
        box = []
        for axis, length in enumerate(shape):
            # Supervoxels mostly last for the whole clip, and so do most boxes.
            size = length if axis == 0 and rng.random() < 0.7 else round(length * rng.uniform(0.25, 0.75))
            start = rng.integers(0, length - size + 1)
            box.append(slice(start, start + max(1, size)))
        mask[tuple(box)] = True
    return mask
