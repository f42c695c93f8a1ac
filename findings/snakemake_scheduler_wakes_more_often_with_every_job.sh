#!/usr/bin/env bash
# Snakemake on one machine, two cores: sixty jobs that end at once, then two jobs of twenty seconds each, while a third is ready
# and waits for a core.
#
# One would expect the scheduler to sleep until a job ends, or to look for new jobs once a second, as it starts at most 100 a
# second by default.
#
# What happens: each time that it looks and something waits, it sets a timer to look again after that second. But each job that
# ends makes it look, too, and each of these looks starts a chain of timers of its own, which goes on as long as anything waits.
# So it looks as many times a second as jobs have ended: 60 times here, and a thousand times after a thousand jobs. Every time it
# selects jobs anew, for which the default scheduler may start a solver in a process of its own, and starts a thread: in a workflow of
# 100 jobs on two cores the system's time was a quarter of all. With --max-jobs-per-timespan 1000/10s it looks a tenth as often.
#
# Seen: snakemake 9.27.1, Python 3.11, x86_64. Takes a minute and a half. Output seen:
#   looks a second while two jobs run: 61; with 1000/10s: 6
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
cat > Snakefile <<'SNAKEFILE'
rule all:
    input: expand("out/short{i}", i=range(60)), expand("out/long{i}", i=range(3))
rule short:
    output: "out/short{i}"
    priority: 10
    shell: "touch {output}"
rule long:
    output: "out/long{i}"
    shell: "sleep 20; touch {output}"
SNAKEFILE
looks() {  # in 10 seconds, from 8 seconds after the long jobs began; divided by 10
    rm -rf out .snakemake
    venv/bin/snakemake --cores 2 --verbose "$@" 2>&1 | "$folder/venv/bin/python" -c '
import sys, time
began, looks = None, 0
for line in sys.stdin:
    now = time.monotonic()
    if began is None and "rule long" in line:
        began = now
    if began is not None and 8 <= now - began < 18 and line.startswith("Ready jobs"):
        looks += 1
print(round(looks / 10))'
}
plain=$(looks)
rarely=$(looks --max-jobs-per-timespan 1000/10s)
venv/bin/snakemake --version
echo "looks a second while two jobs run: $plain; with 1000/10s: $rarely"
[ "$plain" -ge 40 ] && [ "$rarely" -le 12 ]
