"""The study with people: what is asked, what may be answered, and what answers tell."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.__main__ import main
from voxplain.artifacts import write_json, write_table
from voxplain.errors import VoxplainError
from voxplain.finished import SCORED
from voxplain.report.strips import clip_strip, mask_strip
from voxplain.study.answers import attentive, read_answers, study_tables, words_of
from voxplain.study.page import study_page
from voxplain.study.questions import ATTENTION, CONCEPT, INTRUDER, NAMING, RANDOM, choose_questions

PLACE = {"model": "r3d", "seed": 0, "layer": "layer3"}


def made(classes: int = 3, concepts: int = 4, examples: int = 4) -> tuple[list, dict, pd.DataFrame]:
    """Concepts, clips and scores as a run has them; each class has clips of its own."""
    rng = np.random.default_rng(0)
    entries, clips, rows = [], {}, []
    for name in "abcdef"[:classes]:
        for concept in range(concepts):
            shown = []
            for number in range(examples):
                mask = np.zeros((2, 8, 8), dtype=bool)
                mask[:, concept, number] = True
                clip = f"{name}{concept}{number} 0"
                clips[clip] = clip_strip(rng.integers(0, 255, (2, 8, 8, 3), dtype=np.uint8))
                shown.append({"clip": clip, "video": clip[:-2], "mask": mask_strip(mask)})
            entries.append({**PLACE, "class": name, "concept": concept, "examples": shown})
            rows.append({**PLACE, "class": name, "concept": concept, "rank": concept + 1})
    return entries, clips, pd.DataFrame(rows)


def asked(count: int = 6, seed: int = 0, **options):
    entries, _, scores = made(**options)
    return choose_questions(entries, scores, count=count, examples=3, rng=np.random.default_rng(seed))


def key_of(questions) -> list[dict]:
    return [{**asdict(one), "shown_examples": len(one.examples)} for one in questions]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 20))
def test_intruders_are_of_another_concept_and_random_sets_of_many(seed: int, count: int) -> None:
    questions = asked(count, seed)
    kinds = Counter((one.kind, one.shown) for one in questions)
    there = min(count, 12)  # three classes of four concepts
    named = max(1, there // 2)
    assert kinds == {
        (INTRUDER, CONCEPT): there, (INTRUDER, RANDOM): there, (INTRUDER, ATTENTION): 2,
        (NAMING, CONCEPT): named, (NAMING, RANDOM): named,
    }  # fmt: skip
    for one in questions:
        of = [(example["clip"][0], example["clip"][1]) for example in one.examples]
        intruder = of.pop(one.answer) if one.kind == INTRUDER else None
        if one.shown == CONCEPT:
            assert set(of) == {(one.class_name, str(one.concept))} and len(of) == 3
            assert one.rank == one.concept + 1
            assert intruder is None or (intruder[0] == one.class_name and intruder[1] != str(one.concept))
        elif one.shown == RANDOM:
            # Four concepts: as many as are shown, the intruder among them.
            assert len({*of, intruder} - {None}) == len(one.examples) and {name for name, _ in of} == {
                one.class_name
            }
        else:
            assert len(set(of)) == 1 and intruder[0] != of[0][0]
    pairs = Counter((one.kind, one.pair) for one in questions if one.shown != ATTENTION)
    assert set(pairs.values()) == {2}


def of_the_same_videos(videos: int) -> tuple[list, pd.DataFrame]:
    """Two classes of three concepts, each with an example of every one of the class's videos."""
    entries, rows = [], []
    for name in "ab":
        for concept in range(3):
            examples = [
                {"clip": f"{name}{video} 0", "video": f"{name}{video}", "mask": f"{concept} {video}"}
                for video in range(videos)
            ]
            entries.append({**PLACE, "class": name, "concept": concept, "examples": examples})
            rows.append({**PLACE, "class": name, "concept": concept, "rank": concept + 1})
    return entries, pd.DataFrame(rows)


@pytest.mark.parametrize("videos", [4, 6, 3])
def test_an_intruder_is_of_none_of_the_videos_shown_while_there_are_others(videos: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for one in choose_questions(*of_the_same_videos(videos), count=6, examples=3, rng=rng):
            if (one.kind, one.shown) == (INTRUDER, CONCEPT):
                others = [example["video"] for example in one.examples]
                assert (others.pop(one.answer) in others) == (videos == 3)


def test_classes_take_turns_and_ends_of_rankings_come_first() -> None:
    questions = asked(6)
    found = {(one.class_name, one.rank) for one in questions if (one.kind, one.shown) == (INTRUDER, CONCEPT)}
    assert found == {(name, rank) for name in "abc" for rank in (1, 4)}


def test_intruders_stand_everywhere_alike() -> None:
    places = Counter(one.answer for seed in range(60) for one in asked(12, seed) if one.kind == INTRUDER)
    share = np.array([places[place] for place in range(4)]) / sum(places.values())
    np.testing.assert_allclose(share, 0.25, atol=0.04)


def test_a_class_with_one_concept_is_not_asked_about_and_none_is_an_error() -> None:
    with pytest.raises(VoxplainError, match="No class has two concepts"):
        asked(concepts=1)
    entries, _, scores = made()
    with pytest.raises(VoxplainError, match="--examples"):
        choose_questions(entries, scores, count=3, examples=5, rng=np.random.default_rng(0))


def test_the_page_holds_no_answers_and_loads_nothing() -> None:
    _, clips, _ = made()
    questions = asked(2)
    page = study_page(questions, clips, study="0123")
    data = json.loads(re.search(r"const data = (.*);\n", page).group(1))
    assert [one["kind"] for one in data["questions"]] == [one.kind for one in questions]
    assert all(set(one) == {"kind", "pictures"} for one in data["questions"]) and data["study"] == "0123"
    assert all(picture.startswith("data:image/webp;base64,") for picture in data["pictures"])
    assert not re.search(r"(src|href)=\"?(?!data:)\w", page) and "r3d" not in page
    again = next(one for one in range(len(questions)) if questions[one].shown == ATTENTION)
    assert len(set(data["questions"][again]["pictures"])) == 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda content: [], "no file of answers"),
        (lambda content: {**content, "answers": None}, "no file of answers"),
        (lambda content: {**content, "study": "other"}, "another study's"),
        (lambda content: {**content, "answers": content["answers"][1:]}, "answers to"),
        (lambda content: {**content, "answers": [{"answer": 9}] * len(content["answers"])}, "Answer 1 is 9"),
        (
            lambda content: {**content, "answers": [{"answer": True}] * len(content["answers"])},
            "Answer 1 is True",
        ),
        (lambda content: {**content, "answers": [3] * len(content["answers"])}, "Answer 1 is None"),
    ],
)
def test_answers_that_the_page_cannot_give(change, text: str) -> None:
    key = [one for one in key_of(asked()) if one["kind"] == INTRUDER]
    content = {"study": "0123", "person": "x", "answers": [{"answer": 0, "seconds": 1}] * len(key)}
    assert read_answers(content, key, "0123") == [0] * len(key)
    with pytest.raises(VoxplainError, match=text):
        read_answers(change(content), key, "0123")


def person(key: list[dict], rng: np.random.Generator, sees: bool) -> list:
    answers = []
    for one in key:
        if one["kind"] == NAMING:
            answers.append("A red Wheel" if sees and one["shown"] == CONCEPT else f"word{rng.integers(1000)}")
        elif one["shown"] == ATTENTION or (sees and one["shown"] == CONCEPT):
            answers.append(one["answer"])
        else:
            answers.append(int(rng.integers(one["shown_examples"])))
    return answers


def test_who_sees_concepts_finds_their_intruders_and_names_them_alike() -> None:
    key, rng = key_of(asked(12)), np.random.default_rng(0)
    people = [person(key, rng, sees=True) for _ in range(8)]
    assert all(attentive(answers, key) for answers in people)
    table, by_concept = study_tables(people, key)
    rows = table.set_index(["question", "shown"])
    for kind in (INTRUDER, NAMING):
        assert rows.loc[(kind, CONCEPT), "value"] == 1 and rows.loc[(kind, CONCEPT), "p_adjusted"] < 0.05
        assert rows.loc[(kind, RANDOM), "value"] < 0.5 and np.isnan(rows.loc[(kind, RANDOM), "p_value"])
    low, high = rows.loc[(INTRUDER, RANDOM), ["ci_low", "ci_high"]]
    assert low < 0.25 < high and rows.loc[(INTRUDER, RANDOM), "chance"] == 0.25
    assert len(by_concept) == 12 + 6 and (by_concept["value"] == 1).all()
    careless = [None if one["kind"] == NAMING else 0 for one in key]
    assert not attentive(careless, key) or all(one["answer"] == 0 for one in key if one["shown"] == ATTENTION)


def test_guessing_is_seldom_taken_for_seeing() -> None:
    """A null through the table's own function: as often as the level says, or less."""
    key, found = key_of(asked(12)), []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        table, _ = study_tables([person(key, rng, sees=False) for _ in range(6)], key)
        found.append(table.set_index(["question", "shown"]).loc[(INTRUDER, CONCEPT), "p_value"] <= 0.05)
    assert np.mean(found) <= 0.08


def test_one_person_has_no_words_in_common_with_anyone() -> None:
    key = key_of(asked())
    table, _ = study_tables([person(key, np.random.default_rng(0), sees=True)], key)
    assert table.loc[table["question"] == NAMING, "value"].isna().all()


def test_words() -> None:
    assert words_of("The RED wheels, of glass") == {"red", "wheel", "glass"}
    assert words_of("") == words_of("of the") == frozenset()


@pytest.fixture
def run(tmp_path):
    entries, clips, scores = made()
    folder = tmp_path / "results/demo"
    (folder / "models/r3d/seed0/layer3").mkdir(parents=True)
    (folder / "tables").mkdir()
    (folder / "models/r3d/seed0/weights.safetensors").touch()
    for name in SCORED:  # which a finished run has, and which are not read here
        (folder / "models/r3d/seed0/layer3" / name).touch()
    content = {"clips": clips, "concepts": entries}
    write_json(folder / "models/r3d/seed0/layer3/concept_clips.json", content, kind="concept_clips")
    write_table(folder / "tables/concept_scores.parquet", scores, kind="concept_scores")
    return folder


def test_from_a_run_to_a_table(run, tmp_path, capsys) -> None:
    assert main(["study", str(run), "--examples", "3"]) == 0
    key = json.loads((run / "study/key.json").read_text())
    files, rng = [], np.random.default_rng(0)
    for number in range(4):
        answers = [{"answer": one, "seconds": 2.0} for one in person(key["questions"], rng, sees=True)]
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps({"study": key["study"], "person": f"p{number}", "answers": answers}))
    twice, broken = tmp_path / "twice.json", tmp_path / "broken.json"
    twice.write_text(files[0].read_text())
    broken.write_text("{")
    capsys.readouterr()
    assert main(["study", str(run), "--answers", *map(str, [*files, twice, broken])]) == 0
    told = capsys.readouterr().out
    assert "were read before" in told and "cannot be read as JSON" in told
    table = pd.read_csv(run / "study/study.csv")
    assert (table["n_people"] == 4).all() and len(pd.read_csv(run / "study/study_concepts.csv")) == 12
    # The same questions may be written again; others would leave answers without their key.
    assert main(["study", str(run), "--examples", "3"]) == 0
    assert main(["study", str(run), "--examples", "3", "--seed", "1"]) == 1
    assert "another study" in capsys.readouterr().err


def test_what_is_missing_is_said(run, tmp_path, capsys) -> None:
    assert main(["study", str(tmp_path / "none")]) == 1
    assert "is no run with concepts" in capsys.readouterr().err
    assert main(["study", str(run), "--model", "i3d"]) == 1
    assert "Known: r3d" in capsys.readouterr().err
    assert main(["study", str(run), "--answers", "a.json"]) == 1
    assert "key.json" in capsys.readouterr().err
