"""Scenes in which what decides the class does not stand out.

Objects and background have colors, sizes, textures and amounts of motion of the same distributions: no property
of single voxels tells the evidence from the rest. It is told by what an object does, or by the pattern of the one
that does nothing.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from .adapters.embedded import CLASS_MOTIONS
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

# Motions that no class has; any other word is no motion at all.
OTHER_MOTIONS = ("falling", "rising", "rock")
DIRECTIONS = {
    "horizontal": (1, 0),
    "vertical": (0, 1),
    "falling": (0.7071, 0.7071),
    "rising": (0.7071, -0.7071),
}
SOLID_SHAPES = ("disk", "square", "hexagon", "cross")
OTHER_TEXTURES = ("hatch", "blotches")
AREA = (0.075, 0.095)  # of an object, as a share of the frame
SPEED = (1.3, 1.7)  # mean over an object's surface and over time, in pixels per frame of 64 pixels
SATURATION, CONTRAST = 0.5, 0.5  # of every object and of the background
GRAIN = 7.0  # wavelength of the common texture, in pixels of a frame of 64


def draw_two_actors(
    rng: np.random.Generator,
    *,
    first: str,
    second: str,
    frames: int = 20,
    size: int = 64,
    noise: float = 4.0,
) -> Scene:
    """Draw two actors, a round one and an angular one, each with a motion of its own.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides everything that is not given.
    first, second : str
        Motions of the round actor, code 1, and of the square one, code 2: of `CLASS_MOTIONS`.
    frames, size, noise
        As for `voxplain.videos.scenes.draw_scene`.

    Returns
    -------
    Scene
    """
    looks = [("disk", first, None), ("square", second, None)]
    return _draw(rng, looks, frames=frames, size=size, noise=noise)


def draw_which_motion(
    rng: np.random.Generator, *, motion: str, frames: int = 20, size: int = 64, noise: float = 4.0
) -> Scene:
    """Draw four objects of which one, code 1, makes the motion of a class and the others motions of none.

    Parameters are those of `draw_two_actors`; `motion` is of `CLASS_MOTIONS`.
    """
    motions = [motion, *(str(rng.choice(OTHER_MOTIONS)) for _ in range(3))]
    looks = [(str(rng.choice(SOLID_SHAPES)), motion, None) for motion in motions]
    return _draw(rng, looks, frames=frames, size=size, noise=noise)


def draw_static_evidence(
    rng: np.random.Generator, *, pattern: str, frames: int = 20, size: int = 64, noise: float = 4.0
) -> Scene:
    """Draw an object, code 1, with the pattern of a class that stays where it is, and three that move.

    Parameters are those of `draw_two_actors`; `pattern` is a key of `voxplain.videos.scenes.TEXTURES`. The
    background stays as well, so that motion leads away from the evidence.
    """
    looks = [(str(rng.choice(SOLID_SHAPES)), "stay", TEXTURES[pattern])]
    for _ in range(3):
        shape, motion, texture = (
            str(rng.choice(kinds)) for kinds in (SOLID_SHAPES, CLASS_MOTIONS + OTHER_MOTIONS, OTHER_TEXTURES)
        )
        looks.append((shape, motion, DISTRACTOR_TEXTURES[texture]))
    return _draw(rng, looks, still=True, frames=frames, size=size, noise=noise)


def _draw(
    rng: np.random.Generator,
    looks: list[tuple[str, str, Callable | None]],
    *,
    still: bool = False,
    frames: int,
    size: int,
    noise: float,
) -> Scene:
    """Draw objects of (shape, motion, texture or the common one), each in a quarter of the frame of its own."""
    quarters = rng.permutation(4)[: len(looks)]
    # Colors of equal saturation, far apart in hue, dealt by chance.
    hues = (rng.uniform() + rng.permutation(len(looks) + 1) / (len(looks) + 1) + rng.uniform(-0.03, 0.03)) % 1
    angle, speed = rng.uniform(0, 2 * np.pi), 0.0 if still else rng.uniform(*SPEED)
    drift = speed * size / 64 * np.array([np.cos(angle), np.sin(angle)])
    layers = []
    for code, ((shape, motion, texture), quarter, hue) in enumerate(zip(looks, quarters, hues), ACTOR):
        radius = size * np.sqrt(rng.uniform(*AREA) / unit_area(shape))
        pose = _draw_path(rng, motion, shape, quarter, frames=frames, size=size, radius=radius)
        texture = texture or _grain(rng, 2 * np.pi * radius / (GRAIN * size / 64))
        layers.append(Layer(code, SHAPES[shape], texture, _draw_colors(rng, hue), pose))
    background = _draw_background(rng, _draw_colors(rng, hues[-1]), size)
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
    t, period, phase = np.arange(frames), rng.uniform(9, 12), rng.uniform()
    speed, sign = rng.uniform(*SPEED) * size / 64, rng.choice([-1, 1])
    offset, turn = np.zeros((frames, 2)), np.zeros(frames)
    # A triangular wave of amplitude a moves by 4 a / period.
    swing = zigzag(t / period + phase) * speed * period / 4
    if motion in DIRECTIONS:
        offset = swing[:, None] * DIRECTIONS[motion]
    elif motion == "circle":
        around = 2 * np.pi * (sign * t / period + phase)
        offset = speed * period / (2 * np.pi) * np.stack([np.cos(around), np.sin(around)], 1)
    elif motion == "spin":
        turn = sign * t * speed / (radius * mean_reach(shape))
    elif motion == "rock":
        turn = swing / (radius * mean_reach(shape))
    center = size / 4 * (1 + 2 * np.array([quarter % 2, quarter // 2])) - 0.5
    place = center + size / 64 * rng.uniform(-3, 3, 2)
    return Pose(place + offset, turn + rng.uniform(-0.3, 0.3), np.full(frames, float(radius)))


@lru_cache(maxsize=None)
def mean_reach(shape: str) -> float:
    """Mean distance of a shape's points from its origin, in object units: its mean speed by a turn of 1."""
    u, v = np.meshgrid(*[np.linspace(-1, 1, 401)] * 2)
    return float(np.hypot(u, v)[SHAPES[shape](u, v) < 0].mean())


def _draw_colors(rng, hue):
    """A dark and a bright color (2, 3) of one hue and saturation."""
    bright = rng.uniform(0.85, 1.0)
    return np.array(
        [colorsys.hsv_to_rgb(hue, SATURATION, value) for value in (bright * (1 - CONTRAST), bright)],
        np.float32,
    )


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
