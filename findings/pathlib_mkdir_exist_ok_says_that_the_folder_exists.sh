#!/usr/bin/env bash
# Path.mkdir(parents=True, exist_ok=True) and os.makedirs(exist_ok=True) are there to make a folder unless it exists; both
# promise not to raise FileExistsError unless something that is no folder has the name.
#
# One would expect that, where one process makes a folder in this way and another removes it when it is done, the first
# finds it or makes it.
#
# What happens: mkdir fails because the folder is there; Python then looks whether what is there is a folder, and finds nothing,
# since the other has removed it meanwhile; and it raises FileExistsError for a name that nothing has. Two jobs that share a
# scratch folder, of which the one that ends last removes it, fail so once in a while, with a message that is false.
#
# Seen: Python 3.11.7 on Linux, x86_64; no other package. Output seen (numbers vary):
#   Path.mkdir: FileExistsError in some of 100000 calls, while nothing but a folder ever had the name
#   os.makedirs: FileExistsError in some of 100000 calls, while nothing but a folder ever had the name
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 - "$folder" <<'PYTHON'
import multiprocessing
import os
import sys
from pathlib import Path

CALLS = 100_000


def remove(place: str, ended) -> None:
    while not ended.is_set():
        try:
            os.rmdir(place)
        except OSError:
            pass


if __name__ == "__main__":
    print("Python", sys.version.split()[0])
    seen = []
    for name, make in (
        ("Path.mkdir", lambda place: Path(place).mkdir(parents=True, exist_ok=True)),
        ("os.makedirs", lambda place: os.makedirs(place, exist_ok=True)),
    ):
        place, ended = os.path.join(sys.argv[1], "shared"), multiprocessing.get_context("fork").Event()
        other = multiprocessing.get_context("fork").Process(target=remove, args=(place, ended))
        other.start()
        raised = 0
        for _ in range(CALLS):
            try:
                make(place)
            except FileExistsError:
                raised += 1
        ended.set()
        other.join()
        seen.append(raised)
        print(f"{name}: FileExistsError in {raised} of {CALLS} calls, while nothing but a folder ever had the name")
    sys.exit(not all(seen))
PYTHON
