"""Figure 3 of Selective Relevance, still and moving, and curves over thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries

from ..figures import COLORS

TITLES = {
    "dtd": "DTD",
    "gradcam": "Grad-CAM",
    "guided_backprop": "Guided backprop.",
    "guided_gradcam": "Guided Grad-CAM",
    "lrp_epsilon_plus": "LRP ε+",
    "lrp_gamma": "LRP γ",
    "attnlrp": "AttnLRP",
    "input_x_gradient": "Input × gradient",
    "integrated_gradients": "Integrated grad.",
    "smoothgrad": "SmoothGrad",
    "occlusion": "Occlusion",
    "rise": "RISE",
    "lime": "LIME",
    "kernel_shap": "KernelSHAP",
    "hirescam": "HiRes-CAM",
    "layercam": "Layer-CAM",
    "gradient": "Gradient",
    "random": "Random",
    "control_saturation": "Saturation (control)",
    "control_redness": "Redness (control)",
    "control_blueness": "Blueness (control)",
    "control_brightness": "Brightness (control)",
    "control_contrast": "Contrast (control)",
    "control_still_contrast": "Contrast of what stands still (control)",
    "control_motion": "Motion against the camera (control)",
    "control_frame_difference": "Frame difference (control)",
    "control_blurred_frame_difference": "Frame difference, blurred (control)",
    "control_center": "Center (control)",
    "control_size": "Supervoxel size (control)",
    "control_activation": "Activation's norm (control)",
    "control_other_class": "Other class (control)",
    "control_random_head": "Random head (control)",
    "control_same_size": "Greatest, same size (control)",
    "control_same_size_per_frame": "Greatest, same size per frame (control)",
    "control_pixel_change": "Pixels change most, same size (control)",
    "control_spatial_derivative": "Spatial derivative (control)",
    "whole": "Whole map",
}
HEAT = matplotlib.colormaps["inferno"]
MOTION = np.array([90, 200, 250], dtype=np.uint8)
KNOWN = {"evidence": (60, 230, 90), "distractor": (240, 90, 240)}  # targets that are outlined


@dataclass(frozen=True)
class ExplainedClip:
    """A clip with its explanations.

    Attributes
    ----------
    caption : str
    clip : (T, H, W, 3) uint8 array
    moving : (T-1, H, W) bool array
    maps, selective : dict of str to (T, H, W) array
        Relevance by method, and what of it is selected.
    known : dict of str to (T, H, W) bool array
        Where evidence and distractor are known to be; they are outlined.
    """

    caption: str
    clip: np.ndarray
    moving: np.ndarray
    maps: Mapping[str, np.ndarray]
    selective: Mapping[str, np.ndarray]
    known: Mapping[str, np.ndarray] = field(default_factory=dict)


def outlined(pictures: np.ndarray, masks: Mapping[str, np.ndarray]) -> np.ndarray:
    """Pictures (T, H, W, 3) of uint8 with the edges of `KNOWN` among masks (T, H, W) drawn on them."""
    pictures = pictures.copy()
    for name, color in KNOWN.items():
        for picture, mask in zip(pictures, masks.get(name, [])):
            picture[find_boundaries(mask, mode="inner")] = color
    return pictures


def choose_examples(
    scores: pd.DataFrame, n: int, videos: Sequence[str] | None = None
) -> list[tuple[str, int]]:
    """Choose clips: of each class the one whose selective maps are the most precise, best classes first.

    Parameters
    ----------
    scores : DataFrame
        method, control_of, selective, video, class, clip, precision
    n : int
    videos : sequence of str, optional
        Choose from these alone, in their order; where none of them could be explained, as without them.

    Returns
    -------
    list of (video, clip)
    """
    rows = (
        scores[scores["selective"] & (scores["control_of"] == "")]
        .groupby(["video", "class", "clip"], as_index=False)["precision"]
        .mean()
    )
    rows = rows.sort_values("precision", ascending=False, kind="stable")
    best = rows.assign(turn=rows.groupby("class").cumcount()).sort_values("turn", kind="stable")
    if rows["video"].isin(videos or []).any():
        best = (
            rows.drop_duplicates("video")
            .set_index("video")
            .reindex(videos)
            .dropna(subset="clip")
            .reset_index()
        )
    return [(row.video, int(row.clip)) for row in best.head(n).itertuples()]


def overlay(frames: np.ndarray, relevance: np.ndarray, *, largest: float) -> np.ndarray:
    """Draw positive relevance as heat over darkened gray frames.

    Parameters
    ----------
    frames : (..., H, W, 3) uint8 array
    relevance : (..., H, W) array
    largest : float
        Relevance of the brightest heat.

    Returns
    -------
    (..., H, W, 3) uint8 array
    """
    gray = 0.45 * (frames @ np.array([0.299, 0.587, 0.114]))[..., None]
    heat = np.clip(relevance / largest, 0, 1) if largest > 0 else np.zeros(relevance.shape)
    cover = np.sqrt(heat)[..., None]  # faint relevance would be lost in the picture
    return (gray * (1 - cover) + 255 * HEAT(0.2 + 0.8 * heat)[..., :3] * cover).astype(np.uint8)


def mark_motion(frames: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Tint the moving voxels (T-1, H, W) of gray frames (T, H, W, 3); the last shows those before it."""
    gray = np.repeat((0.6 * (frames @ np.array([0.299, 0.587, 0.114])))[..., None], 3, axis=-1)
    moving = np.concatenate([moving, moving[-1:]])[..., None]
    return np.where(moving, 0.45 * gray + 0.55 * MOTION, gray).astype(np.uint8)


def tiles(example: ExplainedClip) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two rows of pictures (T, H, W, 3): the clip and its explanations; its motion and what is selected."""
    above, below = [example.clip], [mark_motion(example.clip, example.moving)]
    for name, relevance in example.maps.items():
        # Single voxels would make all others dark.
        positive = relevance[relevance > 0]
        largest = float(np.quantile(positive, 0.995)) if positive.size else 0.0
        above.append(overlay(example.clip, relevance, largest=largest))
        below.append(overlay(example.clip, example.selective[name], largest=largest))
    return tuple([outlined(picture, example.known) for picture in row] for row in (above, below))


def fullest_frame(example: ExplainedClip) -> int:
    """The frame in which the methods select most, each measured by its own largest relevance."""
    amounts = [
        np.maximum(example.selective[name], 0).sum(axis=(1, 2)) / max(m.max(), 1e-30)
        for name, m in example.maps.items()
    ]
    return int(np.sum([amount / max(amount.sum(), 1e-30) for amount in amounts], axis=0).argmax())


def relevance_sheet(examples: Sequence[ExplainedClip], *, title: str) -> Figure:
    """Draw clips with every explanation above its selective counterpart (figure 3)."""
    methods = list(examples[0].maps)
    figure, axes = plt.subplots(
        2 * len(examples),
        len(methods) + 1,
        figsize=(1.25 * (len(methods) + 1) + 0.5, 2.55 * len(examples) + 0.7),
        squeeze=False,
        gridspec_kw={"wspace": 0.04, "hspace": 0.04},
    )
    for number, example in enumerate(examples):
        moment = fullest_frame(example)
        for row, line in enumerate(tiles(example)):
            for axis, picture in zip(axes[2 * number + row], line, strict=True):
                axis.imshow(picture[moment], interpolation="nearest")
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
        axes[2 * number, 0].set_ylabel(f"{example.caption}\nframe {moment}", fontsize=7)
        axes[2 * number + 1, 0].set_ylabel("motion | selective", fontsize=7)
    for axis, name in zip(
        axes[0], ["Clip", *(TITLES.get(method, method) for method in methods)], strict=True
    ):
        axis.set_title(name, fontsize=8, pad=4)
    margin = 0.55 / figure.get_figheight()
    figure.subplots_adjust(left=0.5 / figure.get_figwidth(), right=0.995, bottom=0.01, top=1 - margin)
    figure.suptitle(title, fontsize=10, y=1 - 0.15 / figure.get_figheight())
    return figure


def relevance_animation(examples: Sequence[ExplainedClip], *, side: int = 88) -> list[Image.Image]:
    """Frames of a looping animation: the sheet's rows in motion, with headings.

    Parameters
    ----------
    examples : sequence of ExplainedClip
    side : int
        Of a picture, in pixels.

    Returns
    -------
    list of T images of one palette
    """
    rows = [line for example in examples for line in tiles(example)]
    length = min(len(picture) for line in rows for picture in line)
    gap, header = 3, 16
    step = side + gap
    names = ["Clip / motion", *(TITLES.get(method, method) for method in examples[0].maps)]
    font = ImageFont.load_default(size=10)
    images = []
    for moment in range(length):
        image = Image.new("RGB", (step * len(names) - gap, header + step * len(rows) - gap), "white")
        draw = ImageDraw.Draw(image)
        for column, name in enumerate(names):
            draw.text((column * step + side / 2, header / 2), name, fill="black", font=font, anchor="mm")
            for number, line in enumerate(rows):
                picture = Image.fromarray(line[column][moment]).resize(
                    (side, side), Image.Resampling.BILINEAR
                )
                image.paste(picture, (column * step, header + number * step))
        images.append(image)
    # One palette without dithering: what does not move stays as it is, and the file small.
    palette = images[length // 2].quantize(128)
    return [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]


def motion_sweep_figure(table: pd.DataFrame, *, sigma: float, threshold: float, unit: str) -> Figure:
    """Draw what the thresholds do: one row per network.

    Parameters
    ----------
    table : DataFrame
        Columns of motion_sweep.
    sigma, threshold : float
        The config's thresholds of selection and of motion, which the table has.
    unit : str
        Of `threshold`: pixels or rendered.
    """
    models, methods = table["model"].unique(), list(table["method"].unique())
    figure, axes = plt.subplots(
        len(models), 3, figsize=(12, 3.1 * len(models) + 0.6), squeeze=False, layout="constrained"
    )
    speed = "pixels per frame" if unit == "pixels" else "gray levels"
    for model, (lift, share, flow) in zip(models, axes, strict=True):
        rows = table[table["model"] == model]
        for number, method in enumerate(methods):
            own = rows[rows["method"] == method]
            again = {"mfc": "white"} if number >= len(COLORS) else {}
            style = {
                **again,
                "color": COLORS[number % len(COLORS)],
                "marker": "osD^vP*X<>"[number % 10],
                "ms": 4,
                "lw": 1.3,
            }
            held = own[own["flow_threshold"] == threshold].dropna(subset="sigma").sort_values("sigma")
            lift.plot(held["sigma"], held["lift"], label=TITLES.get(method, method), **style)
            share.plot(held["sigma"], 100 * held["relevance_share"], **style)
            for kind, dashes in ((own[own["sigma"].isna()], ":"), (own[own["sigma"] == sigma], "-")):
                kind = kind.sort_values("flow_threshold")
                flow.plot(kind["flow_threshold"], 100 * kind["precision"], ls=dashes, **style)
        base = rows.groupby("flow_threshold")["base_rate"].mean()
        flow.plot(base.index, 100 * base, color="black", lw=2, ls="--", label="share of moving voxels")
        lift.axhline(1, color="black", lw=1, ls="--")
        for axis in (lift, share):
            axis.axvline(sigma, color="gray", lw=0.8, ls=":")
            axis.set_xlabel("threshold of the selection (σ)")
        flow.axvline(threshold, color="gray", lw=0.8, ls=":")
        lift.set(title=f"{model}: precision over the share of moving voxels", ylabel="lift")
        share.set(title=f"{model}: relevance that is selected", ylabel="%", ylim=(0, None))
        flow.set(title=f"{model}: precision (dotted: whole maps, σ = {sigma:g})", ylabel="%")
        flow.set(xlabel=f"threshold of motion ({speed})", ylim=(0, 100))
        for axis in (lift, share, flow):
            axis.grid(alpha=0.25)
            axis.title.set_size(9)
    axes[0, 0].legend(fontsize=6, ncols=2)
    axes[0, 2].legend(fontsize=6)
    return figure
