"""Video tables, decoding and clips, with a file of every kind of damage."""

from __future__ import annotations

import errno
import io
import math
import os
import re
import shutil
import struct
import time
import wave
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import av.filter
import cache_clips
import cv2
import list_videos
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.artifacts import create_h5
from voxplain.config import digest
from voxplain.errors import ConfigError, VideoError, VoxplainError
from voxplain.live.stream import Stream
from voxplain.tables import NO_SUBSET, with_groups
from voxplain.videos import decode
from voxplain.videos.adapters import DATASETS
from voxplain.videos.clips import clip_indices, decode_shard, fit_frame, read_clips, read_middle_clip
from voxplain.videos.decode import choose_frames, probe, read_chosen_frames
from voxplain.videos.files import draw_splits
from voxplain.videos.plan import check_present, file_states, listed_rows, plan_videos
from voxplain.videos.store import ClipStore
from voxplain.videos.table import check_class_names, check_video_table, read_video_table, safe_name


def read_frames(path, **how) -> np.ndarray:
    """All frames of a video, or the chosen ones."""
    return read_chosen_frames(path, **{"choose": np.arange} | how)[0]


# ---- clips ------------------------------------------------------------------------------------------

lengths, clip_lengths, steps = st.integers(1, 200), st.integers(1, 24), st.integers(1, 5)


@given(lengths, clip_lengths, steps, st.sampled_from(["center", "uniform", "consecutive"]), st.integers(1, 6))
@settings(deadline=None, max_examples=150)
def test_clips_have_their_length_and_stay_in_the_video(n, frames, step, sampling, per_video):
    clips = clip_indices(n, frames=frames, step=step, sampling=sampling, per_video=per_video)
    assert clips.shape[1] == frames and len(clips) >= 1
    assert clips.min() >= 0 and clips.max() < n
    # Each clip goes on by its step, or, once it would leave the video, starts again.
    jumps = np.diff(clips, axis=1)
    assert np.all((jumps == step) | (clips[:, 1:] == clips[:, :1]))
    assert np.all(clips[:, :-1][jumps != step] + step > n - 1)


@given(lengths, clip_lengths, steps)
@settings(deadline=None, max_examples=100)
def test_consecutive_clips_cover_the_video_in_order(n, frames, step):
    clips = clip_indices(n, frames=frames, step=step, sampling="consecutive")
    assert len(clips) == math.ceil(n / (frames * step))
    assert set(clips.flat) >= set(range(0, n, step)) if step == 1 else clips[0, 0] == 0
    assert np.all(np.diff(clips[:, 0]) == frames * step)


@given(st.integers(30, 200), st.integers(1, 6))
@settings(deadline=None, max_examples=50)
def test_uniform_clips_are_spread_symmetrically(n, per_video):
    starts = clip_indices(n, sampling="uniform", per_video=per_video)[:, 0]
    assert len(starts) == per_video
    # First and last are as far from the ends, but for rounding, and gaps are even.
    assert abs(starts[0] - (n - 16 - starts[-1])) <= 1
    assert np.ptp(np.diff(starts)) <= 1 if per_video > 2 else True


def test_clip_indices_by_hand():
    assert clip_indices(20)[0].tolist() == list(range(2, 18))
    assert clip_indices(5, frames=8).tolist() == [[0, 1, 2, 3, 4, 0, 1, 2]]
    assert clip_indices(7, frames=4, step=3).tolist() == [[0, 3, 6, 0]]
    consecutive = clip_indices(10, frames=4, sampling="consecutive")
    assert consecutive.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 8, 9]]
    assert clip_indices(8, frames=4, sampling="uniform", per_video=2)[:, 0].tolist() == [1, 3]
    assert clip_indices(5, frames=4, sampling="uniform", per_video=9)[:, 0].tolist() == [0, 1]
    assert clip_indices(1, frames=3).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    ("which", "indices", "place", "distance"),
    [
        ({"sampling": "center", "step": 2}, [16, 18, 20, 22], (0, 1), 2),
        ({"sampling": "whole"}, [5, 15, 25, 35], (0, 1), 10),
        ({"sampling": "whole", "frames": 3}, [6, 20, 33], (0, 1), 13.5),
        ({"sampling": "uniform", "per_video": 3}, [18, 19, 20, 21], (1, 3), 1),
        ({"sampling": "consecutive"}, [16, 17, 18, 19], (4, 10), 1),  # the earlier of two
        ({"sampling": "consecutive", "step": 4}, [16, 20, 24, 28], (1, 3), 4),
        ({"sampling": "whole", "frames": 50}, [*range(40), *range(10)], (0, 1), 1),  # jumps back do not count
        ({"frames": 1}, [19], (0, 1), 1),
    ],
)
def test_the_middle_clip_by_hand(tmp_path, which, indices, place, distance):
    path, which = write(tmp_path / "x.mkv", numbered(40)), {"frames": 4} | which
    found = read_middle_clip(path, size=16, **which)
    assert found.indices.tolist() == indices and (found.number, found.count) == place
    assert found.distance == distance
    all_of_them, numbers = read_clips(path, size=16, **which)
    np.testing.assert_array_equal(found.clip, all_of_them[place[0]])
    assert numbers[place[0]].tolist() == indices


@pytest.mark.parametrize("bad", [{"frames": 0}, {"step": 0}, {"per_video": 0}, {"sampling": "middle"}])
def test_impossible_clips_are_refused(bad):
    with pytest.raises(ConfigError, match=str(next(iter(bad.values())))):
        clip_indices(20, **bad)


def test_center_crop_keeps_proportions_and_squash_does_not():
    frame = np.zeros((40, 80, 3), np.uint8)
    frame[:, 20:60] = 200  # the central square
    assert np.all(fit_frame(frame, size=20) == 200)
    squashed = fit_frame(frame, size=20, crop="squash")
    assert squashed.shape == (20, 20, 3)
    assert np.all(squashed[:, 5:15] == 200) and np.all(squashed[:, :5] == 0) and np.all(squashed[:, 15:] == 0)
    with pytest.raises(ConfigError, match="middle"):
        fit_frame(frame, crop="middle")


sizes = st.tuples(st.integers(1, 60), st.integers(1, 60))


@given(sizes, sizes, st.sampled_from(["center", "squash"]))
@settings(deadline=None, max_examples=60)
def test_any_frame_fits_any_size(shape, size, crop):
    fitted = fit_frame(np.full((*shape, 3), 77, np.uint8), size=size, crop=crop)
    assert fitted.shape == (*size, 3) and np.all(fitted == 77)


def test_a_strip_is_cropped_before_it_is_enlarged():
    strip = np.random.default_rng(0).integers(0, 256, (1, 6000, 3), dtype=np.uint8)
    whole = cv2.resize(strip, (96000, 16), interpolation=cv2.INTER_LINEAR)[:, 47992:48008]
    assert np.abs(fit_frame(strip, size=16).astype(int) - whole).max() <= 1
    assert fit_frame(np.zeros((1, 60000, 3), np.uint8), size=112).shape == (112, 112, 3)
    assert fit_frame(np.zeros((30000, 2, 3), np.uint8), size=112).shape == (112, 112, 3)


def test_a_fitted_frame_does_not_keep_the_whole_one():
    assert fit_frame(np.zeros((400, 800, 3), np.uint8), size=20).base is None
    assert fit_frame(np.zeros((20, 20, 3), np.uint8), size=20).base is None


def test_squashing_does_not_alias_where_the_other_side_grows():
    stripes = np.zeros((20, 200, 3), np.uint8)
    stripes[:, ::2] = 254
    assert np.ptp(fit_frame(stripes, size=50, crop="squash")) == 0
    assert fit_frame(stripes, size=50, crop="squash")[0, 0, 0] == 127


# ---- decoding ---------------------------------------------------------------------------------------


def numbered(n: int, height: int = 32, width: int = 48) -> np.ndarray:
    """Frames whose gray level tells their number, brighter at the left edge."""
    frames = np.repeat(np.arange(n, dtype=np.uint8)[:, None, None, None] * 4, height, 1)
    frames = np.repeat(np.repeat(frames, width, 2), 3, 3).copy()
    frames[:, :, : width // 4] = 255
    return frames


def write(path, frames, *, codec="ffv1", pix_fmt="bgr0", fps=10, metadata=None, rotation=None, **options):
    container_options = {"movflags": "faststart"} if options.pop("faststart", False) else {}
    with av.open(str(path), "w", options=container_options) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=Fraction(fps), options=options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


H264 = {"codec": "libx264", "pix_fmt": "yuv420p"}
MPEG4 = {"codec": "mpeg4", "pix_fmt": "yuv420p"}


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Lossless, 50 frames, 10 per second."""
    return write(tmp_path_factory.mktemp("videos") / "numbered.mkv", numbered(50))


def test_all_frames_come_back_exactly(video):
    frames = read_frames(video)
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames, numbered(50))


def test_probe_reads_the_header(video):
    info = probe(video)
    assert (info.frames, info.fps, info.width, info.height, info.codec) == (50, 10, 48, 32, "ffv1")
    assert info.duration == pytest.approx(5)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, range(50)),
        (1.0, 2.0, range(10, 20)),
        (1.01, 2.01, range(11, 21)),
        (4.0, None, range(40, 50)),
        (4.5, 99.0, range(45, 50)),
        (None, 0.05, range(0, 1)),
    ],
)
def test_time_ranges_take_the_frames_shown_in_them(video, start, end, expected):
    frames = read_frames(video, start=start, end=end)
    assert (frames[:, 0, -1, 0] // 4).tolist() == list(expected)


def test_another_rate_takes_the_nearest_frames(video):
    _, indices = read_chosen_frames(video, fps=4, choose=np.arange)
    assert indices.tolist() == [round(2.5 * i) for i in range(20)]
    _, indices = read_chosen_frames(video, fps=20, start=1, end=2, choose=np.arange)
    assert len(indices) == 20 and indices[0] == 10 and indices[-1] == 19


def test_only_chosen_frames_are_transformed(video):
    seen = []
    frames = read_frames(
        video,
        choose=lambda n: np.array([[7, 3], [3, n - 40]]),
        transform=lambda frame: seen.append(frame[0, -1, 0] // 4) or frame[:2, :2],
    )
    assert frames.shape == (2, 2, 2, 2, 3)
    assert sorted(seen) == [3, 7, 10]


def test_clips_say_which_frames_they_are(video):
    clips, indices = read_clips(video, size=16, sampling="consecutive", start=1.0)
    assert clips.shape == (3, 16, 16, 16, 3)
    np.testing.assert_array_equal(clips[:, :, 8, 12, 0] // 4, indices)
    assert indices[0, 0] == 10 and indices[2].tolist() == [*range(42, 50)] * 2


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.webm", "libvpx", "yuv420p"),
        ("a.mov", "mjpeg", "yuvj420p"),
    ],
)
def test_containers_and_codecs(tmp_path, name, codec, pix_fmt):
    frames = read_frames(write(tmp_path / name, numbered(24), codec=codec, pix_fmt=pix_fmt, b="4000000"))
    # Inside the flat part the gray level stays within the step of 4 between frames.
    assert np.abs(frames[:, 8:24, 30:44].mean((1, 2, 3)) - 4 * np.arange(24)).max() < 3


def test_stream_without_a_header_count_is_counted(tmp_path):
    path = write(tmp_path / "raw.h264", numbered(24), **H264, fps=25)
    assert probe(path).frames == 24 and probe(path).duration == pytest.approx(24 / 25)
    assert len(read_frames(path)) == 24
    # The last of the consecutive clips of 16 needs the true number: 24 = 16 + 8.
    assert read_clips(path, size=16, sampling="consecutive")[1][1].tolist() == [*range(16, 24)] * 2


def test_one_frame_and_odd_sizes(tmp_path):
    path = write(tmp_path / "one.mkv", numbered(1, 17, 31))
    np.testing.assert_array_equal(read_frames(path), numbered(1, 17, 31))
    clips, indices = read_clips(path, size=9)
    assert clips.shape == (1, 16, 9, 9, 3) and not indices.any()


def test_turned_videos_are_shown_upright(tmp_path):
    path = write(tmp_path / "turned.mp4", numbered(5), **H264, rotation=90)
    info, frames = probe(path), read_frames(path)
    assert (info.height, info.width) == (48, 32) and frames.shape == (5, 48, 32, 3)
    # 90 degrees counterclockwise: the bright left edge comes to lie at the bottom.
    assert frames[0, -4:].mean() > 240 and frames[0, :-16].mean() < 15


def stamped(path, seconds, *, codec="libx264", frames=None, sound=0.0, pix_fmt="yuv420p", **options):
    """Write numbered frames that are shown at these times, and silence beside them."""
    frames = numbered(len(seconds)) if frames is None else frames
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        name, form = ("libopus", "flt") if path.suffix == ".webm" else ("aac", "fltp")
        rate = 48000
        voice = container.add_stream(name, rate=rate, layout="mono") if sound else None
        for frame, time in zip(frames, seconds, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgba" if frame.shape[-1] == 4 else "rgb24")
            picture.pts, picture.time_base = round(1000 * time), Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
        for i in range(int(sound * rate / 960)):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format=form, layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = rate, 960 * i, Fraction(1, rate)
            container.mux(voice.encode(silence))
        if voice:
            container.mux(voice.encode())
    return path


def shown_by_ffmpeg(path, filters, **arguments):
    """What ffmpeg's own filters make of a video: gray levels' numbers, or frames."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        graph = av.filter.Graph()
        nodes = [
            graph.add_buffer(template=stream),
            *[graph.add(*given) for given in filters],
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        found = []
        for frame in container.decode(stream):
            graph.push(frame)
            found += _pulled(graph)
        graph.push(None)
        return [frame.to_ndarray(format="rgb24") for frame in found + _pulled(graph)]


def _pulled(graph):
    found = []
    while True:
        try:
            found.append(graph.pull())
        except (av.BlockingIOError, av.EOFError):
            return found


def number(frame):
    return round(float(frame[8:24, 30:44].mean()) / 4)


THIRTY_TWENTY = [i / 30 for i in range(30)] + [1 + i / 20 for i in range(20)]
BURSTS = [0, 0.01, 0.02, 0.5, 0.51, 0.9, 1.7, 1.71, 3.0, 3.001]
CODECS = {".mkv": "libx264", ".mp4": "libx264", ".webm": "libvpx-vp9", ".mov": "mjpeg", ".ts": "libx264",
          ".flv": "libx264"}  # fmt: skip


@pytest.mark.parametrize("ending", CODECS)
@pytest.mark.parametrize("times", [THIRTY_TWENTY, BURSTS], ids=["thirty_twenty", "bursts"])
def test_parts_are_cut_by_presentation_time_as_ffmpeg_cuts(tmp_path, ending, times):
    more = {"pix_fmt": "yuvj420p"} if ending == ".mov" else {}
    path = stamped(tmp_path / f"a{ending}", times, codec=CODECS[ending], **more)
    assert [number(frame) for frame in read_frames(path)] == list(range(len(times)))
    with av.open(str(path)) as container:  # ffmpeg counts from the file's beginning
        origin = container.start_time / av.time_base
    for start, end in [(1, 1.75), (0.4, 0.95), (1.2, None), (None, 1.005)]:
        trim = (
            "trim",
            ":".join(
                f"{name}={at + origin}" for name, at in {"start": start, "end": end}.items() if at is not None
            ),
        )
        wanted = [number(frame) for frame in shown_by_ffmpeg(path, [trim])]
        assert [number(frame) for frame in read_frames(path, start=start, end=end)] == wanted
        assert wanted == [i for i, t in enumerate(times) if (start or 0) <= t < (end or 99)]


def test_where_no_frame_begins_the_one_on_show_is_taken(tmp_path):
    path = stamped(tmp_path / "slow.mkv", [0, 36000.0])
    assert [number(frame) for frame in read_frames(path)] == [0, 1]
    assert read_chosen_frames(path, choose=np.arange, start=100, end=101)[1].tolist() == [0]
    assert probe(path).duration >= 36000
    with pytest.raises(VideoError, match="no frame between 99999 s"):
        read_frames(path, start=99999)


def test_another_rate_of_a_variable_one_takes_the_nearest_by_time(tmp_path):
    path = stamped(tmp_path / "a.mp4", THIRTY_TWENTY)
    _, indices = read_chosen_frames(path, fps=10, choose=np.arange)
    assert indices.tolist() == [
        min(range(50), key=lambda i: abs(THIRTY_TWENTY[i] - k / 10)) for k in range(20)
    ]


@pytest.mark.parametrize("ending", [".mkv", ".webm", ".mp4"])
def test_sound_that_outlasts_the_picture_is_no_damage(tmp_path, ending):
    path = stamped(tmp_path / f"a{ending}", [i / 25 for i in range(60)], codec=CODECS[ending], sound=8)
    assert len(read_frames(path)) == probe(path).frames == 60
    assert probe(path).duration == pytest.approx(2.4, abs=0.05)


def test_rates_that_a_file_does_not_declare_are_measured(tmp_path):
    times = [0.245 * i for i in range(40)]
    path = stamped(tmp_path / "a.webm", times, codec="libvpx-vp9")
    assert probe(path).fps == pytest.approx(1 / 0.245, rel=1e-3)
    assert read_chosen_frames(path, choose=np.arange, start=4.9, end=5.9)[1].tolist() == [20, 21, 22, 23, 24]


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.ts"])
def test_durations_that_a_file_does_not_declare_are_measured(tmp_path, name):
    """As of what was written while it was recorded; by them check finds parts that lie outside."""
    codec, kind = CODECS[f".{name[2:]}"], {"ts": "mpegts", "mkv": "matroska", "webm": "webm"}[name[2:]]
    written = io.BytesIO()
    written.seekable = lambda: False
    live = {} if kind == "mpegts" else {"live": "1"}
    with av.open(written, "w", format=kind, options=live) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for frame in numbered(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    (tmp_path / name).write_bytes(written.getvalue())
    with av.open(str(tmp_path / name)) as container:
        assert kind == "mpegts" or container.duration is None
    assert probe(tmp_path / name).duration == pytest.approx(2, abs=0.05)
    with pytest.raises(VideoError, match="no frame between 5 s and 6 s.* 2.00 s long"):
        read_frames(tmp_path / name, start=5, end=6)


# The filters by which the ffmpeg program shows each display matrix (fftools, configure_input_video_filter).
MATRICES = {
    (1, 0, 0, 1): [],
    (-1, 0, 0, 1): [("hflip",)],
    (1, 0, 0, -1): [("vflip",)],
    (-1, 0, 0, -1): [("hflip",), ("vflip",)],
    (0, 1, 1, 0): [("transpose", "cclock_flip")],
    (0, 1, -1, 0): [("transpose", "clock")],
    (0, -1, 1, 0): [("transpose", "cclock")],
    (0, -1, -1, 0): [("transpose", "clock_flip")],
}


def corners():
    """Frames that differ in all eight orientations."""
    frames = np.full((3, 32, 48, 3), 20, np.uint8)
    frames[:, :16, :24], frames[:, 16:, :24] = 240, 120
    return frames


def show(path, a, b, c, d):
    """Set the display matrix of an MP4's track, as a phone does."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("matrix", MATRICES)
def test_all_eight_orientations_are_shown_as_ffmpeg_shows_them(tmp_path, matrix):
    path = show(write(tmp_path / "a.mp4", corners(), **H264), *matrix)
    wanted = np.stack(shown_by_ffmpeg(path, MATRICES[matrix]))
    found = read_frames(path)
    np.testing.assert_array_equal(found, wanted)
    assert (probe(path).height, probe(path).width) == wanted.shape[1:3]


@pytest.mark.parametrize("matrix", MATRICES)
def test_the_live_stream_shows_all_orientations_as_ffmpeg_does(tmp_path, matrix):
    path = show(write(tmp_path / "a.mp4", corners(), fps=100, **H264), *matrix)
    stream = Stream(str(path), frames=1, size=16, shown=32)
    while not stream.ended:
        time.sleep(0.01)
    wanted = fit_frame(shown_by_ffmpeg(path, MATRICES[matrix])[-1], size=32)
    np.testing.assert_array_equal(stream.next_frame(0).image, wanted)


def test_what_is_transparent_is_laid_on_black(tmp_path):
    clear = np.full((4, 32, 48, 4), 200, np.uint8)
    clear[..., 3] = 255
    clear[:, :, 24:, 3] = 0
    clear[:, :16, :24, 3] = 128
    written = {
        "a.webm": {"codec": "libvpx-vp9", "pix_fmt": "yuva420p"},
        "a.mov": {"codec": "png", "pix_fmt": "rgba"},
    }
    for name, how in written.items():
        path = stamped(tmp_path / name, [0, 0.1, 0.2, 0.3], frames=clear, **how)
        stream = Stream(str(path), frames=1, size=16, crop="squash", shown=96)
        while not stream.ended:
            time.sleep(0.01)
        live = stream.next_frame(0).image[::3, ::2]
        for frame in (read_frames(path)[1], live):
            found = [frame[24, 12, 0], frame[8, 12, 0], frame[8, 36, 0]]
            np.testing.assert_allclose(found, [200, 100, 0], atol=3)


def moving(n):
    """Frames of noise that moves, as predicted frames need."""
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    return np.stack([np.roll(picture, 2 * i, 1) for i in range(n)])


@pytest.mark.parametrize("where", ["zeros", "flips"])
def test_damaged_pictures_are_counted_and_no_frame_moves(tmp_path, where):
    path = write(tmp_path / "a.mp4", moving(60), faststart=True, g="20", **H264)
    whole, data = read_frames(path), bytearray(path.read_bytes())
    at = data.index(b"mdat") + 4
    part = slice(at + (len(data) - at) // 3, at + (len(data) - at) // 2)
    if where == "zeros":
        data[part] = bytes(part.stop - part.start)
    else:
        for i in range(part.start, part.stop, 400):
            data[i] ^= 0xFF
    path.write_bytes(data)
    chosen = choose_frames(path, choose=np.arange)
    assert chosen.indices.tolist() == list(range(60))
    changed = [i for i in range(60) if not np.array_equal(chosen.frames[i], whole[i])]
    # Bits that happen to mean another picture cannot be told; what follows from them in the group mostly can.
    told = set(np.flatnonzero(chosen.damaged))
    assert len(changed) >= 10 and len(set(changed) & told) >= (1 if where == "zeros" else 0.5) * len(changed)
    assert not chosen.damaged[:15].any() and not chosen.damaged[40:].any()
    table = pd.DataFrame({"video": ["a"], "path": [str(path)], "start": [math.nan], "end": [math.nan]})
    (used,) = decode_shard(table, size=16, frames=16)
    assert used.clips is not None and used.damaged == chosen.damaged[22:38].sum() > 0
    assert f"{used.damaged} of the 16 frames of its clips are damaged or lost" in used.reason
    (aside,) = decode_shard(table, size=16, frames=16, damaged="set_aside")
    assert aside.clips is None and aside.reason == used.reason
    (used,) = decode_shard(table, size=16, frames=16, damaged="set_aside", damaged_share=1.0)
    assert used.clips is not None


def test_a_file_that_ends_a_little_early_is_listed(tmp_path):
    path = write(tmp_path / "a.mp4", noisy(60), faststart=True, **H264)
    (whole,) = decode_shard(rows_at(path), size=16)
    assert whole.reason is None
    data = path.read_bytes()
    path.write_bytes(data[: int(0.98 * len(data))])  # the last frame, or the last two
    (used,) = decode_shard(rows_at(path), size=16)
    assert re.search(r"the last [2-5]% of it are not in the file", used.reason)
    path.write_bytes(data[: int(0.92 * len(data))])
    (used,) = decode_shard(rows_at(path), size=16)
    assert used.clips is not None and re.search(r"the last \d+% of it are not in the file", used.reason)
    (aside,) = decode_shard(rows_at(path), size=16, damaged="set_aside")
    assert aside.clips is None


@pytest.mark.parametrize(
    ("name", "how"), {"a.mkv": {}, "a.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"}, "a.avi": MPEG4}.items()
)
def test_other_codecs_tell_damage_too(tmp_path, name, how):
    path = write(tmp_path / name, moving(30), **how)
    assert not choose_frames(path, choose=np.arange).damaged.any()
    data = bytearray(path.read_bytes())
    for i in range(len(data) // 2, len(data) // 2 + 400):
        data[i] ^= 0x5A
    path.write_bytes(data)
    assert choose_frames(path, choose=np.arange).damaged.any()


def test_titles_in_no_known_encoding_do_no_harm(tmp_path):
    path = write(tmp_path / "title.avi", numbered(8), **MPEG4, metadata={"title": "QWERTZ"})
    data = path.read_bytes()
    assert data.count(b"QWERTZ") == 1
    path.write_bytes(data.replace(b"QWERTZ", b"\xd3\xff\xfeRTZ"))
    assert len(read_frames(path)) == 8


def _no_file(path):
    return path / "none.mp4"


def _folder(path):
    (path / "folder.mp4").mkdir()
    return path / "folder.mp4"


def _empty(path):
    (path / "empty.mp4").touch()
    return path / "empty.mp4"


def _text(path):
    (path / "text.mp4").write_text("this is no video\n" * 100)
    return path / "text.mp4"


def _sound_only(path):
    with wave.open(str(path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    return path / "sound.wav"


def _cut(path, keep=0.5):
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    return path


def noisy(n):
    """Frames that make every packet big, so that half of a file holds about half of them."""
    return np.random.default_rng(0).integers(0, 256, (n, 32, 48, 3), np.uint8)


DAMAGED = {
    "missing": (_no_file, "no such file"),
    "folder": (_folder, "no such file"),
    "empty": (_empty, "empty"),
    "text": (_text, "not a readable video"),
    "sound only": (_sound_only, "no video stream"),
    "mp4 without its index": (lambda p: _cut(write(p / "a.mp4", noisy(40), **H264)), "not a readable video"),
    "half an mp4": (lambda p: _cut(write(p / "a.mp4", noisy(40), faststart=True, **H264)), "cut short"),
    "half an avi": (lambda p: _cut(write(p / "a.avi", noisy(40), **MPEG4)), "cut short"),
    "half an mkv": (lambda p: _cut(write(p / "a.mkv", noisy(40))), "cut short"),
    "mp4 with its index only": (
        lambda p: _cut(write(p / "a.mp4", noisy(40), faststart=True, **H264), 0.05),
        "cut short, 0.10 of 4.00 s",
    ),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_say_why(tmp_path, kind):
    make, reason = DAMAGED[kind]
    path = make(tmp_path)
    with pytest.raises(VideoError, match=reason) as error:
        read_frames(path)
    assert path.name in str(error.value)


@pytest.mark.parametrize("span", [(5.0, None), (7.0, 8.0), (2.0, 2.0), (3.0, 1.0)])
def test_parts_outside_the_video_say_so(video, span):
    with pytest.raises(VideoError, match="numbered.mkv.*5.00 s long"):
        read_frames(video, start=span[0], end=span[1])


def test_flipped_bytes_give_frames_or_a_reason(tmp_path):
    rng = np.random.default_rng(0)
    for name, options in {"a.mp4": H264, "a.avi": MPEG4, "a.mkv": {}}.items():
        path = write(tmp_path / name, numbered(20), **options)
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(15):
            broken = whole.copy()
            broken[rng.integers(0, len(whole), 30)] = rng.integers(0, 256, 30)
            path.write_bytes(broken.tobytes())
            try:
                clips, indices = read_clips(path, size=16)
            except VideoError as error:
                assert name in str(error)
            else:
                assert clips.shape == (1, 16, 16, 16, 3) and indices.shape == (1, 16)


def test_one_bad_file_does_not_stop_the_rest(tmp_path, video):
    table = pd.DataFrame(
        {
            "video": ["good", "bad", "part"],
            "path": [video, _empty(tmp_path), video],
            "start": [math.nan, math.nan, 1.0],
            "end": [math.nan, math.nan, 2.0],
        }
    )
    shard = list(decode_shard(table, size=16, frames=8))
    assert [found.video for found in shard] == ["good", "bad", "part"]
    assert shard[0].clips.shape == (1, 8, 16, 16, 3) and shard[0].reason is None
    assert shard[1].clips is None and "empty.mp4: the file is empty" in shard[1].reason
    assert shard[2].indices.tolist() == [[*range(11, 19)]]


def test_resizing_averages_areas(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3), np.uint8)
    clips, _ = read_clips(write(tmp_path / "a.mkv", frames), frames=1, size=8)
    means = frames[0].reshape(8, 3, 8, 3, 3).mean((1, 3))
    assert np.abs(clips[0, 0] - means).max() <= 0.51
    np.testing.assert_array_equal(clips[0, 0], cv2.resize(frames[0], (8, 8), interpolation=cv2.INTER_AREA))


def rows_at(*paths):
    names = [f"v{i}" for i in range(len(paths))]
    return pd.DataFrame({"video": names, "path": list(map(str, paths)), "start": math.nan, "end": math.nan})


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT])
def test_what_passes_is_no_verdict_on_a_video(video, monkeypatch, number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(VoxplainError, match=f"{os.strerror(number)}.*says nothing of the file") as error:
        list(decode_shard(rows_at(video), size=16))
    assert not isinstance(error.value, VideoError)


@pytest.mark.parametrize(("number", "name"), [(errno.EIO, "_can_be_read"), (errno.ENOMEM, "_has_memory")])
def test_errors_of_machine_and_file_are_told_apart(video, monkeypatch, number, name):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(av, "open", fail)
    (found,) = decode_shard(rows_at(video), size=16)  # the disk can be read, memory be had: it is the file
    assert os.strerror(number) in found.reason
    monkeypatch.setattr(decode, name, lambda *_: False)
    with pytest.raises(VoxplainError, match="says nothing of the file"):
        list(decode_shard(rows_at(video), size=16))


def test_too_little_memory_is_no_verdict_and_no_traceback(video, monkeypatch):
    def full(*_, **__):
        raise MemoryError("3 GB")

    monkeypatch.setattr(decode, "upright", full)
    with pytest.raises(VoxplainError, match="needs more memory"):
        list(decode_shard(rows_at(video), size=16))


def test_what_a_verdict_is_kept_for_is_the_state_that_the_run_was_planned_with(tmp_path):
    """Else a folder that is away while a job runs sets its videos aside for good: they come back as they were planned."""
    paths = [str(tmp_path / f"{number}.mp4") for number in range(3)]
    for number, path in enumerate(paths):
        Path(path).write_bytes(b"x" * (number + 1))
    planned = digest(file_states(paths))
    check_present(paths, planned)
    Path(paths[1]).rename(tmp_path / "away")
    with pytest.raises(
        VoxplainError, match="since the run was planned .*1.mp4 cannot be read now.*same command"
    ):
        check_present(paths, planned)
    check_present(paths, digest(file_states(paths)))  # planned without it: set aside until it comes
    (tmp_path / "away").rename(paths[1])
    check_present(paths, planned)
    Path(paths[0]).write_bytes(b"another")
    with pytest.raises(
        VoxplainError, match="changed, come or gone since the run was planned: run the same command"
    ):
        check_present(paths, planned)
    Path(paths[0]).rename(tmp_path / "0"), Path(paths[2]).rename(paths[0]), (tmp_path / "0").rename(paths[2])
    with pytest.raises(
        VoxplainError, match="since the run was planned"
    ):  # each file is that of its own video
        check_present(paths, planned)


def test_a_video_that_is_away_for_a_while_as_its_shard_is_decoded_is_used_when_it_is_back(
    tmp_path, video, monkeypatch
):
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in paths:
        shutil.copy(video, path)
    rows = [[path.stem, str(path), "wave", "train", None, None] for path in paths]
    output = SimpleNamespace(clips=tmp_path / "train-000.h5", set_aside=tmp_path / "aside.parquet")
    listed = {"rows": rows, "files": digest(file_states(map(str, paths)))}
    params = SimpleNamespace(listed=listed, options={"size": 16, "frames": 2})
    stage = SimpleNamespace(params=params, output=output, made_by={"rule": "cache_clips"})

    def leaving(table, **options):
        for number, found in enumerate(decode_shard(table, **options)):
            yield found
            if number == 0:
                paths[1].rename(tmp_path / "away")

    with monkeypatch.context() as patch, pytest.raises(VoxplainError, match="b.mp4 cannot be read now"):
        patch.setattr(cache_clips, "decode_shard", leaving)
        cache_clips.main(stage)
    assert not output.clips.exists()
    (tmp_path / "away").rename(paths[1])
    cache_clips.main(stage)
    assert pd.read_parquet(output.set_aside).empty
    with ClipStore(output.clips) as clips:
        assert clips.table["video"].tolist() == ["a", "b"]


@pytest.mark.parametrize("damaged", ["use", "set_aside"])
def test_damaged_videos_are_listed_whether_they_are_used_or_not(tmp_path, damaged):
    path = write(tmp_path / "a.mp4", noisy(60), faststart=True, **H264)
    path.write_bytes(path.read_bytes()[: int(0.92 * path.stat().st_size)])
    rows = [["a", str(path), "wave", "train", None, None]]
    params = SimpleNamespace(
        listed={"rows": rows, "files": digest(file_states([str(path)]))},
        options={"size": 16, "frames": 8, "damaged": damaged},
    )
    output = SimpleNamespace(clips=tmp_path / "train-000.h5", set_aside=tmp_path / "aside.parquet")
    cache_clips.main(SimpleNamespace(params=params, output=output, made_by={"rule": "cache_clips"}))
    (row,) = pd.read_parquet(output.set_aside).itertuples()
    assert row.video == "a" and row.used == (damaged == "use") and "of it are not in the file" in row.reason
    with ClipStore(output.clips) as clips:
        assert len(clips.table) == (damaged == "use")


def test_videos_that_the_workflow_made_are_never_set_aside_for_lacking(tmp_path):
    paths = [str(tmp_path / f"{number}.mp4") for number in range(2)]
    for path in paths:
        Path(path).write_bytes(b"x")
    check_present(paths)
    Path(paths[1]).unlink()
    with pytest.raises(
        VoxplainError, match="1 of 2 videos that the workflow has made.*1.mp4.*--forcerun make_embedded"
    ):
        check_present(paths)


def test_a_disk_that_is_away_is_an_error_and_one_file_is_not(tmp_path, video):
    with pytest.raises(VoxplainError, match="None of 2 videos is there.*mount"):
        check_present([str(tmp_path / "away/1.mp4"), str(tmp_path / "away/2.mp4")])
    some = [str(tmp_path / "away/1.mp4"), str(video)]
    check_present(some, digest(file_states(some)))
    missing, good = decode_shard(rows_at(tmp_path / "away/1.mp4", video), size=16)
    assert missing.reason.endswith("no such file") and good.reason is None


def test_a_folder_without_permission_is_a_reason(video, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(decode.os, "stat", refuse)
    (found,) = decode_shard(rows_at(video), size=16)
    assert "cannot be read (Permission denied)" in found.reason
    with pytest.raises(VideoError, match="cannot be read .Permission denied"):  # which check tells of
        probe(video)


def test_a_path_that_no_file_can_have_is_a_reason():
    (found,) = decode_shard(rows_at("x" * 5000 + ".mp4"), size=16)
    assert found.reason.endswith("cannot be read (File name too long)")


def test_a_table_whose_writer_was_killed_is_written_as_undisturbed(tmp_path, monkeypatch):
    touch(tmp_path / "videos", *[f"{name}/{i}.mp4" for name in ("run", "wave") for i in range(4)])

    def listing(name):
        params = SimpleNamespace(data={"path": str(tmp_path / "videos"), "shard_size": 3})
        output = [str(tmp_path / name / "videos.parquet")]
        list_videos.main(SimpleNamespace(params=params, output=output, made_by={"rule": "list_videos"}))
        return Path(output[0])

    whole = listing("calm").read_bytes()
    for call in ("fsync", "replace"):

        def killed(*_, **__):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(os, call, killed)
            listing(call)
        assert not list((tmp_path / call).glob("*.parquet"))
        assert listing(call).read_bytes() == whole and len(list((tmp_path / call).iterdir())) == 1


def test_the_state_of_a_file_tells_of_its_change(tmp_path):
    path = tmp_path / "a.mp4"
    assert file_states([path]) == [[0, 0]]
    path.write_bytes(b"one")
    first = file_states([path])
    path.write_bytes(b"other")
    assert file_states([path]) != first and file_states([path])[0][1] == 5


def test_the_order_of_videos_hangs_on_no_shard_and_no_other_row(tmp_path):
    touch(
        tmp_path,
        *[
            f"{split}/{name}/{i}.mp4"
            for split in ("train", "test")
            for name in ("run", "wave")
            for i in range(9)
        ],
    )
    plans = {size: plan_videos("x", path=str(tmp_path), shard_size=size) for size in (1, 4, 7, 250)}

    def read(plan):  # shard by shard, in each by name
        return [video for _, rows in sorted(plan.groupby("shard")) for video in sorted(rows["video"])]

    assert len({tuple(read(plan)) for plan in plans.values()}) == 1
    assert all(plan["video"].tolist() == plans[4]["video"].tolist() for plan in plans.values())
    assert plans[4]["shard"].value_counts().max() == 4
    touch(tmp_path, "train/run/broken.mp4", "train/wave/another.mp4")
    more = plan_videos("x", path=str(tmp_path), shard_size=4)
    old = more[more["video"].isin(plans[4]["video"])]
    assert old["video"].tolist() == plans[4]["video"].tolist()
    assert [video for video in read(more) if video in set(old["video"])] == read(plans[4])
    # Only the rows of shards that changed have another digest.
    changed = [
        shard
        for shard in plans[4]["shard"].unique()
        if listed_rows(plans[4][plans[4]["shard"] == shard]) != listed_rows(more[more["shard"] == shard])
    ]
    assert changed and all(shard.startswith("train") for shard in changed)


def test_clips_are_numbered_by_name_whatever_the_shards(tmp_path):
    def shards(*groups):
        paths = []
        for i, names in enumerate(groups):
            paths.append(tmp_path / f"{len(groups)}-{i}.h5")
            with create_h5(paths[-1], kind="clips") as file:
                for name in names:
                    group = file.create_group(name)
                    group.attrs["class"] = "run"
                    group["clips"] = np.full((2, 1, 2, 2, 3), ord(name), np.uint8)
        return paths

    for groups in (["abcd"], ["ac", "bd"], ["d", "b", "a", "c"]):
        with ClipStore(shards(*groups)) as store:
            assert store.table["video"].tolist() == list("aabbccdd")
            assert store.fetch(np.arange(8))[:, 0, 0, 0, 0].tolist() == [ord(name) for name in "aabbccdd"]


# ---- tables -----------------------------------------------------------------------------------------


def table_file(folder, text):
    path = folder / "videos.csv"
    path.write_text(text)
    return path


def test_a_clip_of_the_whole_video_has_the_middles_of_equal_parts():
    assert clip_indices(8, frames=4, sampling="whole").tolist() == [[1, 3, 5, 7]]
    assert clip_indices(4, frames=4, sampling="whole").tolist() == [[0, 1, 2, 3]]
    assert clip_indices(17, frames=16, sampling="whole", step=9)[0, [0, 15]].tolist() == [0, 16]
    assert clip_indices(3, frames=4, sampling="whole", step=2).tolist() == [[0, 1, 2, 0]]


def test_csv_table(tmp_path):
    path = table_file(
        tmp_path,
        "path,label,split,start,end\n"
        "a/x.mp4,wave,train,,\n"
        "\n"
        "/far/x.mp4,NA,test,1.5,3\n"
        'a/x.mp4,"run, fast",train,2,\n',
    )
    table = read_video_table(path)
    assert table.columns.tolist() == [
        "video",
        "path",
        "class",
        "split",
        "start",
        "end",
        "group",
        "subset",
        "masks",
        "boxes",
        "flow",
    ]
    assert table["group"].tolist() == table["video"].tolist() and not any(table["masks"] + table["boxes"])
    assert table["path"].tolist() == [str(tmp_path / "a/x.mp4"), "/far/x.mp4", str(tmp_path / "a/x.mp4")]
    assert table["class"].tolist() == ["wave", "NA", "run, fast"]
    np.testing.assert_array_equal(table["start"], [np.nan, 1.5, 2.0])
    np.testing.assert_array_equal(table["end"], [np.nan, 3.0, np.nan])
    assert table["video"].tolist() == ["a-x", "far-x-1.5-3", "a-x-2"]


def test_the_column_of_classes_may_be_called_class(tmp_path):
    text = "path,{},split\na.mp4,wave,train\n"
    tables = [read_video_table(table_file(tmp_path, text.format(name))) for name in ("label", "class")]
    pd.testing.assert_frame_equal(*tables)
    with pytest.raises(ConfigError, match="column 'label': did you mean 'class'"):
        read_video_table(table_file(tmp_path, "path,class,label,split\na.mp4,wave,wave,train\n"))


def test_further_columns_are_ignored_with_a_note(tmp_path, caplog):
    table = read_video_table(table_file(tmp_path, "path,label,split,fps,notes\na.mp4,wave,train,25,nice\n"))
    assert "'fps', 'notes'" in caplog.text and "fps" not in table


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("path,label,split,\na.mp4,wave,train,\n", 4),
        ("path,label,split,,\na.mp4,wave,train,,\n", 4),
        (",path,label,split\n0,a.mp4,wave,train\n", 1),  # as pandas writes a table with its index
    ],
)
def test_columns_without_a_name_are_refused(tmp_path, text, column):
    with pytest.raises(
        ConfigError, match=f"column {column} of its header has no name.*take it out of all lines"
    ):
        read_video_table(table_file(tmp_path, text))


def test_groups_and_files_of_ground_truth(tmp_path):
    details = "path,scene,fps\na.mp4,kitchen,25\nb.mp4,,25\n"
    (tmp_path / "clips.csv").write_text(details)
    source = table_file(tmp_path, "path,label,split\na.mp4,wave,train\nb.mp4,wave,test\n")
    table = read_video_table(source, details="clips.csv", group="scene", masks="masks.h5")
    assert table["group"].tolist() == ["kitchen", table["video"][1]]
    assert table["masks"].tolist() == [str(tmp_path / "masks.h5")] * 2
    with pytest.raises(ConfigError, match="no column 'scenes'; did you mean 'scene'"):
        read_video_table(source, details="clips.csv", group="scenes")


def test_groups_and_subsets_of_time_ranges_of_one_file_are_their_own(tmp_path, caplog):
    text = (
        "path,label,split,start,end,person,group_id\na.mp4,wave,train,0,2,ann,x\na.mp4,wave,train,2,4,bob,y\n"
    )
    source = table_file(tmp_path, text)
    table = read_video_table(source, group="group_id", subset="person")
    assert table["group"].tolist() == ["x", "y"] and table["subset"].tolist() == ["ann", "bob"]
    assert not caplog.text
    both = read_video_table(source, group="group_id", subset="group_id")
    assert both["group"].tolist() == both["subset"].tolist() == ["x", "y"]


def test_a_group_may_be_a_column_with_a_meaning_of_its_own(tmp_path):
    source = table_file(tmp_path, "path,label,split,start,end\na.mp4,wave,train,0,2\na.mp4,wave,train,2,4\n")
    table = read_video_table(source, group="path", subset="label")
    assert table["group"].tolist() == ["a.mp4"] * 2 and table["subset"].tolist() == table["class"].tolist()
    with pytest.raises(ConfigError, match="videos.csv has no column 'persn'"):
        read_video_table(source, group="persn")


def test_a_subset_is_not_called_as_all_videos_are(tmp_path):
    source = table_file(tmp_path, "path,label,split,subset\na.mp4,wave,train,all\nb.mp4,wave,test,half\n")
    with pytest.raises(ConfigError, match="videos.csv: a subset is called 'all'.*rename it"):
        read_video_table(source)


def test_details_are_found_by_the_file_that_a_path_means(tmp_path, caplog):
    (tmp_path / "meta").mkdir()
    details = f"path,scene\n./x/../a.mp4,kitchen\n{tmp_path}/b.mp4,garden\nlost.mp4,street\n"
    (tmp_path / "meta/clips.csv").write_text(details)
    head = "path,label,split\n"
    source = table_file(tmp_path, f"{head}a.mp4,wave,train\n b.mp4,wave,test\n")
    options = {"details": "meta/clips.csv", "group": "scene", "subset": "scene"}
    assert read_video_table(source, **options)["group"].tolist() == ["kitchen", "garden"]
    assert not caplog.text
    table = read_video_table(table_file(tmp_path, f"{head}a.mp4,wave,train\nc.mp4,wave,test\n"), **options)
    assert table["subset"].tolist() == ["kitchen", ""]
    shown = with_groups(pd.DataFrame({"video": table["video"]}), table)
    assert shown["subset"].tolist() == ["kitchen", NO_SUBSET]
    assert caplog.text.count("clips.csv says nothing of 1 videos of") == 1
    assert f"have no group and no subset: {tmp_path}/c.mp4." in caplog.text
    with pytest.raises(
        ConfigError, match="nothing of any video.*/c.mp4: write its paths as they are in that table"
    ):
        read_video_table(table_file(tmp_path, f"{head}c.mp4,wave,train\n"), **options)


def test_details_that_say_two_things_of_a_file_are_refused(tmp_path):
    source = table_file(tmp_path, "path,label,split\na.mp4,wave,train\n")
    (tmp_path / "clips.csv").write_text("path,scene,fps\na.mp4,kitchen,25\n./a.mp4,garden,25\n")
    assert read_video_table(source, details="clips.csv", group="fps")["group"].tolist() == ["25"]
    with pytest.raises(
        ConfigError, match="clips.csv, line 3: scene of .*a.mp4 is 'garden', and 'kitchen' in a line"
    ):
        read_video_table(source, details="clips.csv", group="scene")


def test_a_group_on_both_sides_of_the_split_is_refused(tmp_path):
    text = "path,label,split,group\na.mp4,wave,train,ann\nb.mp4,wave,test,ann\nc.mp4,wave,test,bob\n"
    with pytest.raises(ConfigError, match="both splits.*group 'ann'"):
        read_video_table(table_file(tmp_path, text))


def test_spreadsheet_marks_are_no_part_of_a_column_name(tmp_path):
    path = tmp_path / "videos.csv"
    path.write_text("path,label,split\na.mp4,wave,train\n", encoding="utf-8-sig")
    assert len(read_video_table(path)) == 1


HEAD = "path,label,split,start,end\n"
BAD_TABLES = {
    "path,label\na,b\n": ["no column 'split'", "may have start, end"],
    "path,label,split,strat\na,b,train,1\n": ["'strat'", "did you mean 'start'"],
    "": ["no column 'path'"],
    "path,label,split,split\na.mp4,kick,train,test\n": ["has two columns 'split'", "rename or remove one"],
    HEAD: ["no videos"],
    HEAD + "a,b,train,,\na,,train,,\n": ["line 3", "class is empty"],
    HEAD + ",b,train,,\n": ["line 2", "path is empty"],
    HEAD + "a,b,train,,\n\na,b,test,,\n": ["line 4", "line 2", "Remove one"],
    HEAD + "a,b,tets,,\n": ["line 2", "'tets'", "did you mean 'test'"],
    HEAD + "a,b,validation,,\n": ["line 2", "'validation'", "Write train or test"],
    HEAD + "a,b,train,5,2\n": ["line 2", "end 2 s is not after start 5 s"],
    HEAD + "a,b,train,2,2\n": ["line 2", "not after"],
    HEAD + "a,b,train,,0\n": ["line 2", "not after start 0 s"],
    HEAD + "a,b,train,1m,\n": ["line 2", "start is '1m'", "seconds"],
    HEAD + "a,b,train,-1,\n": ["line 2", "start is '-1'"],
    HEAD + "a,b,train,nan,\n": ["line 2", "start is 'nan'"],
    HEAD + "a,b/c,train,,\n": ["line 2", "'b/c'", "slash"],
    HEAD + "a,b,c,train,,\n": ["line 2", "6 fields", "quotes"],
    HEAD + "a,b\n": ["line 2", "2 fields"],
}


@pytest.mark.parametrize("text", BAD_TABLES)
def test_bad_tables_name_the_row_and_the_mend(tmp_path, text):
    with pytest.raises(ConfigError) as error:
        read_video_table(table_file(tmp_path, text))
    for part in ["videos.csv", *BAD_TABLES[text]]:
        assert part in str(error.value)


def test_table_that_is_no_text_or_missing(tmp_path):
    (tmp_path / "videos.csv").write_bytes(b"path,label,split\n\xff\xfe,b,train\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_video_table(tmp_path / "videos.csv")
    with pytest.raises(ConfigError, match="none.csv cannot be read"):
        read_video_table(tmp_path / "none.csv")


def test_names_are_unique_file_names_that_do_not_depend_on_order():
    paths = ["/a/x.mp4", "/a/x.avi", "/b/a/x.mp4", "/a/X.mp4", "/c/é x.mp4", "/c/ö x.mp4"]
    paths.append("/punch/v_Punch_g1.avi")
    table = pd.DataFrame({"path": paths, "class": "l", "split": "train"})
    names = check_video_table(table).set_index("path")["video"]
    assert names.str.lower().is_unique
    assert names.str.fullmatch(r"[A-Za-z0-9._-]+").all()
    assert names["/punch/v_Punch_g1.avi"] == "v_Punch_g1"
    backwards = check_video_table(table[::-1]).set_index("path")["video"]
    pd.testing.assert_series_equal(names.sort_index(), backwards.sort_index())


def test_names_and_samples_are_the_same_wherever_the_videos_lie(tmp_path):
    files = [
        f"{split}/{name}/{n}.mp4"
        for split in ("train", "test")
        for name in ("kick", "wave")
        for n in range(9)
    ]
    flat = [f"{name}{n}.mp4" for name in ("kick", "wave") for n in range(9)]
    rows = [f"{file},{file[:4]},{'train' if '8' in file else 'test'}\n" for file in flat]
    found = []
    for place in (tmp_path / "one", tmp_path / "two/deeper/three"):
        touch(place, *files)
        (place / "flat").mkdir()
        sources = [place, table_file(place / "flat", f"path,label,split\n{''.join(rows)}")]
        found.append([plan_videos(place, path=str(source), videos_per_class=3) for source in sources])
    for one, two in zip(*found, strict=True):
        pd.testing.assert_frame_equal(one.drop(columns="path"), two.drop(columns="path"))
    assert found[0][0]["video"].str.fullmatch(r"(kick|wave)-\d-[0-9a-f]{8}").all()
    assert found[0][1]["video"].str.fullmatch(r"(kick|wave)\d").all()


def test_a_table_and_its_folder_give_clashing_names_alike(tmp_path):
    files = [f"{split}/{name}/0.mp4" for split in ("train", "test") for name in ("kick", "wave")]
    touch(tmp_path, *files)
    rows = [f"{file},{file.split('/')[1]},{file.split('/')[0]}\n" for file in files]
    listed = read_video_table(table_file(tmp_path, f"path,label,split\n{''.join(rows)}"))
    assert set(listed["video"]) == set(read_video_table(tmp_path)["video"]) and len(set(listed["video"])) == 4


@given(st.text())
@settings(deadline=None)
def test_safe_names_can_name_files(text):
    name = safe_name(text)
    assert name and not set(name) & set("/\\ \0\n:*?\"'<>|") and name.isascii() and not name.startswith(".")


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"a clip; a listing does not open it")


def test_folder_per_class(tmp_path):
    touch(tmp_path, *[f"{label}/{i}.mp4" for label in ("run", "wave") for i in range(8)])
    touch(tmp_path, "wave/notes.txt", "wave/._1.mp4", ".cache/x.mp4", "top.mp4", "wave/upper.AVI")
    table = read_video_table(tmp_path)
    assert table["class"].value_counts().to_dict() == {"wave": 9, "run": 8}
    assert table[table["split"] == "test"]["class"].value_counts().between(1, 3).all()
    pd.testing.assert_frame_equal(table, read_video_table(tmp_path))
    draws = {tuple(read_video_table(tmp_path, seed=seed)["split"]) for seed in range(5)}
    assert len(draws) > 1
    # A new class leaves the others' splits alone.
    touch(tmp_path, "jump/1.mp4", "jump/2.mp4", "single/1.mp4")
    more = read_video_table(tmp_path)
    pd.testing.assert_frame_equal(more[more["class"].isin(["run", "wave"])].reset_index(drop=True), table)
    assert sorted(more.loc[more["class"] == "jump", "split"]) == ["test", "train"]
    assert more.loc[more["class"] == "single", "split"].tolist() == ["train"]


def test_splits_have_their_share_and_hang_on_names(tmp_path):
    names = [f"{i}.mp4" for i in range(400)]
    drawn = draw_splits(names, "run", 0.25, 0)
    assert 70 <= drawn.count("test") <= 130  # binomial: 100, give or take 3.5 standard deviations
    assert (
        dict(zip(names[:-50], draw_splits(names[:-50], "run", 0.25, 0))).items()
        <= dict(zip(names, drawn)).items()
    )
    for n in range(2, 30):
        tests = [draw_splits(names[:n], f"class {i}", 0.25, 0).count("test") for i in range(40)]
        assert 1 <= min(tests) and max(tests) <= max(1, round(0.375 * n))
    # Empty files move nobody.
    for i in range(40):
        with_empty = draw_splits([*names[:5], "a_broken.mp4"], f"class {i}", 0.25, 0, {"a_broken.mp4"})
        assert with_empty[:5] == draw_splits(names[:5], f"class {i}", 0.25, 0)


def test_videos_of_all_endings_and_in_folders_below_are_found(tmp_path):
    endings = [".mp4", ".m4v", ".mpg", ".wmv", ".flv", ".3gp", ".ts", ".gif", ".MOV"]
    touch(tmp_path, *[f"run/{i}{ending}" for i, ending in enumerate(endings)])
    touch(
        tmp_path,
        *[f"wave/person{i}/session/{j}.mp4" for i in range(2) for j in range(2)],
        "wave/.hidden/1.mp4",
    )
    (tmp_path / "wave/loop").symlink_to(tmp_path / "wave")
    (tmp_path / "wave/again").symlink_to(tmp_path / "wave")
    (tmp_path / "wave/itself.mp4").symlink_to(tmp_path / "wave/itself.mp4")
    found = read_video_table(tmp_path)["class"].value_counts().to_dict()
    assert found["run"] == 9 and found["wave"] in (
        4,
        5,
    )  # a link to nothing may be listed, and is then missing


def test_what_is_passed_over_is_said(tmp_path, caplog):
    touch(tmp_path, "run/1.mp4", "run/2.mp4", "wave/1.mp4", "wave/2.mp4", "empty/notes.txt")
    for folder in (b"/class\xff", b"/run/part\xff"):
        os.mkdir(os.fsencode(tmp_path) + folder)
    for name in (b"/run/bad\xff.mp4", b"/class\xff/1.mp4", b"/run/part\xff/1.mp4"):
        os.close(os.open(os.fsencode(tmp_path) + name, os.O_CREAT))
    assert len(read_video_table(tmp_path)) == 4
    assert "empty is passed over, as it holds no videos" in caplog.text
    told = re.findall(r"/(\S+)' is passed over, as its name is no text in UTF-8", caplog.text)
    assert [os.path.basename(place) for place in told] == ["class\\udcff", "bad\\udcff.mp4", "part\\udcff"]
    caplog.clear()
    touch(
        tmp_path, *[f"{split}/{name}/1.mp4" for split in ("train", "val", "test") for name in ("run", "wave")]
    )
    table = read_video_table(tmp_path)
    assert table["split"].value_counts().to_dict() == {"train": 2, "test": 2}
    assert all("/test/" in path for path in table.loc[table["split"] == "test", "path"])
    assert "val is passed over with its 2 videos" in caplog.text
    for split in ("test", "val"):
        for name in ("run", "wave"):
            (tmp_path / split / name / "1.mp4").unlink()
            (tmp_path / split / name).rmdir()
    (tmp_path / "test").rmdir()
    touch(tmp_path, "val/run/5.mp4", "val/wave/5.mp4")
    table = read_video_table(tmp_path)
    assert table.loc[table["split"] == "test", "path"].str.contains("/val/").all() and len(table) == 4


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "run/1.mp4", "locked/1.mp4")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ConfigError, match="locked cannot be read .Permission denied"):
        read_video_table(tmp_path)


LISTS = {
    "in UTF-16": ("path,label,split\na,b,train\n".encode("utf-16"), "not text in UTF-8"),
    "in Latin-1": ("path,label,split\na,coup\xe9,train\n".encode("latin-1"), "not text in UTF-8"),
    "with semicolons": (b"path;label;split\na;b;train\n", "parted by a semicolon"),
    "with tabs": (b"path\tlabel\tsplit\na\tb\ttrain\n", "parted by a tab"),
    "with a huge field": (b"path,label,split\n" + b"x" * 200_000 + b",b,train\n", "line 2.*field too long"),
    "with a NUL": (b"path,label,split\na\0b,c,train\n", "line 2.*NUL"),
    "with a long class": (b"path,label,split\na," + b"long " * 60 + b",train\n", "line 2.*letters long"),
}


@pytest.mark.parametrize("kind", LISTS)
def test_tables_that_spreadsheets_write_are_told_apart(tmp_path, kind):
    content, says = LISTS[kind]
    (tmp_path / "videos.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        read_video_table(tmp_path / "videos.csv")


def test_classes_of_any_script_and_sign_get_names_of_their_own():
    names = [
        "跑步",
        "跳跃",
        "游泳",
        "бег",
        "coupé",
        "coup",
        "coupe",
        "C",
        "C++",
        "C#",
        "NaN",
        "no",
        "20240611",
        ".",
        "..",
        "{label}",
    ]
    assert len({safe_name(name).lower() for name in names}) == len(names)
    check_class_names(names)
    assert safe_name("Putting something, on (it)") == "Putting_something_on_it"
    assert len(safe_name("x" * 300)) <= 100 and safe_name("x" * 300) != safe_name("x" * 301)
    with pytest.raises(ConfigError, match="same file name"):
        check_class_names(["run", "Run"])


def test_long_names_and_carriage_returns_can_be_decoded(tmp_path, video):
    paths = [
        tmp_path / ("x" * 251 + ".mkv"),
        tmp_path / "a\rb.mkv",
        tmp_path / "two\nlines.mkv",
        tmp_path / "{shard}.mkv",
    ]
    for path in paths:
        shutil.copy(video, path)
    table = check_video_table(pd.DataFrame({"path": list(map(str, paths)), "class": "l", "split": "train"}))
    assert table["video"].str.len().max() <= 120 and table["video"].str.fullmatch(r"[A-Za-z0-9._-]+").all()
    assert all(found.reason is None for found in decode_shard(table, size=16, frames=8))


def test_folder_with_splits(tmp_path):
    touch(tmp_path, "train/run/1.mp4", "train/run/2.mkv", "test/run/1.mp4", "test/wave/7.webm")
    table = read_video_table(tmp_path)
    assert table[["class", "split"]].to_numpy().tolist() == [
        ["run", "train"],
        ["run", "train"],
        ["run", "test"],
        ["wave", "test"],
    ]
    assert table["video"].is_unique


@pytest.mark.parametrize(
    ("train", "test"),
    [("Train", "Test"), ("TRAIN", "TEST"), ("training", "testing"), ("Training", "eval"), ("train", "EVAL"),
     ("train", "Validation"), ("training", "dev"), ("train", "evaluation")],
)  # fmt: skip
def test_splits_are_known_by_usual_names_in_letters_of_any_case(tmp_path, train, test):
    touch(
        tmp_path,
        *[f"{split}/{name}/{n}.mp4" for split, n in ((train, 1), (train, 2), (test, 3)) for name in "ab"],
    )
    table = read_video_table(tmp_path)
    assert table[["class", "split"]].to_numpy().tolist() == [
        *[["a", "train"]] * 2, *[["b", "train"]] * 2, ["a", "test"], ["b", "test"],
    ]  # fmt: skip
    assert all(f"/{test}/" in path for path in table.loc[table["split"] == "test", "path"])


def test_of_several_folders_of_a_split_one_counts(tmp_path, caplog):
    touch(tmp_path, *[f"{split}/a/1.mp4" for split in ("Train", "training", "DEV", "Val")])
    assert [Path(path).parts[-3] for path in read_video_table(tmp_path)["path"]] == ["Train", "Val"]
    assert "training is passed over with its 1 videos, as Train is the training split" in caplog.text
    assert "DEV is passed over with its 1 videos, as Val is the test split" in caplog.text


def test_a_class_may_be_called_as_a_split_is(tmp_path):
    touch(tmp_path / "one", *[f"{name}/{n}.mp4" for name in ("test", "kick", "punch") for n in range(4)])
    assert read_video_table(tmp_path / "one")["class"].value_counts().to_dict() == dict.fromkeys(
        ("test", "kick", "punch"), 4
    )
    touch(tmp_path / "both", *[f"{name}/{n}.mp4" for name in ("Train", "Test", "plane") for n in range(4)])
    table = read_video_table(tmp_path / "both")
    assert table["class"].value_counts().to_dict() == dict.fromkeys(("Train", "Test", "plane"), 4)
    assert set(table["split"]) == {"train", "test"}


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ["train/a/1", "train/b/1"],
            r"no folders of videos but train, .* no folder to test with: .*/train itself",
        ),
        (["Training/a/1", "TRAIN/b/1"], "but TRAIN, Training, .* no folder to test with"),
        (["val/a/1", "test/a/1"], "but test, val, .* no folder to train with"),
        (["train/1", "test/1"], "but test, train, .* no folders of classes in them"),
    ],
)
def test_splits_that_are_not_whole_are_no_classes(tmp_path, names, says):
    touch(tmp_path, *[f"{name}.mp4" for name in names])
    with pytest.raises(ConfigError, match=says):
        read_video_table(tmp_path)


def test_folders_without_videos_are_refused(tmp_path):
    touch(tmp_path, "run/notes.txt")
    with pytest.raises(ConfigError, match="no folders with videos"):
        read_video_table(tmp_path)
    with pytest.raises(ConfigError, match="no folder"):
        read_video_table(tmp_path / "none", dataset="folder")


def test_datasets_are_listed_and_check_their_options(tmp_path):
    assert {"csv", "embedded", "folder"} <= {plugin.name for plugin in DATASETS}
    with pytest.raises(ConfigError, match="did you mean 'folder'"):
        read_video_table(tmp_path, dataset="foldr")
    with pytest.raises(ConfigError, match="did you mean 'test_fraction'"):
        read_video_table(tmp_path, test_fractoin=0.5)
