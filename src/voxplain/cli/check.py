"""``check``: find what would fail later in a config and its videos, and say the mend.

Every part looks for one kind of trouble and yields what it finds, so that all is told at once.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import math
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from operator import gt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..config import Config, Model, load_config
from ..errors import ConfigError, VideoError, VoxplainError, nearest
from ..plan import plan_run, video_problems, what_is_there
from ..provenance import check_source
from ..videos.adapters.folder import split_folders
from ..videos.decode import VideoInfo, probe
from ..videos.files import ENDINGS, list_folder, walk_videos
from ..videos.plan import discovery_videos, evaluation_videos, source_of, truth_rows, what_is_known
from ..videos.truth import frames_without_boxes, known_words, read_truth
from .values import key_values, merge, read_yaml

if TYPE_CHECKING:
    from torch import nn

PROBE_SECONDS = 4.0
UNEVEN = 0.02  # of a clip's width; less is not worth a word
UNLIKE = 1.2  # times: frame rates that differ by less are not worth a word, either
SHOWN = 5  # of the same trouble with many files


@dataclass(frozen=True)
class Note:
    """Something that works, but that the user should know."""

    text: str


@dataclass
class Findings:
    """What is wrong, and what is only worth knowing."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, found: Iterable[str | Note]) -> None:
        """Take what a part finds; a `ConfigError` that ends the part is a problem like the others."""
        try:
            for item in found:
                if isinstance(item, Note):
                    self.notes.append(item.text)
                else:
                    self.problems.append(item)
        except VoxplainError as error:
            self.problems.append(str(error))


def main(arguments: argparse.Namespace) -> int:
    given: dict = {}
    for path in arguments.config:
        given = merge(given, read_yaml(path))
    config, files = load_config(merge(given, key_values(arguments.changes))), shlex.join(arguments.config)
    directory = Path(arguments.directory)
    # Where the run will be: paths in the config are relative to it.
    with chdir(directory) if directory.is_dir() else nullcontext():
        findings, table = check(
            config, Path() if directory.is_dir() else directory, trust=arguments.trust_networks
        )
    for note in findings.notes:
        print(f"note: {note}")
    for problem in findings.problems:
        print(f"problem: {problem}")
    if findings.problems:
        count = len(findings.problems)
        print(f"{files}: {count} problem{'s' * (count > 1)} to mend before a run.")
        return 1
    splits = ", ".join(f"{n} to {split} with" for split, n in table["split"].value_counts().items())
    print(
        f"{files}: no problems. {len(table)} videos ({splits}) of {table['class'].nunique()} "
        "classes; "
        f"networks {', '.join(config.models)}; run: snakemake --cores all --configfile {files}"
        + (f" --config {shlex.join(arguments.changes)}" if arguments.changes else "")
        + (f" --directory {shlex.quote(arguments.directory)}" if arguments.directory != "." else "")
    )
    return 0


def check(config: Config, directory: Path, *, trust: bool = False) -> tuple[Findings, pd.DataFrame | None]:
    """Look for everything that would fail later; the table of videos is None where it cannot be made.

    Functions of the user's own, which a config names as networks, are imported and called with `trust` alone.
    """
    findings, table, adapter = Findings(), None, None
    try:
        _, adapter = source_of(config.data.path, config.data.adapter)
        # Names that are not known are told with all that is wrong, below.
        table = plan_run(config, str(directory / "results"), names=False).videos
    except ConfigError as error:
        findings.problems.append(str(error))
    findings.add(check_tables(config, table))
    findings.add(check_plugins(config))
    findings.add(check_given(config, table))
    findings.add(check_thresholds(config))
    findings.add(check_device(config))
    findings.add(check_explanations(config))
    for name, model in config.models.items():
        findings.add(check_network(name, model, config, table, trust=trust))
    if config.data.path is not None and adapter == "folder":
        findings.add(check_folder(Path(config.data.path)))
    if table is not None:
        findings.add(video_problems(config, table))
        usable = table
        if config.data.path is not None:
            unusable: set[str] = set()
            findings.add(check_files(table, config, unusable))
            findings.add(check_copies(table))
            findings.add(check_truth(table, config))
            usable = table[~table["video"].isin(unusable)]
        findings.add(check_counts(table, usable, config))
        findings.add(check_disk(table, config, directory))
    findings.add(check_compared(config, directory))
    return findings, table


def check_tables(config: Config, table: pd.DataFrame | None) -> Iterator[str]:
    """Tables of checks that are not known, or that the data does not allow."""
    from ..tables import choose_tables

    choose_tables(**what_is_there(config, table), checks=config.checks.tables)
    yield from ()


def check_truth(table: pd.DataFrame, config: Config) -> Iterator[str | Note]:
    """Files of ground truth that cannot be read, or do not fit their videos."""
    rows, known, truth = truth_rows(table), 0, config.truth.model_dump()
    truth |= {"size": config.clips.size, "crop": config.clips.crop}
    infos = probe_all([row["path"] for row in rows])
    ends = dict(zip(table["video"], table["end"], strict=True))
    wrong: list[str] = []
    short: list[str] = []
    for row in rows:
        info = infos.get(row["path"])
        frames = info.frames if isinstance(info, VideoInfo) else 0
        try:
            known += read_truth(row, np.array([0, int(frames != 1)]), **truth) is not None
        except ConfigError as error:
            wrong.append(str(error))
            continue
        if frames > 2 and math.isnan(ends[row["video"]]):
            short += _errors_of(partial(read_truth, row, np.array([frames - 2, frames - 1]), **truth))
    yield from wrong[:SHOWN]
    if len(wrong) > SHOWN:
        yield f"and {len(wrong) - SHOWN} more videos whose ground truth does not fit them."
    if short:  # as far as a video's file says how many frames it has
        yield Note(
            f"The ground truth of {len(short)} videos seems to end before them, which would end the run: {short[0]}"
        )
    if rows:
        yield Note(f"{known} of {len(table)} videos have ground truth.")
        yield from _unused_words(rows, truth)
        skipped = [row["video"] for row in rows if frames_without_boxes(row)]
        if skipped:
            yield Note(
                f"The boxes of {len(skipped)} videos, such as {skipped[0]}, leave out frames between the first and the last: in "
                "a frame without boxes nothing counts as evidence. Give every frame in which something is to be seen."
            )
    elif config.truth.targets:
        yield (
            "truth.targets is given, and no video has ground truth: name its file in the video table's columns masks or "
            "boxes, or in data.options."
        )


def _unused_words(rows: Sequence[Mapping[str, Any]], truth: Mapping[str, Any]) -> Iterator[Note]:
    """Labels and words of targets and ignore that no mask and no box has, such as misspelled ones."""
    named = {f"truth.targets: {name}": words for name, words in (truth["targets"] or {}).items()}
    named["truth.ignore"] = truth["ignore"]
    wanted = {word for words in named.values() for word in words}
    found: set[int | str] = set()
    deadline = time.monotonic() + PROBE_SECONDS
    for row in rows:
        found |= known_words(row)
        if wanted <= found or time.monotonic() > deadline:
            return  # all are there; or what was not looked at may have them
    for where, words in named.items():
        for word in words:
            if word not in found:
                yield Note(f"{where}: no mask or box has {word!r}{nearest(word, sorted(map(str, found)))}")


def check_given(config: Config, table: pd.DataFrame | None) -> Iterator[str | Note]:
    """Concepts that the config gives, and that its folders, masks or names do not allow."""
    from ..concepts.given.plan import given_labels, given_problems
    from ..concepts.names import read_names

    if not config.concepts.given or table is None:
        return
    embedded, seeds = config.data.path is None, config.seeds
    models = {name: config.models[name] for name in config.concepts.models or config.models}
    places = [
        {"model": name, "seed": seed, "layer": layer}
        for name, model in models.items()
        for seed in seeds
        for layer in model.layers
    ]
    names = {row["name"] for row in read_names(config.concepts.names, places, sorted(set(table["class"])))}
    masks = embedded or bool((table["masks"] != "").any())
    known = what_is_known(table, embedded=embedded)["known"]
    yield from given_problems(config, masks=masks, known=known, names=names)
    wanted = set() if embedded or not masks else set().union(*given_labels(config).values())
    rows = truth_rows(discovery_videos(table, config.concepts.videos_per_class))
    deadline = time.monotonic() + PROBE_SECONDS
    for row in (row for row in rows if row["masks"]):
        if not wanted or time.monotonic() > deadline:
            break
        wanted -= known_words(row)
    else:
        for where, labels in given_labels(config).items() if wanted else ():
            if lacking := sorted(wanted & labels):
                yield (
                    f"{where}: no mask of a training video has the label {' or '.join(map(str, lacking))}: correct it, "
                    "or the masks."
                )
        wanted = set()
    if wanted:
        yield Note(f"Within {PROBE_SECONDS:g} s, no mask was found that has the label {min(wanted)}.")


def check_plugins(config: Config) -> Iterator[str]:
    """Concept classifier, segmenter, supervoxel criteria and numbers that do not go together."""
    from ..concepts.classifiers import CLASSIFIERS
    from ..supervoxels import choose_criteria, segmenter_options

    yield from _errors_of(
        lambda: CLASSIFIERS[config.cavs.classifier].options(config.cavs.options),
        lambda: segmenter_options(**{"method": "slic", **config.supervoxels.segmentation()}),
        lambda: choose_criteria(
            config.supervoxels.preset, **_named(config.supervoxels.options, "supervoxels.options")
        ),
    )
    if config.editing.k_max > config.concepts.clusters:
        yield (
            f"editing.k_max is {config.editing.k_max}, but a class has at most {config.concepts.clusters} "
            "concepts: "
            "lower it, or raise concepts.clusters."
        )
    elif 2 * config.editing.k_max > config.concepts.clusters:
        yield Note(
            f"editing.k_max is {config.editing.k_max} of at most {config.concepts.clusters} concepts: the "
            "most and the "
            "least important ones will overlap."
        )
    clip = (config.clips.frames, config.clips.size, config.clips.size)
    if config.activations.pooling and any(map(gt, config.activations.pooling, clip)):
        yield Note(
            f"activations.pooling is {list(config.activations.pooling)}, more than the {list(clip)} that clips have: layers "
            "keep all their positions, as with null."
        )
    criteria = {
        **{"min_frames": 16 if config.supervoxels.preset == "official" else 1},
        **config.supervoxels.options,
    }
    if isinstance(criteria["min_frames"], int) and criteria["min_frames"] > config.clips.frames:
        yield (
            f"supervoxels must last {criteria['min_frames']} frames, but clips.frames is "
            f"{config.clips.frames}: none "
            "would stay. Raise clips.frames, or lower supervoxels.options.min_frames."
        )


def check_explanations(config: Config) -> Iterator[str]:
    """Explainers, the selection and flow estimators with their options; clips too short to have motion."""
    from ..explainers import EXPLAINERS
    from ..motion.flow.base import FLOWS
    from ..motion.selective import selective_sweep

    selective, flow = config.selective, config.flow
    yield from _errors_of(
        *(
            lambda name=name, given=given: EXPLAINERS[given.method or name].options(given.options)
            for name, given in config.explainers.items()
        ),
        lambda: FLOWS[flow.method].options(flow.options),
        *(lambda method=method: FLOWS[method] for method in flow.compare),
        lambda: selective_sweep(
            np.zeros((2, 1, 1)),
            selective.sweep,
            selective.preset,
            **_named(selective.options, "selective.options"),
        ),
    )
    if config.clips.frames < 2:
        yield f"clips.frames is {config.clips.frames}, and a single frame has no motion: write 2 or more."


def check_thresholds(config: Config) -> Iterator[str | Note]:
    """Thresholds that nothing can reach, and tests that cannot become significant."""
    relevant, moving = config.relevance.relevant, config.flow.moving
    most = 1 if relevant.unit == "share" else 255  # of gray levels
    if relevant.threshold >= most:
        yield (
            f"relevance.relevant.threshold is {relevant.threshold:g}, but no voxel has more than {most} "
            f"({relevant.unit}): nothing would be relevant. Lower it."
        )
    reach = 255 if moving.unit == "rendered" else math.hypot(config.clips.size, config.clips.size)
    for key, threshold in [
        ("threshold", moving.threshold),
        *[("sweep", threshold) for threshold in moving.sweep],
    ]:
        if threshold >= reach:
            yield (
                f"flow.moving.{key}: {threshold:g} is more than anything can move ({reach:.0f} {moving.unit}): "
                "nothing would count as motion. Lower it."
            )
    voxels = config.clips.frames * config.clips.size**2
    # A standard deviation cannot be exceeded by more: Samuelson's inequality.
    for key, sigma in [("sigma", config.selective.sigma), *[("sweep", s) for s in config.selective.sweep]]:
        if sigma >= math.sqrt(voxels - 1):
            yield (
                f"selective.{key}: no voxel of {voxels} can lie {sigma:g} standard deviations off: nothing would "
                "be selected. Lower it; the paper names 2 and 4."
            )
    least = 2 / (1 + config.scores.null_gradients)
    if config.scores.test == "clusters_and_gradients" and least > config.scores.alpha:
        yield (
            f"scores.null_gradients is {config.scores.null_gradients}, so that p-values are at least {least:.3g}, "
            f"and scores.alpha is {config.scores.alpha:g}: no concept could be significant. Raise it to "
            f"{math.ceil(2 / config.scores.alpha) - 1} or more."
        )


def check_compared(config: Config, directory: Path) -> Iterator[str]:
    """A run to compare with that is not there."""
    name = config.relevance.compare_with
    if name is not None and not (place := directory / "results" / name).is_dir():
        yield f"relevance.compare_with: there is no run {place}. Make that first, or correct the name."


def check_device(config: Config) -> Iterator[str | Note]:
    """A GPU that is asked for, by CUDA_VISIBLE_DEVICES or by training in bfloat16, and not there; nor bfloat16."""
    import torch

    from ..device import choose_device, has_bfloat16

    asked = os.environ.get("CUDA_VISIBLE_DEVICES", "").strip()
    if asked and asked not in ("-1", "NoDevFiles") and not torch.cuda.is_available():
        yield (
            f"CUDA_VISIBLE_DEVICES asks for GPU {asked}, and there is none that torch {torch.__version__} can use: "
            "check `nvidia-smi` and that torch is built for CUDA, or unset it to compute on the CPU."
        )
    for name, model in config.models.items():
        if model.training and model.training.precision == "bfloat16" and not torch.cuda.is_available():
            yield Note(
                f"models.{name}.training.precision: bfloat16 needs a GPU, and there is none: float32 is used."
            )
    if config.device.precision != "float32" and not has_bfloat16(choose_device(config.device.use)):
        yield Note(
            f"device.precision is {config.device.precision}, and this machine has no bfloat16 of its own: float32 is used "
            "where a run decides on it."
        )


def check_network(
    name: str, model: Model, config: Config, table: pd.DataFrame | None, *, trust: bool
) -> Iterator[str | Note]:
    """A network's options, weights, layers and input size, and one clip shown to it, without its weights."""
    from ..models.build import (
        build_model,
        build_shapes,
        check_classes,
        check_weights,
        find_network,
        model_options,
    )
    from ..models.external import is_own

    where = f"models.{name}"
    module = model.network.partition(":")[0].partition(".")[0]
    if is_own(model.network) and (not module or importlib.util.find_spec(module) is None):
        yield f"{where}.network: there is no module {module!r} to import {model.network!r} from: correct the name."
        return
    if is_own(model.network):
        try:
            check_source(model.network)
        except VoxplainError as error:
            yield f"{where}.network: {error}"
            return
        if not trust:
            yield Note(
                f"{where}.network: {model.network} is code of its own, which was not run, so that the network is not "
                "checked: add --trust-networks."
            )
            return
    from_file = False
    try:
        given = _named(model.options, f"{where}.options")
        known = find_network(model.network).traits["weights"]
        from_file = model.weights not in (None, *known) and Path(model.weights).is_file()
        options = model_options(model.network, given, model.weights if from_file else None)
        try:
            network = build_shapes(model.network, 2, **options)
        except Exception:  # the user's own function may need values
            network = build_model(model.network, None, 2, **options)
    except ConfigError as error:
        yield f"{where}{'.weights' if from_file else ''}: {error}"
        return
    except Exception as error:  # of the user's own function, or of options that do not go together
        yield f"{where}: {model.network} cannot be built with the options {options}: {error}."
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    if size > memory:
        yield (
            f"{where}.options: the weights of {model.network} with the options {model.options} fill {size / 1e9:.0f} GB "
            f"of memory, and there are {memory / 1e9:.0f}: choose a smaller network, such as by its width."
        )
    if model.weights in known and _shapes(network) != _shapes(build_shapes(model.network, 2)):
        yield (
            f"{where}.options: the weights {model.weights!r} are of {model.network} as it is by default, and do not fit it "
            f"with the options {model.options}: leave out either."
        )
    if from_file:
        calls = [lambda: check_weights(network, model.weights)]  # which gives the network their head
        if model.head == "keep" and model.training is None and table is not None:
            classes = sorted(set(table["class"]))
            calls.append(lambda: check_classes(network, model.weights, classes))
        yield from (f"{where}.weights: {error}" for error in islice(_errors_of(*calls), 1))
    elif model.weights not in (None, *known):
        yield (
            f"{where}.weights: {model.weights!r} is neither a file nor weights that {model.network} "
            f"knows{nearest(model.weights, known)} Known: {', '.join(known) or 'none'}."
        )
    if (
        model.weights in known
        and model.head == "keep"
        and model.training is None
        and table is not None
        and table["class"].nunique() != 400
    ):
        yield (
            f"{where}.head: the weights {model.weights!r} answer with Kinetics' 400 classes, the data has "
            f"{table['class'].nunique()}: write head: new, or training: {{}} to fine-tune."
        )
    layers = [layer for layer, _ in network.named_modules() if layer]
    wanted = [("layers", layer) for layer in model.layers]
    if model.training and model.training.from_layer:
        wanted.append(("training.from_layer", model.training.from_layer))
    given = (options if from_file else model.options).items()
    # As a shell takes them.
    shown = "".join(f" {shlex.quote(f'{k}={json.dumps(v)}')}" for k, v in given if v is not None)
    for key, layer in wanted:
        if layer not in layers:
            yield (
                f"{where}.{key}: {model.network} has no layer {layer!r}{nearest(layer, layers)} Usual ones: "
                f"{', '.join(network.spec.concept_layers)}; all: python -m voxplain list layers "
                f"{model.network}"
                f"{shown}."
            )
    fits = True
    for key, fixed in {"frames": network.spec.frames, "size": network.spec.size}.items():
        if fixed is not None and fixed != getattr(config.clips, key):
            fits = False
            mend = (
                f"or set {where}.options.{key}"
                if key in options and not from_file
                else "or choose another network"
            )
            yield (
                f"{where}: takes clips of {key} {fixed} only, and clips.{key} is "
                f"{getattr(config.clips, key)}: change it, {mend}."
            )
    if fits:
        yield from show_clip(name, network, config)
        yield from check_padding(name, model.network, options, config)
        yield from check_windows(name, network, config)


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def check_padding(name: str, network_name: str, options: dict, config: Config) -> Iterator[Note]:
    """Whether a network sees more of one side of the clips than of the other."""
    from ..models.build import build_shapes
    from ..models.padding import even_size, grid_offset

    size, frames = config.clips.size, config.clips.frames
    try:
        network = build_shapes(network_name, 2, **options)
        _, down, right = grid_offset(network, frames, size)
    except Exception:  # a network that the tracing does not follow; nothing is known of it then
        return
    if max(abs(down), abs(right)) > UNEVEN * size:
        even = even_size(network_name, frames, size, **options)
        also = f", with models.{name}.options.size {even}" if network.spec.size else ""
        yield Note(
            f"models.{name}: of clips of {size} pixels the windows of its layers lie {abs(down):g} pixels too "
            f"{'low' if down > 0 else 'high'} and {abs(right):g} too far to the {'right' if right > 0 else 'left'}, as "
            "padding does not come out even; explanations lean the same way."
            + (f" clips.size {even} is even{also}." if even else "")
        )


def check_windows(name: str, network: nn.Module, config: Config) -> Iterator[Note]:
    """Whether clips are smaller than the windows of a Video Swin, whose weights then mistake who stands where.

    `findings/torchvision_swin3d_of_small_clips_mistakes_offsets.sh`; torchvision 0.29.2.
    """
    import torch

    least: list[int] = []

    def look(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        there, wanted = min(inputs[0].shape[2:4]), max(module.window_size[1:])
        if there < wanted:
            stride = 2 ** math.ceil(
                math.log2(config.clips.size / there)
            )  # of each stage twice that of the one before
            least.append(1 + stride * (wanted - 1))

    for module in network.modules():
        if type(module).__name__ == "ShiftedWindowAttention3d":
            module.register_forward_pre_hook(look)
    device = next(iter(network.state_dict().values())).device
    with suppress(Exception), torch.no_grad():  # what it cannot be shown is told by `show_clip`
        network(torch.empty(1, 3, config.clips.frames, config.clips.size, config.clips.size, device=device))
    if least:
        yield Note(
            f"models.{name}: clips of {config.clips.size} pixels are smaller than windows of this network's attention, of which "
            "torchvision then takes what was learned for other places; explanations are of a network that mistakes them. "
            f"From clips.size {max(least)} on it does not."
        )


def check_rules(name: str, network: nn.Module, config: Config) -> Iterator[str]:
    """Whether explainers that go by rules have them for all of a network's operations."""
    import torch

    from ..explainers import EXPLAINERS

    like, clip = next(network.parameters()), (config.clips.frames, config.clips.size, config.clips.size)
    told: dict[Callable, str] = {}
    for key, given in config.explainers.items():
        method = given.method or key
        look = EXPLAINERS[method].traits.get("check") if method in EXPLAINERS else None
        if look and look not in told:
            told[look] = ""
            try:
                look(network, torch.zeros(1, 3, *clip, dtype=like.dtype, device=like.device))
            except VoxplainError as error:
                told[look] = str(error)
            except Exception:  # something in the network reads values; explaining will tell
                continue
        if look and told[look]:
            yield f"explainers.{key}, of models.{name}: {told[look]}"


def show_clip(name: str, network: nn.Module, config: Config) -> Iterator[str]:
    """One clip shown to a network, and whether the layers that would be explained give features."""
    from ..explainers import EXPLAINERS
    from ..models.shapes import feature_view, layer_names

    where, clip = f"models.{name}", (config.clips.frames, config.clips.size, config.clips.size)
    try:
        layer_names(network, frames=clip[0], size=clip[1])
    except ConfigError as error:
        yield f"{where}: {error}"
        return
    known = dict(network.named_modules())
    wanted = [(f"{where}.layers", layer, True) for layer in config.models[name].layers]
    if name in (config.relevance.models or config.models):
        yield from check_rules(name, network, config)
        wanted += [
            (
                f"explainers.{key}.options.layer, of {where}",
                given.options.get("layer") or network.spec.last_conv,
                False,
            )
            for key, given in config.explainers.items()
            if (method := given.method or key) in EXPLAINERS
            and "layer" in EXPLAINERS[method].schema.model_fields
        ]
    for place, layer, vectors in wanted:
        if layer in known:
            try:
                feature_view(network, layer, clip, vectors=vectors)
            except ConfigError as error:
                yield f"{place}: {error}"


def check_folder(root: Path) -> Iterator[str]:
    """Folders that name a class but hold no videos, which the adapter passes over."""
    if not root.is_dir():
        return
    for place in split_folders(root).values() or [root]:
        for entry in list_folder(place):
            if os.path.isdir(entry.path) and not any(True for _ in walk_videos(entry.path)):
                endings = ", ".join(sorted(ENDINGS))
                yield f"{entry.path} names a class but holds no videos ({endings}): add some, or remove it."


def check_copies(table: pd.DataFrame) -> Iterator[Note]:
    """Files with the same content in two classes or splits, and parts of one file in both splits that overlap."""
    rows = table[table["start"].isna() & table["end"].isna()]
    by_size: dict[int, dict[tuple[int, int], tuple]] = {}
    for path, class_name, split in rows[["path", "class", "split"]].itertuples(index=False):
        try:
            state = os.stat(path)
        except OSError:
            continue
        # Links to one file are no copies.
        by_size.setdefault(state.st_size, {}).setdefault(
            (state.st_dev, state.st_ino), (path, class_name, split)
        )
    copies = []
    for size, same in by_size.items():
        digests: dict[bytes, list[tuple]] = {}
        if size and len({row[1:] for row in same.values()}) > 1:
            for row in same.values():
                digests.setdefault(_content(row[0]), []).append(row)
        for digest, found in digests.items():
            if digest and len({row[1:] for row in found}) > 1:
                copies.append(f"\n    {' = '.join(row[0] for row in found[:3])}")
    if copies:
        more = f"\n    and {len(copies) - SHOWN} more" if len(copies) > SHOWN else ""
        yield Note(
            f"{len(copies)} times the same file stands in two classes or in both splits: keep one of the copies."
            + "".join(copies[:SHOWN])
            + more
        )
    torn = []
    for path, parts in (
        table[table["path"].duplicated(keep=False)].fillna({"start": 0.0, "end": math.inf}).groupby("path")
    ):
        train, test = (parts[parts["split"] == split] for split in ("train", "test"))
        if any(
            (a.start < b.end) and (b.start < a.end) for a in train.itertuples() for b in test.itertuples()
        ):
            torn.append(path)
    if torn:
        yield Note(
            f"Parts of {len(torn)} videos overlap in the training and in the test split, such as {torn[0]}: the test is "
            "too easy. Move either."
        )


def _content(path: str) -> bytes:
    """Digest of a file's beginning and end; empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            found = file.read(1 << 16)
            file.seek(max(os.path.getsize(path) - (1 << 16), 0))
            return hashlib.sha256(found + file.read()).digest()
    except OSError:
        return b""


def check_files(table: pd.DataFrame, config: Config, unusable: set[str]) -> Iterator[str | Note]:
    """Missing, empty and undecodable files; names of these videos are added to `unusable`."""
    found = probe_all(table["path"].tolist())
    reasons: dict[str, list[str]] = {}
    short = 0
    for row in table.itertuples():
        info = found.get(row.path)
        if info is None:
            continue
        if isinstance(info, VideoError):
            trouble, text = _kind_of(info), str(info)
        elif info.frames and not math.isnan(row.start) and row.start >= info.duration:
            trouble = "have a start that lies after the end of the video: correct it in the video table"
            text = f"{row.path}: starts at {row.start:g} s of {info.duration:.2f} s"
        else:
            short += (
                0
                < _frames_within(info, row.start, row.end)
                < (config.clips.frames - 1) * config.clips.step + 1
            )
            continue
        reasons.setdefault(trouble, []).append(text)
        unusable.add(row.video)
    for trouble, texts in reasons.items():
        more = f"\n    and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
        yield (
            f"{len(texts)} of {len(table)} videos {trouble}."
            + "".join(f"\n    {t}" for t in texts[:SHOWN])
            + more
        )
    if short:
        yield Note(f"{short} videos are shorter than a clip and will be repeated to fill it.")
    rates = table.assign(fps=[getattr(found.get(path), "fps", math.nan) for path in table["path"]])
    yield from uneven_rates(rates, config.clips.frames, config.clips.step)
    if len(found) < table["path"].nunique():
        yield Note(
            f"Within {PROBE_SECONDS:g} s, {len(found)} of {table['path'].nunique()} files were opened, "
            "spread over all; "
            "the others were only looked up."
        )


def uneven_rates(rates: pd.DataFrame, frames: int, step: int) -> Iterator[Note]:
    """Frame rates so unlike that clips last unlike times, and those of classes by which a network may tell them.

    Parameters
    ----------
    rates : DataFrame
        class and fps of each video; those that are not known (0 or NaN) do not count.
    frames, step : int
        Of a clip.
    """
    rates = rates[rates["fps"] > 0]
    if rates.empty:
        return
    slow, fast = np.percentile(rates["fps"], [5, 95], method="nearest")  # but for unusual ones
    if fast <= UNLIKE * slow:
        return
    medians, span = rates.groupby("class")["fps"].median().sort_values(kind="stable"), (frames - 1) * step + 1
    classes = ""
    if medians.iloc[-1] > UNLIKE * medians.iloc[0]:
        named = medians if len(medians) <= SHOWN else medians.iloc[[0, -1]]
        classes = ", ".join(f"{name} {rate:.4g}" for name, rate in named.items())
        classes = f" By medians of classes: {classes}. A network can tell these by the frame rate."
    yield Note(
        f"Videos have {slow:.4g} to {fast:.4g} frames per second, and a clip of {frames} of them, {step} apart, spans "
        f"{span / slow:.3g} to {span / fast:.3g} s: the same motion has another speed in it.{classes} Convert all videos to "
        f"one rate, such as with `ffmpeg -i VIDEO -r {slow:.4g} CONVERTED`."
    )


def probe_all(
    paths: Sequence[str], *, seconds: float = PROBE_SECONDS, probe: Callable[[str], VideoInfo] = probe
) -> dict[str, VideoInfo | VideoError]:
    """Look up every file, and open as many as the time allows, spread evenly over all.

    Missing and empty files are told for all; what is not in the result was there, but not opened.
    """
    paths = list(dict.fromkeys(paths))
    deadline = time.monotonic() + seconds

    def look(path: str) -> VideoInfo | VideoError | None:
        try:
            if time.monotonic() > deadline and Path(path).is_file() and Path(path).stat().st_size:
                return None
            return probe(path)
        except VoxplainError as error:
            return VideoError(str(error))
        except OSError as error:
            return VideoError(f"{path}: cannot be read ({error.strerror})")

    # In an order that is spread over all at any moment, as a class's files stand together.
    order = np.random.default_rng(0).permutation(len(paths))
    with ThreadPoolExecutor() as pool:  # decoding lets other threads run
        results = pool.map(look, [paths[i] for i in order])
        return {paths[i]: result for i, result in zip(order, results, strict=True) if result is not None}


def check_counts(table: pd.DataFrame, usable: pd.DataFrame, config: Config) -> Iterator[str | Note]:
    """Classes with too few videos for the chosen clusters and random sets."""
    segments = sum(config.supervoxels.n_segments)
    # Consecutive clips depend on each video's length; one is the least.
    clips = config.clips.per_video if config.clips.sampling == "uniform" else 1
    discovery = discovery_videos(table, config.concepts.videos_per_class)
    evaluation = evaluation_videos(table, config.editing.videos_per_class)
    names = set(usable["video"])
    for class_name in sorted(table["class"].unique()):
        for split, rows in {"train": discovery, "test": evaluation}.items():
            if not len(rows[(rows["class"] == class_name) & rows["video"].isin(names)]):
                yield (
                    f"The class {class_name!r} has no usable video to {split} with: add videos, or leave it "
                    "out of data.classes."
                )
    trained = usable[usable["split"] == "train"]["class"].value_counts()
    heads = [name for name, model in config.models.items() if model.head == "new"]
    for class_name, count in trained[trained <= 2].sort_index().items():
        few = f"The class {class_name!r} has {count} usable training video{'s' if count > 1 else ''}, which is few: "
        if count == 1 and heads:
            yield f"{few}a new head (of {', '.join(heads)}) is fitted to two or more. Add videos, or leave the class out."
        else:
            yield Note(f"{few}it may get no concept that enough of its videos share. Add videos if you can.")
    counts = discovery[discovery["video"].isin(names)]["class"].value_counts()
    needed = math.ceil(config.concepts.clusters * (config.concepts.min_supervoxels + 1) / (segments * clips))
    for class_name, count in counts[counts < needed].sort_index().items():
        yield (
            f"The class {class_name!r} has {count} usable training videos, at most {count * clips * segments} "
            "supervoxels: too "
            f"few for {config.concepts.clusters} clusters of more than {config.concepts.min_supervoxels}. "
            f"Give it {needed} "
            "videos or more, or lower concepts.clusters or concepts.min_supervoxels."
        )
    pool = counts.sum() * clips * (segments if config.cavs.negatives == "supervoxels" else 1)
    if config.cavs.set_size >= pool:
        yield (
            f"cavs.set_size is {config.cavs.set_size}, but random sets are drawn from {pool} "
            f"{config.cavs.negatives} at most: lower it to at most {max(pool // 2, 3)}, or add videos."
        )
    elif 2 * config.cavs.set_size > pool:
        yield Note(
            f"Random sets of {config.cavs.set_size} from {pool} {config.cavs.negatives} have most samples in "
            "common, so "
            "that the spread of scores over them looks smaller than it is; lower cavs.set_size."
        )


def check_disk(table: pd.DataFrame, config: Config, directory: Path) -> Iterator[str | Note]:
    """Room on the disk for clips, supervoxels and activations, by a rough and generous estimate."""
    clips = config.clips.per_video if config.clips.sampling == "uniform" else 1
    voxels = config.clips.frames * config.clips.size**2
    explained = len(discovery_videos(table, config.concepts.videos_per_class))
    explained += len(evaluation_videos(table, config.editing.videos_per_class))
    relevant = len(evaluation_videos(table, config.relevance.videos_per_class))
    maps = relevant * len(config.explainers) * len(config.models) * len(config.seeds)
    levels, segments = len(config.supervoxels.n_segments), sum(config.supervoxels.n_segments)
    layers = sum(len(model.layers) for model in config.models.values()) * len(config.seeds)
    cells = np.prod(config.activations.pooling or (4, 14, 14))
    # Frames as bytes, labels of two bytes that compress well, about 1,000 channels in float32, and maps and
    # flow of two bytes.
    total = clips * (
        len(table) * voxels * 3
        + explained * (voxels * levels * 2 / 8 + segments * layers * cells * 4000)
        + (maps + 2 * relevant) * voxels * 2
    )
    place = next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if total > free:
        yield (
            f"The run needs about {total / 1e9:.1f} GB in {place / 'results'}, and {free / 1e9:.1f} GB are "
            "free: make room, "
            "or lower clips.size, data.videos_per_class or concepts.videos_per_class."
        )


def _errors_of(*calls: Callable[[], object]) -> Iterator[str]:
    for call in calls:
        try:
            call()
        except ConfigError as error:
            yield str(error)


def _named(options: dict, where: str) -> dict:
    """Options that can be passed by name."""
    for key in options:
        if key in ("name", "weights", "num_classes", "preset"):
            raise ConfigError(f"{where}.{key}: is no option; write it one level higher, beside options.")
    return options


def _kind_of(error: VideoError) -> str:
    text = str(error)
    if text.endswith("no such file"):
        return "are missing: correct their paths, or remove their rows"
    if text.endswith("the file is empty"):
        return "are empty files: copy them again, or remove them"
    return "cannot be decoded and would be set aside: copy or convert them again, or remove them"


def _frames_within(info: VideoInfo, start: float, end: float) -> float:
    last = info.duration if math.isnan(end) else min(end, info.duration)
    return (last - (0.0 if math.isnan(start) else start)) * info.fps
