"""Choose what people are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import VoxplainError

INTRUDER, NAMING = "intruder", "naming"
CONCEPT, RANDOM, ATTENTION = "concept", "random", "attention"
PLACE = ["model", "seed", "layer"]
ATTENTION_CHECKS = 2


@dataclass(frozen=True)
class Question:
    """A question.

    Attributes
    ----------
    kind : str
        ``intruder`` (which one does not belong?) or ``naming`` (what do these show?).
    shown : str
        ``concept``: examples of one concept, and an intruder of another one of the class. ``random``: examples of as many
        concepts of the class as are shown. ``attention``: one example again and again, and another class's.
    model, seed, layer, class_name
    concept : int or None
        Number of the concept; None of random sets.
    rank : int or None
        Of the concept within its class.
    examples : list of dict
        clip and mask, as in the artifact ``concept_clips``, in the order in which they are shown.
    answer : int or None
        Place of the intruder among them.
    pair : int
        A concept and its random set have the same.
    """

    kind: str
    shown: str
    model: str
    seed: int
    layer: str
    class_name: str
    concept: int | None
    rank: int | None
    examples: list[Mapping[str, Any]]
    answer: int | None
    pair: int


def choose_questions(
    concepts: Sequence[Mapping[str, Any]],
    scores: pd.DataFrame,
    *,
    count: int,
    examples: int,
    rng: np.random.Generator,
) -> list[Question]:
    """Questions about one network's concepts, in random order.

    Parameters
    ----------
    concepts : sequence of mapping
        Entries of the artifact ``concept_clips``: model, seed, layer, class, concept, examples (clip, video, mask; the nearest first).
    scores : DataFrame
        model, seed, layer, class, concept, rank (of the table concept_scores).
    count : int
        Concepts asked about by intruders, at most as many as there are; as many random sets are, and half as many of both by naming.
        Classes take turns, and in each the first and the last rank.
    examples : int
        Shown of each concept; an intruder comes on top.
    rng : Generator

    Returns
    -------
    list of Question

    Raises
    ------
    VoxplainError
        There is no class with enough concepts and examples.
    """
    ranks = _ranks(scores)
    by_class: dict[str, list[Mapping[str, Any]]] = {}
    for entry in concepts:
        key = (entry["model"], int(entry["seed"]), entry["layer"], entry["class"], int(entry["concept"]))
        if key in ranks and entry["examples"]:
            by_class.setdefault(entry["class"], []).append(dict(entry, rank=ranks[key]))
    usable = {name: sorted(own, key=lambda one: one["rank"]) for name, own in sorted(by_class.items())}
    queue = _in_turns(usable, examples)[:count]
    if not queue:
        raise VoxplainError(
            f"No class has two concepts, one of them with {examples} examples: a study needs both. Set figures.examples higher, or ask "
            "for fewer with --examples."
        )
    found = []
    for pair, (name, entry) in enumerate(queue):
        shown = list(entry["examples"][:examples])
        found.append(_intruder(CONCEPT, entry, shown, _other(entry, shown, usable[name], rng), pair, rng))
        *mixed, intruder = _mixed(usable[name], examples + 1, rng)
        found.append(_intruder(RANDOM, entry, mixed, intruder, pair, rng))
        if pair < max(1, len(queue) // 2):
            found.append(_question(NAMING, CONCEPT, entry, shown, None, pair))
            mixed = _mixed(usable[name], examples, rng)
            found.append(_question(NAMING, RANDOM, entry, mixed, None, pair))
    classes = list(usable)
    for turn in range(ATTENTION_CHECKS if len(classes) > 1 else 0):
        mine, other = (usable[classes[(turn + step) % len(classes)]][0] for step in (0, 1))
        again = [mine["examples"][0]] * examples
        found.append(_intruder(ATTENTION, mine, again, other["examples"][0], turn, rng))
    return [found[place] for place in rng.permutation(len(found))]


def _ranks(scores: pd.DataFrame) -> dict[tuple, int]:
    keys = scores[[*PLACE, "class", "concept"]].itertuples(index=False, name=None)
    return {
        (model, int(seed), layer, class_name, int(concept)): int(rank)
        for (model, seed, layer, class_name, concept), rank in zip(keys, scores["rank"], strict=True)
    }


def _in_turns(usable: Mapping[str, list], examples: int) -> list[tuple[str, Mapping[str, Any]]]:
    """Classes in turns: in the first round each one's first concept, then its last, its second, and so on."""
    order = {}
    for name, own in usable.items():
        if len(own) < 2:
            continue
        ends = [
            place for pair in zip(range(len(own)), reversed(range(len(own))), strict=True) for place in pair
        ]
        asked = [own[place] for place in dict.fromkeys(ends)]
        order[name] = [entry for entry in asked if len(entry["examples"]) >= examples]
    rounds = range(max(map(len, order.values()), default=0))
    return [(name, own[turn]) for turn in rounds for name, own in order.items() if turn < len(own)]


def _mixed(own: Sequence[Mapping[str, Any]], count: int, rng: np.random.Generator) -> list:
    """Examples of different concepts, as far as there are so many; none twice."""
    pool: list[tuple[int, Mapping[str, Any]]] = []
    for entry in own:
        places = rng.permutation(len(entry["examples"]))
        pool += [(turn, entry["examples"][place]) for turn, place in enumerate(places)]
    order = sorted(rng.permutation(len(pool)), key=lambda number: pool[number][0])
    chosen = [pool[number][1] for number in order[:count]]
    return [chosen[place] for place in rng.permutation(len(chosen))]


def _other(
    entry: Mapping[str, Any],
    shown: Sequence[Mapping[str, Any]],
    own: Sequence[Mapping[str, Any]],
    rng: np.random.Generator,
) -> Mapping[str, Any]:
    """An example of another concept, of another video than those shown where there is one: no clip is there twice."""
    others = [
        example for other in own if other["concept"] != entry["concept"] for example in other["examples"]
    ]
    seen = {example["video"] for example in shown}
    others = [example for example in others if example["video"] not in seen] or others
    return others[rng.integers(len(others))]


def _intruder(shown, entry, examples, intruder, pair, rng) -> Question:
    place = int(rng.integers(len(examples) + 1))
    order = [examples[number] for number in rng.permutation(len(examples))]
    return _question(INTRUDER, shown, entry, [*order[:place], intruder, *order[place:]], place, pair)


def _question(kind, shown, entry, examples, answer, pair) -> Question:
    own = shown == CONCEPT
    return Question(
        kind, shown, entry["model"], int(entry["seed"]), entry["layer"], entry["class"],
        int(entry["concept"]) if own else None, entry["rank"] if own else None, examples, answer, pair,
    )  # fmt: skip
