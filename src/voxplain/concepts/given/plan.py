"""Whether concepts that a config gives can be had from its data, told before any work."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ...config import Config
from ...errors import ConfigError, nearest
from ...videos.files import example_files

EMBEDDED_TARGETS = ("evidence", "distractor", "actor", "cue")


def given_problems(config: Config, *, masks: bool, known: bool, names: Collection[str] = ()) -> Iterator[str]:
    """What is wrong with the config's ``concepts.given``.

    Parameters
    ----------
    config : Config
    masks : bool
        Whether any video has masks; the embedded ones have.
    known : bool
        Whether any has masks or boxes.
    names : collection of str
        What found concepts are called by ``concepts.names``.
    """
    given, embedded = config.concepts.given, config.data.path is None
    own = ["evidence"] if config.truth.targets is None else list(config.truth.targets)
    targets = list(EMBEDDED_TARGETS) if embedded else own
    folded: dict[str, str] = {}
    for name, concept in given.items():
        where = f"concepts.given.{name}"
        if name in names:
            yield f"{where}: concepts.names calls a found concept so; give one of the two another name."
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            yield f"{where}: differs from {other} by capitals alone; give it another name."
        for key, examples in ((where, concept), (f"{where}.control", concept.control)):
            if examples is None:
                continue
            if examples.folder is not None:
                try:
                    example_files(examples.folder)
                except ConfigError as error:
                    yield f"{key}.folder: {error}"
            elif examples.labels is not None and not masks:
                yield f"{key}.labels: no video has masks; name their file in the video table, or give a folder."
            elif examples.target is not None and not known:
                yield f"{key}.target: no video has ground truth; name its file in the video table, or give a folder."
            elif examples.target is not None and examples.target not in targets:
                yield (
                    f"{key}.target: there is no target {examples.target!r}{nearest(examples.target, targets)} Known: "
                    f"{', '.join(targets)}."
                )


def given_labels(config: Config) -> dict[str, set[int]]:
    """Labels of masks that given concepts and their controls are of, by key; not those of targets."""
    found = {}
    for name, concept in config.concepts.given.items():
        for key, examples in ((f"{name}.labels", concept), (f"{name}.control.labels", concept.control)):
            if examples is not None and examples.labels is not None:
                found[f"concepts.given.{key}"] = set(examples.labels)
    return found


def given_files(given: Mapping[str, Mapping]) -> list[str]:
    """Paths of all examples in folders; a `ConfigError` where one has none."""
    folders = [one["folder"] for concept in given.values() for one in (concept, concept["control"]) if one]
    return [path for folder in sorted(filter(None, folders)) for path in example_files(folder)]


def under_masks(given: Mapping[str, Mapping]) -> bool:
    """Whether any is of the data's ground truth."""
    return any(concept["folder"] is None for concept in given.values())
