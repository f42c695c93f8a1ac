"""The live page in a browser, on a real clip where there is one."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from voxplain.cli.explain import write_video
from voxplain.models.build import build_model
from voxplain.models.weights import save_weights

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT.parent / "shared/data/clips/v_SoccerJuggling_g23_c01.avi"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
]
pytestmark = pytest.mark.slow


@pytest.fixture
def live(tmp_path):
    """The command with a small network, and the address that it says to open."""
    save_weights(
        build_model("r3d_18", None, 3, width=4), tmp_path / "w.safetensors", {"classes": ["a", "b", "c"]}
    )
    source = CLIP
    if not source.is_file():
        source = tmp_path / "noise.mp4"
        noise = np.random.default_rng(0).integers(0, 255, (60, 240, 320, 3), dtype=np.uint8)
        write_video(source, noise, 25)
    command = [
        sys.executable,
        "-u",
        "-m",
        "voxplain",
        "explain",
        source,
        "--weights",
        tmp_path / "w.safetensors",
    ]
    command += [
        "--method",
        "gradcam",
        "--size",
        "64",
        "--serve",
        "0",
        "--repeat",
        "--output",
        tmp_path / "out.mp4",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Where tests run in a shell's background, interrupts are ignored, and so they would be here.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process, re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline()).group()
    finally:
        process.kill()


def until(page, expression, seconds=30):
    """Wait for an expression in the page, asked from here: its content policy forbids Playwright's own waiting."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        time.sleep(0.1)


def test_the_page_shows_frames_and_rates_and_ends_with_statistics(live, tmp_path):
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs Chromium: install the Debian package chromium")
    process, address = live
    complaints, requests = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address, wait_until="commit")
        until(page, "document.querySelector('#state').textContent === 'Live.'", 60)
        until(page, "document.querySelector('#frames').naturalWidth === 256")
        until(page, "parseFloat(document.querySelector('#explained').textContent) > 0")
        assert page.text_content("#answer") in ("a", "b", "c")
        assert page.get_attribute("#frames", "alt")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        (ROOT / "results/screenshots").mkdir(parents=True, exist_ok=True)
        page.screenshot(path=ROOT / "results/screenshots/live.png")
        assert not complaints and all(url.startswith((address, "data:")) for url in requests)
        process.send_signal(signal.SIGINT)
        until(page, "document.querySelector('#state').textContent === 'The stream has ended.'")
        browser.close()
    assert process.wait(timeout=60) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["ended"] == "stopped" and found["shown"] + found["dropped"] == found["frames"] > 0
    assert found["explanations"] > 0 and (tmp_path / "out.mp4").stat().st_size > 0
