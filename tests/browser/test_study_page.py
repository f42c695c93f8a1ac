"""The page of a study in a browser: a person goes through it and saves the answers."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from voxplain.report.strips import clip_strip, mask_strip
from voxplain.study.page import study_page
from voxplain.study.questions import Question

pytestmark = pytest.mark.slow


def test_a_person_answers_and_saves(tmp_path) -> None:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs Chromium: install the Debian package chromium")
    rng = np.random.default_rng(0)
    clips = {f"{n}": clip_strip(rng.integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)) for n in range(4)}
    examples = [
        {"clip": name, "video": name, "mask": mask_strip(np.eye(32, dtype=bool)[None].repeat(4, 0))}
        for name in clips
    ]
    known = ("concept", "r3d", 0, "layer3", "a", 0, 1, examples)
    page_file = tmp_path / "study.html"
    questions = [Question("intruder", *known, 2, 0), Question("naming", *known, None, 0)]
    page_file.write_text(study_page(questions, clips, study="0123"), encoding="utf-8")
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 390, "height": 844}, accept_downloads=True)
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(page_file.as_uri())
        page.click("#begin")
        assert page.text_content("#progress") == "1 of 2"
        assert page.locator("#shown img").count() == 4
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # the second clip, by keys alone
        page.fill("#words", " red wheel ")
        page.keyboard.press("Enter")
        with page.expect_download() as download:
            page.click("#save")
        download.value.save_as(tmp_path / "answers.json")
        assert download.value.suggested_filename.startswith("answers-")
        browser.close()
    content = json.loads((tmp_path / "answers.json").read_text())
    assert [one["answer"] for one in content["answers"]] == [1, "red wheel"]
    assert content["study"] == "0123" and len(content["person"]) == 8 and not complaints
