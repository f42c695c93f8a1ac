"""The embedded benchmark: same bytes from the same seed, and a ground truth that is one."""

from __future__ import annotations

import os
import re

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from voxplain.artifacts import open_h5
from voxplain.errors import ArtifactError, ConfigError
from voxplain.motion.truth import truth_masks
from voxplain.pixel_maps import motion_map, still_contrast_map
from voxplain.segmenters import SEGMENTERS
from voxplain.statistics import auroc
from voxplain.videos.adapters import DATASETS
from voxplain.videos.adapters.embedded import CLASS_MOTIONS, CLASS_NAMES, CLASS_PATTERNS, two_acts
from voxplain.videos.clips import fit_frame
from voxplain.videos.decode import probe, read_chosen_frames
from voxplain.videos.embedded import _draw_class, embedded_truth, make_embedded_videos, read_ground_truth
from voxplain.videos.matched import (
    DIRECTIONS,
    OTHER_MOTIONS,
    SPEED,
    _draw_path,
    draw_static_evidence,
    draw_two_actors,
    draw_which_motion,
    mean_reach,
)
from voxplain.videos.scenes import (
    ACTOR,
    BACKGROUND,
    CUE,
    CUES,
    FIRST_DISTRACTOR,
    MOTIONS,
    SHAPES,
    TEXTURES,
    Layer,
    Pose,
    draw_pose,
    draw_scene,
    render,
)
from voxplain.videos.table import read_video_table
from voxplain.videos.truth import Truth


def read_frames(path, **how) -> np.ndarray:
    """All frames of a video, or the chosen ones."""
    return read_chosen_frames(path, **{"choose": np.arange} | how)[0]


SMALL = {"classes": 3, "train_per_class": 2, "test_per_class": 1, "frames": 9}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedded")
    return folder, make_embedded_videos(folder, **SMALL)


def contents(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# ---- files ------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(made, tmp_path):
    folder, _ = made
    make_embedded_videos(tmp_path / "again", workers=3, **SMALL)
    again = contents(tmp_path / "again")
    assert len(again) == 3 * 3 + 2
    assert again == contents(folder)


def test_another_seed_gives_other_videos(made, tmp_path):
    folder, _ = made
    make_embedded_videos(tmp_path, seed=1, **SMALL)
    before, after = contents(folder), contents(tmp_path)
    assert all(before[name] != after[name] for name in before if name != "videos.csv")


def test_more_videos_leave_the_others_as_they_are(made, tmp_path):
    folder, _ = made
    make_embedded_videos(tmp_path, **SMALL | {"train_per_class": 3})
    few, many = contents(folder), contents(tmp_path)
    for name in CLASS_NAMES["standard"][:3]:
        # Train 000 and 001, and the test video, which moves from 002 to 003.
        for old, new in [("000", "000"), ("001", "001"), ("002", "003")]:
            assert few[f"{name}/{name}_{old}.mp4"] == many[f"{name}/{name}_{new}.mp4"]


def test_the_table_is_known_before_and_read_after(made):
    folder, table = made
    pd.testing.assert_frame_equal(read_video_table(folder, dataset="embedded", **SMALL), table)
    pd.testing.assert_frame_equal(read_video_table(folder / "videos.csv"), table)
    assert table.groupby(["class", "split"]).size().to_dict() == {
        (class_name, split): n
        for class_name in CLASS_NAMES["standard"][:3]
        for split, n in (("train", 2), ("test", 1))
    }


def test_files_are_h264_and_show_the_scenes(made):
    folder, table = made
    options = DATASETS["embedded"].options(SMALL)
    rng, parts = next(_draw_class(1, options))
    scene = draw_scene(rng, frames=9, **parts)
    path = folder / "square_bounce" / "square_bounce_000.mp4"
    info = probe(path)
    assert (info.codec, info.frames, info.fps, info.width, info.height) == ("h264", 9, 12, 64, 64)
    frames = read_frames(path).astype(int)
    difference = np.abs(frames[:, None] - scene.frames[None]).mean((2, 3, 4))
    # The codec and half the color resolution cost a few gray levels; no frame is out of place.
    assert np.diag(difference).max() < 6
    assert np.array_equal(difference.argmin(1), np.arange(9))
    truth = read_ground_truth(folder / "ground_truth.h5", "square_bounce_000")
    np.testing.assert_array_equal(truth.objects, scene.objects)
    np.testing.assert_allclose(truth.flow, scene.flow, atol=0.004)
    assert truth.attributes["class"] == "square_bounce" and truth.attributes["split"] == "train"
    assert truth.attributes["actor_motion"] == "bounce" and truth.attributes["actor_shape"] == "square"


def test_ground_truth_of_a_clip(made):
    folder, table = made
    whole = read_ground_truth(folder / "ground_truth.h5", table["video"][0])
    clip = read_ground_truth(folder / "ground_truth.h5", table["video"][0], np.array([6, 7, 8, 6, 8]))
    np.testing.assert_array_equal(clip.objects, whole.objects[[6, 7, 8, 6, 8]])
    np.testing.assert_array_equal(clip.flow[:2], whole.flow[6:8])
    assert np.isnan(clip.flow[2:]).all()


def test_options_are_kept_with_the_ground_truth(made):
    with open_h5(made[0] / "ground_truth.h5", "ground_truth") as file:
        options = DATASETS["embedded"].options(SMALL)
        kept = {name: value for name, value in file.attrs.items() if name != "voxplain"}
        assert kept == {name: value for name, value in options.items() if value is not None}


@pytest.fixture(scope="module")
def one_video(tmp_path_factory):
    """The ground truth of one small video: its file, its bytes and what it says."""
    folder = tmp_path_factory.mktemp("one")
    options = {"classes": 2, "train_per_class": 1, "test_per_class": 1, "frames": 3, "size": 32}
    video = make_embedded_videos(folder, **options)["video"][0]
    path = folder / "ground_truth.h5"
    return path, path.read_bytes(), video, str(everything(read_ground_truth(path, video)))


def everything(scene):
    return scene.objects.tobytes(), scene.flow.tobytes(), sorted(scene.attributes.items()), scene.evidence


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
@settings(deadline=None, max_examples=60)
def test_a_flipped_bit_in_the_ground_truth_is_told_or_changes_nothing(one_video, where, bit):
    path, data, video, whole = one_video
    changed = bytearray(data)
    changed[int(where * len(data))] ^= 1 << bit
    path.write_bytes(changed)
    try:
        assert str(everything(read_ground_truth(path, video))) == whole
    except ArtifactError as error:
        assert re.search(r"ground_truth.h5.*--forcerun \S*(make_embedded_videos|ground_truth.h5)", str(error))
    finally:
        path.write_bytes(data)


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "text"])
def test_ground_truth_that_cannot_be_read_names_the_file_and_what_to_run(one_video, damage):
    path, data, video, _ = one_video
    path.write_bytes({"half": data[: len(data) // 2], "text": b"lost+found\n" * 99}.get(damage, b""))
    if damage == "missing":
        path.unlink()
    try:
        with pytest.raises(ArtifactError, match=r"ground_truth.h5 is .*--forcerun \S*ground_truth.h5"):
            embedded_truth(path, video, np.arange(2), size=32)
    finally:
        path.write_bytes(data)


@pytest.mark.parametrize(
    "bad",
    [
        {"size": 33},
        {"variant": "both"},
        {"classes": 9},
        {"cue_probability_train": 1.5},
        {"noize": 1},
        {"labels": "first"},  # of the standard variant
        {"classes": 5, "variant": "which_motion"},
    ],
)
def test_impossible_options_are_refused(tmp_path, bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        make_embedded_videos(tmp_path, **bad)
    assert not any(tmp_path.iterdir())


# ---- what tells the classes apart -------------------------------------------------------------------

MANY = {"classes": 6, "train_per_class": 400, "test_per_class": 400}


def draws(**options):
    """One row per video: class, split, look, motion, cue as class numbers."""
    options = DATASETS["embedded"].options(MANY | options)
    return pd.DataFrame(
        [
            {"class": number, "train": i < 400, **parts, "motion": list(MOTIONS).index(parts["motion"])}
            for number in range(6)
            for i, (_, parts) in enumerate(_draw_class(number, options))
        ]
    )


def test_cues_go_with_the_class_as_often_as_asked():
    table = draws(cue_probability_train=0.7, cue_probability_test=0.2)
    assert (table["look"] == table["class"]).all() and (table["motion"] == table["class"]).all()
    own = table["cue"] == table["class"]
    for train, probability in ((True, 0.7), (False, 0.2)):
        assert stats.binomtest(int(own[table["train"] == train].sum()), 2400, probability).pvalue > 1e-4
    # Where it is not the class's own, any other is as likely.
    others = ((table["cue"] - table["class"]) % 6)[~own].value_counts()
    assert sorted(others.index) == [1, 2, 3, 4, 5] and stats.chisquare(others).pvalue > 1e-4


def test_extreme_cue_probabilities():
    table = draws(cue_probability_train=1.0, cue_probability_test=0.0)
    assert ((table["cue"] == table["class"]) == table["train"]).all()


@pytest.mark.parametrize(
    ("variant", "own", "chance"),
    [("motion_only", "motion", ["look", "cue"]), ("context_only", "cue", ["look", "motion"])],
)
def test_variants_differ_in_one_thing_only(variant, own, chance):
    table = draws(variant=variant)
    assert (table[own] == table["class"]).all()
    for column in chance:
        assert stats.chi2_contingency(pd.crosstab(table["class"], table[column])).pvalue > 1e-4
        assert table[column].nunique() == 6


def test_class_names_say_what_the_classes_are():
    shapes, motions = zip(*(name.split("_") for name in CLASS_NAMES["standard"]))
    assert shapes == tuple(SHAPES) and motions == tuple(MOTIONS) == CLASS_NAMES["motion_only"]
    assert tuple(CUES) == CLASS_NAMES["context_only"]
    assert len(SHAPES) == len(TEXTURES) == len(MOTIONS) == len(CUES)


# ---- ground truth -----------------------------------------------------------------------------------


def pose(centers, angles, scales):
    return Pose(np.asarray(centers, float), np.asarray(angles, float), np.asarray(scales, float))


def render_one(shape, placed, drift=(0.0, 0.0), size=48):
    layer = Layer(ACTOR, SHAPES[shape], lambda u, v: u, np.array([[0, 0, 0], [1, 1, 1]], np.float32), placed)
    grey = np.full((size, size, 3), 0.5, np.float32)
    return render(grey, np.array(drift), [layer], frames=len(placed.angle), size=size)


def test_flow_of_known_motions():
    y, x = np.mgrid[:48, :48].astype(float)
    _, objects, flow = render_one("disk", pose([[20, 20], [23, 18.5]], [0, 0], [9, 9]), drift=(0.25, -0.5))
    distance = np.hypot(x - 20, y - 20)
    inside = distance <= 8.4
    assert np.all(objects[0][inside] == ACTOR) and np.all(objects[0][distance >= 9.6] == BACKGROUND)
    np.testing.assert_allclose(flow[0][inside], np.broadcast_to([3, -1.5], flow[0][inside].shape), atol=1e-5)
    still = objects[0] == BACKGROUND
    np.testing.assert_allclose(flow[0][still], np.broadcast_to([0.25, -0.5], flow[0][still].shape), atol=1e-6)

    # A quarter turn takes the offset (a, b) to (-b, a): clockwise on the screen.
    _, objects, flow = render_one("square", pose([[24, 24]] * 2, [0, np.pi / 2], [15, 15]))
    inside = objects[0] == ACTOR
    expected = np.stack([-(y - 24) - (x - 24), (x - 24) - (y - 24)], -1)
    np.testing.assert_allclose(flow[0][inside], expected[inside], atol=1e-4)

    # Growth by a fifth moves each point outward by a fifth of its offset.
    _, objects, flow = render_one("star", pose([[24, 24]] * 2, [0.3, 0.3], [15, 18]))
    inside = objects[0] == ACTOR
    np.testing.assert_allclose(flow[0][inside], 0.2 * np.stack([x - 24, y - 24], -1)[inside], atol=1e-4)


@pytest.mark.parametrize("motion", MOTIONS)
def test_flow_leads_to_the_same_surface_in_the_next_frame(motion):
    look = list(MOTIONS).index(motion)
    x, y = np.meshgrid(np.arange(64, dtype=np.float32), np.arange(64, dtype=np.float32))
    carried, stayed = [], []
    for seed in range(2):
        scene = draw_scene(np.random.default_rng(seed), look=look, motion=motion, cue=look, noise=0)
        for t in range(0, 19, 3):
            to = x + scene.flow[t, ..., 0], y + scene.flow[t, ..., 1]
            # Away from edges in either frame, and visible in both.
            inner = [
                np.where(cv2.dilate(o, np.ones((3, 3))) == cv2.erode(o, np.ones((3, 3))), o, 254)
                for o in scene.objects[t : t + 2]
            ]
            seen = cv2.remap(inner[1], *to, cv2.INTER_NEAREST, borderValue=253) == inner[0]
            seen &= (np.minimum(*to) >= 1) & (np.maximum(*to) <= 62)
            back = cv2.remap(scene.frames[t + 1], *to, cv2.INTER_CUBIC).astype(int)
            now, then = scene.frames[t].astype(int), scene.frames[t + 1].astype(int)
            actor = seen & (inner[0] == ACTOR)
            carried.append(np.abs(back - now)[actor].mean())
            stayed.append(np.abs(then - now)[actor].mean())
            rest = seen & np.isin(inner[0], [BACKGROUND, CUE])
            assert np.abs(back - now)[rest].mean() < 1.5
    # Interpolation costs about a gray level; without the flow the pattern is several off.
    assert np.mean(carried) < 1.5 and np.mean(stayed) > 3 * np.mean(carried)


def test_flow_agrees_with_an_estimate():
    scene = draw_scene(np.random.default_rng(0), look=4, motion="orbit", cue=4, noise=0)
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in scene.frames]
    inside = [cv2.erode((o == ACTOR).astype(np.uint8), np.ones((3, 3))) > 0 for o in scene.objects]
    errors, speeds = [], []
    for t in range(8):
        estimate = cv2.calcOpticalFlowFarneback(gray[t], gray[t + 1], None, 0.5, 3, 9, 5, 5, 1.1, 0)
        errors.append(np.linalg.norm(estimate - scene.flow[t], axis=-1)[inside[t]].mean())
        speeds.append(np.linalg.norm(scene.flow[t], axis=-1)[inside[t]].mean())
    assert np.mean(speeds) > 2 and np.mean(errors) < 0.25 * np.mean(speeds)


@pytest.mark.parametrize("look", range(8))
def test_scenes_show_what_they_say(look):
    for seed in range(4):
        scene = draw_scene(np.random.default_rng(seed), look=look, motion=list(MOTIONS)[look], cue=look)
        assert scene.frames.shape == (20, 64, 64, 3) and scene.frames.dtype == np.uint8
        assert scene.objects.shape == (20, 64, 64) and scene.objects.dtype == np.uint8
        assert scene.flow.shape == (19, 64, 64, 2) and np.isfinite(scene.flow).all()
        share = (scene.objects == ACTOR).mean((1, 2))
        assert share.min() > 0.03 and 0.07 < share.mean() < 0.2
        assert 0.1 < (scene.objects == CUE).mean() < 0.35
        count = len(scene.attributes["distractors"].split(","))
        codes = set(np.unique(scene.objects)) - {BACKGROUND, ACTOR, CUE}
        assert 1 <= count <= 3 and codes <= set(range(FIRST_DISTRACTOR, FIRST_DISTRACTOR + count))
        rest = np.isin(scene.objects[:-1], [BACKGROUND, CUE])
        drift = scene.attributes["background_velocity"]
        np.testing.assert_allclose(scene.flow[rest], np.broadcast_to(drift, (rest.sum(), 2)), atol=1e-4)
        assert 0.1 <= np.linalg.norm(drift) <= 0.4
        assert scene.attributes["actor_speed"] > 2 * np.linalg.norm(drift)


@pytest.mark.parametrize("motion", MOTIONS)
def test_actors_keep_to_the_frame(motion):
    for seed in range(30):
        path = draw_pose(np.random.default_rng(seed), motion, frames=20, size=64, radius=13)
        reach = 0.8 * path.scale[:, None]
        assert (path.center - reach).min() >= -1 and (path.center + reach).max() <= 64
        assert path.scale.mean() == pytest.approx(13, rel=0.15)


# ---- variants in which the evidence does not stand out ----------------------------------------------

MATCHED = {
    "two_actors": lambda i: draw_two_actors(
        np.random.default_rng(i), first=CLASS_MOTIONS[i % 4], second=CLASS_MOTIONS[i // 4 % 4]
    ),
    "which_motion": lambda i: draw_which_motion(np.random.default_rng(i), motion=CLASS_MOTIONS[i % 4]),
    "static_evidence": lambda i: draw_static_evidence(
        np.random.default_rng(i), pattern=CLASS_PATTERNS[i % len(CLASS_PATTERNS)]
    ),
}


@pytest.fixture(scope="module", params=MATCHED)
def matched(request):
    """A variant, and scenes of it."""
    return request.param, [MATCHED[request.param](i) for i in range(160)]


def conspicuous(frames):
    """What a detector of saliency goes by, (T, H, W) each."""
    colors = frames.astype(np.float32)
    brightest = colors.max(-1)
    change = np.abs(np.diff(colors, axis=0)).mean(-1)
    y, x = (
        np.mgrid[: frames.shape[1], : frames.shape[2]]
        - (np.array(frames.shape[1:3]) - 1).reshape(2, 1, 1) / 2
    )
    return {
        "saturation": (brightest - colors.min(-1)) / np.maximum(brightest, 1),
        "redness": colors[..., 0] - colors[..., 1],
        "blueness": colors[..., 2] - colors[..., :2].mean(-1),
        "brightness": brightest,
        "frame_difference": np.concatenate([change, change[-1:]]),
        "center": np.broadcast_to(-np.hypot(x, y), frames.shape[:3]),
    }


def test_no_property_of_voxels_but_its_hue_tells_the_evidence(matched):
    """AUROC against all other voxels, and against those of other objects; what is left of chance is ± .05.

    Objects differ from the background in hue, and of two actors it is the hue that tells which one counts.
    """
    name, scenes = matched
    found = {}
    for scene in scenes:
        masks = {target: mask[::4] for target, mask in scene.masks().items()}
        objects = masks["evidence"] | masks["distractor"]
        for control, values in conspicuous(scene.frames).items():
            everywhere = auroc(values[::4], masks["evidence"])
            among = auroc(values[::4][objects], masks["evidence"][objects])
            found.setdefault(control, []).append((everywhere, among))
    found = {control: np.nanmean(values, axis=0) for control, values in found.items()}
    if name == "static_evidence":
        everywhere, among = found.pop("brightness")  # patterns have one of their own
        assert 0.35 < everywhere < 0.55 and 0.35 < among < 0.5
        # The still one is never what moves: that is the point.
        everywhere, among = found.pop("frame_difference")
        assert everywhere < 0.45 and among < 0.2
    (red, red_of_objects), (_, blue_of_objects) = found.pop("redness"), found.pop("blueness")
    if name == "two_actors":  # the first is warm, the second cold
        assert red > 0.95 and red_of_objects > 0.95 and blue_of_objects < 0.05
    else:
        assert red > 0.7 and abs(red_of_objects - 0.5) < 0.1 and abs(blue_of_objects - 0.5) < 0.1
    for control, values in found.items():
        assert np.all(np.abs(values - 0.5) < 0.1), (name, control, values)


def test_what_stands_out_by_motion_or_by_standing_still_is_known(matched):
    """The controls that these families do not defeat: flow against the camera, and contrast of what stands still."""
    name, scenes = matched
    found = []
    for scene in scenes[:30]:
        masks, frames = scene.masks(), scene.frames
        objects = masks["evidence"] | masks["distractor"]
        control = still_contrast_map(frames) if name == "static_evidence" else motion_map(frames)
        everywhere = auroc(control, masks["evidence"])
        found.append((everywhere, auroc(control[objects], masks["evidence"][objects])))
    everywhere, among = np.nanmean(found, axis=0)
    least = {"which_motion": (0.8, 0.6), "static_evidence": (0.9, 0.9), "two_actors": (0.6, 0.4)}[name]
    assert everywhere > least[0] and among > least[1], (name, everywhere, among)


def test_no_color_or_place_of_supervoxels_tells_the_evidence_from_other_objects(matched):
    """The same of parts as concepts have them: their means. Of their size it does not hold, nor of two actors' hues."""
    name, scenes = matched
    found = {}
    for scene in scenes[:40]:
        frames = scene.frames[2:18]
        labels = SEGMENTERS["slic"].function(frames, n_segments=[25])[0].ravel()
        shares, values = (
            {
                key: np.bincount(labels, np.ravel(voxels))[1:] / np.bincount(labels)[1:]
                for key, voxels in of_voxels.items()
            }
            for of_voxels in (
                {target: mask[2:18] for target, mask in scene.masks().items()}, conspicuous(frames)
            )
        )  # fmt: skip
        evidence = shares["evidence"] > 0.5
        objects = evidence | (shares["distractor"] > 0.5)
        for control, of_parts in values.items():
            found.setdefault(control, []).append(auroc(of_parts[objects], evidence[objects]))
    found = {control: np.nanmean(values) for control, values in found.items()}
    if name == "static_evidence":
        assert found.pop("frame_difference") < 0.1
        assert 0.2 < found.pop("brightness") < 0.5  # patterns have one of their own
    if name == "two_actors":
        assert found.pop("redness") > 0.95 and found.pop("blueness") < 0.05
    for control, value in found.items():
        assert abs(value - 0.5) < 0.15, (name, control, value)


def test_objects_are_of_one_size(matched):
    """The evidence is as often larger as smaller than a distractor."""
    _, scenes = matched
    larger = [
        (scene.objects == scene.evidence).sum() > (scene.objects == code).sum()
        for scene in scenes[:80]
        for code in range(2, scene.objects.max() + 1)
    ]
    assert stats.binomtest(int(np.sum(larger)), len(larger)).pvalue > 0.01


def test_motions_are_what_they_are_called(matched):
    """Speeds are of one distribution, also the background's; what stays has none."""
    name, scenes = matched
    rocking = []
    for scene in scenes:
        motions = scene.attributes["motions"].split(",")
        if name == "which_motion":
            assert motions[0] in CLASS_MOTIONS and set(motions[1:]) <= set(OTHER_MOTIONS)
        for code, motion in enumerate(motions, 1):
            flow = scene.flow[scene.objects[:-1] == code]
            if not len(flow):
                continue
            if motion == "stay":
                np.testing.assert_allclose(flow, 0, atol=1e-4)
            elif motion in DIRECTIONS:
                speed = np.linalg.norm(flow, axis=1).mean()
                assert SPEED[0] <= speed <= SPEED[1]
                np.testing.assert_allclose(
                    flow, np.broadcast_to(DIRECTIONS[motion], flow.shape) * speed, atol=1e-3
                )
            else:
                rocking.append(np.linalg.norm(flow, axis=1).mean())
                assert 0.7 < rocking[-1] < 1.6
        background = np.linalg.norm(scene.attributes["background_velocity"])
        assert background == 0 if name == "static_evidence" else SPEED[0] <= background <= SPEED[1]
    if rocking:  # what is hidden or out of sight makes it uncertain
        assert abs(np.mean(rocking) - np.mean(SPEED)) < 3 * np.std(rocking) / len(rocking) ** 0.5


@pytest.mark.parametrize("frames", [8, 20, 33])
@pytest.mark.parametrize("motion", ["rock", *DIRECTIONS])
def test_speeds_are_drawn_alike_for_all_motions(motion, frames):
    """Mean over an object's surface and over the steps between frames, in pixels of a frame of 64."""
    rng = np.random.default_rng(frames)
    speeds = []
    for _ in range(100):
        pose = _draw_path(rng, motion, "disk", 0, frames=frames, size=64, radius=10)
        along = np.linalg.norm(np.diff(pose.center, axis=0), axis=1)
        around = np.abs(np.diff(pose.angle)) * 10 * mean_reach("disk")
        speeds.append((along + around).mean())
    assert SPEED[0] <= min(speeds) and max(speeds) <= SPEED[1] and max(speeds) - min(speeds) > 0.2


def test_two_labellings_of_the_same_pixels(tmp_path):
    options = SMALL | {"variant": "two_actors", "train_per_class": 3, "test_per_class": 2}
    tables = {
        labels: make_embedded_videos(tmp_path / labels, labels=labels, **options)
        for labels in ("first", "second")
    }
    first, second = tables.values()
    pd.testing.assert_frame_equal(first[["video", "split"]], second[["video", "split"]])
    videos = [
        {name: data for name, data in contents(tmp_path / labels).items() if name.endswith(".mp4")}
        for labels in tables
    ]
    assert len(videos[0]) == 15 and videos[0] == videos[1]
    assert {name.split("/")[0] for name in videos[0]} == {"two_actors"}
    for table in tables.values():  # and no class is rarer than another
        assert set(table.groupby(["class", "split"]).size()) == {3, 2}
    for row in range(0, 15, 4):
        scenes = [
            read_ground_truth(tmp_path / labels / "ground_truth.h5", table["video"][row])
            for labels, table in tables.items()
        ]
        np.testing.assert_array_equal(scenes[0].objects, scenes[1].objects)
        motions = scenes[0].attributes["motions"].split(",")
        assert motions == [first["class"][row], second["class"][row]]
        one, other = (scene.masks() for scene in scenes)
        np.testing.assert_array_equal(one["evidence"], scenes[0].objects == 1)
        np.testing.assert_array_equal(one["evidence"], other["distractor"])
        np.testing.assert_array_equal(one["distractor"], other["evidence"])


@pytest.mark.parametrize("classes", [2, 4])
def test_the_two_acts_tell_nothing_of_each_other(classes):
    pairs = pd.DataFrame(two_acts(classes, 3 * classes))
    assert (pd.crosstab(pairs[0], pairs[1]) == 3).all(axis=None)
    odd = pd.DataFrame(two_acts(classes, 5))
    assert (odd[0].value_counts() == 5).all() and (odd[1].value_counts() == 5).all()


@pytest.mark.parametrize("variant", ["which_motion", "static_evidence"])
def test_matched_variants_are_the_same_from_the_same_seed(tmp_path, variant):
    options = SMALL | {"variant": variant, "train_per_class": 1}
    table = make_embedded_videos(tmp_path / "a", **options)
    make_embedded_videos(tmp_path / "b", workers=2, **options)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert list(table["class"].unique()) == list(CLASS_NAMES[variant][:3])


@pytest.mark.parametrize(
    ("variant", "code"), [("standard", ACTOR), ("motion_only", ACTOR), ("context_only", CUE)]
)
def test_evidence_of_the_other_variants(tmp_path, variant, code):
    options = SMALL | {"variant": variant, "classes": 2, "train_per_class": 1}
    video = make_embedded_videos(tmp_path, **options)["video"][0]
    truth = embedded_truth(tmp_path / "ground_truth.h5", video, np.arange(9), size=64)
    found = truth_masks(truth, pairs=np.ones(8, bool), camera="affine", unit="pixels", threshold=0.5)
    masks = {name: mask for name, (mask, _) in found.items()}
    objects = read_ground_truth(tmp_path / "ground_truth.h5", video).objects
    np.testing.assert_array_equal(masks["evidence"], objects == code)
    others = (objects != BACKGROUND) & (objects != CUE) & (objects != code)
    np.testing.assert_array_equal(masks["distractor"], others)
    assert set(masks) == {"evidence", "distractor", "actor", "cue", "moving"}


@pytest.mark.parametrize(("size", "crop"), [(64, "center"), (96, "center"), ((32, 48), "squash")])
def test_truth_goes_where_the_frames_go(tmp_path, size, crop):
    """Bright objects are where the clip says, and the flow leads to where they are in the next frame."""
    options = SMALL | {"classes": 2, "train_per_class": 1}
    video = make_embedded_videos(tmp_path, **options)["video"][0]
    path, indices = tmp_path / "ground_truth.h5", np.arange(2, 7)
    truth = embedded_truth(path, video, indices, size=size, crop=crop)
    scene = read_ground_truth(path, video, indices)
    height, width = (size, size) if isinstance(size, int) else size
    assert truth.labels.shape == (5, height, width) and truth.flow.shape == (4, height, width, 2)
    painted = scene.objects[..., None].repeat(3, axis=-1)
    shown = np.stack([fit_frame(frame, size=size, crop=crop) for frame in painted])[..., 0]
    # Labels are never mixed: but at borders they are what the frame shows.
    assert (shown == truth.labels).mean() > (0.85 if size != 64 else 0.999)
    scale = np.float32([width / 64, height / 64])
    np.testing.assert_allclose(truth.drift, np.float32(scene.attributes["background_velocity"]) * scale)
    for label in np.unique(truth.labels[:-1]):
        there, before = truth.labels[:-1] == label, scene.objects[:-1] == label
        if before.sum() > 500:
            expected = scene.flow[before].astype(float).mean(axis=0) * scale
            np.testing.assert_allclose(truth.flow[there].mean(axis=0), expected, atol=0.05)


def test_several_runs_may_make_one_folder_at_the_same_time(tmp_path):
    """As two runs with one results/shared do that are started together."""
    options = {"classes": 2, "train_per_class": 2, "test_per_class": 1, "frames": 8, "size": 32, "seed": 0}

    def content(folder):
        return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    make_embedded_videos(tmp_path / "calm", **options)
    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            code = 1
            try:
                make_embedded_videos(tmp_path / "shared", **options)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert content(tmp_path / "shared") == content(tmp_path / "calm")


def test_targets_are_those_of_all_clips_of_a_video(tmp_path):
    """A distractor that the first clip does not show is one all the same."""
    video = make_embedded_videos(tmp_path, **SMALL | {"classes": 2, "train_per_class": 1})["video"][0]
    first = embedded_truth(tmp_path / "ground_truth.h5", video, np.arange(2), size=64)
    unseen = Truth(np.full_like(first.labels, FIRST_DISTRACTOR + 3), first.targets)
    assert unseen.masks()["distractor"].all() and not unseen.masks()["evidence"].any()
