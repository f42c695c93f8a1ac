"""Switch concepts off in a network: what lies along their directions is set to what random samples have, for every clip.

The same directional ablation as the removal of `voxplain.concepts.steering`, of several directions at once, and whatever the clip's
class is: what a network loses that leaned on the wrong thing, and what one loses that did not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from ..activations import Grid, hooked_features, on_positions
from ..models.upper import Upper
from ..statistics import group_values, mean_interval, mean_p_value

AS_IS, CONCEPTS_OFF = "as it is", "concepts off"
CONTROLS = ("random directions off", "random concepts off")
ALL = "all"


def basis(ways: np.ndarray, cells: int = 1) -> np.ndarray:
    """Orthonormal directions that span ways; of several cells, in each cell.

    Parameters
    ----------
    ways : (k, d) float
        At least one that is not 0.
    cells : int
        Of the grid that the layer is averaged to: d is channels times cells.

    Returns
    -------
    (at most k, d) float32 : of length 1 in every cell in which the ways span so many directions, else 0 there
    """
    vectors = np.asarray(ways, dtype=np.float64).reshape(len(ways), -1, cells).transpose(2, 1, 0)
    left, sizes, _ = np.linalg.svd(vectors, full_matrices=False)
    there = sizes > 1e-6 * sizes.max(initial=1e-30)
    found = (left * there[:, None]).transpose(2, 1, 0).reshape(left.shape[2], -1)
    return found[np.abs(found).max(axis=1) > 0].astype(np.float32)


def repairs(
    ways: np.ndarray, random_ways: np.ndarray, *, draws: int, cells: int = 1, rng: np.random.Generator
) -> list[tuple[str, int, np.ndarray | None]]:
    """Versions of the network: as it is, without the concepts, and without as many other directions.

    As many as the concepts' ways span: those of concepts much alike, or of one that is named twice, are fewer than the concepts.

    Parameters
    ----------
    ways : (k, d) float
        Of the concepts to switch off.
    random_ways : (n, d) float
        Of concepts of random videos.
    draws : int
        Of each control.
    cells : int
        As for `basis`.
    rng : Generator

    Returns
    -------
    list of (what, draw, basis or None)
        Without random concepts where these span fewer directions.
    """
    own = basis(ways, cells)
    found: list[tuple[str, int, np.ndarray | None]] = [(AS_IS, 0, None), (CONCEPTS_OFF, 0, own)]
    for draw in range(draws):
        directions = rng.normal(size=own.shape)
        others = random_ways[rng.permutation(len(random_ways))]
        for what, candidates in zip(CONTROLS, (directions, others), strict=True):
            control = _spanning(len(own), candidates, cells)
            if control is not None:
                found.append((what, draw, control))
    return found


def _spanning(size: int, ways: np.ndarray, cells: int) -> np.ndarray | None:
    """Basis of this size of the first ways that span so many directions; None where all span fewer."""
    for count in range(size, len(ways) + 1):  # each more spans one direction more, or none
        found = basis(ways[:count], cells)
        if len(found) == size:
            return found
    return None


@torch.no_grad()
def repaired_logits(
    upper: Upper,
    inputs: torch.Tensor,
    bases: Sequence[np.ndarray | None],
    baseline: np.ndarray,
    *,
    grid: Grid | None = (1, 1, 1),
) -> np.ndarray:
    """Logits of clips with directions removed from the layer's activation at every position.

    Parameters
    ----------
    upper : Upper
        The network above the layer.
    inputs : (N, 3, T, H, W) float
    bases : sequence of (k, d) float or None
        As of `basis`, each a version of the network; None removes nothing.
    baseline : (d,) float
        Mean of the random samples, whose part along the directions stands in.
    grid : (t, h, w) or None
        That the layer is averaged to for CAVs.

    Returns
    -------
    (versions, N, classes) float32
    """
    features = upper.features(inputs)
    base = torch.as_tensor(np.asarray(baseline, dtype=np.float32)[None], device=inputs.device)
    found = []
    for directions in bases:

        def remove(
            _: str, output: torch.Tensor, directions: np.ndarray | None = directions
        ) -> torch.Tensor | None:
            if directions is None:
                return None
            excess = output - on_positions(base, output, grid)
            step = torch.zeros_like(output)
            for direction in torch.as_tensor(directions, device=output.device):
                unit = on_positions(direction[None], output, grid)
                step += (excess * unit).sum(1, keepdim=True) * unit
            return output - step

        with (
            upper.given(features) as given,
            hooked_features(upper.network, given, [upper.layer], remove),
        ):
            found.append(upper.network(given).float().cpu().numpy())
    return np.stack(found)


def repair_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Accuracy before and after, by subset of the test videos, beside as many other directions.

    Parameters
    ----------
    answers : DataFrame
        video, subset ("" where videos have none), what (`AS_IS`, `CONCEPTS_OFF` and those of `CONTROLS` that there are), draw,
        right (bool); and group, where videos have it.

    Returns
    -------
    DataFrame
        subset (all, and each), what, accuracy, ci_low, ci_high; difference (less as it is, of the same videos) with its
        interval; beyond (the concepts' difference less a control's, mean over draws) with its interval and p_value;
        n_videos, and n_groups where videos have groups. Values are means over videos, for controls over draws as well;
        units of intervals and p-values are videos, or groups.
    """
    grouped = "group" in answers
    subsets = [ALL, *sorted(set(answers["subset"]))] if answers["subset"].nunique() > 1 else [ALL]
    rows = []
    for subset in subsets:
        own = answers if subset == ALL else answers[answers["subset"] == subset]
        groups = own.groupby("video")["group"].first() if grouped else None
        right = {
            what: of.groupby("video")["right"].mean().to_numpy()
            for what, of in own.groupby("what", sort=False)
        }
        before, after = right[AS_IS], right[CONCEPTS_OFF]
        for what, values in right.items():
            row = {"subset": subset, "what": what, "accuracy": values.mean()}
            ends = mean_interval(group_values(values, groups), share=True)
            row |= dict(zip(("ci_low", "ci_high"), ends, strict=True))
            if what != AS_IS:
                row |= _difference("difference", values - before, groups)
            if what in CONTROLS:
                change = after - values
                row |= _difference("beyond", change, groups)
                row |= {"p_value": mean_p_value(group_values(change, groups))}
            row |= {"n_videos": len(values)}
            rows.append(row | ({"n_groups": groups.nunique()} if grouped else {}))
    return pd.DataFrame(rows).reindex(columns=[*COLUMNS, *(["n_groups"] if grouped else [])])


def _difference(name: str, values: np.ndarray, groups: pd.Series | None) -> dict[str, float]:
    low, high = mean_interval(group_values(values, groups), change=True)
    return {name: values.mean(), f"{name}_ci_low": low, f"{name}_ci_high": high}


COLUMNS = """subset what accuracy ci_low ci_high difference difference_ci_low difference_ci_high beyond beyond_ci_low
beyond_ci_high p_value n_videos""".split()
