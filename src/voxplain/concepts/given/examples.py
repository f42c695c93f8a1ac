"""Examples of an idea that a user brings: clips and images of a folder, or what lies under masks."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd

from ...activation_store import open_activations
from ...activations import layer_activations, supervoxel_activations
from ...editing import covering
from ...models.trained import TrainedModel
from ...streams import stream
from ...videos.clips import decode_shard, fit_frame
from ...videos.files import ENDINGS, example_files
from ...videos.store import SupervoxelStore, TruthStore, clips_of
from ...videos.truth import Truth, read_truth

log = logging.getLogger(__name__)
GIVEN, CONTROL = "given", "control"
Members = dict[str, dict[str, list[np.ndarray]]]  # activations (d,) by source and class
Masks = dict[str, np.ndarray]  # (T, H, W) bool by source


class Picture(NamedTuple):
    """An example to look at: clip (T, H, W, 3) uint8, mask (T, H, W) bool, and the class or video that it is of."""

    clip: np.ndarray
    mask: np.ndarray
    of: str


class Example(NamedTuple):
    """A clip with examples of an idea, or of its control.

    Attributes
    ----------
    class_name : str or None
        None: an example for every class.
    video : str
    clip : (T, H, W, 3) uint8
    masks : dict of (T, H, W) bool, or None
        By source (given, control), at least one. None: the whole clip is the example.
    source : str
        Of a whole clip.
    """

    class_name: str | None
    video: str
    clip: np.ndarray
    masks: Masks | None = None
    source: str = GIVEN


def run_examples(
    given: Mapping[str, Any],
    seen: Mapping[tuple[str, int], str],
    *,
    clips: Sequence[str | Path],
    truth: Sequence[str | Path],
    supervoxels: Sequence[str | Path],
    activations: Sequence[str | Path],
    options: Mapping[str, Any],
    seed: int,
) -> Iterator[Example]:
    """Examples of a concept of the config's ``concepts.given``, and of its control.

    Parameters
    ----------
    given : mapping
        folder, labels, target and control, as in the config.
    seen : mapping of (str, int) to str
        Class by video and number of the run's discovery clips.
    clips, truth, supervoxels, activations : sequence of path
        Artifacts of these kinds, of the discovery clips. Examples of a folder need none.
    options : mapping
        The config's section ``clips``.
    seed : int
        As for `equal_volume_control`.
    """
    control = given["control"]
    if given["folder"] is not None:
        yield from whole_examples(given["folder"], options)
        if control is not None:
            yield from whole_examples(control["folder"], options, CONTROL)
        return
    wanted = {GIVEN: given} if control is None else {GIVEN: given, CONTROL: control}
    equal = None if control is not None else equal_volume_control(supervoxels, activations, seen, seed)
    with TruthStore(truth) as truths:
        found = (
            (seen[video, number], video, number, clip, truth_masks(truths.clip(video, number), wanted))
            for video, number, clip, _ in clips_of(clips, seen)
        )
        yield from masked_examples(found, equal)


def keep_some(
    examples: Iterable[Example], kept: dict[str, dict[str, Picture]], most: int
) -> Iterator[Example]:
    """Pass examples on, and keep at most so many of each source to be looked at: of different classes, or videos.

    Parameters
    ----------
    examples : iterable of Example
    kept : dict of dict
        Filled, by source and class (or, of an example for every class, video).
    most : int
    """
    for example in examples:
        whole = {example.source: np.ones(example.clip.shape[:3], dtype=bool)}
        for source, mask in (example.masks or whole).items():
            own, key = kept.setdefault(source, {}), example.class_name or example.video
            if len(own) < most and key not in own and mask.any():
                own[key] = Picture(example.clip, mask, key)
        yield example


def masked_examples(
    found: Iterable[tuple[str | None, str, int, np.ndarray, Masks]],
    equal: Callable[[str, int, np.ndarray], np.ndarray] | None = None,
) -> Iterator[Example]:
    """Examples under masks, without clips that have none.

    Parameters
    ----------
    found : iterable of (class or None, video, number, clip, masks)
    equal : callable, optional
        From video, number and the given mask to the control's, as of `equal_volume_control`.
    """
    for class_name, video, number, clip, masks in found:
        if equal and GIVEN in masks:
            masks = masks | {CONTROL: equal(video, number, masks[GIVEN])}
        if masks:
            yield Example(class_name, video, clip, masks)


def whole_examples(folder: str | Path, options: Mapping[str, Any], source: str = GIVEN) -> Iterator[Example]:
    """Clips of a folder as they are, for every class; parameters and errors as of `folder_clips`."""
    for video, _, clip, _ in folder_clips(folder, options):
        yield Example(None, video, clip, source=source)


def gather_members(
    model: TrainedModel,
    examples: Iterable[Example],
    classes: Sequence[str],
    layers: Sequence[str],
    **shown: Any,
) -> dict[str, Members]:
    """Activations of examples, by layer, source and class.

    Parameters
    ----------
    model : TrainedModel
    examples : iterable of Example
    classes : sequence of str
        Those that an example for every class is for.
    layers, **shown
        As for `example_activations`.
    """
    members: dict[str, Members] = {layer: defaultdict(lambda: defaultdict(list)) for layer in layers}
    for example in examples:
        names = classes if example.class_name is None else [example.class_name]
        for source, found in example_activations(model, example.clip, example.masks, layers, **shown).items():
            source = example.source if example.masks is None else source
            for layer in layers:
                for name in names:
                    members[layer][source][name].append(found[layer])
    return members


def folder_clips(
    folder: str | Path, options: Mapping[str, Any]
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Clips of a folder's videos, cut as a run's are, and of its images; what cannot be used is told of and passed over.

    An image is a clip that stands still.

    Parameters
    ----------
    folder : path
        Of videos or images, or with folders of them.
    options : mapping
        The config's section ``clips``.

    Yields
    ------
    video (str, its path in the folder), path, clip (T, H, W, 3) uint8, frames (T,) int64 : one clip at a time

    Raises
    ------
    ConfigError
        There is no such folder, or neither video nor image in it.
    """
    files, home = example_files(folder), Path(folder).resolve()
    paths = [path for path in files if Path(path).suffix.lower() in ENDINGS]
    names = [os.path.relpath(path, home) for path in paths]
    table = pd.DataFrame({"video": names, "path": paths, "start": np.nan, "end": np.nan})
    for found, path in zip(decode_shard(table, **options), paths, strict=True):
        if found.clips is None:
            log.warning("%s is passed over: %s", found.video, found.reason)
            continue
        for clip, frames in zip(found.clips, found.indices, strict=True):
            yield found.video, path, clip, frames
    for path in files:
        if path in paths:
            continue
        image = cv2.imread(path, cv2.IMREAD_COLOR)
        if image is None:
            log.warning("%s is passed over: it cannot be read as an image", path)
            continue
        frame = fit_frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), size=options["size"], crop=options["crop"])
        clip = np.repeat(frame[None], options["frames"], axis=0)
        yield os.path.relpath(path, home), path, clip, np.zeros(len(clip), dtype=np.int64)


def masks_of(
    video: str,
    path: str,
    frames: np.ndarray,
    masks: str | Path,
    labels: Mapping[str, Sequence[int]],
    options: Mapping[str, Any],
) -> dict[str, np.ndarray]:
    """Where a clip has some labels.

    Parameters
    ----------
    video, path : str
    frames : (T,) int
        Numbers of the clip's frames in the file.
    masks : path
        HDF5 of label volumes, as `voxplain.videos.truth` reads them.
    labels : mapping of str to sequence of int
    options : mapping
        The config's section ``clips``.

    Returns
    -------
    dict of (T, H, W) bool
        By name; without those that are nowhere in the clip.
    """
    row = {"video": video, "path": path, "masks": str(masks), "boxes": "", "flow": ""}
    truth = read_truth(row, frames, size=options["size"], crop=options["crop"], targets=labels)
    found = {} if truth is None else truth.masks()
    return {name: mask for name, mask in found.items() if mask.any()}


def truth_masks(truth: Truth | None, wanted: Mapping[str, Mapping[str, Any]]) -> Masks:
    """Where a clip of known truth has what is wanted.

    Parameters
    ----------
    truth : Truth or None
        None where nothing is known of the clip.
    wanted : mapping of str to mapping
        By name, ``labels`` (numbers) or, where that is None, ``target`` (a name).

    Returns
    -------
    dict of (T, H, W) bool
        By name; without those that are nowhere in the clip.
    """
    if truth is None:
        return {}
    labels = {name: one["labels"] or truth.targets.get(one["target"], []) for name, one in wanted.items()}
    found = {name: np.isin(truth.labels, own) for name, own in labels.items()}
    return {name: mask for name, mask in found.items() if mask.any()}


def equal_volume_control(
    supervoxels: Sequence[str | Path],
    activations: Sequence[str | Path],
    keys: Collection[tuple[str, int]],
    seed: int,
) -> Callable[[str, int, np.ndarray], np.ndarray]:
    """A function from video, number and a mask to random supervoxels of its volume, in a clip of a run.

    Parameters
    ----------
    supervoxels, activations : sequence of path
        Artifacts of these kinds.
    keys : collection of (str, int)
        Video and number of the clips.
    seed : int
        The same clip has the same supervoxels in a fixed order.
    """
    labels, kept = SupervoxelStore(supervoxels), {}
    for path in activations:
        with open_activations(path) as groups:
            kept |= {key: groups[key]["kept"][()] for key in set(keys) & set(groups)}

    def control(video: str, number: int, mask: np.ndarray) -> np.ndarray:
        rng = stream(seed, "test_concept", video, number)
        return equal_volume(labels.labels(video, number), kept[video, number], mask, rng)

    return control


def equal_volume(
    labels: np.ndarray, kept: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Random supervoxels of a clip that together have about as many voxels as a mask.

    Parameters
    ----------
    labels : (levels, T, H, W) uint16
    kept : (n, 2) int
        (level, label) of the supervoxels to draw from.
    mask : (T, H, W) bool
    rng : Generator

    Returns
    -------
    (T, H, W) bool
    """
    return covering(labels, kept, rng.permutation(len(kept)))(np.count_nonzero(mask))


def example_activations(
    model: TrainedModel,
    clip: np.ndarray,
    masks: Mapping[str, np.ndarray] | None,
    layers: Sequence[str],
    **shown: Any,
) -> dict[str, dict[str, np.ndarray]]:
    """Activations of a clip as it is, or of what lies under masks, shown as supervoxels are.

    Parameters
    ----------
    model : TrainedModel
    clip : (T, H, W, 3) uint8
    masks : mapping of str to (T, H, W) bool, or None
        By name, at least one. None: the whole clip, called "given".
    layers : names of modules
    **shown
        Options of `voxplain.activations.supervoxel_activations`.

    Returns
    -------
    dict of dict of (d,) float32, by name and layer
    """
    if masks is None:
        grid = shown["pooling"] and tuple(shown["pooling"])
        inputs = model.inputs(clip[None])
        with model.passes():  # as the clips that they are compared with
            found = layer_activations(model.network, inputs, layers, grid=grid)[0]
        return {"given": {layer: found[layer][0].float().cpu().numpy() for layer in layers}}
    levels = np.stack(list(masks.values())).astype(np.uint16)
    kept = np.array([(level, 1) for level in range(len(levels))])
    found, _ = supervoxel_activations(model, clip, levels, kept, layers, **shown)
    return {name: {layer: found[layer][row] for layer in layers} for row, name in enumerate(masks)}
