"""The config: every key with its meaning, unit and default. The JSON schema is generated from here.

Keys that name a plug-in (a network, a segmenter, a concept classifier, an explainer, a flow estimator)
take that plug-in's options beside it; those are checked against the plug-in's own schema.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from .errors import ConfigError, nearest

Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy's, torch's and scikit-learn's generators take
# Of repetitions, each of which costs time or memory: more would only never end.
MOST_DRAWS = 10_000
Draws = Annotated[int, Field(ge=1, le=MOST_DRAWS)]
SomeDraws = Annotated[int, Field(ge=2, le=MOST_DRAWS)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]
USUAL_SIZE = 112  # pixels, of C3D's published clips
# Sizes near it of which all padding comes out even (`voxplain.models.padding.even_size`), the usual one first; at 113 pixels
# Grad-CAM of I3D's released weights still leans (docs/position_bias.csv).
EVEN_SIZES = {"c3d": [96], "i3d": [145], "r3d": [113, 145], "r3d_18": [113, 145]}
# Below 193 pixels its attention mistakes offsets (findings/torchvision_swin3d_of_small_clips_mistakes_offsets.sh).
LEAST_SIZES = {f"torchvision:swin3d_{kind}": 224 for kind in "tsb"}
EVEN_SIZES |= {network: [size] for network, size in LEAST_SIZES.items()}
ONE_SIZE = {"c3d"}  # networks that take clips of the frames and size that their options give
# What tables with a column or a row for each target call something else.
TAKEN = frozenset(
    "model seed layer variant class rank concept name score derivative effect n_members background moving flow "
    "evidence_among_objects level supervoxel n_voxels video clip".split()
)
Byte = Annotated[int, Field(ge=0, le=255)]

Layer = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
Library = Literal["torch", "scikit-image", "av", "zennit", "scikit-learn", "opencv-python-headless"]


class Section(BaseModel):
    """Part of the config; unknown keys, numbers without end and what a list names twice are errors."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _named_once(cls, value: Any) -> Any:
        if isinstance(value, list):
            twice = [item for i, item in enumerate(value) if item in value[:i]]
            if twice:
                raise ValueError(f"{twice[0]!r} stands in the list twice; write it once")
        return value


def _class_name(name: Any) -> Any:
    if name is None or isinstance(name, (bool, int, float)):
        raise ValueError(
            f"YAML takes this class for {name!r} and not for text; put its name in quotes, such as 'no' or '2024'"
        )
    return name


class Data(Section):
    """Where the videos come from."""

    adapter: str | None = Field(
        None,
        description="Data set adapter (`voxplain list datasets`), or one of your own; by default what fits the path.",
    )
    path: str | None = Field(
        None,
        description="Video table, or folder with a videos.csv or a folder per class; none: the embedded data.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the adapter.")
    classes: list[Annotated[str, BeforeValidator(_class_name)]] | None = Field(
        None,
        description="Classes to use; all by default. In quotes where YAML takes one for another type: 'no', '2024'.",
    )
    videos_per_class: PositiveInt | None = Field(
        None,
        description="Use at most this many videos per class and split, drawn with the seed; all by default.",
    )
    seed: Seed = Field(
        0, description="Seed of whatever the adapter draws (embedded videos, splits, samples)."
    )
    shard_size: PositiveInt | None = Field(
        None,
        description="Videos per shard: one job works through a shard. By default 250, or as many as make 700 shards.",
    )


class Clips(Section):
    """How videos become clips of fixed length and size."""

    frames: PositiveInt = Field(16, description="Frames per clip.")
    step: PositiveInt = Field(1, description="Distance between sampled frames, in frames.")
    size: Annotated[int, Field(ge=8)] | None = Field(
        None,
        description="Height and width, in pixels. By default of the run's networks the size that they see evenly "
        "(docs/method.md): 113 of r3d and r3d_18, 145 of i3d and of both, 96 of c3d; 224 of torchvision's swin3d; 112, as published for "
        "C3D, where none is for all, and of others.",
    )
    sampling: Literal["center", "uniform", "consecutive", "whole"] = Field(
        "center",
        description="center: from the middle; uniform: spread; consecutive: one after the other, all; whole: one clip of "
        "the whole video, whatever its length and the step.",
    )
    per_video: PositiveInt = Field(1, description="Clips per video for center and uniform sampling.")
    crop: Literal["center", "squash"] = Field(
        "center",
        description="center: scale the short side and crop; squash: scale both sides (3D-ACE's code).",
    )
    damaged: Literal["use", "set_aside"] = Field(
        "use",
        description="Videos with frames that are damaged or lost: use them, with a note in the table set_aside, or set "
        "them aside.",
    )
    damaged_share: Share = Field(
        0.0,
        description="With damaged: set_aside, the share of its clips' frames that a video may have damaged.",
    )

    def told(self) -> str:
        """Length, size and what of a video, in words."""
        what = "spread over the whole video" if self.sampling == "whole" else f"{self.step} apart"
        return f"{self.frames} frames of {self.size} pixels, {what}"

    def cut(self) -> dict[str, Any]:
        """What decides which frames of a video a clip has, and how they are fitted."""
        return self.model_dump(exclude={"damaged", "damaged_share"})


class Truth(Section):
    """What the ground truth of a video table's masks and boxes says; see voxplain.videos.truth.

    The embedded videos' own needs none of it.
    """

    targets: dict[Name, list[int | str]] | None = Field(
        None,
        description="Names of what is looked for, with the labels (numbers) of masks or the words of boxes that are "
        "it; evidence is what decides the class, distractor what else draws the eye. By default all that is labeled is "
        "evidence.",
    )
    ignore: list[int | str] = Field(
        default_factory=list,
        description="Labels or words where the truth is not known; their voxels do not count.",
    )

    @field_validator("targets")
    @classmethod
    def _can_be_columns(cls, targets: dict[str, Any] | None) -> dict[str, Any] | None:
        for name in TAKEN & set(targets or {}):
            raise ValueError(f"{name!r} means something else in the tables; give the target another name")
        if targets is not None and "evidence" not in targets:
            raise ValueError("name what decides the class evidence; other targets may be called as you like")
        return targets


class Training(Section):
    """How a network is trained, or fine-tuned where it has weights; see voxplain.models.training.train.

    Given weights are trained where this section is there, if only as `{}`, and taken as they are where it is not.
    """

    epochs: PositiveInt = Field(40, description="Epochs at most.")
    batch: PositiveInt = Field(16, description="Clips per step.")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="Optimizer.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(2e-3, description="Largest learning rate.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.02, description="Weight decay.")
    schedule: Literal["one_cycle", "plateau"] = Field(
        "one_cycle",
        description="one_cycle: warm up and anneal, while momentum (of adamw its first beta) goes from 0.95 down to 0.85 and "
        "back; plateau: divide by 10 without progress, at a momentum of 0.9.",
    )
    plateau_epochs: PositiveInt = Field(10, description="Epochs without progress before plateau divides.")
    patience: PositiveInt = Field(40, description="Epochs without progress before training stops.")
    label_smoothing: Share = Field(0.0, description="Label smoothing.")
    validation_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1,
        description="Share of the training videos held out for early stopping: whole groups, of each class at least one of "
        "two or more.",
    )
    flip: bool = Field(False, description="Mirror half the clips (not where direction tells classes apart).")
    shift: Annotated[int, Field(ge=0, le=1000)] = Field(
        4, description="Largest random translation, in pixels."
    )
    brightness: Share = Field(0.2, description="Largest relative change of brightness.")
    masked: Share = Field(
        0.5, description="Share of clips with random boxes filled, so that edited clips are familiar."
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Of forward and backward passes; bfloat16 only where the hardware has it."
    )
    from_layer: Layer | None = Field(
        None,
        description="Fine-tuning: train this layer and what follows it; what comes before it stays as given, its "
        "batch-norm statistics too. Null trains all.",
    )


class Model(Section):
    """A network to explain."""

    network: str = Field(description="Registered network, or package.module:function.")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of the network; of one whose weights a run has saved, those that are not given are as saved.",
    )
    weights: str | None = Field(
        None,
        description="kinetics400, default, or a file: taken as they are where they answer in the data's classes, with "
        "head: new, or fine-tuned where training is given; none trains from scratch.",
    )
    head: Literal["keep", "new"] = Field(
        "keep", description="new: fit a linear head for the data's classes on the given weights."
    )
    head_views: PositiveInt = Field(
        4, description="Augmented views of each clip that a new head is fitted to."
    )
    head_flip: bool = Field(
        False, description="Mirror half the views (not where direction tells classes apart)."
    )
    layers: list[Layer] = Field(
        min_length=1, description="Layers to explain: python -m voxplain list layers NETWORK."
    )
    training: Training | None = Field(
        None,
        description="Recipe of training; by default that of all defaults where there are no weights. With weights it "
        "fine-tunes these, and {} is the recipe of all defaults.",
    )

    @field_validator("weights")
    @classmethod
    def _is_no_pattern(cls, weights: str | None) -> str | None:
        if weights is not None and "{" in weights:
            raise ValueError(
                "what stands in braces is a wildcard to Snakemake; rename the file or its folder, or link to it"
            )
        return weights

    @model_validator(mode="after")
    def _trained_or_given(self) -> Model:
        if self.head == "new" and self.weights is None:
            raise ValueError("head: new needs weights, such as kinetics400 or a file")
        if self.head == "new" and self.training is not None:
            raise ValueError(
                "head: new fits a linear head and trains nothing else; leave out training, or head to fine-tune"
            )
        if self.weights is None:
            self.training = self.training or Training()
            if self.training.from_layer is not None:
                raise ValueError(
                    "training.from_layer leaves the layers before it as they are given, and no weights are: give "
                    "weights, or leave it out"
                )
        return self


class Supervoxels(Section):
    """Segmentation at several resolutions (3D-ACE, section 2.1)."""

    method: str = Field(
        "slic", description="Segmenter: slic (the authors' code's), agglomerative, grid (a control)."
    )
    n_segments: list[PositiveInt] = Field(
        [15, 50, 80], min_length=1, description="Supervoxels per level, about."
    )
    compactness: Annotated[float, Field(gt=0)] = Field(
        20.0, description="SLIC's weight of space against color."
    )
    sigma: Annotated[float, Field(ge=0, le=100)] = Field(
        1.0, description="Gaussian smoothing before SLIC, in voxels."
    )
    method_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of a segmenter other than slic, beside n_segments."
    )
    preset: Literal["official", "corrected"] = Field(
        "corrected",
        description="Filters and duplicates as in the authors' code, quirks included, or as meant.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of distinct_supervoxels that override the preset."
    )

    @model_validator(mode="after")
    def _slic_alone(self) -> Supervoxels:
        for key in ("compactness", "sigma"):
            if self.method != "slic" and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(
                    f"{key} is an option of slic, and the method is {self.method}; write it under method_options"
                )
        return self

    def segmentation(self) -> dict[str, Any]:
        """What `voxplain.segment_supervoxels` is given; what slic does not have is not in it."""
        keys = {"n_segments", "compactness", "sigma"} if self.method == "slic" else {"method", "n_segments"}
        options = {"options": self.method_options} if self.method_options else {}
        return self.model_dump(mode="json", include=keys) | options


class Activations(Section):
    """What the network is shown of a supervoxel, and what is kept of its answer."""

    form: Literal["crop", "in_place"] = Field(
        "in_place",
        description="in_place: the supervoxel where it was; crop: its box, resized to the clip, as in the authors' code.",
    )
    fill: Literal["mean"] | tuple[Byte, Byte, Byte] = Field(
        "mean",
        description="Color around a supervoxel, and of what editing hides: the network's input mean, or RGB in 0..255.",
    )
    pooling: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        (1, 1, 1),
        description="Grid (time, height, width) that a layer is averaged to; null keeps all positions.",
    )
    batch: PositiveInt = Field(
        16,
        description="Clips per forward pass; halved when memory runs out. What suits a CPU's cache; a GPU takes more at once.",
    )


class Examples(Section):
    """What a given concept is compared with: examples of the same kind; by default random supervoxels of the mask's volume."""

    folder: str | None = Field(
        None,
        description="Folder of clips or images, each shown whole; an image is a clip that stands still.",
    )
    labels: Annotated[list[Annotated[int, Field(ge=1, le=253)]], Field(min_length=1)] | None = Field(
        None, description="Labels of the masks that the video table names, in the run's discovery clips."
    )
    target: Name | None = Field(
        None,
        description="A target of the ground truth by its name: of truth.targets, or of the embedded videos' own "
        "(evidence, distractor, actor, cue).",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Examples:
        named = [key for key in ("folder", "labels", "target") if getattr(self, key) is not None]
        if len(named) != 1:
            raise ValueError(
                f"{' and '.join(named) or 'nothing'} given; name one of folder, labels and target"
            )
        return self


class Given(Examples):
    """A concept of one's own, scored, tested and steered as found ones are: clips of a folder, or what lies under masks."""

    control: Examples | None = None

    @model_validator(mode="after")
    def _control_of_the_same_kind(self) -> Given:
        if self.control is not None and (self.folder is None) != (self.control.folder is None):
            raise ValueError(
                "whole clips and what lies under masks are shown differently; give a control of the same kind"
            )
        return self


class Concepts(Section):
    """Clustering per class (3D-ACE, section 2.2)."""

    models: list[Name] | None = Field(
        None, min_length=1, description="Networks to find concepts in; all by default."
    )
    videos_per_class: PositiveInt | None = Field(
        None, description="Discovery videos per class, from the train split; all by default."
    )
    clusters: Annotated[int, Field(ge=2)] = Field(12, description="Clusters per class, C in the paper.")
    min_supervoxels: Annotated[int, Field(ge=0)] = Field(
        20, description="A concept must have more supervoxels than this."
    )
    popularity: Literal["coverage", "official"] = Field(
        "coverage",
        description="coverage: a cluster is a concept where it is in half of the videos, too, and a class has at least "
        "three; official: by the three ways of the authors' code alone.",
    )
    normalize: Literal["root", "none"] = Field(
        "root",
        description="What is clustered: root: deviations from the mean, divided by the root of their length, so that "
        "supervoxels that hardly stir the network are told apart, too; none: activations as they are, as in the authors' code.",
    )
    components: PositiveInt | None = Field(
        5,
        description="Principal components that are clustered: in hundreds of dimensions every seed of k-means ends elsewhere. "
        "null: all dimensions, as in the authors' code.",
    )
    restarts: PositiveInt = Field(80, description="Starts of k-means, of which the best is kept.")
    max_supervoxels: PositiveInt = Field(
        100_000,
        description="Supervoxels of a class that are clustered at most; of more, a sample by the seed.",
    )
    max_members: Annotated[int, Field(ge=3)] = Field(40, description="Supervoxels that represent a concept.")
    cutoff: Annotated[float, Field(gt=0, le=1)] | None = Field(
        0.95,
        description="A supervoxel farther from the nearest centre than this share of the cluster's own belongs to no "
        "concept. null: every supervoxel belongs to the nearest, as in the authors' code.",
    )
    names: str | None = Field(
        None,
        description="File of names for concepts found (YAML or CSV: class, concept, name; of several networks, seeds or "
        "layers also model, seed, layer): a column of tables, and captions. No number changes.",
    )
    given: dict[Name, Given] = Field(
        default_factory=dict, description="Concepts of one's own by the name they get in tables."
    )


class Cavs(Section):
    """Concept activation vectors."""

    classifier: str = Field("ridge", description="Concept classifier.")
    options: dict[str, Any] = Field(default_factory=dict, description="Its options.")
    random_sets: SomeDraws = Field(20, description="Random sets R, one CAV against each.")
    set_size: Annotated[int, Field(ge=3)] = Field(40, description="Samples per random set.")
    negatives: Literal["supervoxels", "clips"] = Field(
        "supervoxels",
        description="supervoxels: of random videos, shown like the concept's; clips: whole clips.",
    )


class Scores(Section):
    """Importance of concepts and its significance."""

    null_clusterings: Draws = Field(
        40,
        description="Clusterings of random videos of all classes, whose concepts a class's are compared with.",
    )
    null_gradients: SomeDraws = Field(
        199,
        description="Gradients of networks that are random above the layer, which the own is compared with; p-values are at "
        "least 2 / (1 + as many).",
    )
    rank_by: Literal["effect", "score"] = Field(
        "effect",
        description="effect: the derivative times the way to the concept; score: S, as in the paper.",
    )
    test: Literal["clusters_and_gradients", "paired_t"] = Field(
        "clusters_and_gradients",
        description="Rank among concepts of random videos and among random gradients, both of which have to be exceeded; or the "
        "paired t-test of the authors' code, which random clusters pass as well.",
    )
    alpha: Annotated[float, Field(gt=0, lt=1)] = Field(0.05, description="Level of the false discovery rate.")


class Editing(Section):
    """Adding and removing concepts on test clips (3D-ACE, tables 1 and 2)."""

    videos_per_class: PositiveInt | None = Field(None, description="Test videos per class; all by default.")
    k_max: PositiveInt = Field(5, description="Largest number of concepts.")
    draws: Draws = Field(
        20,
        description="Random rankings of each class's concepts, half of them the reverse of the others: an odd number is "
        "one more.",
    )
    clip_draws: Draws = Field(
        5, description="Draws per clip of random supervoxels of equal volume, and of another class."
    )
    shares: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.05, 0.1, 0.2, 0.4, 0.6, 0.8],
        min_length=1,
        description="Shares of the clip's volume at which the curves show and hide concepts.",
    )


class Steering(Section):
    """Concepts' directions removed from a layer's activation and added to it, on the test clips of editing."""

    draws: SomeDraws = Field(
        20,
        description="Random directions for each concept; and as many concepts of random videos and other classes, where "
        "there are so many.",
    )


class Explainer(Section):
    """A method that explains clips."""

    method: str | None = Field(None, description="Registered explainer; by default the one of this name.")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the explainer.")


def _explainers() -> dict[str, Explainer]:
    """The paper's methods and those added to them."""
    paper = "dtd gradcam guided_backprop guided_gradcam"
    added = "lrp_epsilon_plus lrp_gamma input_x_gradient integrated_gradients smoothgrad occlusion"
    return {name: Explainer() for name in f"{paper} {added}".split()}


class Selective(Section):
    """Selective relevance (Selective Relevance, section 3)."""

    preset: Literal["official", "paper", "corrected"] = Field(
        "corrected", description="As the newest released code, as the code of the paper's time, or as meant."
    )
    sigma: Annotated[float, Field(ge=0)] = Field(
        2.0, description="Threshold n, in standard deviations; a preset's values are not another's."
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="padding, sign, deviation_of, centre, normalize: they override it."
    )
    sweep: list[Annotated[float, Field(ge=0)]] = Field(
        [0, 0.5, 1, 1.5, 2, 3, 4], min_length=1, description="Thresholds of the curves, beside sigma."
    )


class Moving(Section):
    """What counts as motion."""

    unit: Literal["pixels", "rendered"] = Field(
        "pixels", description="pixels per frame, or gray levels of flow stretched frame by frame to 0..255."
    )
    threshold: Annotated[float, Field(ge=0)] = Field(0.5, description="A voxel with more than this moves.")
    sweep: list[Annotated[float, Field(ge=0)]] = Field(
        [0.1, 0.25, 0.5, 1, 2], min_length=1, description="Thresholds of the curves, beside threshold."
    )


class Flow(Section):
    """Optical flow, against which motion is judged."""

    method: str = Field(
        "farneback",
        description="Flow estimator: farneback (that of the authors' code at the paper's time), dis, tvl1, raft.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Its options.")
    camera: Literal["none", "homography", "affine"] = Field(
        "none", description="Motion shared by most of a frame that is taken from the flow."
    )
    moving: Moving = Field(default_factory=Moving)
    compare: list[str] = Field(
        ["farneback", "dis", "tvl1"], description="Estimators compared with exact flow, where that is known."
    )
    compared_clips: PositiveInt = Field(24, description="Clips on which they are compared.")


class Relevant(Section):
    """What counts as relevant."""

    unit: Literal["share", "rendered", "official"] = Field(
        "share",
        description="share of the map's maximum, or gray levels of the map stretched to 0..255; official: gray levels "
        "of every map stretched by itself, a selective one too, as the authors' code does.",
    )
    threshold: Annotated[float, Field(ge=0)] = Field(
        0.05, description="A voxel with more than this is relevant, in all tables."
    )


class Timing(Section):
    """How the cost of explanations is measured (Selective Relevance, table 4)."""

    batch: PositiveInt = Field(1, description="Clips at once.")
    repeats: SomeDraws = Field(5, description="Measurements.")
    warmup: Annotated[int, Field(ge=0)] = Field(1, description="Runs before them.")


class Relevance(Section):
    """Explanations of test clips, and how much of them is motion (Selective Relevance)."""

    models: list[Name] | None = Field(None, min_length=1, description="Networks to explain; all by default.")
    videos_per_class: PositiveInt | None = Field(10, description="Test videos per class; null takes all.")
    # label: what class was called before.
    target: Annotated[
        Literal["class", "predicted"], BeforeValidator(lambda v: "class" if v == "label" else v)
    ] = Field("class", description="Explain the true or the predicted class.")
    relevant: Relevant = Field(default_factory=Relevant)
    empty: Literal["nan", "zero"] = Field(
        "nan",
        description="Precision of clips without a relevant voxel, in all tables of maps: left out, or 0 as in the authors' code.",
    )
    batch: PositiveInt = Field(8, description="Clips explained at once; halved when memory runs out.")
    precision: Literal["float16", "float32"] = Field(
        "float16", description="Of maps on disk, each scaled to a maximum of 1."
    )
    compare_with: Name | None = Field(
        None,
        description="Another run, finished, of the same networks and settings, to compare the selected share with.",
    )
    controls: list[Name] | None = Field(
        None,
        description="Explainers whose maps are compared with those for another class and of a network with a random "
        "head; by default dtd, gradcam, guided_backprop and guided_gradcam, where they are; [] for none.",
    )
    timing: Timing = Field(default_factory=Timing)


class Checks(Section):
    """Checks of whether the methods can be trusted, name what the network uses, and see what moves (docs/checks.md)."""

    tables: list[str] | None = Field(
        None,
        min_length=1,
        description="Tables of checks to make, by name, each with its controls; all that the data allows by default.",
    )
    variants: list[str] | None = Field(
        None,
        description="Presets and single deviations of both papers to compare with the corrected form; all by default.",
    )
    videos_per_class: PositiveInt = Field(
        10,
        description="Discovery videos per class that variants find concepts in, and randomized networks are shown.",
    )
    edited_per_class: PositiveInt = Field(
        4, description="Test videos per class that variants add and remove concepts in."
    )
    edited_concepts: PositiveInt = Field(3, description="Most concepts that variants add and remove at once.")
    edited_draws: Draws = Field(1, description="Random draws of the controls of variants' edits.")
    random_sets: SomeDraws = Field(10, description="Random sets of variants and of randomized networks.")
    members: Annotated[int, Field(ge=3)] = Field(
        20, description="Supervoxels of each concept that are shown to randomized networks."
    )
    pool: Annotated[int, Field(ge=4)] = Field(
        200, description="Discovery supervoxels that the negatives of randomized networks are drawn from."
    )
    levels: PositiveInt = Field(6, description="Steps from a random head to a wholly random network.")
    draws: Draws = Field(
        2, description="Random networks per step, other classes, and sets of random directions."
    )
    randomized_explainers: list[Name] | None = Field(
        None,
        min_length=1,
        description="Explainers whose maps are compared with those of random networks; all by default.",
    )
    maps_per_class: PositiveInt = Field(2, description="Test videos per class of which they are compared.")
    unrelated: PositiveInt = Field(
        2,
        description="Other clips' maps, of the same network, that each map is compared with: how alike unrelated maps are.",
    )
    limit: Share = Field(
        0.5,
        description="Of the likeness above that of unrelated explanations, the share that may be left where a method "
        "notices a randomization: its whole interval is to lie below this.",
    )
    stable: Share = Field(
        0.6,
        description="Kendall's tau from which on ranks of concepts count as stable; below it the report says that there "
        "are too few videos to rank.",
    )
    mirrored_per_class: PositiveInt = Field(
        4, description="Test videos per class that are explained with their mirror images, for position_bias."
    )
    mirrored_explainers: list[Name] = Field(
        ["dtd", "gradcam", "guided_backprop", "guided_gradcam"],
        description="Explainers of position_bias, as far as the run has them; by default the second paper's.",
    )
    intervened_per_class: PositiveInt = Field(
        4,
        description="Test videos per class whose motion and background are changed, for interventions, and whose frames "
        "are hidden, for frame_importance.",
    )
    intervened_explainers: list[Name] = Field(
        ["gradcam"], description="Explainers of changed clips, for interventions, as far as the run has them."
    )
    probed_layers: Annotated[int, Field(ge=2)] = Field(
        8, description="Layers of each network that are probed for motion, evenly spread, for motion_probes."
    )
    clusters: list[Annotated[int, Field(ge=2)]] = Field(
        [6, 18, 25], description="Other numbers of clusters, for stability."
    )
    repeats: Draws = Field(2, description="Repetitions with other seeds of clustering and random sets.")
    halves: Draws = Field(
        50,
        description="Pairs of disjoint subsets of the random sets, of each size, whose ranks are compared.",
    )
    perturbed_per_class: PositiveInt = Field(
        6,
        description="Test videos per class, of those that are edited, in which supervoxels and concepts are hidden.",
    )
    perturbed_explainers: list[Name] = Field(
        ["dtd", "gradcam", "guided_gradcam", "integrated_gradients", "occlusion"],
        description="Explainers, by their names under explainers or of a method, whose order is followed; concept "
        "scores, random masking and the controls always are.",
    )
    fills: list[Literal["mean", "blur", "previous"]] = Field(
        ["mean", "blur", "previous"],
        min_length=1,
        description="What hidden voxels show: the network's input mean (whatever activations.fill is), the blurred frame, or "
        "what the pixel showed last.",
    )
    steps: PositiveInt = Field(
        8, description="Steps of the curves, from one supervoxel to all; each is larger than the one before."
    )
    orders: Draws = Field(10, description="Random orders per clip, whose curves are averaged.")
    masks: SomeDraws = Field(64, description="Random masks of random masking.")
    subsets: SomeDraws = Field(16, description="Random subsets of concepts hidden per clip.")
    followed: list[str] | None = Field(
        None,
        description="Videos followed over time; by default the longest edited one of each followed class that can be read.",
    )
    followed_classes: PositiveInt = Field(
        3, description="Classes followed over time, where no videos are named."
    )
    window_step: PositiveInt = Field(
        4,
        description="Frames between windows; fewer than a clip's make them overlap. Where clips are whole videos there is one.",
    )
    windows: PositiveInt = Field(
        200, description="Windows of a video at most; of a longer one as many, evenly spread."
    )


# Keys of earlier sections, validity and faithfulness, that have another name in checks.
RENAMED = {
    "validity": {"checks": "tables", "explainers": "randomized_explainers"},
    "faithfulness": {"videos_per_class": "perturbed_per_class", "explainers": "perturbed_explainers"},
}


class Streams(Section):
    """Seeds of parts of a run, so that what one of them makes of a result can be told from the others.

    Each is by default the network's seed, one of `seeds`. A number holds that part the same for all of them; to vary
    one part alone, name a run for each of its numbers.
    """

    weights: Seed | None = Field(
        None,
        description="Random weights, batches, augmentation and dropout of training, folds of a new head.",
    )
    split: Seed | None = Field(None, description="Videos held out of training for early stopping.")
    clustering: Seed | None = Field(
        None,
        description="Supervoxels that are clustered where they are too many, clusters, folds of their CAVs.",
    )
    random_sets: Seed | None = Field(
        None,
        description="Random sets, and what significance is judged by: clusters of random videos, random gradients.",
    )
    draws: Seed | None = Field(
        None,
        description="Draws of the random strategies of editing, and of what concepts are steered beside.",
    )


class Device(Section):
    """Where networks run, on which no number hangs, and how exactly."""

    use: Literal["auto", "cpu"] = Field(
        "auto",
        description="auto: a GPU that CUDA_VISIBLE_DEVICES leaves visible and no other job has, else the CPU.",
    )
    jobs_per_gpu: PositiveInt = Field(1, description="Jobs that share a GPU; the next ones wait.")
    cpu_after_failure: bool = Field(
        True, description="Try a job on the CPU after it failed (snakemake --retries)."
    )
    precision: Literal["float32", "bfloat16", "auto"] = Field(
        "float32",
        description="Of passes without gradients over the many clips of which parts are shown or hidden, for concepts and "
        "what is asked of them. bfloat16: where the hardware has it. auto: where, besides, the run's own clips show that it "
        "is faster and changes no clear decision and hardly a rank (table network_precision). Training, gradients, maps "
        "and test accuracy are float32 here; so is what is to be published.",
    )


class Figures(Section):
    """Pictures."""

    concepts: PositiveInt = Field(3, description="Most and least important concepts in figure 1.")
    examples: PositiveInt = Field(4, description="Clips shown per concept.")
    relevance: PositiveInt = Field(4, description="Clips in the sheet of explanations.")
    animated: PositiveInt = Field(2, description="How many of them move in the animation.")
    videos: list[str] | None = Field(
        None,
        description="Test videos that are explained, to show; by default of each class the clip with the most precise "
        "selective maps, the best first.",
    )


def _part(name: Any) -> Any:
    """The part of the older name validity is checks."""
    return "checks" if name == "validity" else name


class Config(Section):
    """The whole config."""

    run: Name = Field("demo", description="Name of the run: results/<run>/.")
    parts: list[Annotated[Literal["concepts", "relevance", "checks"], BeforeValidator(_part)]] = Field(
        ["concepts", "relevance", "checks"],
        min_length=1,
        description="What is computed and put into the report: the first paper, the second, checks of both.",
    )
    data: Data = Field(default_factory=Data)
    clips: Clips = Field(default_factory=Clips)
    truth: Truth = Field(default_factory=Truth)
    seeds: list[Seed] = Field(
        [0],
        min_length=1,
        description="Seeds of training, clustering and draws, each a replicate; streams varies them apart.",
    )
    streams: Streams = Field(default_factory=Streams)
    models: dict[Name, Model] = Field(min_length=1, description="Networks by the name they get in tables.")
    supervoxels: Supervoxels = Field(default_factory=Supervoxels)
    activations: Activations = Field(default_factory=Activations)
    concepts: Concepts = Field(default_factory=Concepts)
    cavs: Cavs = Field(default_factory=Cavs)
    scores: Scores = Field(default_factory=Scores)
    editing: Editing = Field(default_factory=Editing)
    steering: Steering = Field(default_factory=Steering)
    explainers: dict[Name, Explainer] = Field(
        default_factory=_explainers, min_length=1, description="Explainers by the name they get in tables."
    )
    selective: Selective = Field(default_factory=Selective)
    flow: Flow = Field(default_factory=Flow)
    relevance: Relevance = Field(default_factory=Relevance)
    checks: Checks = Field(default_factory=Checks)
    figures: Figures = Field(default_factory=Figures)
    device: Device = Field(default_factory=Device)
    accept_versions: dict[Library, Annotated[str, Field(pattern=r"^\d+\.\d+$")]] = Field(
        default_factory=dict,
        description="Versions (major and minor, in quotation marks) of libraries whose results are kept although "
        'another version is installed, such as {torch: "2.4"}.',
    )
    temporary: list[Literal["clips", "supervoxels", "flow", "activations", "explanations", "selective"]] = (
        Field(
            default_factory=list,
            description="Intermediate results that are removed once nothing needs them any more.",
        )
    )

    def value(self, place: str) -> Any:
        """A value by its place, such as ``scores.alpha``."""
        found = self.model_dump(mode="json")
        for key in place.split("."):
            found = found[key]
        return found

    @model_validator(mode="after")
    def _sized(self) -> Config:
        if self.clips.size is None:
            even = [_even_sizes(model) for model in self.models.values()]
            common = [size for size in even[0] if all(size in sizes for sizes in even)]
            least = [LEAST_SIZES.get(model.network, USUAL_SIZE) for model in self.models.values()]
            self.clips.size = next(iter(common), max(least))
        for model in self.models.values():
            if model.network in ONE_SIZE and model.weights is None:
                model.options = {"frames": self.clips.frames, "size": self.clips.size} | model.options
        return self

    @field_validator("concepts", "relevance")
    @classmethod
    def _models_are_there(cls, section: Concepts | Relevance, info: ValidationInfo) -> Concepts | Relevance:
        known = list(info.data.get("models", section.models or []))
        for name in section.models or []:
            if name not in known:
                raise ValueError(
                    f"models: there is no {name!r}{nearest(name, known)} Known: {', '.join(known)}"
                )
        return section

    @field_validator("run")
    @classmethod
    def _is_no_shared_folder(cls, run: str) -> str:
        if run == "shared":
            raise ValueError("results/shared is the folder that runs share; give the run another name")
        return run

    @field_validator("relevance", "checks")
    @classmethod
    def _explainers_are_there(cls, section: Relevance | Checks, info: ValidationInfo) -> Relevance | Checks:
        known = list(info.data.get("explainers", {}))
        key = "controls" if info.field_name == "relevance" else "randomized_explainers"
        for name in getattr(section, key) or []:
            if name not in known:
                raise ValueError(
                    f"{key}: there is no {name!r}{nearest(name, known)} Known: {', '.join(known)}"
                )
        return section

    def controlled_explainers(self) -> list[str]:
        """Explainers whose maps are compared with another class's and a random head's."""
        paper = ("dtd", "gradcam", "guided_backprop", "guided_gradcam")
        chosen = self.relevance.controls
        return [name for name in paper if name in self.explainers] if chosen is None else chosen


def _even_sizes(model: Model) -> list[int]:
    """Sizes of clips that a network sees evenly; of one that takes a single size, that of its options or its file of weights."""
    size = model.options.get("size")
    if model.network in ONE_SIZE and (size is not None or model.weights is not None):
        return [size] if isinstance(size, int) else []
    return EVEN_SIZES.get(model.network, [])


def load_config(given: dict[str, Any]) -> Config:
    """Check a config and fill in defaults.

    Raises
    ------
    ConfigError
        Names every wrong key or value with its place and the mend.
    """
    try:
        return Config.model_validate(given)
    except ValidationError as error:
        lines = [_mend(problem) for problem in error.errors()]
        raise ConfigError("The config has errors.\n" + "\n".join(f"  {line}" for line in lines)) from None


def _mend(problem: dict[str, Any]) -> str:
    """One line that says what is wrong, where, and what to write instead."""
    place = [str(part) for part in problem["loc"]]
    where = ".".join(place)
    if problem["type"] == "extra_forbidden" and place[0] in RENAMED and len(place) == 1:
        given = problem["input"] if isinstance(problem["input"], dict) else {}
        moved = [f"{where}.{key} to checks.{RENAMED[where].get(key, key)}" for key in given]
        return f"{where}: this section is now called checks. Move {', '.join(moved) or 'its keys there'}."
    if problem["type"] == "extra_forbidden" and "." in place[0]:
        nested, *inner = str(problem["input"]), *reversed(place[0].split("."))
        for key in inner[:-1]:
            nested = f"{{{key}: {nested}}}"
        return (
            f"{where}: a key of a section is written in braces after the section's: {inner[-1]}: {nested}, or in a command "
            f"--config {shlex.quote(f'{inner[-1]}={nested}')}."
        )
    if problem["type"] == "extra_forbidden":
        known = _keys_at(place[:-1])
        return f"{where}: unknown key{nearest(place[-1], known)} Known keys here: {', '.join(known)}."
    if problem["type"] == "missing":
        return f"{where}: missing; add it."
    return f"{where}: {problem['msg']}; it is {problem['input']!r}."


def _keys_at(place: list[str]) -> list[str]:
    section: Any = Config
    for part in place:
        if part in getattr(section, "model_fields", {}):
            section = section.model_fields[part].annotation
        elif get_origin(section) is dict:
            section = get_args(section)[1]
        if get_origin(section) is UnionType:  # a section or null
            section = get_args(section)[0]
    return list(getattr(section, "model_fields", {}))


def json_schema() -> str:
    """The config's JSON schema, as the text of workflow/schemas/config.schema.json."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def digest(*parts: Any) -> str:
    """Short hash of parts of the config, for the names of folders that runs share."""
    text = json.dumps(
        [p.model_dump(mode="json") if isinstance(p, BaseModel) else p for p in parts], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:8]
