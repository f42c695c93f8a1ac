"""Scenes in which what decides the class does not stand out.

Objects and background have saturations, brightness, textures and amounts of motion of the same distributions, and
objects sizes, too; but patterns, where they are the evidence, have a brightness of their own (darkness has an AUROC of
0.60 among the objects). They differ in hue: a detector of color tells objects from the background, and of two actors which
one is which; of other objects none tells the evidence. It is told by what an object does, or by the pattern of the one
that does nothing: so the length of the flow against the camera tells it in part where motions differ in that, and
the contrast of what stands still does where all else moves.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from .scenes import (
    ACTOR,
    DISTRACTOR_TEXTURES,
    SHAPES,
    TEXTURES,
    Layer,
    Pose,
    Scene,
    render,
    unit_area,
    zigzag,
)

# Steady motions, by their direction on the screen; classes have the first four. The background always has the fifth:
# if its motion were drawn too, small networks would not learn from hundreds of videos what one object does before it.
DIRECTIONS = {
    "right": (1, 0), "down": (0, 1), "left": (-1, 0), "up": (0, -1),
    "down_right": (0.7071, 0.7071), "down_left": (-0.7071, 0.7071), "up_left": (-0.7071, -0.7071),
    "up_right": (0.7071, -0.7071),
}  # fmt: skip
DRIFT = "down_right"
OTHER_MOTIONS = (DRIFT, "rock")  # of no class
SOLID_SHAPES = ("disk", "square", "hexagon", "cross")
OTHER_TEXTURES = ("hatch", "blotches")
AREA, LARGE = (0.08, 0.10), (0.11, 0.13)  # of an object, as a share of the frame
SPEED = (1.0, 1.3)  # mean over an object's surface and over time, in pixels per frame of 64 pixels
SATURATION = (
    0.4,
    0.6,
)  # of objects and background: so wide that differences by pattern or noise are lost in it
CONTRAST, FAINT = 0.33, 0.08  # of objects and of what moves behind them, and of a still background
# Objects and background differ in hue, from which a small network can tell them apart, and in no other way.
BACKGROUND_HUE = 0.22, 0.42
WARM, COLD = (-0.05, 0.05), (0.55, 0.65)
GRAIN = 9.0  # wavelength of the common texture, in pixels of a frame of 64


def draw_two_actors(
    rng: np.random.Generator,
    *,
    first: str,
    second: str,
    frames: int = 20,
    size: int = 64,
    noise: float = 4.0,
) -> Scene:
    """Draw two actors, a warm one and a cold one, each with a motion of its own.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides everything that is not given.
    first, second : str
        Motions of the actor of a warm color, code 1, and of that of a cold one, code 2: of `DIRECTIONS`.
    frames, size, noise
        As for `voxplain.videos.scenes.draw_scene`.

    Returns
    -------
    Scene
    """
    looks = [(str(rng.choice(SOLID_SHAPES)), motion, None) for motion in (first, second)]
    hues = rng.uniform(*np.transpose([WARM, COLD, BACKGROUND_HUE]))
    return _draw(rng, looks, hues, frames=frames, size=size, noise=noise)


def draw_which_motion(
    rng: np.random.Generator, *, motion: str, frames: int = 20, size: int = 64, noise: float = 4.0
) -> Scene:
    """Draw three objects of which one, code 1, makes the motion of a class and the others motions of none.

    Parameters are those of `draw_two_actors`; `motion` is of `DIRECTIONS`, and of no oblique one.
    """
    motions = [motion, *(str(rng.choice(OTHER_MOTIONS)) for _ in range(2))]
    looks = [(str(rng.choice(SOLID_SHAPES)), motion, None) for motion in motions]
    return _draw(rng, looks, area=LARGE, frames=frames, size=size, noise=noise)


def draw_static_evidence(
    rng: np.random.Generator, *, pattern: str, frames: int = 20, size: int = 64, noise: float = 4.0
) -> Scene:
    """Draw an object, code 1, with the pattern of a class that stays where it is, and two that move.

    Parameters are those of `draw_two_actors`; `pattern` is a key of `voxplain.videos.scenes.TEXTURES`. The
    background stays as well, so that motion leads away from the evidence; its texture is fainter.
    """
    looks = [(str(rng.choice(SOLID_SHAPES)), "stay", TEXTURES[pattern])]
    for _ in range(2):
        shape, motion, texture = (
            str(rng.choice(kinds)) for kinds in (SOLID_SHAPES, [*DIRECTIONS, "rock"], OTHER_TEXTURES)
        )
        looks.append((shape, motion, DISTRACTOR_TEXTURES[texture]))
    return _draw(rng, looks, still=True, frames=frames, size=size, noise=noise)


def _draw(
    rng: np.random.Generator,
    looks: list[tuple[str, str, Callable | None]],
    hues: np.ndarray | None = None,
    *,
    still: bool = False,
    area: tuple[float, float] = AREA,
    frames: int,
    size: int,
    noise: float,
) -> Scene:
    """Draw objects of (shape, motion, texture or the common one), each about a quarter of the frame of its own."""
    quarters = rng.permutation(4)[: len(looks)]
    if hues is None:  # far apart, dealt by chance
        places = (rng.permutation(len(looks)) + rng.uniform(0, 0.5, len(looks))) / len(looks)
        hues = [*(0.52 + 0.53 * places), rng.uniform(*BACKGROUND_HUE)]
    speed = 0.0 if still else rng.uniform(*SPEED)
    drift = speed * size / 64 * np.array(DIRECTIONS[DRIFT])
    layers = []
    for code, ((shape, motion, texture), quarter, hue) in enumerate(zip(looks, quarters, hues), ACTOR):
        radius = size * np.sqrt(rng.uniform(*area) / unit_area(shape))
        pose = _draw_path(rng, motion, shape, quarter, frames=frames, size=size, radius=radius)
        texture = texture or _grain(rng, 2 * np.pi * radius / (GRAIN * size / 64))
        layers.append(Layer(code, SHAPES[shape], texture, _draw_colors(rng, hue), pose))
    rng.shuffle(layers)  # which hides which
    background = _draw_background(rng, _draw_colors(rng, hues[-1], FAINT if still else CONTRAST), size)
    canvas, objects, flow = render(background, drift, layers, frames=frames, size=size)
    canvas = 255 * rng.uniform(0.8, 1.0) * canvas
    if noise:
        canvas += noise * rng.standard_normal(canvas.shape, dtype=np.float32)
    attributes = {
        "background_velocity": drift,
        "shapes": ",".join(shape for shape, _, _ in looks),
        "motions": ",".join(motion for _, motion, _ in looks),
    }
    return Scene(np.clip(np.rint(canvas), 0, 255).astype(np.uint8), objects, flow, attributes)


def _draw_path(rng, motion, shape, quarter, *, frames, size, radius) -> Pose:
    """A path in a quarter of the frame, of a mean speed over the object that is drawn alike for all motions."""
    t, speed = np.arange(frames) - (frames - 1) / 2, rng.uniform(*SPEED) * size / 64
    offset, turn = np.zeros((frames, 2)), np.zeros(frames)
    if motion in DIRECTIONS:
        offset = speed * t[:, None] * DIRECTIONS[motion]
    else:  # stays where such a path might lead, so that it is as often in part out of sight
        offset = offset + speed * rng.choice(t) * np.array(DIRECTIONS[str(rng.choice(list(DIRECTIONS)))])
    if motion == "rock":
        wave = zigzag(t / rng.uniform(9, 12) + rng.uniform())
        # By its steps from frame to frame, which are shorter than the wave's slope where it turns between two.
        turn = wave * speed / (np.abs(np.diff(wave)).mean() * radius * mean_reach(shape))
    center = size / 4 * (1 + 2 * np.array([quarter % 2, quarter // 2])) - 0.5
    place = center + size / 64 * rng.uniform(-3, 3, 2)
    return Pose(place + offset, turn + rng.uniform(-0.3, 0.3), np.full(frames, float(radius)))


@lru_cache(maxsize=None)
def mean_reach(shape: str) -> float:
    """Mean distance of a shape's points from its origin, in object units: its mean speed by a turn of 1."""
    u, v = np.meshgrid(*[np.linspace(-1, 1, 401)] * 2)
    return float(np.hypot(u, v)[SHAPES[shape](u, v) < 0].mean())


def _draw_colors(rng, hue, contrast=CONTRAST):
    """A dark and a bright color (2, 3) of one hue and saturation."""
    saturation, middle = rng.uniform(*SATURATION), rng.uniform(0.64, 0.75)
    values = middle * (1 - contrast), middle * (1 + contrast)
    return np.array([colorsys.hsv_to_rgb(hue % 1, saturation, value) for value in values], np.float32)


def _grain(rng, frequency: float) -> Callable:
    """Texture of waves in all directions, of about this angular frequency in object units."""
    angles, phases = rng.uniform(0, 2 * np.pi, (2, 12))
    waves = frequency * rng.uniform(0.7, 1.3, 12)
    return _waves(waves * np.cos(angles), waves * np.sin(angles), phases)


def _draw_background(rng, colors, size):
    """The same texture, with period 2 size, as (2 size, 2 size, 3)."""
    period = 2 * size
    angles, phases = rng.uniform(0, 2 * np.pi, (2, 12))
    waves = period / (GRAIN * size / 64) * rng.uniform(0.7, 1.3, 12)
    x, y = np.meshgrid(*[2 * np.pi / period * np.arange(period, dtype=np.float32)] * 2)
    texture = _waves(np.rint(waves * np.cos(angles)), np.rint(waves * np.sin(angles)), phases)(x, y)
    mix = np.clip(0.5 + 0.5 * texture, 0, 1)[..., None]
    return (colors[0] + mix * (colors[1] - colors[0])).astype(np.float32)


def _waves(along, across, phases) -> Callable:
    """Sum of plane waves, of variance 1."""

    def texture(u, v):
        waves = (np.cos(a * u + b * v + phase) for a, b, phase in zip(along, across, phases))
        return np.float32(np.sqrt(2 / len(phases))) * sum(waves)

    return texture
