#!/usr/bin/env bash
# Snakemake's `benchmark:` writes what a job took: s, max_rss, cpu_time and more. The docs call cpu_time the processor time of user
# and system together, and max_rss the largest resident memory.
#
# One would expect that a job that computes without a pause for 28 seconds has a cpu_time of about 28, as it has an s of 28, and
# that 600 MB which it holds for its last 10 seconds show in max_rss.
#
# What happens: the process is looked at every half second for the first 15 seconds and every 30 seconds from then on, and not at its
# end. The numbers are those of the last look. Of a job of 28 seconds all that comes after the first 15 is missing: cpu_time
# is about 15, and max_rss that of an empty process. s is right. So processor time per rule falls short most for jobs of
# 15 to 45 seconds, by up to two thirds (of 44 seconds 29 are missing; of 46, one), and memory limits that are set by max_rss may be too small for what a job needs
# when it ends, which is when many write.
#
# Seen: snakemake 9.27.1, psutil 7, Python 3.11, x86_64. Output seen:
#   of 28 seconds of processor time: s 28, cpu_time 15 (less where the machine is busy, and s more)
#   of 600 MB in the last 10 seconds: max_rss below 100 MB
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
cat > work.py <<'WORK'
import time

def compute(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

compute(18)
kept = bytearray(b"x" * (600 << 20))
compute(10)
WORK
cat > Snakefile <<'SNAKEFILE'
rule work:
    output:
        touch("done.txt"),
    benchmark:
        "work.tsv"
    shell:
        "{workflow.basedir}/venv/bin/python {workflow.basedir}/work.py"
SNAKEFILE
"$folder/venv/bin/snakemake" --version
"$folder/venv/bin/snakemake" --cores 1 > log.txt 2>&1
"$folder/venv/bin/python" - <<'LOOK'
import csv

with open("work.tsv") as file:
    (row,) = csv.DictReader(file, delimiter="\t")
wall, processor, memory = (float(row[name]) for name in ("s", "cpu_time", "max_rss"))
print(f"of 28 seconds of processor time: s {wall:.0f}, cpu_time {processor:.0f}")
print(f"of 600 MB in the last 10 seconds: max_rss {'below 100' if memory < 100 else round(memory)} MB")
assert wall >= 28 and processor < 20 and memory < 100
LOOK
