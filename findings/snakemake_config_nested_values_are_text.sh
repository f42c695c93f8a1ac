#!/usr/bin/env bash
# Snakemake's --config takes YAML mappings: `--config 'net={b: false}'`.
#
# One would expect the values in the mapping to have the types that they have in a config file with the same text:
# b is false, n is 3, nothing is null.
#
# What happens: every value inside a mapping or a list is text, numbers too, and so is a bare `false` (a bare `False`
# or `3` is not). `if config["net"]["b"]` is then true for false, since the text 'false' is not empty: a network is
# trained with the batch norm that the command line switched off. No warning is given. A config file with the same text
# is read rightly.
#
# Seen: snakemake 9.27.1, Python 3.11, x86_64. Output seen:
#   from --config:      b='false' n='3' x='1.5' nothing='null' items=['1', 'true'] bare='false'
#   from --configfile:  b=False n=3 x=1.5 nothing=None items=[1, True] bare=False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
"$folder/venv/bin/snakemake" --version
cat > Snakefile <<'SNAKEFILE'
net = config["net"]
with open("seen.txt", "w") as seen:
    seen.write(f"b={net['b']!r} n={net['n']!r} x={net['x']!r} nothing={net['nothing']!r} items={net['items']!r} bare={config['bare']!r}")
rule all:
    shell: "true"
SNAKEFILE
text='{b: false, n: 3, x: 1.5, nothing: null, items: [1, true]}'
printf 'net: %s\nbare: false\n' "$text" > config.yaml
"$folder/venv/bin/snakemake" --dry-run --quiet all --config "net=$text" bare=false
command_line=$(cat seen.txt)
"$folder/venv/bin/snakemake" --dry-run --quiet all --configfile config.yaml
file=$(cat seen.txt)
echo "from --config:      $command_line"
echo "from --configfile:  $file"
[ "$command_line" = "b='false' n='3' x='1.5' nothing='null' items=['1', 'true'] bare='false'" ]
[ "$file" = "b=False n=3 x=1.5 nothing=None items=[1, True] bare=False" ]
