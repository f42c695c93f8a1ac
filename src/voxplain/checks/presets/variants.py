"""The ways in which authors' code, papers and the corrected form differ, each of which can be switched alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...errors import ConfigError, nearest

POSITIONS = (2, 4, 4)
OFFICIAL_GRAY = (117, 117, 117)  # as voxplain.patches has it


@dataclass(frozen=True)
class View:
    """How a supervoxel is shown to the network.

    Attributes
    ----------
    form : {"crop", "in_place"}
    box : {"corrected", "official"}
        Preset of `voxplain.patches.supervoxel_inputs`.
    fill : "mean" or (3,) int
    """

    form: str = "in_place"
    box: str = "corrected"
    fill: Any = "mean"

    def __post_init__(self) -> None:
        if not isinstance(self.fill, str):
            object.__setattr__(self, "fill", tuple(self.fill))


@dataclass(frozen=True)
class Variant:
    """One way to find and score concepts; the defaults are the corrected form.

    Attributes
    ----------
    changes : str
        What differs from the corrected form, in words.
    preset, criteria
        Of `voxplain.supervoxels.distinct_supervoxels`.
    view : View
    grid : (t, h, w)
        That a layer is averaged to.
    layer : {"given", "top", "other"}
        The one that the run explains, the last convolutional block, or another usual one.
    negatives : {"supervoxels", "clips"}
    classifier : str
    gradient : {"logit", "loss"}
        ``loss``: of the cross-entropy, with the sign turned, so that positive still means in favour.
    rank_by : {"effect", "score"}
    clustering : mapping
        What of the run's clustering is done otherwise.
    """

    changes: str
    preset: str = "corrected"
    criteria: Mapping[str, Any] = field(default_factory=dict)
    view: View = View()
    grid: tuple[int, int, int] = (1, 1, 1)
    layer: Literal["given", "top", "other"] = "given"
    negatives: Literal["supervoxels", "clips"] = "supervoxels"
    classifier: str = "ridge"
    gradient: Literal["logit", "loss"] = "logit"
    rank_by: Literal["effect", "score"] = "effect"
    clustering: Mapping[str, Any] = field(default_factory=dict)


CORRECTED = Variant("nothing")
VARIANTS = {
    "corrected": CORRECTED,
    "official": Variant(
        "everything below that the authors' code does",
        preset="official",
        view=View(form="crop", box="official", fill=OFFICIAL_GRAY),
        grid=POSITIONS,
        negatives="clips",
        classifier="sgd",
        gradient="loss",
        rank_by="score",
        clustering={
            "cutoff": None,
            "popularity": "official",
            "normalize": "none",
            "components": None,
            "restarts": 10,
        },
    ),
    "paper": Variant(
        "negatives, layer and ranking as in the paper's text", negatives="clips", layer="top", rank_by="score"
    ),
    "volume_of_span": Variant("least volume: of the frames that it lasts", criteria={"volume_of": "span"}),
    "whole_clip_long": Variant("least duration: 16 frames", criteria={"min_duration": 0.0, "min_frames": 16}),
    "duplicates_first": Variant("duplicates dropped before short ones", criteria={"duration_first": False}),
    "centred_in_time": Variant("overlap of supervoxels centred in time", criteria={"alignment": "center"}),
    "box_cut": Variant(
        "cropped, the box without its last row and column, Pillow's resizing",
        view=View(form="crop", box="official"),
    ),
    "gray_fill": Variant("fill: gray 117", view=View(fill=OFFICIAL_GRAY)),
    "crop": Variant("cropped and enlarged, not shown in place", view=View(form="crop")),
    "positions": Variant(
        f"activation kept at {' x '.join(map(str, POSITIONS))} positions (the authors keep all)",
        grid=POSITIONS,
    ),
    "negatives_clips": Variant("negatives: whole clips", negatives="clips"),
    "classifier_sgd": Variant("classifier: linear SVM by SGD", classifier="sgd"),
    "gradient_loss": Variant("gradient: of the loss", gradient="loss"),
    "forced": Variant(
        "every supervoxel belongs to the nearest concept, however far", clustering={"cutoff": None}
    ),
    "rank_by_score": Variant("ranked by the score S, not by the effect", rank_by="score"),
    "layer_top": Variant("layer: the last block", layer="top"),
    "layer_other": Variant("layer: another usual one", layer="other"),
}
# The second paper: what replaces selective.preset and its options, and the units of relevance.relevant and flow.moving.
SELECTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "corrected": ("nothing", {}),
    "official": ("everything below that the authors' code does", {
        "preset": "official", "relevant": "official", "moving": "rendered"
    }),
    "paper": ("everything below that the code of the paper's time does", {
        "preset": "paper", "normalize": "range", "relevant": "official", "moving": "rendered"
    }),
    "padding_zero": ("zeros beyond the clip's ends", {"padding": "zero"}),
    "sign_decreasing": ("only decreasing relevance is selected", {"sign": "decreasing"}),
    "deviation_of_compared": ("threshold: deviation of the absolute derivative", {"deviation_of": "compared"}),
    "centre_off": ("derivative not centred", {"centre": False}),
    "normalize_range": ("maps scaled to their range before", {"normalize": "range"}),
    "relevant_rendered": ("relevant: gray levels of the rendered map", {"relevant": "rendered"}),
    "relevant_official": ("relevant: gray levels of every map, a selective one too, rendered by itself", {"relevant": "official"}),
    "moving_rendered": ("moving: gray levels of the rendered flow", {"moving": "rendered"}),
}  # fmt: skip


def chosen(names: list[str] | None, known: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `VARIANTS` or `SELECTIONS` that have one of the names (all by default), the corrected one first.

    Raises
    ------
    ConfigError
        There is no such variant in either.
    """
    every = {**VARIANTS, **SELECTIONS}
    for name in names or []:
        if name not in every:
            raise ConfigError(
                f"checks.variants: there is no {name!r}{nearest(name, every)} Known: {', '.join(every)}."
            )
    return {
        name: value for name, value in known.items() if names is None or name in names or name == "corrected"
    }


def with_layer(variant: Variant, given: str, top: str, usual: tuple[str, ...]) -> str:
    """Name of the layer that a variant looks at."""
    if variant.layer == "given":
        return given
    if variant.layer == "top":
        return top
    return next((name for name in usual if name not in (given, top)), given)
