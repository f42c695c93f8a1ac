"""``explain``: what a network looks at in one clip or in a running stream, as an overlay."""

from __future__ import annotations

import argparse
import io
import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pydantic

from ..artifacts import atomic_path, attributes_of, open_h5, read_table
from ..concepts.explain import explain_by_concepts
from ..config import USUAL_SIZE, Clips
from ..device import choose_device
from ..errors import ConfigError, VideoError, nearest
from ..explainers import EXPLAINERS
from ..explainers.entry import explain
from ..finished import finished_clips, finished_layers, seed_of_folder
from ..live.outputs import Page, VideoFile, Window
from ..live.overlay import overlay
from ..live.player import Output, Player
from ..live.stream import Stream
from ..models.build import build_model, build_shapes, find_network
from ..models.external import is_own
from ..models.padding import even_size
from ..models.shapes import layer_names
from ..models.trained import TrainedModel, load_trained
from ..models.weights import load_weights
from ..motion.selective import selective_relevance
from ..supervoxels import distinct_supervoxels, segment_supervoxels
from ..videos.clips import MiddleClip, read_middle_clip
from ..videos.decode import probe
from ..videos.table import safe_name
from .values import key_values

OUTPUT = "explanation.mp4"  # of one clip
FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".avi": "avi"}
RANGES = {"size": range(8, 4097), "frames": range(1, 4097), "shown": range(16, 4097)}


def main(arguments: argparse.Namespace) -> int:
    options = key_values(arguments.option)
    EXPLAINERS[arguments.method].options(options)  # before any work
    if arguments.selective is not None and arguments.selective < 0:
        raise ConfigError(
            f"--selective is {arguments.selective:g}: give 0 or more standard deviations, such as 2."
        )
    live = arguments.live or arguments.window or arguments.serve is not None or arguments.repeat
    live = live or arguments.source.isdecimal() or "://" in arguments.source
    _check_range("shown", arguments.shown)
    _check_places(arguments, live)
    if arguments.concepts is not None:
        if live:
            raise ConfigError(
                "--concepts explains one clip of a video file: leave out what asks for a stream."
            )
        return _explain_by_concepts(arguments)
    return _explain_stream(arguments, options) if live else _explain_clip(arguments, options)


def _check_range(name: str, given: int) -> None:
    allowed = RANGES[name]
    if given not in allowed:
        raise ConfigError(f"--{name} is {given}: give {allowed.start} to {allowed.stop - 1}.")


def _clips_for(model: TrainedModel, arguments: argparse.Namespace) -> Clips:
    """How clips are cut for a network: as is asked for, else as those of its run, whose answers are of such clips."""
    try:
        known = Clips.model_validate(model.clips)
    except pydantic.ValidationError as error:
        raise ConfigError(
            f"{arguments.weights} does not say rightly how the clips of its run were cut ({error.errors()[0]['msg']}): give "
            "--frames, --size and --step, and copy the file again."
        ) from None
    asked = {name: getattr(arguments, name) for name in ("frames", "size", "step")}
    fixed = {"frames": model.spec.frames, "size": model.spec.size}
    for name, value in fixed.items():
        if value and asked[name] not in (None, value):
            raise ConfigError(
                f"--{name} is {asked[name]}: {model.spec.name} takes clips of {value} only; leave it out."
            )
    changes = {name: fixed.get(name) or asked[name] for name in asked}
    if known.sampling == "whole" and asked["step"]:
        changes["sampling"] = "center"  # of a whole video a step means nothing: a part of it is asked for
    chosen = known.model_copy(update={name: value for name, value in changes.items() if value})
    if chosen.size is None:
        published = find_network(model.spec.name).traits.get("published_size", USUAL_SIZE)
        try:
            size = even_size(model.spec.name, chosen.frames, published, **model.spec.options) or published
        except ConfigError:  # the user's own function may need values
            size = published
        chosen = chosen.model_copy(update={"size": size})
    for name in ("frames", "size"):
        _check_range(name, getattr(chosen, name))
    return chosen


def _check_places(arguments: argparse.Namespace, live: bool) -> None:
    """Refuse, before any work, to write over what is read, two results in one file, and where nothing can be written."""
    output = arguments.output or (None if live else OUTPUT)
    results = {"--output": output, "--statistics": _statistics(arguments) if live else None}
    results = {name: Path(place) for name, place in results.items() if place is not None}
    for name, place in results.items():
        for what, read in {"video": arguments.source, "weights": arguments.weights}.items():
            if _is_same(place, Path(read)):
                raise ConfigError(f"{name} {place} would write over the {what}: give another name by {name}.")
        folder = next(path for path in place.absolute().parents if path.exists())
        if place.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            reason = "it is a folder" if place.is_dir() else f"permission denied in {folder}"
            raise ConfigError(f"{place} cannot be written ({reason}): give another place by {name}.")
    if output is not None and Path(output).suffix.lower() not in FORMATS:
        raise ConfigError(f"No video can be written to {output}: give a name that ends in .mp4.")
    if len(results) == 2 and _is_same(*results.values()):
        raise ConfigError(f"--output and --statistics are both {output}: give them different names.")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve() or os.path.samefile(one, other)
    except (OSError, RuntimeError, ValueError):
        return False


def _statistics(arguments: argparse.Namespace) -> Path:
    return Path(arguments.statistics or Path(arguments.output or "explanation").with_suffix(".json"))


def _explain_clip(arguments: argparse.Namespace, options: dict) -> int:
    """Explain the clip in the middle of those that a video is cut to."""
    model = _model(arguments)
    explain_one = _explainer(model, arguments, options)
    cut = _clips_for(model, arguments)
    found = read_middle_clip(arguments.source, **cut.cut())
    # Says so where clips of this size are too small for it.
    layer_names(model.network, frames=cut.frames, size=cut.size)
    relevance, answer, explained = explain_one(found.clip)
    output = arguments.output or OUTPUT
    write_video(output, overlay(found.clip, relevance), probe(arguments.source).fps / found.distance)
    told = cut.told() + _which(found)
    print(f"The network's answer is {answer} ({told}); {output} shows the relevance for {explained}.")
    return 0


def _which(found: MiddleClip) -> str:
    """Which of a video's clips one is, where they are several."""
    return f", clip {found.number + 1} of {found.count}" if found.count > 1 else ""


def _explain_by_concepts(arguments: argparse.Namespace) -> int:
    """Explain one clip by the concepts of the run that the weights lie in, cut and segmented as the run's are."""
    home = Path(arguments.weights).absolute().parent
    seed = seed_of_folder(home)
    if home.parent.parent.name != "models" or seed is None:
        raise ConfigError(
            "--concepts are those of a finished run: give its weights, such as "
            "results/demo/models/r3d/seed0/weights.safetensors, by --weights."
        )
    run = home.parents[2]
    place = finished_layers(run, model=home.parent.name, seed=seed, layer=arguments.concepts or None)[0]
    model = _model(arguments)
    clips = finished_clips(run, place)
    if clips.supervoxels is None:
        raise ConfigError(
            f"The supervoxels of {run} are no more: run its config again, without them in temporary."
        )
    found = read_middle_clip(arguments.source, **Clips.model_validate(clips.options).cut())
    clip = found.clip
    answer = model.classes[int(model.logits(clip[None])[0].argmax())]
    explained = model.classes[_target(arguments.target, model.classes)] if arguments.target else answer
    labels = segment_supervoxels(clip, **attributes_of(clips.supervoxels[0])["params"]["options"])
    made = attributes_of(place.activations[0])["params"]
    kept = distinct_supervoxels(labels, made["preset"], **made["criteria"])
    if not len(kept):
        raise VideoError(
            f"No supervoxel of the clip of {arguments.source} is large enough to be in a concept."
        )
    with (
        open_h5(place.folder / "concepts" / f"{safe_name(explained)}.h5", "concepts") as concepts,
        open_h5(place.folder / "cavs" / f"{safe_name(explained)}.h5", "cavs") as cavs,
    ):
        places = concepts["centres"][()], concepts["cutoffs"][()]
        table, relevance = explain_by_concepts(
            model, clip, explained, place.layer, labels, kept, places,
            (cavs["vectors"][()], cavs["distances"][()]), **place.shown,
        )  # fmt: skip
    scores = read_table(place.folder / "scored_concepts.parquet", "scored_concepts")
    ranks = scores[scores["class"] == explained][["concept", "rank"]]
    table = ranks.merge(table, on="concept").sort_values("rank")
    output = arguments.output or OUTPUT
    write_video(output, overlay(clip, relevance), probe(arguments.source).fps / found.distance)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    print(
        f"The network's answer is {answer}; the table has the concepts of {explained} at {place.layer} by their rank in the "
        f"run, with the effect on its logit at this clip{_which(found)}, and {output} shows where the clip has them."
    )
    return 0


def _explain_stream(arguments: argparse.Namespace, options: dict) -> int:
    """Explain a stream as it comes, until it ends, fails or is stopped."""
    model = _model(arguments)
    explain_one = _explainer(model, arguments, options)
    cut = _clips_for(model, arguments)
    if cut.sampling == "whole":
        cut = cut.model_copy(update={"sampling": "center"})
        print(
            "The network was trained on clips of whole videos; of a stream it is shown windows.", flush=True
        )
    layer_names(model.network, frames=cut.frames, size=cut.size)
    explain_one(
        np.zeros((cut.frames, cut.size, cut.size, 3), dtype=np.uint8)
    )  # what is done once is done now
    outputs: list[Output] = []
    # What the user may have mistyped comes before the camera's light goes on.
    if arguments.window:
        outputs.append(Window())
    if arguments.serve is not None:
        selective = "" if arguments.selective is None else f", selective at {arguments.selective:g} σ"
        page = Page(arguments.serve, f"{model.spec.name} by {arguments.method}{selective}")
        outputs.append(page)
        print(f"Open {page.address} in a browser.", flush=True)
    stream = Stream(
        arguments.source, frames=cut.frames, step=cut.step, size=cut.size, crop=cut.crop, shown=arguments.shown,
        repeat=arguments.repeat,
    )  # fmt: skip
    if arguments.output:
        outputs.append(VideoFile(arguments.output, stream.fps))
    print(f"Explaining {arguments.source} by {cut.told()}; stop with Ctrl-C.", flush=True)
    found = Player(stream, lambda clip: explain_one(clip)[:2], outputs).run()
    found = {"source": arguments.source, "network": model.spec.name, "method": arguments.method,
             "selective": arguments.selective, "device": str(model.device)} | found  # fmt: skip
    path = _statistics(arguments)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(_summary(found))
    print("\n".join(f"wrote {place}" for place in (arguments.output, path) if place and Path(place).exists()))
    if stream.error:
        raise VideoError(f"{arguments.source} failed after {found['frames']} frames: {stream.error}.")
    return 0


def _summary(found: dict) -> str:
    def per_second(rate: float | None) -> str:
        return "too few to give a rate" if rate is None else f"{rate:.1f} per second"

    def latency(spread: dict[str, float] | None) -> str:
        return "" if spread is None else f", latency {spread['median']:.0f} ms (95 %: {spread['p95']:.0f} ms)"

    return (
        f"{found['frames']} frames came (the stream has {found['source_fps']:g} per second), "
        f"{found['dropped']} were dropped.\n"
        f"shown:        {found['shown']}, {per_second(found['shown_per_second'])}"
        f"{latency(found['shown_latency_ms'])}\n"
        f"explanations: {found['explanations']}, {per_second(found['explanations_per_second'])}"
        f"{latency(found['explanation_latency_ms'])}"
    )


def _explainer(
    model: TrainedModel, arguments: argparse.Namespace, options: dict
) -> Callable[[np.ndarray], tuple[np.ndarray, str, str]]:
    """A function that maps a clip (T, H, W, 3) uint8 to its relevance, the answer and the class explained."""
    target = _target(arguments.target, model.classes) if arguments.target else None

    def explain_one(clip: np.ndarray) -> tuple[np.ndarray, str, str]:
        clips = clip[None]
        answer = int(model.logits(clips)[0].argmax())
        explained = answer if target is None else target
        relevance = explain(model.network, clips, explained, arguments.method, **options)[0].cpu().numpy()
        if arguments.selective is not None:
            relevance = selective_relevance(relevance, arguments.selective, arguments.preset)
        return relevance, model.classes[answer], model.classes[explained]

    return explain_one


def write_video(path: str, frames: np.ndarray, fps: float) -> None:
    """Write (T, H, W, 3) uint8 as H.264; height and width are cut to even numbers, as it wants them."""
    frames = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    kind = FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise ConfigError(f"No video can be written to {path}: give a name that ends in .mp4.")
    # Into memory, and from there by Python, which raises what ffmpeg passes over when it closes a file: a full disk.
    written = io.BytesIO()
    with av.open(written, "w", format=kind) as container:
        stream = container.add_stream("h264", rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.options = {"crf": "18"}
        for frame in frames:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"))
            )
        container.mux(stream.encode())
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(written.getvalue())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}): give another place by --output."
        ) from None


def _model(arguments: argparse.Namespace) -> TrainedModel:
    """Load the network from a run's weights alone, or build the named one with the given weights."""
    weights, network, spec = arguments.weights, arguments.network, {}
    if Path(weights).is_file():
        _, spec, about = load_weights(weights)
        if spec and "classes" in about:
            return load_trained(weights, trust=[network] if network else [])
    if network is None:
        raise ConfigError(f"{weights} does not say which network it is for: add --network NAME.")
    device = choose_device()
    model = build_model(network, weights, **({} if spec else _only_size(network, arguments))).to(device)
    return TrainedModel(model, [str(number) for number in range(model.spec.num_classes)], device)


def _only_size(network: str, arguments: argparse.Namespace) -> dict[str, int]:
    """Options of a network that takes one length and size of clips: as asked for, else the even size next to its own."""
    if is_own(network):  # which says nothing of them, and may not be built without values
        return {}
    own = build_shapes(network, 2).spec
    if own.size is None:
        return {}
    frames = arguments.frames or own.frames
    size = arguments.size or even_size(network, frames, own.size, frames=frames) or own.size
    return {"frames": frames, "size": size}


def _target(given: str, classes: list[str]) -> int:
    if given in classes:
        return classes.index(given)
    if given.isdecimal() and int(given) < len(classes):
        return int(given)
    raise ConfigError(
        f"The network has no class {given!r}{nearest(given, classes)} Known: {', '.join(classes[:50])}."
    )
