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

from voxplain.checks.position_bias.table import position_bias_table
from voxplain.claims.table import STATEMENTS
from voxplain.figures import COLORS, STYLES
from voxplain.report import TEMPLATES, advice, formats, panels, templates_hash, words
from voxplain.report.browsers import concept_browser, relevance_browser
from voxplain.report.builder import Found, Meaning, Provenance, build_report, editing_grid
from voxplain.report.charts import SHAPES, look
from voxplain.report.strips import (
    clip_strip,
    mask_strip,
    read_strip,
    relevance_strip,
    selection_levels,
    selection_strip,
    shown_frames,
)

CONFIG = {
    "run": "made-up",
    "seeds": [0],
    "scores": {"alpha": 0.05, "rank_by": "effect", "test": "clusters_and_gradients"},
    "selective": {"sigma": 2.0, "preset": "corrected"},
    "flow": {"moving": {"threshold": 0.5}},
    "data": {"adapter": "embedded", "path": None},
    "truth": {"targets": None},
}
EVIL = '<script>alert("x")</script>'


def accuracy_table(label="kick") -> pd.DataFrame:
    columns = ["model", "seed", "class", "accuracy", "ci_low", "ci_high", "n_videos"]
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
                    "shown": 0.25, "drift": 0.375, "accuracy_without_blank": accuracy - 0.02,
                    "baseline": 0.8167, "p_value": np.nan if strategy == "top" else 0.0004,
                    "p_adjusted": np.nan if strategy == "top" else 0.0016,
                    "published": published if strategy != "random_volume" else np.nan,
                    "published_baseline": 0.7562 if strategy != "random_volume" else np.nan,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def gap(experiment="concept_addition", worse="least", gap=0.4, low=0.33, high=0.47) -> dict:
    return {
        "experiment": experiment, "model": "r3d", "layer": "layer3", "better": "top", "worse": worse,
        "gap": gap,
        "ci_low": low, "ci_high": high, "p_value": 0.0001, "p_adjusted": 0.0004, "n_videos": 120, "n_seeds": 1,
    }  # fmt: skip


def claim(name, verdict, value=0.4, difference=0.05, missed="", **more) -> dict:
    return {
        "claim": name, "statement": STATEMENTS[name], "data": "standard", "model": "r3d", "layer": "layer3",
        "method": "effect", "measure": "first - last", "value": value, "ci_low": value - 0.1, "ci_high": value + 0.1,
        "best_control": "control_saturation", "control_value": value - difference, "difference": difference,
        "difference_ci_low": difference - 0.04, "difference_ci_high": difference + 0.04, "not_beaten": missed,
        "n_controls": 4, "p_value": 0.011, "p_adjusted": 0.022, "unit": "classes", "n": 6, "n_seeds": 1,
        "verdict": verdict, **more,
    }  # fmt: skip


def claims_of(*claims) -> pd.DataFrame:
    return pd.DataFrame(claims)


def made_up_claims() -> pd.DataFrame:
    maps = [
        claim(
            "maps_on_motion",
            "yes" if n < 3 else "no",
            0.7,
            method="dtd",
            missed="" if n < 3 else "control_center",
        )
        for n in range(9)
    ]
    return claims_of(
        claim("adding", "yes"), claim("adding", "no", missed="chance, control_saturation"),
        claim("removing", "yes", -0.3, -0.1), claim("concepts_on_evidence", "too few", missed="control_size"), *maps,
    )  # fmt: skip


def scores_table(label="kick") -> pd.DataFrame:
    rows = [(3, 0.98, 1, 0.005, True), (0, 0.5, 2, 0.8, False), (1, 0.02, 3, 0.005, True)]
    table = pd.DataFrame(rows, columns=["concept", "score", "rank", "p_adjusted", "significant"])
    return table.assign(
        model="r3d", seed=0, layer="layer3", effect=[0.347, 0.1, -0.2], score_sd=0.02, p_value=0.01, n_supervoxels=60, n_videos=41,
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
    aside = [("v7", "a/b.mp4", label, "train", f"a/b.mp4: the file is empty {EVIL}", False, 0)]
    return {
        "model_accuracy": accuracy_table(label),
        "concept_addition": edits_table(),
        "concept_removal": edits_table(0.6979),
        "concept_gaps": pd.DataFrame(gaps),
        "concept_scores": scores_table(label),
        "claims": made_up_claims(),
        "set_aside": pd.DataFrame(
            aside, columns=["video", "path", "class", "split", "reason", "used", "damaged"]
        ),
    }


def provenance(**config) -> Provenance:
    made = {
        "rule": "tabulate_concepts",
        "code": "c0de" * 4,
        "versions": {"torch": "9.9.9"},
        "device": "cpu",
    }
    stages = pd.DataFrame({"rule": ["train_model"], "jobs": [2], "seconds": [3725.0], "max_rss": [812.4]})
    return Provenance({**CONFIG, **config}, "abc123-dirty", {"concept_scores": made}, stages)


def motion_tables() -> dict[str, pd.DataFrame]:
    """All tables of the second paper, of one network and two explainers."""
    nan = np.nan
    both = [("dtd", False), ("dtd", True), ("gradcam", False), ("gradcam", True)]
    precision = [
        (0.72, 0.65, 0.79, 0.31, 0.2779), (0.91, 0.88, 0.94, 0.31, 0.4109),
        (0.315, 0.27, 0.36, 0.31, 0.2816), (0.56, 0.44, 0.68, 0.31, nan),
    ]  # fmt: skip
    rows = [
        {"model": "r3d", "method": method, "selective": selective, "mean": mean, "ci_low": low, "ci_high": high,
         "sd": 0.1234, "control_of": "", "mean_exact": mean - 0.1, "base_rate_exact": base - 0.1, "auroc": 0.7,
         "average_precision": 0.6, "base_rate": base, "lift": mean / base, "n_clips": 12, "n_videos": 12, "n_empty": 0,
         "published_mean": paper, "published_sd": 0.17}
        for (method, selective), (mean, low, high, base, paper) in zip(both, precision, strict=True)
    ]  # fmt: skip
    agreement = {"model": "r3d", "method_a": "dtd", "method_b": "gradcam", "mean": 0.41, "ci_low": 0.3, "ci_high": 0.5,
                 "sd": 0.14, "n_clips": 12, "published_mean": 0.3661, "published_sd": 0.1384}  # fmt: skip
    selectivity = [
        {"model": "r3d", "method": method, "sigma": 2.0, "area_mean": 0.059, "area_ci_low": 0.05, "area_ci_high": 0.07,
         "relevance_mean": 0.306, "relevance_ci_low": 0.28, "relevance_ci_high": 0.33, "n_clips": 12,
         "published_area_mean": 0.0123, "published_relevance_mean": nan}
        for method in ("dtd", "gradcam")
    ]  # fmt: skip
    share = [
        {"model": "r3d", "method": method, "share": "relevance", "mean": mean, "mean_ci_low": mean - 0.1,
         "mean_ci_high": mean + 0.1, "n_videos": 12}
        for method, mean in (("dtd", 0.306), ("gradcam", 0.086))
    ]  # fmt: skip
    overhead = [
        {"model": "r3d", "method": method, "selective": selective, "mean_ms": 12.345, "sd_ms": 0.5, "device": "cpu",
         "batch": 1, "n": 5, "published_mean_ms": 137.0, "published_sd_ms": 2.0}
        for method, selective in both
    ]  # fmt: skip
    sweep = [
        {"model": "r3d", "method": method, "sigma": sigma, "flow_threshold": threshold, "precision": 0.5 + 0.1 * step,
         "base_rate": 0.31, "lift": (0.5 + 0.1 * step) / 0.31, "area_share": 0.4 - 0.1 * step,
         "relevance_share": 0.9 - 0.2 * step, "n_clips": 12, "n_empty": 0}
        for method in ("dtd", "gradcam")
        for step, sigma in enumerate((nan, 0.0, 1.0, 2.0))
        for threshold in (0.25, 0.5)
    ]  # fmt: skip
    truth = [
        {"model": "r3d", "method": "dtd", "control_of": "", "selective": False, "target": target, "precision": 0.81,
         "recall": 0.3, "iou": 0.2, "auroc": 0.9, "auroc_ci_low": 0.85, "auroc_ci_high": 0.95, "average_precision": 0.5,
         "stratified_auroc": 0.61, "stratified_auroc_ci_low": 0.57, "stratified_auroc_ci_high": 0.66,
         "precision_equal_area": 0.45, "precision_ci_low": 0.7, "precision_ci_high": 0.9, "recall_ci_low": 0.2,
         "recall_ci_high": 0.4, "base_rate": 0.121, "n_videos": 12}
        for target in ("actor", "moving")
    ]  # fmt: skip
    against = {
        name: [{"model": "r3d", "method": "dtd", "control": control, "target": "moving", "measure": measure, "value": 0.8,
                "control_value": 0.7, "difference": 0.1, "ci_low": 0.05, "ci_high": 0.15, "p_value": 0.001,
                "p_adjusted": 0.002, "n_videos": 12, "n_seeds": 1}]
        for name, control, measure in (
            ("explanation_controls", "control_saturation", "auroc"), ("selection_controls", "whole", "precision"),
        )
    }  # fmt: skip
    error = [{"method": "dis", "epe": 0.3, "ms_per_frame": 1.2, "n_clips": 6, "best": True}]
    found = {
        "motion_precision": rows, "baseline_agreement": [agreement], "selectivity": selectivity,
        "selected_share": share, "explanation_overhead": overhead, "motion_sweep": sweep,
        "ground_truth_precision": truth, "flow_error": error, **against,
    }  # fmt: skip
    return {name: pd.DataFrame(rows) for name, rows in found.items()}


def made_up_clip(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (4, 12, 16, 3), dtype=np.uint8)


def concept_clips(label="kick") -> dict:
    """Two examples of each of the three concepts of `scores_table`."""
    mask = np.zeros((4, 12, 16), bool)
    mask[:, 3:6, 4:9] = True
    names = ("a 0", "b 0")
    concepts = [
        {"model": "r3d", "seed": 0, "layer": "layer3", "class": label, "concept": concept,
         "examples": [{"clip": name, "video": name[0], "mask": mask_strip(mask)} for name in names]}
        for concept in (0, 1, 3)
    ]  # fmt: skip
    return {
        "clips": {name: clip_strip(made_up_clip(n)) for n, name in enumerate(names)},
        "concepts": concepts,
    }


def relevance_clips() -> dict:
    relevance = np.linspace(-0.5, 1, 4 * 12 * 16).reshape(4, 12, 16).astype(np.float32)
    levels = np.arange(4 * 12 * 16).reshape(4, 12, 16).astype(np.uint8) % 4
    clip = clip_strip(made_up_clip()) | {"moving": mask_strip(relevance > 0.5), "video": "a", "class": "kick"}
    clip["known"] = {"evidence": mask_strip(relevance > 0.8)}
    maps = {"relevance": relevance_strip(relevance), "levels": selection_strip(levels)}
    explained = {"model": "r3d", "seed": 0, "clip": "a 0", "maps": {"dtd": maps, "gradcam": maps}}
    return {
        "sigmas": [0.0, 1.0, 2.0],
        "sigma": 2.0,
        "threshold": 0.5,
        "clips": {"a 0": clip},
        "explained": [explained],
    }


def everything(label="kick") -> Found:
    check = pd.DataFrame(
        {"layer": ["layer3", "fc", None], "rank_correlation": [0.1234567, -2.5e-7, np.nan], "passed": [True, False, False]}
        | {
            name: pd.array([first, second, None], dtype)
            for name, first, second, dtype in (
                ("noticed", True, False, "boolean"), ("n", 12, 0, "Int64"), ("left", 0.25, 0.0, "Float64"),
            )
        }
    )  # fmt: skip
    tables = all_tables(label) | motion_tables() | {"model_randomization": check}
    about = Meaning(
        "checks", "Randomized networks", "Maps must change with the network.", {"passed": "whether they do"}
    )
    return Found(tables, concept_clips(label), relevance_clips(), {"model_randomization": about})


class Page(HTMLParser):
    """Elements of a page, its text, and errors of nesting."""

    VOID = {"meta", "img", "br", "link", "input", "hr"}

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.cells, self._table, self._cell = [], None, None
        self.feed(page)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        self._table = attributes.get("data-table", self._table)
        if "data-value" in attributes:
            self._cell = [attributes.get("data-of", self._table), attributes, ""]
            self.cells.append(self._cell)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "span":
            self._cell = None

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script", "title"):
            self.words.append(data)
            if self._cell is not None and "data-of" not in self._cell[1]:
                self._cell[2] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(build_report(everything(), provenance()))


def test_the_answer_is_what_the_tables_say(page):
    for sentence in (
        "In part: shown alone, the concepts ranked first keep more answers right than others, in 1 of 2 comparisons. "
        "Of 2 comparisons, 1 beat chance and every control, 0 come out the other way round, 0 have too few data or no "
        "control, and 1 cannot be told from chance or from a control. Not beaten most often: chance (1).",
        "Yes: hidden, the concepts ranked first take more answers away than others.",
        "No: it cannot be shown that the concepts ranked first lie on what decides the class.",
        "In part: what maps call relevant moves, in 3 of 9 comparisons.",
        "r3d names the right class of 81.7 % (95 % interval 73.8 to 87.6 %) of 120 test videos; chance is "
        "50.0 %.",
        "With only its most important concepts shown, r3d (layer3) is right more often (less where negative), in points, "
        "than with the least important ones by +40.0 (+33.0 to +47.0), random ones by +19.8 (+12.0 to +27.1) and random "
        "supervoxels of the same volume by −1.0 (−4.0 to +2.0).",
        "With its most important concepts hidden, r3d (layer3) is right more often (less where negative), in points, than "
        "with the least important ones by −20.0 (−30.0 to −10.0) and random ones by +5.0 (+1.0 to +9.0).",
        "1 video was set aside; the reasons are below.",
    ):
        assert sentence in page.text


@pytest.mark.parametrize(
    "verdicts, start",
    [
        (["yes", "yes"], "Yes: hidden"),
        (["yes", "no"], "In part: hidden"),
        (["no", "no"], "No: it cannot be shown that hidden"),
        (["opposite", "too few"], "No: it cannot be shown that hidden"),
        ([], ""),
    ],
)
def test_answers_are_the_verdicts_of_the_claims(verdicts, start):
    claims = pd.DataFrame(
        [claim("removing", verdict) for verdict in verdicts], columns=list(claim("removing", ""))
    )
    found = words.answer(claims, ["removing"])
    assert found.startswith(start) and bool(found) == bool(verdicts)
    assert words.answer(claims, ["adding"]) == "" and words.claim_sentences(None, ["removing"]) == []


def test_no_other_words_say_yes():
    """What decides is the table claims."""
    without = {name: table for name, table in everything().tables.items() if name != "claims"}
    text = Page(build_report(Found(without, concept_clips(), relevance_clips()), provenance())).text
    assert not re.search(r"\b(Yes|In part|No):", text) and "The claims" not in text


def test_the_report_begins_with_its_claims(page):
    assert page.text.index("Claims of this run") < page.text.index("How sure we are")
    # Claims of many rows are folded, and none is left out.
    assert "What maps call relevant moves: yes in 3 of 9" in page.text
    cells = [
        attributes
        for name, attributes, _ in page.cells
        if name == "claims" and attributes["data-column"] == "verdict"
    ]
    assert len(cells) == len(made_up_claims())


def test_advice_names_what_beats_all_and_the_rivals_of_what_does_not():
    claims = claims_of(
        claim("maps_on_evidence", "no", method="gradcam", missed="control_saturation, chance"),
        claim("maps_on_evidence", "yes", method="dtd"),
        claim("faithful", "no", method="gradcam", missed="control_center"),
        claim("faithful", "no", method="dtd", missed="control_center, control_size"),
        claim("adding", "no", missed=""),
        claim("removing", "opposite", missed="chance, control_size", n_controls=1),
        claim("concepts_on_evidence", "too few", missed="chance"),
        claim("maps_on_motion", "yes", model="c3d", n_controls=0),
    )
    accuracy = pd.concat([accuracy_table(), accuracy_table().assign(model="c3d", ci_low=0.4)])
    # Of the height there is no verdict: what the clips show counts there, too.
    shares = {"dtd": 0.7, "gradcam": 0.5}
    bias = position_bias_table(
        pd.DataFrame(
            {
                "model": "r3d",
                "seed": 0,
                "video": f"v{n}",
                "method": method,
                "axis": axis,
                "half": half + 0.001 * n,
            }
            | {"first": 1 / 8, "last": 1 / 8}
            for n in range(5)
            for method, half in shares.items()
            for axis in ("width", "height")
        )
    )
    assert bias["verdict"].tolist() == ["uneven", "even", "", ""]
    told = dict(advice.advice({"claims": claims, "position_bias": bias, "model_accuracy": accuracy}))
    assert told["What lies on what decides the class"] == [
        "r3d: DTD (first - last), which beats chance and all 4 controls (it leans to one side of the frame)."
    ]
    assert told["What to hide first, if the answer is to change"] == [
        "r3d: Grad-CAM (first - last) beats 4 of 5 rivals, but not center: show that beside it."
    ]
    assert "not after correction for all claims" in told["Which concepts are enough for the answer"][0]
    assert told["Which concepts the answer needs"][0].startswith("r3d: nothing here;")
    assert "not surely more than chance (50.0 %)" in told["What lies on what moves"][0]
    assert "Which concepts lie on what decides the class" not in told and advice.advice({}) == []


def test_several_seeds_and_dead_classes_are_told():
    first, second = accuracy_table(), accuracy_table()
    second["seed"] = 1
    second.loc[0, "accuracy"], first.loc[2, "accuracy"], second.loc[2, "accuracy"] = 0.45, 0.0, 0.0
    (sentence,) = words.accuracy_sentences(pd.concat([first, second], ignore_index=True))
    assert "45.0 to 81.7 %, depending on the seed (2 of them), of 120 test videos" in sentence
    assert sentence.endswith("It recognizes no video of punch.")


def test_a_class_that_another_seed_recognizes_is_not_dead():
    seeds = [accuracy_table().assign(seed=seed) for seed in (0, 1)]
    seeds[1].loc[2, "accuracy"] = 0.0
    (sentence,) = words.accuracy_sentences(pd.concat(seeds, ignore_index=True))
    assert "recognizes no" not in sentence


def test_intervals_of_rankings_are_told_to_be_over_classes():
    said = " ".join(words.certainty_sentences({"concept_gaps": pd.DataFrame([gap()])}, [0]))
    assert "Of rankings of concepts they are over classes" in said
    assert "classes" not in " ".join(words.certainty_sentences({}, [0]))


def test_reversed_controls_are_called_so():
    gaps = pd.DataFrame([gap(worse="control_redness"), gap(worse="control_redness_least")])
    (sentence,) = words.gap_sentences(gaps)
    assert "those reddest by" in sentence and "those reddest, reversed by" in sentence
    assert words.strategy("control_size_least") == "those largest, reversed"


def same(written: str, value: object) -> bool:
    """Whether a text is a value, rounded: as it is, or in percent."""
    if pd.isna(value):
        return written == "–"
    if isinstance(value, (bool, np.bool_)):
        return written == ("yes" if value else "no")
    if isinstance(value, str):
        return written in (value, words.strategy(value), words.control(value), panels.title_of(value))
    if written == "< 0.001":
        return value < 0.001
    number = written.replace("−", "-").lstrip("+")
    unit = 10.0 ** -len(number.partition("e")[0].partition(".")[2]) * float(
        f"1e{number.partition('e')[2] or 0}"
    )
    return any(abs(float(number) - factor * value) <= 0.5001 * unit for factor in (1, 100))


def check_cells(page: Page, tables: dict[str, pd.DataFrame]) -> None:
    """Every number of the page is its cell of a table, and every row of a table is there."""
    assert len(page.cells) > 100
    seen: dict[str, set[int]] = {}
    for name, attributes, text in page.cells:
        if not name:  # times of stages, which are no table of the run
            continue
        row, column = int(attributes["data-row"]), attributes["data-column"]
        ours, _, papers = column.partition("-")
        value = tables[name].loc[row, ours]
        if papers:
            value = value - tables[name].loc[row, papers]
        if pd.isna(value):
            assert attributes["data-value"] == "", (name, row, column)
        elif isinstance(value, (float, np.floating)):
            assert float(attributes["data-value"]) == pytest.approx(value, rel=1e-12), (name, row, column)
        if "data-of" not in attributes:
            assert same(text, value), (name, row, column, text, value)
            seen.setdefault(name, set()).add(row)
    for name, table in tables.items():
        assert seen.get(name, set()) == set(table.index) or name == "motion_sweep", name


def test_every_number_of_the_page_is_its_cell_of_a_table(page):
    check_cells(page, everything().tables)
    drawn = [attributes for name, attributes, _ in page.cells if name == "motion_sweep"]
    assert {int(a["data-row"]) for a in drawn} == {3, 5, 7, 11, 13, 15} | {6, 14}  # what the charts hold


def test_an_empty_cell_says_neither_no_nor_none(page):
    """Parquet gives nullable types back, whose missing values are neither false nor numbers."""
    last = {
        attributes["data-column"]: text
        for name, attributes, text in page.cells
        if (name, attributes["data-row"]) == ("model_randomization", "2")
    }
    assert last == dict.fromkeys(("layer", "rank_correlation", "noticed", "n", "left"), "–") | {
        "passed": "no"
    }


def test_a_wrong_number_would_be_found(page):
    tables = dict(everything().tables)
    tables["concept_gaps"] = tables["concept_gaps"].assign(gap=lambda t: t["gap"] + 0.001)
    with pytest.raises(AssertionError):
        check_cells(page, tables)
    assert not same("81.7", 0.8161) and same("81.7", 0.8167) and same("−2.5e-07", -2.5e-7)


def test_every_number_of_the_tables_is_in_the_page(page):
    tables = all_tables()
    for name in ("concept_addition", "concept_removal"):
        for row in tables[name].to_dict("records"):
            assert (
                f"{100 * row['accuracy']:.1f} {100 * row['ci_low']:.1f} to {100 * row['ci_high']:.1f}"
                in page.text
            )
    assert "unedited 81.7 (paper 75.6 )" in page.text
    assert "1 3 0.35 0.98 0.02 0.005 yes 60 41 93.0" in page.text  # a concept
    assert "train_model 2 1 h 2 min 5 s 812" in page.text
    assert "abc123-dirty" in page.text and "torch 9.9.9" in page.text and "alpha: 0.05" in page.text


def test_tables_can_be_taken_along(page):
    found = {a["download"]: a["href"] for a in page.all("a") if "download" in a}
    for name, table in everything().tables.items():
        content = base64.b64decode(found[f"{name}.csv"].removeprefix("data:text/csv;base64,"))
        table = table.replace("", np.nan).astype(object)
        pd.testing.assert_frame_equal(
            pd.read_csv(io.BytesIO(content)), table.where(table.notna(), np.nan), check_dtype=False
        )


def test_nothing_is_loaded_from_elsewhere(page):
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "poster", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"url\(|@import", (TEMPLATES / "style.css").read_text())
    assert not re.search(r"fetch|XMLHttp|import\b|https?:|eval\(", (TEMPLATES / "page.js").read_text())
    (policy,) = [
        meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none';")


def test_pictures_and_charts_are_described(page):
    (still,) = page.all("img")
    decoded = Image.open(io.BytesIO(base64.b64decode(still["src"].partition("base64,")[2])))
    assert decoded.format == "WEBP" and decoded.size == (16 * 16, 12 * 16)
    assert "video a with the supervoxel of the most important concept outlined, score 0.98" in still["alt"]
    charts = [attributes for attributes in page.all("svg") if attributes.get("role") == "img"]
    texts = [attributes["aria-label"] for attributes in charts]
    assert all(len(text) > 40 for text in texts)
    shown = next(text for text in texts if "concepts shown" in text)
    assert "with 1 to 2 concepts shown" in shown and "most important 61.0, 62.0" in shown
    assert any("Grad-CAM 31.5 (27.0 to 36.0), chance 31.0" in text for text in texts)
    for attributes in page.all("svg"):
        assert attributes.get("role") == "img" or attributes.get("aria-hidden") == "true"
    for canvas in page.all("canvas"):
        assert canvas["role"] == "img" and canvas["aria-label"]


def test_clips_that_take_too_much_room_are_counted():
    page = build_report(everything(), provenance(), clip_bytes=0)
    assert "6 clips were left out" in page and "1 explained clips were left out" in page
    clip = len(concept_clips()["clips"]["a 0"]["image"]) + len(
        concept_clips()["concepts"][0]["examples"][0]["mask"]
    )
    some = concept_browser(concept_clips(), all_tables(), clip + 200)
    # The nearest example of the top concept comes first.
    assert [[e["clip"] for e in c["examples"]] for c in some["concepts"]] == [["a 0"], [], []]
    assert some["left_out"] == 5 and list(some["clips"]) == ["a 0"]


def test_the_concept_browser_has_the_tables_numbers():
    motion = pd.DataFrame(
        {
            "model": "r3d",
            "layer": "layer3",
            "class": "kick",
            "concept": [0, 1, 3],
            "moving_share": [0.1, 0.2, 0.345],
        }
    )
    browser = concept_browser(concept_clips(), all_tables() | {"concept_motion": motion}, 10**6)
    assert [c["rank"] for c in browser["concepts"]] == [1, 2, 3] and browser["left_out"] == 0
    first = browser["concepts"][0]
    assert first["text"].pop("effect") == "0.35"
    assert (first["concept"], first["score"], first["motion"], first["total"]) == (3, 0.98, "34.5", 3)
    assert first["text"] == {
        "score": "0.98 ± 0.02",
        "p": "0.005",
        "supervoxels": "60",
        "videos": "41",
        "accuracy": "93.0",
    }
    scores = scores_table()
    assert all(scores.loc[c["row"], "concept"] == c["concept"] for c in browser["concepts"])
    assert concept_browser(None, all_tables(), 1) is None and concept_browser(concept_clips(), {}, 1) is None


def test_the_relevance_browser_has_the_tables_numbers():
    browser = relevance_browser(relevance_clips(), motion_tables(), 10**6)
    steps = browser["sweep"]["r3d dtd"]
    assert browser["sweep"]["threshold"] == 0.5
    assert [step["precision"] for step in steps] == [
        "50.0",
        "60.0",
        "70.0",
        "80.0",
    ]  # whole map, then sigma 0, 1, 2
    assert steps[3]["relevance_share"] == "30.0" and steps[3]["lift"] == "2.58" and steps[3]["row"] == 7
    assert len(base64.b64decode(browser["heat"])) == 768
    # What the run itself calls motion, and not the next best: the page says "at this threshold".
    other = relevance_browser(relevance_clips() | {"threshold": 0.45}, motion_tables(), 10**6)
    assert other["sweep"] == {"threshold": 0.45}
    without = relevance_browser(relevance_clips(), {}, 10**6)
    assert without["sweep"] == {} and relevance_browser(None, {}, 1) is None


@given(st.integers(1, 3), st.integers(2, 9), st.integers(0, 2**31))
@settings(deadline=None, max_examples=20)
def test_strips_keep_masks_and_levels_exactly(frames, side, seed):
    values = np.random.default_rng(seed).integers(0, 9, (frames, side, side + 1), dtype=np.uint8)
    np.testing.assert_array_equal(read_strip(selection_strip(values), frames), values)
    np.testing.assert_array_equal(read_strip(mask_strip(values > 4), frames) > 0, values > 4)


def test_strips_are_no_larger_than_shown():
    strip = clip_strip(np.full((64, 224, 448, 3), 90, np.uint8))
    assert (strip["frames"], strip["height"], strip["width"]) == (32, 56, 112)
    np.testing.assert_allclose(read_strip(strip["image"], 32, gray=False), 90, atol=3)
    assert read_strip(mask_strip(np.ones((64, 224, 448), bool)), 32).shape == (32, 56, 112)
    assert shown_frames(5).tolist() == [0, 1, 2, 3, 4] and shown_frames(64)[[0, -1]].tolist() == [0, 63]


def test_relevance_is_drawn_as_the_root_of_its_share():
    relevance = np.zeros((1, 20, 20), np.float32)
    relevance[0, :10], relevance[0, 10:] = 4.0, 1.0
    relevance[0, 0] = -9.0
    gray = read_strip(relevance_strip(relevance), 1)[0].astype(int)
    assert abs(gray[5, 10] - 255) <= 4 and abs(gray[16, 10] - 128) <= 4
    assert (read_strip(relevance_strip(-np.ones((1, 8, 8))), 1) == 0).all()


def test_levels_say_at_which_thresholds_a_voxel_is_selected():
    from voxplain.motion.selective import selective_sweep

    relevance = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
    sigmas = [0, 0.5, 1, 2]
    swept = selective_sweep(relevance, sigmas, "corrected")
    levels = selection_levels(swept)
    for n, selected in enumerate(swept):
        np.testing.assert_array_equal(levels >= n + 1, selected != 0)


def test_lifts_have_the_digits_of_the_table():
    """1.04 is above chance, which is 1.0."""
    table = motion_tables()["motion_sweep"].assign(lift=1.04, relevance_share=0.0449)
    group = panels.sweep_group(table[table["method"] == "dtd"], sigma=2.0, threshold=0.5)
    lift, share, _ = (str(panel.chart) for panel in group.panels)
    assert "<title>DTD, 1: 1.04</title>" in lift and "at 0, 1, 2: DTD 1.04, 1.04, 1.04." in lift
    assert "<title>DTD, 1: 4.5</title>" in share and "at 0, 1, 2: DTD 4.5, 4.5, 4.5." in share
    (few,) = panels.sweep_group(table[:4].assign(lift=np.nan), sigma=2.0, threshold=0.5).panels[:1]
    assert "at 0: DTD –." in few.chart


def test_what_has_no_interval_has_no_empty_parenthesis():
    none = {"ci_low": np.nan, "ci_high": np.nan}
    (sentence,) = words.accuracy_sentences(accuracy_table().assign(**none, n_videos=2))
    assert sentence == "r3d names the right class of 81.7 % of 2 test videos; chance is 50.0 %."
    gaps = pd.DataFrame([gap() | none, gap(worse="random")])
    (sentence,) = words.gap_sentences(gaps)
    assert sentence.endswith(
        "with the least important ones by +40.0 and random ones by +40.0 (+33.0 to +47.0)."
    )
    rows = pd.DataFrame([{"name": "DTD", "value": 0.5, "chance": 0.25} | none])
    assert words.intervals_text(rows, "Shares") == "Shares: DTD 50.0, chance 25.0."
    times = pd.Series({"times_ci_low": 1.5, "times_ci_high": 2.0})
    assert words.interval(times, formats.number, "times_") == " (1.50 to 2.00)"
    assert words.interval(times * np.nan, formats.number, "times_") == ""


@pytest.mark.parametrize(("classes", "of"), [(6, "each class"), (7, "each of the first 6 classes")])
def test_the_pictures_of_the_answer_say_of_which_classes_they_are(classes, of):
    labels = [f"class {n}" for n in range(classes)]
    clips = concept_clips() | {"concepts": [c for label in labels for c in concept_clips(label)["concepts"]]}
    scores = pd.concat([scores_table(label) for label in labels], ignore_index=True)
    page = Page(build_report(Found({"concept_scores": scores}, clips), provenance()))
    assert f"The concept of {of} that is ranked first with r3d (layer3), with its score" in page.text
    assert len(page.all("img")) == 6


def test_looks_differ():
    assert len({look(n) for n in range(42)}) == 42
    assert set(SHAPES.values()) == {look(n)[1] for n in range(6)} and look(0)[0] == COLORS[0]


def test_motion_in_words(page):
    for sentence in (
        "Of the voxels that the explanations of r3d call relevant, 31.5 to 72.0 % move, against 31.0 % of all "
        "voxels; of those that selective relevance keeps, 56.0 to 91.0 % do. 8.6 to 30.6 % of the relevance "
        "changes in time by more than 2 σ.",
        "One network of each kind was trained (seed 0): the intervals are over videos, or their groups where they have "
        "them, and say nothing of what another training would give.",
        "r3d: precision in percent, with 95 % intervals over videos or their groups",
        "“From” and “to” bound the 95 % interval over videos, or their groups where they have them (Wilson’s where these "
        "are single videos).",
    ):
        assert sentence in page.text
    # Controls, rows of the same table, are no explainers.
    table = motion_tables()["motion_precision"]
    more = table.assign(method="control_center", mean=0.99)
    tables = {"motion_precision": pd.concat([table, more], ignore_index=True)}
    (sentence,) = words.motion_sentences(tables, 2.0)
    assert "31.5 to 72.0 % move" in sentence


def test_intervals_are_said_to_be_over_groups_too():
    assert words.certainty_sentences({}, [0, 1]) == [
        "Intervals are over videos, or their groups where they have them, and over 2 seeds."
    ]
    text = Page(build_report(Found(motion_tables()), provenance())).text
    assert (
        "Points with their 95 % intervals over videos, or their groups where they have them; the short"
        in text
    )


def test_a_run_shows_what_it_has():
    def titles(found):
        page = Page(build_report(found, provenance()))
        return page.text, [a["href"] for a in page.all("a") if a["href"].startswith("#section")]

    text, _ = titles(Found(all_tables(), concept_clips()))
    assert "Concept browser" in text and "Relevance browser" not in text and "motion" not in text.lower()
    text, _ = titles(Found(motion_tables() | {"model_accuracy": accuracy_table()}, None, relevance_clips()))
    assert (
        "Relevance browser" in text
        and "Concept browser" not in text
        and "Where DTD finds what counts for r3d" in text
    )
    text, _ = titles(everything())
    assert "Can it be trusted? Randomized networks Maps must change with the network." in text
    text, _ = titles(Found(all_tables()))
    assert "All scores" in text  # without clips too


@pytest.mark.parametrize(
    ("adapter", "targets", "says"),
    [
        (
            "embedded",
            None,
            "Of the embedded videos it is known which voxels decide the class (evidence), which are other objects "
            "(distractor), which the acting shape (actor) fills, which tell classes apart without acting (cue), and which move.",
        ),
        (
            "csv",
            {"evidence": [1, 2], "hand": [1], "distractor": [5]},
            "The videos' masks or boxes say which voxels decide the class (evidence), and which are hand and distractor "
            "(truth.targets in the config); files of flow, where there are any, say which move.",
        ),
        (
            "csv",
            {"evidence": [1]},
            "The videos' masks or boxes say which voxels decide the class (evidence); files of flow, where there are any, say "
            "which move.",
        ),
        (
            None,
            None,
            "The videos' masks or boxes say which voxels decide the class (evidence: all that is labeled); files of flow, "
            "where there are any, say which move.",
        ),
    ],
)
def test_ground_truth_is_that_of_the_runs_own_videos(adapter, targets, says):
    data = {"adapter": adapter, "path": None if adapter == "embedded" else "videos"}
    page = build_report(Found(motion_tables()), provenance(data=data, truth={"targets": targets}))
    text = Page(page).text
    assert f"{says} “Equal area”" in text and ("embedded videos" in text) == (adapter == "embedded")


def test_a_check_shows_its_figure(tmp_path):
    path = tmp_path / "figure.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(path)
    table = pd.DataFrame({"a": [0.5]})
    about = Meaning("checks", "Some check", "It means something.", {"a": "what a is"}, str(path))
    page = Page(build_report(Found({"some_check": table}, about={"some_check": about}), provenance()))
    (image,) = page.all("img")
    assert [heading.get("title") for heading in page.all("th") if heading.get("scope") == "col"][
        0
    ] == "what a is"
    assert image["alt"].startswith("Some check: It means something.") and image["src"].startswith(
        "data:image/webp"
    )


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
        if region.get("class") in ("scroll", "list"):
            assert region["tabindex"] == "0" and region["role"] == "region" and region["aria-label"]
    labels = {a["for"] for a in page.all("label")}
    for tag in ("select", "input"):
        assert {a["id"] for a in page.all(tag)} <= labels
    assert len(page.all("table")) == len(page.all("caption"))
    assert len(page.all("details")) == len(page.all("summary")) > 0
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and all(
        after <= before + 1 for before, after in zip(headings, headings[1:], strict=False)
    )
    for th in page.all("th"):
        assert th["scope"] in ("row", "col")


def test_names_from_data_are_text_not_markup():
    page = build_report(everything(EVIL), provenance(run="made-up"))
    assert "alert" in Page(page).text and EVIL not in page


@pytest.mark.parametrize(
    ("test", "says"),
    [
        (
            "clusters_and_gradients",
            "“Significant” concepts have a larger effect, for the class or against it, than clusters of random videos of all "
            "classes have, and than random gradients, of networks with random weights above the layer, give.",
        ),
        (
            "paired_t",
            "“Significant” compares a concept with random subsets of supervoxels; a cluster differs from these by being a "
            "cluster, so this does not show that the network uses it.",
        ),
    ],
)
def test_significant_means_what_the_run_has_tested(test, says):
    scores = CONFIG["scores"] | {"test": test}
    text = Page(build_report(Found({"concept_scores": scores_table()}), provenance(scores=scores))).text
    assert says in text and text.count("“Significant”") == 1


@pytest.mark.parametrize("seeds", [1, 2])
def test_what_of_a_concept_moves_is_told_once(seeds):
    """The table has a row for each explainer, of which this tells nothing."""
    places = [
        (seed, name, method) for seed in range(seeds) for name in (3, 0) for method in ("dtd", "gradcam")
    ]
    table = pd.DataFrame(places, columns=["seed", "concept", "method"]).assign(
        model="r3d", layer="layer3", score=0.98, volume_share=0.05, moving_share=lambda t: 0.1 * (1 + t["seed"]), **{"class": "kick"}
    )  # fmt: skip
    page = Page(build_report(Found({"concept_motion": table}), provenance()))
    rows: dict[str, list[str]] = {}
    for name, attributes, text in page.cells:
        if name == "concept_motion":
            rows.setdefault(attributes["data-row"], []).append(text)
    seed = [["0"], ["1"]] if seeds > 1 else [[]]
    assert list(rows.values()) == [
        ["kick", "r3d", "layer3", *seed[number], concept, "0.98", "5.0", f"{10 * (1 + number)}.0"]
        for number in range(seeds)
        for concept in ("3", "0")
    ]
    assert ("seed" in page.text.partition("How much of each concept moves")[2].partition("score")[0]) == (
        seeds > 1
    )


def test_names_of_concepts_stand_beside_their_numbers():
    tables = all_tables() | {"concept_scores": scores_table().assign(name=["hand", "", EVIL])}
    names = [one["name"] for one in concept_browser(concept_clips(), tables, 10**6)["concepts"]]
    assert names == ["hand", None, EVIL]
    assert {one["name"] for one in concept_browser(concept_clips(), all_tables(), 10**6)["concepts"]} == {
        None
    }
    page = build_report(Found(tables, concept_clips()), provenance())
    assert "hand" in Page(page).text and EVIL not in page


@pytest.mark.parametrize(
    ("used", "says"),
    [
        ([], "Every video could be used."),
        ([True], "1 video is used though damaged; the reasons are below."),
        (
            [True, False, True],
            "1 video was set aside and 2 videos are used though damaged; the reasons are below.",
        ),
    ],
)
def test_damaged_videos_are_counted(used, says):
    assert words.set_aside_sentence(pd.DataFrame({"video": range(len(used)), "used": used})) == says


@pytest.mark.parametrize(
    ("used", "caption"),
    [
        ([False], "Videos set aside"),
        ([True, True], "Videos used though damaged"),
        ([False, True], "Videos set aside, or used though damaged"),
    ],
)
def test_damaged_videos_that_are_used_are_not_said_to_be_unusable(used, caption):
    table = pd.DataFrame(
        {"video": "v", "path": "v.mp4", "class": "kick", "split": "test", "reason": "frames are lost", "used": used}
    )  # fmt: skip
    page = Page(build_report(Found({"set_aside": table.assign(damaged=3)}), provenance()))
    (region,) = [a["aria-label"] for a in page.all("div") if a.get("aria-label", "").startswith("Videos")]
    assert region == caption
    shown = [text for name, _, text in page.cells if name == "set_aside"]
    rows = [["v", "kick", "test", "frames are lost", "yes" if one else "no", "3"] for one in used]
    assert shown == [text for row in rows for text in row]


def test_sections_without_their_tables_are_left_out():
    page = Page(build_report(Found({"model_accuracy": accuracy_table()}), provenance()))
    titles = [a for a in page.all("a") if a["href"].startswith("#section")]
    assert len(titles) == 3  # the answer, accuracy and provenance
    assert "Adding and removing" not in page.text and "set aside" not in page.text
    Page(build_report(Found({}), Provenance(CONFIG, None, {}, pd.DataFrame())))


def test_a_run_says_at_which_precision_it_was_made():
    chosen = {
        "model": "i3d",
        "seed": 0,
        "asked": "auto",
        "precision": "bfloat16",
        "reason": "",
        "n_clips": 8,
        "n_inputs": 392,
    }
    chosen |= {
        "changed": 0.01,
        "changed_clearly": 0.0,
        "tau_alone": 0.978,
        "tau_hidden": 0.96,
        "cosine": 0.9997,
        "speed": 2.2,
    }
    page = build_report(
        Found({"model_accuracy": accuracy_table(), "network_precision": pd.DataFrame([chosen])}), provenance()
    )
    assert "bfloat16" in Page(page).text and "0.98" in Page(page).text
    assert (
        "bfloat16" not in Page(build_report(Found({"model_accuracy": accuracy_table()}), provenance())).text
    )


def test_a_new_section_is_one_file(tmp_path, monkeypatch):
    import shutil

    from voxplain.report import builder

    shutil.copytree(TEMPLATES, tmp_path / "templates")
    before = templates_hash()
    monkeypatch.setattr(builder, "TEMPLATES", tmp_path / "templates")
    monkeypatch.setattr("voxplain.report.TEMPLATES", tmp_path / "templates")
    assert templates_hash() == before
    (tmp_path / "templates/sections/75_more.html.j2").write_text(
        '{% set title = "More" %}{% if "more" in tables %}<p>{{ tables.more["mean"][0] | percent }}</p>{% endif %}'
    )
    assert templates_hash() != before
    tables = all_tables() | {"more": pd.DataFrame({"mean": [0.6543]})}
    text = Page(build_report(Found(tables), provenance())).text
    assert "More 65.4 Videos set aside" in text


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
        (formats.yes_no(True), "yes"),
        (formats.yes_no(np.bool_(False)), "no"),
        (formats.yes_no(None), "–"),
        (formats.yes_no(pd.NA), "–"),
        (formats.yes_no(float("nan")), "–"),
        (formats.compact(pd.NA), "–"),
        (formats.written(None), "–"),
        (formats.written(pd.NA, formats.percent), "–"),
        (formats.written(float("nan"), panels.title_of), "–"),
        (formats.written("", panels.title_of), ""),
        (formats.written(12), 12),
        (formats.written(0.5, formats.percent), "50.0"),
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

    colors = re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", (TEMPLATES / "style.css").read_text())
    assert len(colors) == 6
    for theme in (1, 2):
        chosen = {color[0]: color[theme] for color in colors}
        for text in ("ink", "faint", "link"):
            for ground in ("paper", "panel"):
                light, dark = sorted((luminance(chosen[text]), luminance(chosen[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("random", "random order"),
        ("control_size_least", "size, reversed"),
        ("control_activation_answer", "the answer, painted on the activation's norm"),
        ("control_activation_answer_least", "the answer, painted on the activation's norm, reversed"),
        (
            "control_activation_answer_occlusion",
            "the answer, painted on the activation's norm and occlusion's supervoxels",
        ),
    ],
)
def test_controls_have_names(name, expected):
    assert words.control(name) == expected
