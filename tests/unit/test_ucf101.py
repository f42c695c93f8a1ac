"""UCF-101 as it is distributed, on trees of its shape."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from voxplain.config import load_config
from voxplain.errors import ConfigError
from voxplain.videos.clips import read_clips
from voxplain.videos.plan import evaluation_videos, plan_videos
from voxplain.videos.table import read_video_table

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ["ApplyLipstick", "Biking", "HandstandPushups"]


def tree(root, *, flat=False, groups=range(1, 5), clips=(1, 2)):
    """A small data set: groups 1 and 2 are for testing."""
    videos, lists = root / "UCF-101", root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_bytes("".join(f"{n} {c}\r\n" for n, c in enumerate(CLASSES, 1)).encode())
    lines = {"train": [], "test": []}
    for number, class_name in enumerate(CLASSES, 1):
        folder = videos if flat else videos / class_name
        folder.mkdir(parents=True, exist_ok=True)
        for group in groups:
            for clip in clips:
                stem = "HandStandPushups" if class_name == "HandstandPushups" else class_name
                name = f"v_{stem}_g{group:02d}_c{clip:02d}.avi"
                (folder / name).write_bytes(b"")
                split = "test" if group < 3 else "train"
                lines[split].append(f"{class_name}/{name}" + (f" {number}" if split == "train" else ""))
    for split, texts in lines.items():
        (lists / f"{split}list01.txt").write_bytes("\r\n".join(texts).encode())
    return videos


@pytest.mark.parametrize("flat", [False, True])
def test_videos_get_the_class_and_split_of_the_lists(tmp_path, flat):
    table = read_video_table(tree(tmp_path, flat=flat), dataset="ucf101")
    assert len(table) == 3 * 4 * 2 and table["video"].is_unique
    for row, class_name in zip(table.itertuples(), table["class"], strict=True):
        group = int(Path(row.path).stem.split("_g")[1][:2])
        assert row.split == ("test" if group < 3 else "train")
        assert Path(row.path).name.lower().startswith(f"v_{class_name.lower()}_g")
        assert Path(row.path).is_file()


def test_clips_of_one_video_are_one_group(tmp_path):
    table = read_video_table(tree(tmp_path, groups=range(1, 4), clips=range(1, 6)), dataset="ucf101")
    assert table.groupby("group").size().eq(5).all() and table["group"].nunique() == 3 * 3
    for group, rows in table.groupby("group"):
        assert rows["video"].str.startswith(f"{group}_c").all() and rows["class"].nunique() == 1


def test_what_is_not_there_is_left_out_and_counted(tmp_path, caplog):
    videos = tree(tmp_path)
    (videos / "Biking" / "v_Biking_g01_c01.avi").unlink()
    table = read_video_table(videos, dataset="ucf101")
    assert len(table) == 23 and "v_Biking_g01_c01" not in set(table["video"])
    assert "1 of the 24 videos" in caplog.text


def test_lists_and_videos_as_people_have_them(tmp_path):
    """With byte order marks, backslashes, and converted to another format."""
    videos = tree(tmp_path)
    before = read_video_table(videos, dataset="ucf101")
    for path in (tmp_path / "ucfTrainTestlist").iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"/", b"\\"))
    pd.testing.assert_frame_equal(read_video_table(videos, dataset="ucf101"), before)
    for path in videos.rglob("*.avi"):
        path.rename(path.with_suffix(".mp4"))
    after = read_video_table(videos, dataset="ucf101")
    assert after["video"].tolist() == before["video"].tolist()
    assert set(after["path"].str[-4:]) == {".mp4"}


def test_links_to_the_own_folder_are_walked_once(tmp_path):
    videos = tree(tmp_path)
    before = read_video_table(videos, dataset="ucf101")
    (videos / "again").symlink_to(videos)
    (videos / "Biking" / "again").symlink_to(videos)
    after = read_video_table(videos, dataset="ucf101")
    assert sorted(after["video"]) == sorted(before["video"])


@pytest.mark.parametrize("content", ["Biking".encode("utf-16"), b"1 Bik\xe9ng\n", bytes(range(256))])
@pytest.mark.parametrize("name", ["classInd.txt", "trainlist01.txt"])
def test_lists_that_are_no_text_are_named(tmp_path, name, content):
    videos = tree(tmp_path)
    (tmp_path / "ucfTrainTestlist" / name).write_bytes(content)
    with pytest.raises(ConfigError, match=f"{name} is not text in UTF-8: save it in UTF-8"):
        read_video_table(videos, dataset="ucf101")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: (root / "ucfTrainTestlist/classInd.txt").unlink(), "lists are not in"),
        (
            lambda root: (root / "ucfTrainTestlist/classInd.txt").write_text("² Biking", encoding="utf-8"),
            "'² Biking' is not a number and a class",
        ),
        (lambda root: (root / "ucfTrainTestlist/testlist01.txt").unlink(), "cannot be read"),
        (
            lambda root: (root / "ucfTrainTestlist/trainlist01.txt").write_text(
                "Biking/v_Biking_g03_c01.avi 1"
            ),
            "number 1",
        ),
        (
            lambda root: (root / "ucfTrainTestlist/testlist01.txt").write_text("Bike/v_Biking_g03_c01.avi"),
            "line 1",
        ),
        (
            lambda root: (root / "UCF-101").rename(root / "other") and (root / "UCF-101").mkdir(),
            "None of the 24 videos",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path, spoil, says):
    videos = tree(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ConfigError, match=says):
        read_video_table(videos, dataset="ucf101")


def test_official_lists_and_real_files(tmp_path, shared):
    """The data set's own lists, of 13,320 videos, with the four files of it that are here."""
    videos, lists = tmp_path / "UCF-101", tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    for name in ("classInd.txt", "trainlist01.txt", "testlist01.txt"):
        (lists / name).symlink_to(shared / "data/labels" / name)
    sources = {
        "v_BaseballPitch_g01_c01": "v_Punch_g03_c01",
        "v_HandStandPushups_g08_c01": "v_SoccerJuggling_g23_c01",
    }
    for name in (
        "v_Biking_g05_c02",
        "v_Punch_g03_c01",
        "v_SoccerJuggling_g23_c01",
        "v_SoccerJuggling_g24_c01",
    ):
        sources[name] = name
    for name, source in sources.items():
        folder = videos / name.split("_")[1]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.avi").symlink_to(shared / "data/clips" / f"{source}.avi")
    table = read_video_table(videos, dataset="ucf101").set_index("video")
    found = {video: (row["class"], row["split"]) for video, row in table.iterrows()}
    assert found == {
        "v_Biking_g05_c02": ("Biking", "test"),
        "v_Punch_g03_c01": ("Punch", "test"),
        "v_SoccerJuggling_g23_c01": ("SoccerJuggling", "train"),
        "v_SoccerJuggling_g24_c01": ("SoccerJuggling", "train"),
        "v_BaseballPitch_g01_c01": ("BaseballPitch", "test"),
        "v_HandStandPushups_g08_c01": ("HandstandPushups", "train"),
    }
    clips, indices = read_clips(table.loc["v_Biking_g05_c02", "path"], sampling="consecutive", size=32)
    n_frames = indices.max() + 1
    assert len(clips) == -(-n_frames // 16) and clips.shape[1:] == (16, 32, 32, 3)
    assert (indices.ravel()[:n_frames] == range(n_frames)).all()


def test_the_papers_config_explains_1010_videos(tmp_path, shared):
    videos = tmp_path / "UCF-101"
    videos.mkdir()
    for name in ("trainlist01.txt", "testlist01.txt"):
        for line in (shared / "data/labels" / name).read_text().split():
            if line.endswith(".avi"):
                (videos / line.partition("/")[2]).touch()
    config = yaml.safe_load((ROOT / "config/ucf101.yaml").read_text())
    config["data"]["path"] = str(videos)
    config["data"].setdefault("options", {})["lists"] = str(shared / "data/labels")
    config = load_config(config)
    table = plan_videos("unused", **dict(config.data))
    assert table["split"].value_counts().to_dict() == {"train": 9537, "test": 3783}
    chosen = evaluation_videos(table, config.relevance.videos_per_class)
    assert (
        len(chosen) == 1010
        and (chosen["class"].value_counts() == 10).all()
        and set(chosen["split"]) == {"test"}
    )
    others = plan_videos("unused", **dict(config.data) | {"seed": 1})
    assert set(evaluation_videos(others, config.relevance.videos_per_class)["video"]) != set(chosen["video"])
