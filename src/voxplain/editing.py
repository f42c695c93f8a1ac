"""Add and remove concepts in test clips (3D-ACE, section 3, tables 1 and 2).

The authors never released this experiment; the protocol here is ours and is described in
docs/method.md. A clip is edited voxel by voxel: adding shows only the voxels of the chosen concepts
on a fill, removing hides them under it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .concepts import UNEDITED
from .concepts.clustering import nearest_concepts
from .patches import keep_only


@dataclass(frozen=True)
class RankedConcepts:
    """Concepts of one class with all orders in which they are shown or hidden.

    Attributes
    ----------
    centres, cutoffs : (concepts, d) float, (concepts,) float
        As `voxplain.concepts.clustering.nearest_concepts` takes them.
    rankings : mapping of str to (concepts,) int
        Numbers of all concepts, those that are taken first in front, by strategy: ``top`` is the run's own ranking.
    draws : (draws, concepts) int
        Random rankings, from `random_rankings`: the same for all clips of the class.
    """

    centres: np.ndarray
    cutoffs: np.ndarray
    rankings: Mapping[str, np.ndarray]
    draws: np.ndarray

    def orders(self) -> Iterator[tuple[str, int, np.ndarray]]:
        """Strategy, draw and order of concepts: every ranking, its reverse, and the random ones."""
        for name, ranking in self.rankings.items():
            yield name, 0, ranking
            yield reverse_of(name), 0, ranking[::-1]
        for draw, ranking in enumerate(self.draws):
            yield "random", draw, ranking


@dataclass(frozen=True)
class Edit:
    """Voxels that one strategy picks.

    Attributes
    ----------
    strategy : str
    draw : int
        Number of the random draw; 0 for strategies without chance.
    k : int
        Number of concepts; 0 where the volume decides.
    share : float
        Share of the clip's voxels that the supervoxels are to cover; NaN where k decides.
    mask : (T, H, W) bool
        Voxels of the chosen supervoxels.
    """

    strategy: str
    draw: int
    k: int
    share: float
    mask: np.ndarray


def reverse_of(strategy: str) -> str:
    """What a ranking is called that takes the last of `strategy` first."""
    return "least" if strategy == "top" else f"{strategy}_least"


def random_rankings(concepts: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Random rankings of a class's concepts, each followed by its reverse.

    Under the hypothesis that the run's ranking has nothing to do with the network, it and its reverse are a pair
    like each of these.

    Parameters
    ----------
    concepts, draws : int
        An odd number of draws is one more.

    Returns
    -------
    (draws, concepts) int
    """
    return np.array(
        [
            order
            for one in (rng.permutation(concepts) for _ in range((draws + 1) // 2))
            for order in (one, one[::-1])
        ]
    )


def first_position(labels: np.ndarray, supervoxels: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Earliest position in a list of concepts at which each voxel is covered.

    Supervoxels of several levels overlap, so a voxel can belong to several concepts. The union of the
    first k concepts of a list is where the result is below k.

    Parameters
    ----------
    labels : (levels, T, H, W) uint16
    supervoxels : (n, 2) int
        (level, label) of each supervoxel.
    position : (n,) int
        Position of each supervoxel's concept in the list, from 0.

    Returns
    -------
    (T, H, W) int32 : position, or a number above all positions where nothing covers the voxel
    """
    never = np.iinfo(np.int32).max
    first = np.full(labels.shape[1:], never, dtype=np.int32)
    for level in range(len(labels)):
        table = np.full(int(labels[level].max()) + 1, never, dtype=np.int32)
        rows = supervoxels[:, 0] == level
        table[supervoxels[rows, 1]] = position[rows]
        np.minimum(first, table[labels[level]], out=first)
    return first


def edits(
    labels: np.ndarray,
    supervoxels: np.ndarray,
    concepts: np.ndarray,
    distances: np.ndarray,
    ranked: RankedConcepts,
    *,
    k_max: int = 5,
    shares: Sequence[float] = (),
    clip_draws: int = 5,
    rng: np.random.Generator,
) -> Iterator[Edit]:
    """Yield the edits of one clip by the concepts of its class, under every strategy.

    Every ranking of `ranked` is a strategy: ``top`` takes the k most important concepts first, ``least`` the k
    least important, ``random`` is a random ranking of the class. A class with fewer than k concepts gives all of
    them, so that every k is judged on the same videos. ``random_volume`` takes single supervoxels at random until
    they cover as many voxels as the top k do (concepts on top may just be bigger).

    With `shares` the volume decides, not k: supervoxels are taken concept by concept, those nearest to their
    concept's centre first, until they cover the share of the clip. Where all concepts cover less, they are all
    that there is.

    Parameters
    ----------
    labels : (levels, T, H, W) uint16
    supervoxels : (n, 2) int
    concepts : (n,) int
        Concept of each supervoxel; -1 for none, which no ranking picks.
    distances : (n,) float
        Of each supervoxel from its concept's centre.
    ranked : RankedConcepts
    k_max : int
        Largest number of concepts.
    shares : sequence of float
        Of the clip's voxels.
    clip_draws : int
        Draws of ``random_volume``, and of ``random`` by volume.
    rng : Generator
        Of the clip.
    """
    belongs, voxels = concepts >= 0, labels[0].size
    members, of, distances = supervoxels[belongs], concepts[belongs], distances[belongs]
    for strategy, draw, order in ranked.orders():
        position = np.argsort(order)[of]
        first = first_position(labels, members, position)
        if strategy == "top":
            volumes = [np.count_nonzero(first < k) for k in range(1, k_max + 1)]
        for k in range(1, k_max + 1):
            yield Edit(strategy, draw, k, np.nan, first < k)
        if draw < clip_draws and (strategy == "least" or not strategy.endswith("_least")):
            cover = covering(labels, members, np.lexsort((distances, position)))
            for share in shares:
                yield Edit(strategy, draw, 0, share, cover(share * voxels))
    for draw in range(clip_draws):
        cover = covering(labels, supervoxels, rng.permutation(len(supervoxels)))
        for k, volume in enumerate(volumes, 1):
            yield Edit("random_volume", draw, k, np.nan, cover(volume))
        for share in shares:
            yield Edit("random_volume", draw, 0, share, cover(share * voxels))


def top_edits(
    strategy: str,
    draw: int,
    labels: np.ndarray,
    supervoxels: np.ndarray,
    concepts: np.ndarray,
    ranking: np.ndarray,
    *,
    k_max: int,
) -> Iterator[Edit]:
    """Yield the edits by the first k concepts of another class; parameters as for `edits`."""
    belongs = concepts >= 0
    first = first_position(labels, supervoxels[belongs], np.argsort(ranking)[concepts[belongs]])
    for k in range(1, k_max + 1):
        yield Edit(strategy, draw, k, np.nan, first < k)


def covering(labels: np.ndarray, supervoxels: np.ndarray, order: np.ndarray) -> Callable[[float], np.ndarray]:
    """Return a function of a volume: a mask of the first supervoxels in an order that cover as much.

    Parameters
    ----------
    labels : (levels, T, H, W) uint16
    supervoxels : (n, 2) int
        (level, label) of each.
    order : (n,) int
        Rows of `supervoxels`, the first in front.

    Returns
    -------
    callable : from voxels (float) to (T, H, W) bool
    """
    position = np.empty(len(supervoxels), dtype=np.int32)
    position[order] = np.arange(len(supervoxels))
    first = first_position(labels, supervoxels, position)
    volumes = np.cumsum(np.bincount(first[first < len(supervoxels)], minlength=len(supervoxels)))

    def cover(volume: float) -> np.ndarray:
        if volume == 0 or not len(volumes):
            return np.zeros(first.shape, dtype=bool)
        above = min(int(np.searchsorted(volumes, volume)), len(volumes) - 1)
        below = above - 1
        # Stop before or after the supervoxel that passes the volume, whichever is closer to it.
        if below >= 0 and volume - volumes[below] < volumes[above] - volume:
            above = below
        return first <= above

    return cover


class _Answers:
    """Answers to a clip of which only some voxels are shown; equal masks are classified once."""

    def __init__(
        self,
        classify: Callable[[np.ndarray], np.ndarray],
        clip: np.ndarray,
        *,
        fill: ArrayLike,
        batch: int,
    ) -> None:
        self.classify, self.clip, self.fill, self.batch = classify, clip, fill, batch
        self.known: dict[bytes, Any] = {}

    def __call__(self, masks: Sequence[bytes]) -> list[Any]:
        """Answers to masks, packed."""
        from .device import batched  # with torch, which the planning can do without

        new = [mask for mask in dict.fromkeys(masks) if mask not in self.known]
        if new:
            self.known |= zip(new, batched(self._answer, new, self.batch), strict=True)
        return [self.known[mask] for mask in masks]

    def _answer(self, masks: Sequence[bytes]) -> np.ndarray:
        return self.classify(np.stack([keep_only(self.clip, self._unpacked(m), self.fill) for m in masks]))

    def _unpacked(self, mask: bytes) -> np.ndarray:
        shape = self.clip.shape[:3]
        bits = np.unpackbits(np.frombuffer(mask, np.uint8), count=int(np.prod(shape)))
        return bits.reshape(shape).view(bool)


def edit_answers(
    classify: Callable[[np.ndarray], np.ndarray],
    clip: np.ndarray,
    labels: np.ndarray,
    supervoxels: np.ndarray,
    activations: np.ndarray,
    class_name: str,
    classes: Mapping[str, RankedConcepts],
    *,
    fill: ArrayLike,
    rng: np.random.Generator,
    batch: int = 16,
    k_max: int = 5,
    shares: Sequence[float] = (),
    clip_draws: int = 5,
) -> pd.DataFrame:
    """Classify one clip with concepts added and removed under every strategy.

    Beside the strategies of `edits`: ``other_class`` takes the top concepts of another class, one drawn for each
    of `clip_draws` draws, without repetition; ``predicted`` those of the class that the unedited clip is taken for.

    Parameters
    ----------
    classify : callable
        Maps uint8 (n, T, H, W, 3) to class names (n,).
    clip : (T, H, W, 3) uint8
    labels : (levels, T, H, W) uint16
    supervoxels : (n, 2) int
    activations : (n, d) float
        Of the supervoxels.
    class_name : str
        The clip's class.
    classes : mapping of str to RankedConcepts
        By class; the clip's own and those that the others are drawn from.
    fill : (3,) or (T, H, W, 3)
        What hidden voxels show, in 0..255.
    rng : Generator
        Of the clip.
    batch : int
        Clips classified at once; halved when memory runs out.
    k_max, shares, clip_draws
        As for `edits`.

    Returns
    -------
    DataFrame
        experiment, strategy, draw, k, share, shown (share of voxels not hidden), other (class whose concepts were
        edited, where it is not the clip's), n_concepts (of the class whose concepts were edited), assigned (share of
        supervoxels that belong to one of them), answer, correct, blank (answer to the fill alone). The unedited
        clip has experiment and strategy ``none`` and k = 0.
    """
    answer = _Answers(classify, clip, fill=fill, batch=batch)
    whole, nothing = (np.packbits(np.full(clip.shape[:3], shown)).tobytes() for shown in (True, False))
    predicted, blank = answer([whole, nothing])
    n_concepts, assigned = {}, {}

    def placed(name: str) -> tuple[np.ndarray, np.ndarray]:
        """Concept of each supervoxel among those of a class, and its distance from the centre."""
        concepts = nearest_concepts(activations, classes[name].centres, classes[name].cutoffs)
        n_concepts[name], assigned[name] = len(classes[name].centres), (concepts >= 0).mean()
        return concepts, np.linalg.norm(activations - classes[name].centres[concepts], axis=1)

    def all_edits() -> Iterator[tuple[str, Edit]]:
        """Edits, with the class whose concepts they show or hide."""
        own = edits(
            labels,
            supervoxels,
            *placed(class_name),
            classes[class_name],
            k_max=k_max,
            shares=shares,
            clip_draws=clip_draws,
            rng=rng,
        )
        yield from ((class_name, edit) for edit in own)
        others = rng.permutation(sorted(set(classes) - {class_name}))[:clip_draws]
        chosen = [("other_class", draw, name) for draw, name in enumerate(others.tolist())]
        for strategy, draw, name in [*chosen, ("predicted", 0, str(predicted))]:
            # A class without concepts has nothing to show or to hide.
            concepts = placed(name)[0] if name in classes else np.full(len(supervoxels), -1)
            top = classes.get(name, classes[class_name]).rankings["top"]
            for edit in top_edits(strategy, draw, labels, supervoxels, concepts, top, k_max=k_max):
                yield name, edit

    rows, masks = [("none", UNEDITED, 0, 0, np.nan, 1.0, class_name)], [whole]
    for name, edit in all_edits():
        shown = edit.mask.mean()
        for experiment, mask, left in (
            ("concept_addition", edit.mask, shown),
            ("concept_removal", ~edit.mask, 1 - shown),
        ):
            rows.append((experiment, edit.strategy, edit.draw, edit.k, edit.share, left, name))
            masks.append(np.packbits(mask).tobytes())
    table = pd.DataFrame(rows, columns=["experiment", "strategy", "draw", "k", "share", "shown", "other"])
    answers = answer(masks)
    return table.assign(
        n_concepts=table["other"].map(n_concepts),
        assigned=table["other"].map(assigned),
        other=table["other"].where(table["other"] != class_name),
        answer=answers,
        correct=[found == class_name for found in answers],
        blank=blank,
    )
