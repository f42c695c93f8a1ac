"""The report says what made-up tables say, needs nothing else, and can be read by everyone."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from voxplain.figures import STYLES
from voxplain.report import TEMPLATES, formats, templates_hash, words
from voxplain.report.builder import Picture, Provenance, build_report, editing_grid

CONFIG = {"run": "made-up", "seeds": [0], "scores": {"alpha": 0.05}, "figures": {"concepts": 1}}
EVIL = '<script>alert("x")</script>'


def accuracy_table(label="kick") -> pd.DataFrame:
    columns = ["model", "seed", "label", "accuracy", "ci_low", "ci_high", "n_videos"]
    rows = [("r3d", 0, "all", 0.8167, 0.7382, 0.8759, 120), ("r3d", 0, label, 0.9, 0.7, 0.97, 60)]
    return pd.DataFrame([*rows, ("r3d", 0, "punch", 0.7333, 0.6, 0.83, 60)], columns=columns)


def edits_table(published: float = 0.1167) -> pd.DataFrame:
    rows = []
    for place, strategy in enumerate(STYLES):
        for k in (1, 2):
            accuracy = 0.6 - 0.1 * place + 0.01 * k
            rows.append(
                {
                    "model": "r3d", "layer": "layer3", "strategy": strategy, "k": k, "accuracy": accuracy,
                    "ci_low": accuracy - 0.05, "ci_high": accuracy + 0.05, "n_videos": 120, "n_seeds": 1,
                    "shown": 0.25,
                    "baseline": 0.8167, "p_value": np.nan if strategy == "top" else 0.0004,
                    "published": published if strategy != "random_volume" else np.nan,
                    "published_baseline": 0.7562 if strategy != "random_volume" else np.nan,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def gap(experiment="concept_addition", worse="least", gap=0.4, low=0.33, high=0.47) -> dict:
    return {
        "experiment": experiment, "model": "r3d", "layer": "layer3", "better": "top", "worse": worse,
        "gap": gap,
        "ci_low": low, "ci_high": high, "p_value": 0.0001, "n_videos": 120, "n_seeds": 1,
    }  # fmt: skip


def scores_table(label="kick") -> pd.DataFrame:
    rows = [(3, 0.98, 1, 0.005, True), (0, 0.5, 2, 0.8, False), (1, 0.02, 3, 0.005, True)]
    table = pd.DataFrame(rows, columns=["concept", "score", "rank", "p_adjusted", "significant"])
    return table.assign(
        model="r3d", seed=0, layer="layer3", score_sd=0.02, p_value=0.01, n_supervoxels=60, n_videos=41,
        cav_accuracy=0.93,
        **{"class": label},
    )  # fmt: skip


def all_tables(label="kick") -> dict[str, pd.DataFrame]:
    gaps = [
        gap(),
        gap(worse="random", gap=0.198, low=0.12, high=0.271),
        gap(worse="random_volume", gap=-0.01, low=-0.04, high=0.02),
        gap("concept_removal", gap=-0.2, low=-0.3, high=-0.1),
        gap("concept_removal", "random", gap=0.05, low=0.01, high=0.09),
    ]  # fmt: skip
    aside = [("v7", "a/b.mp4", label, "train", f"a/b.mp4: the file is empty {EVIL}")]
    return {
        "model_accuracy": accuracy_table(label),
        "concept_addition": edits_table(),
        "concept_removal": edits_table(0.6979),
        "concept_gaps": pd.DataFrame(gaps),
        "concept_scores": scores_table(label),
        "set_aside": pd.DataFrame(aside, columns=["video", "path", "label", "split", "reason"]),
    }


def provenance(**config) -> Provenance:
    made = {
        "rule": "tabulate_concept_scores",
        "code": "c0de" * 4,
        "versions": {"torch": "9.9.9"},
        "device": "cpu",
    }
    stages = pd.DataFrame({"rule": ["train_model"], "jobs": [2], "seconds": [3725.0], "max_rss": [812.4]})
    return Provenance({**CONFIG, **config}, "abc123-dirty", {"concept_scores": made}, stages)


@pytest.fixture
def pictures(tmp_path) -> list[Picture]:
    found = []
    for kind, about in {
        "concept_addition": {},
        "concept_removal": {},
        "concepts": {"model": "r3d", "seed": 0, "layer": "layer3", "class": "kick"},
    }.items():
        path = tmp_path / f"{kind}.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(path)
        found.append(Picture(str(path), kind, about))
    return found


class Page(HTMLParser):
    """Elements of a page, its text, and errors of nesting."""

    VOID = {"meta", "img", "br", "link", "input", "hr"}

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(page)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page(pictures) -> Page:
    return Page(build_report(all_tables(), pictures, provenance()))


def test_the_answer_is_what_the_tables_say(page):
    for sentence in (
        "In part: the concepts that score highest do not always matter more than others. Of 4 comparisons "
        "with random and "
        "with the least important concepts, 3 come out as they should, 1 the other way round, and 0 cannot "
        "be told from chance.",
        "r3d names the right class of 81.7 % (95 % interval 73.8 to 87.6 %) of 120 test videos; chance is "
        "50.0 %.",
        "With only its most important concepts shown, r3d (layer3) is right more often than with the least "
        "important ones "
        "(+40.0 points, +33.0 to +47.0) and random ones (+19.8 points, +12.0 to +27.1), and neither clearly "
        "more nor less "
        "often than with random supervoxels of the same volume (−1.0 points, −4.0 to +2.0).",
        "With its most important concepts hidden, r3d (layer3) is right less often than with the least "
        "important ones "
        "(−20.0 points, −30.0 to −10.0), and more often than with random ones (+5.0 points, +1.0 to +9.0).",
        "Of 3 concepts of r3d (layer3), 2 score differently from random concepts (false discovery rate 5 %).",
        "1 video was set aside; the reasons are below.",
    ):
        assert sentence in page.text


@pytest.mark.parametrize(
    "experiment, low, high, expected",
    [
        ("concept_addition", 0.1, 0.3, "yes"),
        ("concept_addition", -0.3, -0.1, "opposite"),
        ("concept_addition", -0.1, 0.3, "no"),
        ("concept_addition", 0.0, 0.3, "no"),
        ("concept_removal", -0.3, -0.1, "yes"),
        ("concept_removal", 0.1, 0.3, "opposite"),
        ("concept_removal", -0.2, 0.1, "no"),
    ],
)
def test_verdicts(experiment, low, high, expected):
    row = pd.Series(gap(experiment, gap=(low + high) / 2, low=low, high=high))
    assert words.verdict(row) == expected
    start = {"yes": "Yes:", "opposite": "No:", "no": "No:"}[expected]
    assert words.headline({"concept_gaps": pd.DataFrame([row])}).startswith(start)


def test_several_seeds_and_dead_classes_are_told():
    first, second = accuracy_table(), accuracy_table()
    second["seed"] = 1
    second.loc[0, "accuracy"], second.loc[2, "accuracy"] = 0.45, 0.0
    (sentence,) = words.accuracy_sentences(pd.concat([first, second], ignore_index=True))
    assert "45.0 to 81.7 %, depending on the seed (2 of them), of 120 test videos" in sentence
    assert sentence.endswith("It recognizes no video of punch.")


def test_every_number_of_the_tables_is_in_the_page(page):
    tables = all_tables()
    for name in ("concept_addition", "concept_removal"):
        for row in tables[name].to_dict("records"):
            assert (
                f"{100 * row['accuracy']:.1f} {100 * row['ci_low']:.1f} to {100 * row['ci_high']:.1f}"
                in page.text
            )
            if row["published"] == row["published"]:
                difference = 100 * (row["accuracy"] - row["published"])
                written = f"{difference:+.1f}".replace("-", "−")
                assert f"paper {100 * row['published']:.1f}, {written}" in page.text
    assert "unedited 81.7 (paper 75.6)" in page.text
    assert "1 3 0.98 0.02 0.005 yes 60 41 93.0" in page.text  # a concept
    assert "train_model 2 1 h 2 min 5 s 812" in page.text
    assert "abc123-dirty" in page.text and "torch 9.9.9" in page.text and "alpha: 0.05" in page.text


def test_tables_can_be_taken_along(page):
    found = {a["download"]: a["href"] for a in page.all("a") if "download" in a}
    for name, table in all_tables().items():
        content = base64.b64decode(found[f"{name}.csv"].removeprefix("data:text/csv;base64,"))
        pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(content)), table, check_dtype=False)


def test_nothing_is_loaded_from_elsewhere(page):
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "poster", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"url\(|@import", (TEMPLATES / "style.css").read_text())
    (policy,) = [
        meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none';")


def test_pictures_are_in_the_page_and_described(page):
    images = page.all("img")
    assert len(images) == 3
    for image in images:
        decoded = Image.open(io.BytesIO(base64.b64decode(image["src"].partition("base64,")[2])))
        assert decoded.format == "WEBP" and decoded.size == (40, 30)
    shown, _, concepts = (image["alt"] for image in images)
    assert (
        "with 1 to 2 concepts shown" in shown
        and "most important 61.0, 62.0" in shown
        and "unedited 81.7" in shown
    )
    # One concept from either end, as the config says.
    assert (
        "rank 1, score 0.98, in 41 videos; rank 3, score 0.02, in 41 videos" in concepts
        and "rank 2" not in concepts
    )


def test_pictures_that_take_too_much_room_are_named(pictures):
    page = Page(build_report(all_tables(), pictures, provenance(), picture_bytes=0))
    assert not page.all("img")
    for picture in pictures:
        assert f"see {picture.path}" in page.text


def test_structure_serves_keyboard_and_screen_reader(page):
    assert page.all("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [a["href"] for a in page.all("a") if a["href"].startswith("#")]
    assert len(links) == 1 + len(page.all("section")) and all(link[1:] in ids for link in links)
    for section in page.all("section"):
        assert section["aria-labelledby"] in ids
    for region in page.all("div"):
        assert region["tabindex"] == "0" and region["role"] == "region" and region["aria-label"]
    assert len(page.all("table")) == len(page.all("caption"))
    assert len(page.all("details")) == len(page.all("summary")) > 0
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and all(
        after <= before + 1 for before, after in zip(headings, headings[1:], strict=False)
    )
    for th in page.all("th"):
        assert th["scope"] in ("row", "col")


def test_names_from_data_are_text_not_markup(pictures):
    page = build_report(all_tables(EVIL), pictures, provenance(run="made-up"))
    assert "alert" in Page(page).text and EVIL not in page


def test_sections_without_their_tables_are_left_out():
    page = Page(build_report({"model_accuracy": accuracy_table()}, [], provenance()))
    titles = [a for a in page.all("a") if a["href"].startswith("#section")]
    assert len(titles) == 3  # the answer, accuracy and provenance
    assert "Adding and removing" not in page.text and "set aside" not in page.text
    Page(build_report({}, [], Provenance(CONFIG, None, {}, pd.DataFrame())))


def test_a_new_section_is_one_file(tmp_path, monkeypatch):
    import shutil

    from voxplain.report import builder

    shutil.copytree(TEMPLATES, tmp_path / "templates")
    before = templates_hash()
    monkeypatch.setattr(builder, "TEMPLATES", tmp_path / "templates")
    monkeypatch.setattr("voxplain.report.TEMPLATES", tmp_path / "templates")
    assert templates_hash() == before
    (tmp_path / "templates/sections/50_relevance.html.j2").write_text(
        '{% set title = "Relevance" %}{% if "motion_precision" in tables %}'
        '<p>{{ tables.motion_precision["mean"][0] | percent }}</p>{% endif %}'
    )
    assert templates_hash() != before
    tables = all_tables() | {"motion_precision": pd.DataFrame({"mean": [0.6543]})}
    text = Page(build_report(tables, [], provenance())).text
    assert "Relevance 65.4 Videos set aside" in text


def test_the_grid_has_the_papers_form():
    grid = editing_grid(edits_table().sample(frac=1, random_state=0))
    assert [line["strategy"] for line in grid] == list(STYLES)
    assert [[cell["k"] for cell in line["cells"]] for line in grid] == [[1, 2]] * 4
    assert grid[0]["cells"][0]["difference"] == pytest.approx(0.61 - 0.1167)


@pytest.mark.parametrize(
    "written, expected",
    [
        (formats.percent(0.8167), "81.7"),
        (formats.percent(1), "100.0"),
        (formats.points(-0.0204), "−2.0"),
        (formats.points(0.0001), "0.0"),
        (formats.points(-0.0001), "0.0"),
        (formats.points(0.051), "+5.1"),
        (formats.points(float("nan")), "–"),
        (formats.number(-0.001), "0.00"),
        (formats.number(None), "–"),
        (formats.p_value(0.0004), "< 0.001"),
        (formats.p_value(0.04), "0.040"),
        (formats.p_value(float("nan")), "–"),
        (formats.duration(0.42), "0.4 s"),
        (formats.duration(59.6), "1 min"),
        (formats.duration(3725), "1 h 2 min 5 s"),
        (formats.listing(["a"]), "a"),
        (formats.listing(["a", "b", "c"]), "a, b and c"),
    ],
)
def test_formats(written, expected):
    assert written == expected


@given(st.floats(-1, 1))
@settings(deadline=None, max_examples=50)
def test_points_keep_value_and_sign(value):
    text = formats.points(value)
    assert float(text.replace("−", "-")) == pytest.approx(100 * value, abs=0.0501)
    assert text[0] in "+−" or text == "0.0"


def test_luminance_contrast_of_text():
    """WCAG AA: 4.5 to 1 for text, on page and panel, light and dark."""

    def luminance(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    themes = re.findall(r":root \{(.*?)\}", (TEMPLATES / "style.css").read_text(), re.DOTALL)
    assert len(themes) == 2
    for theme in themes:
        colors = dict(re.findall(r"--(\w+): (#\w{6})", theme))
        for text in ("ink", "faint", "link"):
            for ground in ("paper", "panel"):
                light, dark = sorted((luminance(colors[text]), luminance(colors[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
