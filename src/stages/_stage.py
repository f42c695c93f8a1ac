"""Run a stage with the library that it lies beside, which is the one whose code its rule hashes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from voxplain.stage import run  # noqa: E402, F401
