"""Scenes of the embedded benchmark: arrays of frames with their exact ground truth.

A scene is a stack of layers over a moving texture. Each layer is a shape with a surface pattern,
placed by a similarity transform that changes over time, so that the displacement of every visible
point from one frame to the next is known in closed form.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

BACKGROUND, ACTOR, FIRST_DISTRACTOR, CUE = 0, 1, 2, 255

# ---- shapes: distance to the edge in object units, negative inside, within the unit circle ----------


def _polygon(u, v, sides, inner):
    angles = 2 * np.pi * np.arange(sides) / sides - np.pi / 2
    return np.maximum.reduce([u * np.cos(a) + v * np.sin(a) for a in angles]) - inner


def _bar(u, v, half_u, half_v):
    return np.maximum(np.abs(u) - half_u, np.abs(v) - half_v)


def _star(u, v):
    return np.hypot(u, v) - 0.68 - 0.32 * np.cos(5 * np.arctan2(u, -v))


SHAPES: dict[str, Callable] = {
    "disk": lambda u, v: np.hypot(u, v) - 1,
    "square": lambda u, v: _bar(u, v, 0.71, 0.71),
    "star": _star,
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.72) - 0.28,
    "triangle": lambda u, v: _polygon(u, v, 3, 0.5),
    "cross": lambda u, v: np.minimum(_bar(u, v, 0.94, 0.33), _bar(u, v, 0.33, 0.94)),
    "crescent": lambda u, v: np.maximum(np.hypot(u, v) - 1, 0.75 - np.hypot(u - 0.55, v)),
    "hexagon": lambda u, v: _polygon(u, v, 6, 0.87),
}
DISTRACTOR_SHAPES: dict[str, Callable] = {
    "capsule": lambda u, v: np.hypot(np.maximum(np.abs(u) - 0.6, 0), v) - 0.38,
    "half_disk": lambda u, v: np.maximum(np.hypot(u, v) - 1, -v),
    "diamond": lambda u, v: (np.abs(u) + 1.7 * np.abs(v) - 1) / 1.97,
}

# ---- surface patterns: values in [-1, 1] in object units ---------------------------------------------

TEXTURES: dict[str, Callable] = {
    "stripes": lambda u, v: np.sin(11 * u),
    "checks": lambda u, v: 1.5 * np.sin(8 * u) * np.sin(8 * v),
    "halves": lambda u, v: np.tanh(9 * v),
    "spokes": lambda u, v: np.sin(6 * np.arctan2(v, u)),
    "dots": lambda u, v: 1.2 * (np.cos(9 * u) + np.cos(9 * v)) - 0.9,
    "chevrons": lambda u, v: np.sin(9 * (u + np.abs(v))),
    "waves": lambda u, v: np.sin(9 * u + 2 * np.sin(6 * v)),
    "rings": lambda u, v: np.sin(11 * np.hypot(u, v)),
}
DISTRACTOR_TEXTURES: dict[str, Callable] = {
    "plain": lambda u, v: np.zeros_like(u),
    "hatch": lambda u, v: np.maximum(np.sin(12 * (u + v)), np.sin(12 * (u - v))),
    "blotches": lambda u, v: np.sin(6 * u + 3 * np.sin(4 * v)) * np.cos(5 * v),
}
# In units of half the frame, along (u) and across (v) the strip that shows the cue.
CUES: dict[str, Callable] = {
    "planks": lambda u, v: np.sin(14 * u),
    "bands": lambda u, v: np.sin(26 * v),
    "slants": lambda u, v: np.sin(12 * (u + v)),
    "tiles": lambda u, v: np.tanh(4 * np.sin(12 * u) * np.sin(12 * v)),
    "bubbles": lambda u, v: np.cos(16 * u) + np.cos(16 * v) - 0.6,
    "ripples": lambda u, v: np.sin(20 * v + 2 * np.sin(9 * u)),
    "net": lambda u, v: 2 * np.maximum(np.cos(13 * (u + v)), np.cos(13 * (u - v))) - 1,
    "mist": lambda u, v: np.sin(5 * u + 2 * np.sin(4 * v)),
}

# ---- motions ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pose:
    """Place of a layer in each frame: x = center + scale · R(angle) · u, in pixels.

    Attributes
    ----------
    center : (T, 2) float array
        x and y of the object's origin, pixel centers being whole numbers.
    angle : (T,) float array
        Radians, clockwise on the screen since y points down.
    scale : (T,) float array
        Pixels per object unit.
    """

    center: np.ndarray
    angle: np.ndarray
    scale: np.ndarray

    def to_object(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Object coordinates (T, …) of the pixels at `x`, `y` in every frame."""
        x, y = x - self._column(self.center[:, 0]), y - self._column(self.center[:, 1])
        cos, sin = (self._column(f(self.angle) / self.scale) for f in (np.cos, np.sin))
        return cos * x + sin * y, cos * y - sin * x

    def to_pixels(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixel coordinates of object points (T, …) in every frame."""
        cos, sin = (self._column(f(self.angle) * self.scale) for f in (np.cos, np.sin))
        return (
            cos * u - sin * v + self._column(self.center[:, 0]),
            sin * u + cos * v + self._column(self.center[:, 1]),
        )

    def __getitem__(self, frames: slice) -> Pose:
        return Pose(self.center[frames], self.angle[frames], self.scale[frames])

    @staticmethod
    def _column(values: np.ndarray) -> np.ndarray:
        return np.asarray(values, np.float32)[:, None, None]


def zigzag(phase: np.ndarray) -> np.ndarray:
    """Triangular wave of period 1 in [-1, 1]."""
    return 1 - 4 * np.abs((phase + 0.25) % 1 - 0.5)


# Each motion draws its parameters from `rng` and returns the path's offset (T, 2) in frame widths,
# the turn (T,) in radians and the growth (T,). Periods are in frames, such that a clip of 16 frames
# shows enough of each to tell it from the others.


def _still(t):
    return np.zeros((len(t), 2)), np.zeros(len(t)), np.ones(len(t))


def _slide(rng, t):
    offset, turn, growth = _still(t)
    offset[:, 0] = 0.22 * zigzag(t / rng.uniform(20, 26) + rng.uniform())
    return offset, turn, growth


def _bounce(rng, t):
    offset, turn, growth = _still(t)
    fall = (t / rng.uniform(9, 12) + rng.uniform()) % 1
    offset[:, 1] = rng.uniform(0.24, 0.3) * (0.5 - 4 * fall * (1 - fall))
    return offset, turn, growth


def _spin(rng, t):
    offset, turn, growth = _still(t)
    return offset, turn + rng.choice([-1, 1]) * rng.uniform(0.2, 0.32) * t, growth


def _pulse(rng, t):
    offset, turn, growth = _still(t)
    return offset, turn, growth + 0.3 * np.sin(2 * np.pi * (t / rng.uniform(8, 12) + rng.uniform()))


def _orbit(rng, t):
    offset, turn, growth = _still(t)
    phase = 2 * np.pi * (rng.choice([-1, 1]) * t / rng.uniform(12, 16) + rng.uniform())
    offset[:] = rng.uniform(0.13, 0.17) * np.stack([np.cos(phase), np.sin(phase)], 1)
    return offset, turn, growth


def _shake(rng, t):
    offset, turn, growth = _still(t)
    periods, phases = rng.uniform([3.2, 4.6], [4.2, 6.0]), rng.uniform(size=2)
    offset[:] = rng.uniform(0.04, 0.055) * np.sin(2 * np.pi * (t[:, None] / periods + phases))
    return offset, turn, growth


def _rock(rng, t):
    offset, turn, growth = _still(t)
    return offset, turn + 0.8 * np.sin(2 * np.pi * (t / rng.uniform(9, 12) + rng.uniform())), growth


def _tumble(rng, t):
    offset, turn, growth = _still(t)
    offset[:] = 0.2 * zigzag(t / rng.uniform(20, 26) + rng.uniform())[:, None] * [0.5, 1]
    return offset, turn + 1.5 * offset[:, 1] / 0.2, growth


MOTIONS: dict[str, Callable] = {
    "slide": _slide,
    "bounce": _bounce,
    "spin": _spin,
    "pulse": _pulse,
    "orbit": _orbit,
    "shake": _shake,
    "rock": _rock,
    "tumble": _tumble,
}


def draw_pose(
    rng: np.random.Generator, motion: str, *, frames: int, size: int, radius: float, vigor: float = 1.0
) -> Pose:
    """Draw a path of the kind `motion` that keeps an object of `radius` pixels in the frame.

    Parameters
    ----------
    motion : str
        A key of `MOTIONS`.
    frames, size : int
        Length in frames and side of the square frame in pixels.
    radius : float
        Radius in pixels of the circle around the object.
    vigor : float
        Factor on the length of the path.

    Returns
    -------
    Pose
    """
    offset, turn, growth = MOTIONS[motion](rng, np.arange(frames, dtype=float))
    offset = offset * size * vigor
    low = 0.85 * radius * growth.max() - offset.min(0)
    high = size - 1 - 0.85 * radius * growth.max() - offset.max(0)
    middle, slack = (low + high) / 2, np.maximum(high - low, 0) / 2
    start = middle + slack * rng.uniform(-1, 1, 2)
    return Pose(start + offset, turn + rng.uniform(-0.3, 0.3), radius * growth)


# ---- rendering --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layer:
    """One object: what it looks like and where it is in each frame."""

    code: int
    shape: Callable
    texture: Callable
    colors: np.ndarray
    pose: Pose
    shading: float = 0.0


@dataclass(frozen=True)
class Scene:
    """Frames with their ground truth.

    Attributes
    ----------
    frames : (T, H, W, 3) uint8 array
        RGB.
    objects : (T, H, W) uint8 array
        What is visible: 0 background, 1 actor, 2, 3, … distractors, 255 context cue. Of two actors the second is 2.
    flow : (T - 1, H, W, 2) float32 array
        Displacement (dx, dy) in pixels from frame t to t + 1 of what frame t shows at each pixel.
    attributes : dict
        What the scene is made of, as plain numbers and text.
    evidence : int
        Code in `objects` of what decides the class.
    """

    frames: np.ndarray
    objects: np.ndarray
    flow: np.ndarray
    attributes: dict = field(default_factory=dict)
    evidence: int = ACTOR

    def masks(self) -> dict[str, np.ndarray]:
        """Where the evidence and the other objects, the distractors, are seen: (T, H, W) bool."""
        evidence = self.objects == self.evidence
        return {
            "evidence": evidence,
            "distractor": ~evidence & ~np.isin(self.objects, (BACKGROUND, CUE)),
        }


def render(
    background: np.ndarray, drift: np.ndarray, layers: list[Layer], *, frames: int, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw `layers`, the last on top, over a periodic texture that moves by `drift` per frame.

    Parameters
    ----------
    background : (P, P, 3) float array in [0, 1]
        Repeats in both directions.
    drift : (2,) float array
        (dx, dy) in pixels per frame.
    layers : list of Layer
    frames, size : int

    Returns
    -------
    canvas : (T, H, W, 3) float32 array in [0, 1]
    objects : (T, H, W) uint8 array
    flow : (T - 1, H, W, 2) float32 array
        See `Scene`.
    """
    x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    shifts = np.arange(frames)[:, None] * np.asarray(drift)
    canvas = np.stack(
        [
            cv2.remap(background, x - dx, y - dy, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
            for dx, dy in (shifts % len(background)).astype(np.float32)
        ]
    )
    objects = np.zeros((frames, size, size), np.uint8)
    flow = np.broadcast_to(np.asarray(drift, np.float32), (frames - 1, size, size, 2)).copy()
    for layer in layers:
        window = _window(layer.pose, size)
        _draw(layer, x[window], y[window], canvas[:, *window], objects[:, *window], flow[:, *window])
    return canvas, objects, flow


def _window(pose: Pose, size: int) -> tuple[slice, slice]:
    """Rows and columns that the unit circle ever touches."""
    low = np.floor((pose.center - pose.scale[:, None]).min(0) - 1).clip(0, size).astype(int)
    high = np.ceil((pose.center + pose.scale[:, None]).max(0) + 2).clip(0, size).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _draw(layer: Layer, x, y, canvas, objects, flow) -> None:
    """Draw one layer into views of the canvas, the object map and the flow."""
    u, v = layer.pose.to_object(x, y)
    # One pixel of ramp at the edge: the coverage of a pixel by a straight edge.
    cover = np.clip(0.5 - layer.shape(u, v) * Pose._column(layer.pose.scale), 0, 1)
    mix = np.clip(0.5 + 0.5 * layer.texture(u, v), 0, 1)[..., None]
    paint = layer.colors[0] + mix * (layer.colors[1] - layer.colors[0])
    paint *= 1 + layer.shading * np.clip(u, -1, 1)[..., None]
    canvas += cover[..., None] * (paint - canvas)

    visible = cover > 0.5
    objects[visible] = layer.code
    next_x, next_y = layer.pose[1:].to_pixels(u[:-1], v[:-1])
    moved = np.stack([next_x - x, next_y - y], -1)
    np.copyto(flow, moved, where=visible[:-1, ..., None])


@lru_cache(maxsize=None)
def unit_area(shape: str) -> float:
    """Area of a shape in object units."""
    u, v = np.meshgrid(*[np.linspace(-1, 1, 401)] * 2)
    return float(4 * np.mean((SHAPES | DISTRACTOR_SHAPES)[shape](u, v) < 0))


# ---- the benchmark's scenes -------------------------------------------------------------------------


def draw_scene(
    rng: np.random.Generator,
    *,
    look: int,
    motion: str,
    cue: int,
    frames: int = 20,
    size: int = 64,
    noise: float = 4.0,
) -> Scene:
    """Draw one video: an actor and distractors before a drifting background that shows a cue.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides everything that is not given: places, sizes, colors, distractors, noise.
    look : int
        Index of the actor's shape in `SHAPES` and of its pattern in `TEXTURES`.
    motion : str
        The actor's motion, a key of `MOTIONS`.
    cue : int
        Index of the cue in `CUES`.
    frames, size : int
        Length and side in pixels.
    noise : float
        Standard deviation of the sensor noise in gray levels of 255.

    Returns
    -------
    Scene
    """
    shape, texture = list(SHAPES)[look], list(TEXTURES)[look]
    drift = _draw_drift(rng, size)
    # Shares of the frame's area: the actor is the largest moving thing.
    radius = size * np.sqrt(rng.uniform(0.09, 0.15) / unit_area(shape))
    actor = Layer(
        ACTOR,
        SHAPES[shape],
        TEXTURES[texture],
        _draw_colors(rng, 0.75, 0.45),
        draw_pose(rng, motion, frames=frames, size=size, radius=radius),
        shading=0.2,
    )
    distractors = [
        _draw_distractor(rng, FIRST_DISTRACTOR + i, frames, size) for i in range(rng.integers(1, 4))
    ]
    layers = [_draw_cue(rng, cue, drift, frames, size), *(layer for layer, _ in distractors), actor]
    canvas, objects, flow = render(_draw_background(rng, size), drift, layers, frames=frames, size=size)
    canvas = 255 * rng.uniform(0.8, 1.0) * canvas
    if noise:
        canvas += noise * rng.standard_normal(canvas.shape, dtype=np.float32)

    speed = np.linalg.norm(flow, axis=-1)[objects[:-1] == ACTOR]
    attributes = {
        "actor_shape": shape,
        "actor_texture": texture,
        "actor_motion": motion,
        "actor_speed": float(speed.mean()),
        "cue": list(CUES)[cue],
        "background_velocity": drift,
        "distractors": ",".join(text for _, text in distractors),
    }
    return Scene(np.clip(np.rint(canvas), 0, 255).astype(np.uint8), objects, flow, attributes)


def _draw_drift(rng, size):
    angle = rng.uniform(0, 2 * np.pi)
    return rng.uniform(0.1, 0.4) * size / 64 * np.array([np.cos(angle), np.sin(angle)])


def _draw_colors(rng, saturation, contrast):
    """Two colors (2, 3) of about one hue: a dark and a bright one."""
    hue, value = rng.uniform(), rng.uniform(0.85, 1.0)
    dark = colorsys.hsv_to_rgb(hue, saturation, value * (1 - contrast))
    bright = colorsys.hsv_to_rgb((hue + 0.06) % 1, saturation * 0.8, value)
    return np.array([dark, bright], np.float32)


def _draw_background(rng, size):
    """Dull periodic texture (2 size, 2 size, 3) of coarse and fine grain."""
    grain = rng.standard_normal((2, 2 * size, 2 * size), dtype=np.float32)
    coarse, fine = (gaussian_filter(g, s, mode="wrap") for g, s in zip(grain, (size / 10, size / 40)))
    texture = 0.18 * coarse / coarse.std() + 0.10 * fine / fine.std()
    color = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.05, 0.25), rng.uniform(0.3, 0.55))
    return np.clip(np.asarray(color, np.float32) * (1 + texture[..., None]), 0, 1).astype(np.float32)


def _draw_cue(rng, cue, drift, frames, size):
    """A patterned strip along one side of the frame, fixed to the background."""
    # The pattern is the cue, not its color: a color of a quarter of the frame outshines any actor.
    hue = rng.uniform()
    colors = np.array(
        [colorsys.hsv_to_rgb(hue, 0.25, value) for value in rng.uniform([0.25, 0.6], [0.35, 0.75])],
        np.float32,
    )
    # The strip's middle line is the frame's edge; what is outside covers the background's drift.
    side, half_width = rng.integers(4), rng.uniform(0.22, 0.28)
    angle = side * np.pi / 2
    middle = (size - 1) / 2
    inward = np.array([np.sin(angle), -np.cos(angle)])
    t = np.arange(frames) - (frames - 1) / 2
    # Unit circle of radius 3 half-frames, so that the strip's ends stay out of sight.
    pose = Pose(
        middle - inward * middle + t[:, None] * drift,
        np.full(frames, angle),
        np.full(frames, 1.5 * size),
    )
    pattern, shift = CUES[list(CUES)[cue]], rng.uniform(0, 1)
    return Layer(
        CUE,
        lambda u, v: np.abs(v) - half_width * 2 / 3,
        lambda u, v: pattern(3 * u + shift, 3 * v),
        colors,
        pose,
    )


def _draw_distractor(rng, code, frames, size):
    shape, texture, motion = (
        str(rng.choice(list(kinds))) for kinds in (DISTRACTOR_SHAPES, DISTRACTOR_TEXTURES, MOTIONS)
    )
    radius = size * np.sqrt(rng.uniform(0.02, 0.045) / unit_area(shape))
    pose = draw_pose(rng, motion, frames=frames, size=size, radius=radius, vigor=rng.uniform(0.4, 0.8))
    turned = Pose(pose.center, pose.angle + rng.uniform(0, 2 * np.pi), pose.scale)
    layer = Layer(
        code,
        DISTRACTOR_SHAPES[shape],
        DISTRACTOR_TEXTURES[texture],
        _draw_colors(rng, 0.6, 0.4),
        turned,
        shading=0.2,
    )
    return layer, f"{shape} {texture} {motion}"
