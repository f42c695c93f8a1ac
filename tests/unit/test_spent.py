"""What a job has spent is the last line of its log, and is right."""

import subprocess
import sys
from pathlib import Path

import pandas as pd

from voxplain.spent import read_spent

WORK = """
import time
import numpy as np
begun = time.process_time() + {before}
while time.process_time() < begun: pass
from voxplain.spent import Meter
meter = Meter()
begun = time.process_time() + 1
while time.process_time() < begun: pass
kept = np.ones(400 << 17)  # 400 MB, which are let go again
del kept
time.sleep(0.5)
print("said before")
print(meter.line())
"""


def test_the_line_is_what_was_spent(tmp_path: Path) -> None:
    log = tmp_path / "work.3.log"
    with log.open("w") as file:
        subprocess.run([sys.executable, "-c", WORK.format(before=0.7)], stdout=file, check=True)
    (row,) = read_spent([log]).to_dict("records")
    assert row["rule"] == "work" and row["begun"] > 0.7
    assert 1 <= row["processor"] - row["begun"] < 5
    assert row["seconds"] >= 1.5 and 400 < row["peak_mb"] < 1000


def test_logs_without_the_line_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "failed.log").write_text("Traceback\nvoxplain: no room\n")
    (tmp_path / "empty.log").write_bytes(b"")
    line = "spent: 3.00 s, 4.50 s of processor, 1.25 of them before it began, 300 MB at most\n"
    (tmp_path / "rerun.log").write_text(line + "and then something else\n")
    (tmp_path / "long.log").write_bytes(b"\xff" * 100_000 + b"\n" + line.encode())
    rows = read_spent(sorted(tmp_path.iterdir()))
    pd.testing.assert_frame_equal(
        rows,
        pd.DataFrame(
            {"rule": ["long"], "seconds": [3.0], "processor": [4.5], "begun": [1.25], "peak_mb": [300.0]}
        ),
    )
    assert list(read_spent([])) == list(rows)
