"""Steer a network by concepts: change a layer's activation along their directions and run what lies above it.

A CAV is learned from activations that are averaged over positions, so it is a linear function of each position's
activation, too: the mean of these is what the classifier saw. **Removal** sets that function, at every position, to what
random samples have (directional ablation around their mean). **Addition** moves all positions alike, by the way from
random samples to the concept: the step whose first-order change of the logit is the concept's effect.

Whatever direction an activation is moved along, something changes. So every concept stands beside directions that are
none: random ones, concepts of random videos, and those of the same rank of other classes. Each is tried by its own
amount (what lies along it, or its own way) and by the concept's: the same amount, at every position, in another direction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import torch

from ...activations import Grid, hooked_features, on_positions
from ...device import batched
from ...editing import first_position
from ...models.upper import Upper
from ...patches import keep_only
from ..scores import directional_derivatives, importance

OWN, MATCHED = "own", "matched"
REMOVAL, ADDITION = "removal", "addition"
LAYER, PIXELS = "layer", "pixels"
CONTROLS = ("random_direction", "random_concept", "other_class")
PLAN = ["rank", "steering", "control", "norm", "draw", "direction", "amount"]
DRAWN = [
    "steering",
    "control",
    "norm",
    "draw",
]  # of one draw there is a direction for each of the class's concepts


def plan_steering(
    ways: np.ndarray,
    random_ways: np.ndarray,
    other_ways: Mapping[str, np.ndarray],
    *,
    draws: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, np.ndarray]:
    """All that a class's clips are steered by: its concepts and their controls.

    Parameters
    ----------
    ways : (concepts, d) float
        Ways of the class's concepts, in the order of their ranks, from `voxplain.concepts.scores.ways_to`.
    random_ways : (random concepts, d) float
        Those of concepts of random videos; at least one.
    other_ways : mapping of str to (concepts, d) float
        Those of other classes, in the order of their ranks. Of one that has fewer concepts the last is taken.
    draws : int
        Random directions, random concepts and other classes for each concept; of the last two at most as many as
        there are, without repetition.
    rng : Generator
        Of the class.

    Returns
    -------
    table : DataFrame
        A row per steered version of a clip: rank; steering (removal, addition); control (none: the concept itself,
        random_direction, random_concept, other_class); norm (own, matched); draw; direction and amount (rows of
        `ways` below: what is moved along, and what says by how much). A random direction has no way of its own, so
        that added it is only of the matched norm.
    ways : (directions, d) float32
        Random directions have length 1.
    """
    size = ways.shape[1]
    rows: list[tuple] = []
    found = [np.asarray(ways, dtype=np.float64)]
    count = len(ways)

    def add(number: int, control: str, draw: int, way: np.ndarray) -> None:
        nonlocal count
        found.append(way[None])
        for steering in (REMOVAL, ADDITION):
            if (steering, control) != (ADDITION, "random_direction"):
                rows.append((number + 1, steering, control, OWN, draw, count, count))
            rows.append((number + 1, steering, control, MATCHED, draw, count, number))
        count += 1

    names = sorted(other_ways)
    # Another one for each concept in every draw, and for each draw of a concept, as far as there are enough.
    pool, apart = rng.permutation(len(random_ways)), max(1, len(random_ways) // len(ways))
    for number in range(len(ways)):
        rows += [(number + 1, steering, "none", OWN, 0, number, number) for steering in (REMOVAL, ADDITION)]
        for draw in range(draws):
            direction = rng.normal(size=size)
            add(number, "random_direction", draw, direction / np.linalg.norm(direction))
        for draw, of in enumerate(np.roll(pool, -number * apart)[:draws]):
            add(number, "random_concept", draw, random_ways[of])
        for draw, of in enumerate(rng.permutation(len(names))[:draws]):
            other = other_ways[names[of]]
            add(number, "other_class", draw, other[min(number, len(other) - 1)])
    return pd.DataFrame(rows, columns=PLAN), np.concatenate(found).astype(np.float32)


def mark_first(
    plan: pd.DataFrame, ways: np.ndarray, gradients: np.ndarray, *, rank_by: str = "effect"
) -> pd.DataFrame:
    """Mark the concept ranked first, and the control of each draw that the same ranking would put first.

    The first concept is the best of several, so what it does more than one control is the choice as well. Beside it
    stands the best of as many controls, by the same gradients.

    Parameters
    ----------
    plan : DataFrame
        As of `plan_steering`.
    ways : (directions, d) float
    gradients : (clips, d) float
        Of the class's logit at its discovery clips.
    rank_by : {"effect", "score"}
        As for `voxplain.concepts.scores.score_concepts`. A step's effect is the derivative along its direction times
        the length of its amount, its score the share of clips whose logit rises along it.

    Returns
    -------
    DataFrame
        The plan, with a bool column first.
    """
    lengths = np.linalg.norm(ways, axis=1, keepdims=True)
    units = np.divide(ways, lengths, out=np.zeros_like(ways, dtype=float), where=lengths > 0)
    derivatives = directional_derivatives(gradients, units)
    derivative, score = derivatives.mean(axis=1), importance(derivatives)
    along, amount = plan["direction"].to_numpy(), plan["amount"].to_numpy()
    keys = {
        "score": score[along],
        "effect": derivative[along] * (1 if rank_by == "score" else lengths[amount, 0]),
    }
    ranked = plan.assign(**keys).sort_values(
        list(keys) if rank_by == "score" else ["effect"], ascending=False, kind="stable"
    )
    first = ranked[ranked["control"] != "none"].drop_duplicates(DRAWN).index
    return plan.assign(first=plan.index.isin(first) | ((plan["control"] == "none") & (plan["rank"] == 1)))


def steer_clip(
    upper: Upper,
    inputs: torch.Tensor,
    target: int,
    plan: pd.DataFrame,
    ways: np.ndarray,
    baseline: np.ndarray,
    *,
    grid: Grid | None = (1, 1, 1),
    batch: int = 16,
) -> pd.DataFrame:
    """Change one clip's activation in every way of a plan, and run the rest of the network.

    Parameters
    ----------
    upper : Upper
        The network above the layer.
    inputs : (1, 3, T, H, W) float
    target : int
        The clip's class.
    plan : DataFrame
        As of `plan_steering`; further columns are kept.
    ways : (directions, d) float
    baseline : (d,) float
        Mean of the random samples, which removal goes back to.
    grid : (t, h, w) or None
        That the layer is averaged to for CAVs. Of several cells each position has its cell's part.
    batch : int
        Versions per pass; halved when memory runs out.

    Returns
    -------
    DataFrame, one row per version
        space (layer), rank, steering, control, norm, draw, size (length of the change over that of the activation), and
        the columns of `changes`.
    """
    features = upper.features(inputs)
    device = inputs.device
    all_ways = torch.as_tensor(ways, dtype=torch.float32, device=device)
    base = torch.as_tensor(np.asarray(baseline)[None], dtype=torch.float32, device=device)
    removed = torch.tensor((plan["steering"] == REMOVAL).tolist(), device=device)
    along, amount = (torch.tensor(plan[name].tolist(), device=device) for name in ("direction", "amount"))

    def steer(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        at = torch.as_tensor(rows, device=device)
        size: list[torch.Tensor] = []

        def change(_: str, output: torch.Tensor) -> torch.Tensor:
            direction, own = (all_ways[of[at]] for of in (along, amount))
            # By how much, as a length: at every position where it is removed, the whole way's where it is added.
            unit = _unit(on_positions(own, output, grid))
            there = ((output - on_positions(base, output, grid)) * unit).sum(1, keepdim=True)
            taken = there * _unit(on_positions(direction, output, grid))
            way = on_positions(_unit(direction) * own.norm(dim=1, keepdim=True), output, grid)
            which = removed[at].view(-1, *[1] * (output.dim() - 1))
            step = torch.where(which, -taken, way)
            size.append(step.flatten(1).norm(dim=1) / output.flatten(1).norm(dim=1).clamp(min=1e-12))
            return output + step

        logits = _run(upper, features, len(rows), change)
        return logits.float(), size[0].float()

    with torch.no_grad():
        logits, sizes = batched(steer, np.arange(len(plan)), batch)
        before = _run(upper, features, 1).float()
    found = changes(logits.cpu().numpy(), before.cpu().numpy(), target)
    return plan.drop(columns=["direction", "amount"]).assign(space=LAYER, size=sizes.cpu().numpy(), **found)


def _run(upper: Upper, features: torch.Tensor, count: int, hook: Callable | None = None) -> torch.Tensor:
    """Logits (count, classes) of so many copies of one clip's features, with the layer's output changed by `hook`."""
    copies = features.expand(count, *features.shape[1:])
    with (
        upper.given(copies) as given,
        hooked_features(upper.network, given, [upper.layer] if hook else [], hook),
    ):
        return upper.network(given)


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors (N, C, ...) of length 1 along C; zeros stay zeros."""
    return vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-12)


def edit_clip(
    logits: Callable[[np.ndarray], np.ndarray],
    clip: np.ndarray,
    target: int,
    labels: np.ndarray,
    supervoxels: np.ndarray,
    concepts: np.ndarray,
    ranking: np.ndarray,
    *,
    fill: np.ndarray,
    batch: int = 16,
) -> pd.DataFrame:
    """Show each concept's voxels alone, and hide them alone, as adding and removing concepts does.

    Parameters
    ----------
    logits : callable
        Maps uint8 (n, T, H, W, 3) to float (n, classes).
    clip : (T, H, W, 3) uint8
    target : int
        Its class.
    labels : (levels, T, H, W) uint16
    supervoxels : (n, 2) int
        (level, label) of each.
    concepts : (n,) int
        Concept of each supervoxel; -1 for none.
    ranking : (concepts,) int
        Numbers of the concepts, the first in front.
    fill : (3,) uint8
        What hidden voxels show.
    batch : int

    Returns
    -------
    DataFrame, two rows per concept
        As of `steer_clip` and `mark_first`, of space pixels. removal hides: what changes is the clip as it is. addition shows: what
        changes is the fill alone. size is the share of the clip's voxels that the concept has.
    """
    rows, masks = [], []
    for number, concept in enumerate(ranking):
        own = supervoxels[concepts == concept]
        mask = first_position(labels, own, np.zeros(len(own), dtype=int)) == 0
        for steering, shown in ((REMOVAL, ~mask), (ADDITION, mask)):
            rows.append((number + 1, steering, mask.mean()))
            masks.append(shown)
    whole = np.ones(clip.shape[:3], dtype=bool)
    shown = [*masks, whole, ~whole]
    found = batched(
        lambda some: logits(np.stack([keep_only(clip, mask, fill) for mask in some])), shown, batch
    )
    table = pd.DataFrame(rows, columns=["rank", "steering", "size"])
    before = np.where((table["steering"] == REMOVAL).to_numpy()[:, None], found[-2], found[-1])
    found = changes(found[:-2], before, target)
    first = table["rank"] == 1
    return table.assign(space=PIXELS, control="none", norm=OWN, draw=0, first=first, **found)


def changes(logits: np.ndarray, before: np.ndarray, target: int) -> dict[str, np.ndarray]:
    """What steering changed.

    Parameters
    ----------
    logits, before : (rows, classes) float
        After steering, and before; of the latter one row will do.
    target : int
        The clip's class.

    Returns
    -------
    dict of (rows,) float
        change_of_logit (of the class), change_of_other_logits (mean over the other classes; NaN where there is none),
        change_of_accuracy (right after less right before).
    """
    difference = logits.astype(np.float64) - before
    own, others = difference[:, target], difference.shape[1] - 1
    right, was = ((values.argmax(axis=1) == target).astype(float) for values in (logits, before))
    return {
        "change_of_logit": own,
        "change_of_other_logits": (difference.sum(axis=1) - own) / (others or np.nan),
        "change_of_accuracy": right - was,
    }
