"""How large the workflow's graph gets, how fast it is built, and whether stages keep to their memory.

::

    python -m benchmarks.scale                 # 700 classes, 650,000 made-up videos: jobs, seconds, memory
    python -m benchmarks.scale --memory results  # peak memory, by the jobs' logs, against the rules' mem_mb
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml

from voxplain.spent import read_spent
from voxplain.tables import PARTS

ROOT = Path(__file__).resolve().parents[1]
TEST_SHARE = 0.05
CLASSES, VIDEOS = 700, 650_000
SECONDS, MEGABYTES = 120, 4096  # that a plan of them may take


def run(*, quick: bool = False) -> list[dict]:
    """One row of part, against, ratio, low, high, goal, met: the time that planning may take over what it takes."""
    classes, videos = (4, 200) if quick else (CLASSES, VIDEOS)
    with tempfile.TemporaryDirectory() as folder:
        jobs, seconds, memory = plan(Path(folder), classes, videos)
    ratio = SECONDS / seconds
    return [
        {
            "part": f"plan of {jobs['total']:,} jobs for {videos:,} videos of {classes} classes, {memory:.0f} MB",
            "against": f"{SECONDS} s",
            "ratio": ratio,
            "low": ratio,
            "high": ratio,
            "goal": 1.0,
            "met": ratio >= 1 and memory <= MEGABYTES,
        }
    ]


def made_up_videos(classes: int, videos: int) -> pd.DataFrame:
    """A video table of files that are nowhere: path, class, split; classes of equal size."""
    rows = [
        (f"class_{n % classes:03d}/{n:011d}_000000_000010.mp4", f"class {n % classes:03d}",
         "test" if n // classes < max(1, TEST_SHARE * videos // classes) else "train")
        for n in range(videos)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["path", "class", "split"])


# Runs a command and ends with the peak of its memory in kB. A child's peak counts what its parent held when it began, and
# that of all children the largest so far: a small parent of its own tells this command's.
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def plan(folder: Path, classes: int, videos: int) -> tuple[dict[str, int], float, float]:
    """Jobs by rule, seconds, and peak memory in MB of a dry run for a made-up table."""
    made_up_videos(classes, videos).to_csv(folder / "videos.csv", index=False)
    config = {
        "run": "scale",
        "data": {"adapter": "csv", "path": str(folder / "videos.csv")},
        "models": {
            "r3d": {"network": "r3d_18", "layers": ["layer4"]},
            "i3d": {"network": "i3d", "layers": ["mixed_5c"]},
        },
        "concepts": {"videos_per_class": 50},
        "editing": {"videos_per_class": 48},
        "relevance": {"videos_per_class": 10},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, "-m", "snakemake", "-n", "-q", "rules", "--cores", "1", "--configfile", folder / "config.yaml",
         "--snakefile", ROOT / "workflow/Snakefile", "--directory", folder],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - started
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-4000:])
    jobs = {name: int(count) for name, count in re.findall(r"(?m)^(\w+) +(\d+)$", done.stdout + done.stderr)}
    return jobs, seconds, int(done.stderr.split()[-1]) / 1024


def declared() -> dict[str, int]:
    """mem_mb that each rule declares for its first attempt; a rule made from another declares what that does."""
    found = {}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for base, name, text in re.findall(
            r"(?ms)^ *(?:use )?rule(?: (\w+) as)?(?: (\w+))?:(.*?)(?=^\S|\Z)", path.read_text()
        ):
            # The rules of final tables are written once, for all parts.
            names = [name] if name else [f"tabulate_{part}" for part in PARTS]
            if match := re.search(r"needs\((\d+), ", text):
                found |= dict.fromkeys(names, int(match[1]))
            elif base:
                found |= dict.fromkeys(names, found[base])
    return found


def peaks(results: Path) -> pd.Series:
    """Largest memory (MB) of each rule's jobs (index: rule), as their logs say."""
    return read_spent(results.rglob("logs/*.log")).groupby("rule")["peak_mb"].max().rename("peak")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--classes", type=int, default=CLASSES)
    parser.add_argument("--videos", type=int, default=VIDEOS)
    parser.add_argument(
        "--memory", type=Path, metavar="RESULTS", help="check what the logs below this folder say"
    )
    arguments = parser.parse_args()
    if arguments.memory:
        limits, wrong = declared(), 0
        for rule, peak in peaks(arguments.memory).items():
            over = peak > limits[rule]
            wrong += over
            print(f"{rule:<24}{peak:8.0f} of {limits[rule]} MB{'  TOO MUCH' if over else ''}")
        return int(wrong > 0)
    with tempfile.TemporaryDirectory() as folder:
        jobs, seconds, memory = plan(Path(folder), arguments.classes, arguments.videos)
    total = jobs.pop("total")
    for name, count in sorted(jobs.items(), key=lambda job: -job[1]):
        print(f"{name:<32}{count:8d}")
    print(f"{total} jobs, planned in {seconds:.0f} s with {memory:.0f} MB")
    return int(total > arguments.videos or seconds > SECONDS or memory > MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
