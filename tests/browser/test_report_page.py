"""The report in a browser, as a reader has it: from disk, with the keyboard, on a desk and on a phone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "results" / "screenshots"
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
# What an element shows to those who do not see it; `name` is empty where it says nothing.
UNNAMED = """() => [...document.querySelectorAll('img, canvas, svg, button, select, input')].filter(e => {
  if (e.closest('[aria-hidden=true]')) return false;
  const label = e.labels ? [...e.labels].map(l => l.innerText).join('') : '';
  const name = e.getAttribute('alt') || e.getAttribute('aria-label') || label;
  return !(name || (e.tagName === 'BUTTON' && e.innerText)).trim();
}).map(e => e.outerHTML.slice(0, 120))"""
CONTROLS = """[...document.querySelectorAll('button, select, input, summary, a[href]')].filter(e =>
  e.checkVisibility())"""
CELLS = """() => [...document.querySelectorAll('[data-value]')].map(e => [
  e.dataset.of ?? e.closest('[data-table]').dataset.table, Number(e.dataset.row), e.dataset.column, e.dataset.value])"""
# Pixels of a canvas for which a condition on red, green and blue holds.
COUNT = """(canvas, condition) => { const holds = new Function('r', 'g', 'b', `return ${condition}`);
  const d = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; let n = 0;
  for (let i = 0; i < d.length; i += 4) n += holds(d[i], d[i + 1], d[i + 2]) ? 1 : 0;
  return n; }"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium():
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs Chromium: install the Debian package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--headless=new", *FLAGS])
        yield browser
        browser.close()


class Reader:
    """A page with everything that it complained of or asked for."""

    def __init__(self, context, report: Path) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints, self.requests = [], []
        # Chromium warns of the tests' own reading of pixels, so errors alone count.
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(report.resolve().as_uri())

    def pixels(self, selector: str) -> str:
        """Everything that a canvas shows."""
        return self.page.eval_on_selector(selector, "canvas => canvas.toDataURL()")

    def count(self, selector: str, condition: str) -> int:
        """Pixels of a canvas for which a condition on r, g and b holds."""
        return self.page.eval_on_selector(selector, COUNT, condition)

    def settled(self, selector: str) -> None:
        """Wait until a canvas shows something."""
        self.page.wait_for_function(
            "s => { const c = document.querySelector(s); return c && c.getContext('2d').getImageData(0, 0, c.width,"
            " c.height).data.some((v, i) => i % 4 === 3 && v > 0); }",
            arg=selector,
        )

    def keep(self, name: str, selector: str | None = None) -> None:
        """Keep a screenshot."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        target = self.page.locator(selector) if selector else self.page
        target.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.fixture
def read(chromium):
    """Function that opens a report and, at the end, looks at what it complained of or asked for."""
    contexts, readers = [], []

    def opened(report, viewport=DESK, scheme="light", motion="no-preference"):
        contexts.append(chromium.new_context(viewport=viewport, color_scheme=scheme, reduced_motion=motion))
        readers.append(Reader(contexts[-1], report))
        return readers[-1]

    yield opened
    for reader in readers:
        assert reader.complaints == []
        assert [url[:200] for url in reader.requests if not url.startswith(("file:", "data:"))] == []
        assert len([url for url in reader.requests if url.startswith("file:")]) == 1
        assert reader.page.evaluate(UNNAMED) == []
    for context in contexts:
        context.close()


@pytest.fixture(params=["concept_report", "relevance_report"])
def either(request):
    return request.getfixturevalue(request.param)


def tables_of(report: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in (report.parent / "tables").glob("*.parquet")}


@pytest.mark.parametrize(
    "viewport, scheme", [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")]
)
def test_it_fits_desk_and_phone_by_day_and_by_night(read, either, viewport, scheme):
    reader = read(either, viewport, scheme)
    page = reader.page
    assert either.stat().st_size < 30_000_000
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(23, 23, 27)"}[scheme]
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
    size = "desk" if viewport is DESK else "phone"
    reader.keep(f"{either.parents[2].name}-{size}-{scheme}")


def test_every_number_is_its_cell_of_a_table(read, either):
    cells = read(either).page.evaluate(CELLS)
    tables = tables_of(either)
    assert {name for name, *_ in cells} >= set(tables) - {"set_aside"}
    for name, row, column, value in cells:
        if not name:
            continue
        ours, _, papers = column.partition("-")
        expected = tables[name].at[row, ours]
        if papers:
            expected = expected - tables[name].at[row, papers]
        if isinstance(expected, np.floating):
            expected = float(expected)
        if pd.isna(expected):
            assert value in ("", "nan")
        elif isinstance(expected, float):
            assert float(value) == pytest.approx(expected, rel=1e-12)
        else:
            assert value.lower() == str(expected).lower()


def test_clips_of_concepts_play_and_can_be_browsed(read, concept_report):
    reader = read(concept_report)
    page = reader.page
    scores = tables_of(concept_report)["concept_scores"]
    first = "#concepts-list li:first-child canvas"
    assert page.locator("#concepts-network option").all_inner_texts() == ["i3d", "r3d"]
    for network in ("r3d", "i3d"):
        page.select_option("#concepts-network", network)
        for layer in page.locator("#concepts-layer option").all_inner_texts():
            page.select_option("#concepts-layer", layer)
            label = page.locator("#concepts-class option").last.inner_text()
            page.select_option("#concepts-class", label)
            page.select_option("#concepts-concept", "all")
            here = scores[
                (scores["model"] == network) & (scores["layer"] == layer) & (scores["class"] == label)
            ]
            shown = page.locator("#concepts-list > li").all_inner_texts()
            assert len(shown) == len(here)
            for text, (_, row) in zip(shown, here.sort_values("rank").iterrows(), strict=True):
                assert f"Rank {row['rank']} of {len(here)}" in text
                assert f"{row['score']:.2f} ± {row['score_sd']:.2f}" in text
                assert (
                    f"{row['n_supervoxels']} supervoxels" in text and f"of {row['n_videos']} videos" in text
                )
                assert f"{100 * row['cav_accuracy']:.1f} %" in text
    reader.settled(first)
    # It plays, stops, and goes frame by frame, all from the keyboard.
    before = reader.pixels(first)
    page.wait_for_function(f"before => document.querySelector('{first}').toDataURL() !== before", arg=before)
    page.focus("#concepts-play")
    page.keyboard.press("Enter")
    assert page.locator("#concepts-play").inner_text() == "Play"
    frame, still = page.locator("#concepts-frame").inner_text(), reader.pixels(first)
    page.wait_for_timeout(400)
    assert reader.pixels(first) == still
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#concepts-frame").inner_text() != frame
    # The supervoxel is outlined in yellow, and the rest darkened if so wished.
    counts = []
    for _ in range(8):
        page.click("#concepts-on")
        counts.append(reader.count(first, "r > 200 && g > 180 && b < 90"))
    assert max(counts) > 20
    dark = reader.pixels(first)
    page.uncheck("#concepts-dim")
    assert reader.pixels(first) != dark
    page.select_option("#concepts-sort", "-rank")
    assert page.locator("#concepts-list h4").first.inner_text().startswith(f"Rank {len(here)} of")
    page.select_option("#concepts-concept", index=1)
    assert page.locator("#concepts-list > li").count() == 1
    reader.keep("concept-browser", "#concepts")


def test_relevance_can_be_browsed_and_the_slider_selects(read, relevance_report):
    reader = read(relevance_report)
    page = reader.page
    tables = tables_of(relevance_report)
    data = json.loads(page.locator("#relevance-data").text_content())
    assert data["sigmas"] == [0, 1, 2]
    page.select_option("#relevance-network", "c3d")
    page.select_option("#relevance-explainer", "dtd")
    page.select_option("#relevance-clip", index=1)
    clip = page.locator("#relevance-clip").input_value()
    page.wait_for_function(
        "ready => document.querySelector('#relevance').dataset.ready === ready", arg=f"c3d {clip} dtd"
    )
    reader.settled("#relevance-part-view")
    page.click("#relevance-play")
    slider, said = page.locator("#relevance-sigma"), page.locator("#relevance-sigma-said")
    assert said.inner_text() == "σ = 2" and slider.get_attribute("aria-valuetext") == "σ = 2"
    slider.focus()
    seen = []
    sweep = tables["motion_sweep"]
    for key, name, sigma in (
        ("Home", "whole map", None),
        ("ArrowRight", "σ = 0", 0),
        ("ArrowRight", "σ = 1", 1),
        ("End", "σ = 2", 2),
    ):
        page.keyboard.press(key)
        assert said.inner_text() == name
        bright = 0
        for _ in range(3):  # some frames of a selection may be empty
            bright += reader.count("#relevance-part-view", "Math.max(r, g, b) - Math.min(r, g, b) > 12")
            page.click("#relevance-on")
        for _ in range(3):
            page.click("#relevance-back")
        slider.focus()
        seen.append(bright)
        row = int(page.locator("#relevance-said").get_attribute("data-row"))
        cells = sweep.loc[row]
        assert (cells["model"], cells["method"]) == ("c3d", "dtd") and cells["flow_threshold"] == 0.5
        assert pd.isna(cells["sigma"]) if sigma is None else cells["sigma"] == sigma
        for column, factor in (("precision", 100), ("relevance_share", 100), ("lift", 1)):
            text = page.locator(f"#relevance-said [data-column={column}]").inner_text()
            assert (
                text == "–"
                if pd.isna(cells[column])
                else float(text) == pytest.approx(factor * cells[column], abs=0.0501)
            )
    assert seen[0] >= seen[1] >= seen[2] >= seen[3] and seen[0] > seen[3]  # a higher threshold selects less
    # Without overlay both pictures are the gray clip.
    page.locator("#relevance-strength").fill("0")
    assert reader.pixels("#relevance-whole-view") == reader.pixels("#relevance-part-view")

    def frames() -> list[str]:
        """All frames of the clip, from whichever it stands at."""
        shown = []
        for _ in range(16):
            page.click("#relevance-on")
            shown.append(reader.pixels("#relevance-clip-view"))
        return shown

    plain = frames()
    page.check("#relevance-moving")
    marked = frames()
    # In the last frame, of which no flow is known, and where nothing moves, there is nothing to mark.
    assert len(set(marked)) > 1
    assert sum(one != other for one, other in zip(plain, marked, strict=True)) > 8
    page.locator("#relevance-strength").fill("80")
    for explainer in page.locator("#relevance-explainer option").all():
        page.select_option("#relevance-explainer", explainer.get_attribute("value"))
    reader.keep("relevance-browser", "#relevance")


def test_nothing_moves_for_readers_who_want_it_calm(read, concept_report):
    reader = read(concept_report, motion="reduce")
    first = "#concepts-list li:first-child canvas"
    reader.settled(first)
    assert reader.page.locator("#concepts-play").inner_text() == "Play"
    before = reader.pixels(first)
    reader.page.wait_for_timeout(400)
    assert reader.pixels(first) == before


def test_the_keyboard_reaches_every_control_with_a_visible_focus(read, either):
    page = read(either).page
    wanted = page.evaluate(f"{CONTROLS}.length")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    bare = []
    for number in range(3 * wanted):
        place = page.evaluate(
            """() => { const e = document.activeElement; if (e === document.body) return -1;
               const s = getComputedStyle(e); e.dataset.reached = 1; return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 ? 1 : 0; }"""
        )
        if place == -1:
            break
        if place == 0:
            bare.append(number)
        page.keyboard.press("Tab")
    missed = page.evaluate(f"{CONTROLS}.filter(e => !e.dataset.reached).map(e => e.outerHTML.slice(0, 100))")
    assert missed == [] and bare == []


def test_a_page_without_scripts_still_has_the_tables(chromium, concept_report):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(concept_report.resolve().as_uri())
    text = page.locator("body").inner_text()
    assert "The browser needs JavaScript" in text and "Only k concepts shown" in text
    assert re.search(r"most important\s+\d", text)
    context.close()
