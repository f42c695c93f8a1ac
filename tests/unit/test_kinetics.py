"""Kinetics, HMDB51 and Something-Something-v2 on trees of their shapes, with holes in them."""

from __future__ import annotations

import json
import logging

import pandas as pd
import pytest

from voxplain.errors import ConfigError
from voxplain.videos.clips import decode_shard
from voxplain.videos.table import read_video_table

HEADER = "label,youtube_id,time_start,time_end,split\n"


@pytest.fixture
def kinetics(tmp_path, shared):
    """Two classes of real clips by links, in the usual layouts, with missing, empty and truncated clips."""
    clips = sorted((shared / "data/clips").glob("v_*.avi"))
    layouts = {
        "train/riding a bike/aaaaaaaaaaa_000001_000011.avi": clips[0],
        "train/riding_a_bike/bbbbbbbbbbb_000000_000010.avi": clips[1],
        "val/riding a bike/ccccccccccc.avi": clips[2],
        "train/juggling/ddddddddddd_000120_000130.avi": clips[3],
    }
    for name, clip in layouts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(clip)
    folder = tmp_path / "val/juggling"
    folder.mkdir(parents=True)
    (folder / "eeeeeeeeeee_000002_000012.avi").write_bytes(b"")
    (folder / "fffffffffff_000003_000013.avi").write_bytes(clips[0].read_bytes()[:300])
    (folder / "hhhhhhhhhhh_000004_000014.avi").symlink_to(tmp_path / "nowhere")
    (tmp_path / "train.csv").write_text(
        HEADER + "riding a bike,aaaaaaaaaaa,1,11,train\nriding a bike,bbbbbbbbbbb,0,10,train\n"
        "juggling,ddddddddddd,120,130,train\njuggling,ggggggggggg,5,15,train\n"
    )
    (tmp_path / "validate.csv").write_text(
        HEADER + "riding a bike,ccccccccccc,7,17,validate\njuggling,eeeeeeeeeee,2,12,validate\n"
        "juggling,fffffffffff,3,13,validate\njuggling,hhhhhhhhhhh,4,14,validate\n"
    )
    return tmp_path


def test_kinetics_takes_what_is_there_and_counts_what_is_not(kinetics, caplog):
    with caplog.at_level(logging.WARNING):
        table = read_video_table(kinetics, dataset="kinetics")
    assert [
        (path[-15:-4], class_name, split)
        for path, class_name, split in table[["path", "class", "split"]].values
    ] == [
        ("_000001_000011"[-11:], "riding a bike", "train"),
        ("_000000_000010"[-11:], "riding a bike", "train"),
        ("_000120_000130"[-11:], "juggling", "train"),
        ("ccccccccccc", "riding a bike", "test"),
        ("_000003_000013"[-11:], "juggling", "test"),
    ]
    (record,) = caplog.records
    assert record.args[0] == 8 and record.args[2:] == (2, 1)
    decoded = list(decode_shard(table, size=32))
    assert [found.reason is None for found in decoded] == [True, True, True, True, False]


def test_kinetics_draws_classes_and_test_videos_by_the_seed(tmp_path):
    rows = [
        f"class {c},{c:02d}{i:09d},0,10,{'train' if i < 4 else 'val'}" for c in range(9) for i in range(9)
    ]
    (tmp_path / "all.csv").write_text(HEADER + "\n".join(rows))
    options = {"present_only": False, "draw_classes": 3, "test_videos": 2}
    one, again, other = (
        read_video_table(tmp_path / "all.csv", dataset="kinetics", draw_seed=seed, **options)
        for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one, again)
    assert set(one["class"]) != set(other["class"])
    assert one.groupby(["class", "split"]).size().tolist() == [2, 4] * 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("label,youtube_id\n", "no column time_start"),
        (HEADER + "a,b,x,10,train\n", "line 2: the times are 'x'"),
    ],
)
def test_kinetics_says_what_is_wrong_with_annotations(tmp_path, text, said):
    (tmp_path / "all.csv").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_video_table(tmp_path / "all.csv", dataset="kinetics")


def test_annotations_that_are_no_text_are_named(tmp_path):
    (tmp_path / "all.csv").write_bytes((HEADER + "caf\xe9,a,0,10,train\n").encode("latin-1"))
    with pytest.raises(ConfigError, match="all.csv is not text in UTF-8"):
        read_video_table(tmp_path / "all.csv", dataset="kinetics")


def test_hmdb51(tmp_path):
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    (tmp_path / "wave").mkdir()
    for name in "abc":
        (tmp_path / "wave" / f"{name}.avi").touch()
    (lists / "wave_test_split1.txt").write_text("a.avi 1 \nb.avi 2 \nc.avi 0 \nmissing.avi 1 \n")
    table = read_video_table(tmp_path, dataset="hmdb51")
    assert table[["video", "split"]].values.tolist() == [["wave-a", "train"], ["wave-b", "test"]]


def test_hmdb51_clips_of_one_film_are_one_group(tmp_path):
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    films = {"A_film_wave_u_cm_np1_fr_med_1": 1, "A_film_wave_f_cm_np1_le_bad_2": 1, "A_film_too_wave_u_nm_np1_fr_goo_0": 1,
             "Wave_wave_u_nm_np1_fr_goo_0": 2}  # fmt: skip
    for class_name, part in (("wave", 1), ("stand", 2)):  # in another class a film may serve the test
        (tmp_path / class_name).mkdir()
        names = [name.replace("_wave_", f"_{class_name}_") for name in films]
        for name in names:
            (tmp_path / class_name / f"{name}.avi").touch()
        text = "".join(
            f"{name}.avi {split if part == 1 else 3 - split}\n"
            for name, split in zip(names, films.values(), strict=True)
        )
        (lists / f"{class_name}_test_split1.txt").write_text(text)
    table = read_video_table(tmp_path, dataset="hmdb51")
    for _, rows in table.groupby("class"):
        names = rows.set_index("video")["group"]
        first, second, other, last = (
            names[names.index.str.contains(key)].iloc[0] for key in ("med_1", "bad_2", "too", "Wave")
        )
        assert first == second and len({first, other, last}) == 3
    assert table["group"].nunique() == 6 and table.groupby("group")["split"].nunique().eq(1).all()


def test_hmdb51_says_which_classes_are_not_unpacked(tmp_path, caplog):
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    for class_name in ("catch", "smile", "wave"):
        (lists / f"{class_name}_test_split1.txt").write_text("a.avi 1 \nAm;&[x]_#20!.avi 2 \n")
        if class_name != "smile":
            (tmp_path / class_name).mkdir()
            for name in ("a.avi", "Am;&[x]_#20!.mp4"):  # one was converted
                (tmp_path / class_name / name).touch()
    table = read_video_table(tmp_path, dataset="hmdb51")
    assert table.groupby("class")["split"].apply(list).to_dict() == {
        name: ["train", "test"] for name in ("catch", "wave")
    }
    assert "Of 6 listed videos, 2 are not in" in caplog.text and "smile (2)" in caplog.text
    (lists / "wave_test_split1.txt").write_bytes("a.avi 1".encode("utf-16"))
    with pytest.raises(ConfigError, match="wave_test_split1.txt is not text in UTF-8"):
        read_video_table(tmp_path, dataset="hmdb51")


def test_something_something(tmp_path):
    (tmp_path / "20bn-something-something-v2").mkdir()
    for name in ("7.webm", "8.mp4"):  # one was converted
        (tmp_path / f"20bn-something-something-v2/{name}").touch()
    for name, video in (("train", "7"), ("validation", "8")):
        entries = [{"id": video, "template": "Pushing [something] left"}, {"id": "9", "template": "Gone"}]
        (tmp_path / f"{name}.json").write_text(json.dumps(entries))
    table = read_video_table(tmp_path, dataset="something_v2")
    assert table["split"].tolist() == ["train", "test"]
    assert set(table["class"]) == {"Pushing something left"}
