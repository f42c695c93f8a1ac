#!/usr/bin/env bash
# In Snakemake, `ancient("list.txt")` says that the file's date is no reason to run a rule. Changed parameters of a rule are one:
# --rerun-triggers has "params" by default.
#
# A chain: rule list makes list.txt; rule work reads ancient("list.txt"); rule result reads what work made. Each has a parameter
# from the config. One would expect that whoever changes the parameters of all three gets all three run again: list.txt's new
# date is no reason for work, but its changed parameter is, and result's is for result.
#
# What happens: where list is run again, work is not asked for any other reason, and neither is result, which has no ancient
# input at all. Only list runs, Snakemake ends with status 0, and the two results are those of the old parameters. A second
# call of the same command runs the rest. Without a change of list's parameter the other two run at once, as expected. A pipeline
# that keeps a list of samples apart with ancient() gives stale results, once, whenever the list and anything else change together.
#
# Seen: snakemake 9.27.1, Python 3.11, x86_64. Output seen:
#   parameters of work and result changed:        result work
#   parameters of list, work and result changed:  list
#   after that run: list.txt, work.txt, result.txt hold new old old
#   the same command again:                       result work
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
cat > Snakefile <<'SNAKEFILE'
rule result:
    input:
        "work.txt",
    output:
        "result.txt",
    params:
        config["of_result"],
    shell:
        "echo {params} > {output}"


rule work:
    input:
        ancient("list.txt"),
    output:
        "work.txt",
    params:
        config["of_work"],
    shell:
        "echo {params} > {output}"


rule list:
    output:
        "list.txt",
    params:
        config["of_list"],
    shell:
        "echo {params} > {output}"
SNAKEFILE
run() { "$folder/venv/bin/snakemake" --cores 1 "$@" > log.txt 2>&1; }
rules() { run -n "$@"; grep -oE "^(local)?rule (list|work|result):" log.txt | grep -oE "list|work|result" | sort -u | tr '\n' ' '; }
old=(--config of_list=old of_work=old of_result=old)
two=(--config of_list=old of_work=new of_result=new)
all=(--config of_list=new of_work=new of_result=new)
"$folder/venv/bin/snakemake" --version
run "${old[@]}"
first=$(rules "${two[@]}")
second=$(rules "${all[@]}")
run "${all[@]}"
left="$(cat list.txt work.txt result.txt | tr '\n' ' ')"
third=$(rules "${all[@]}")
echo "parameters of work and result changed:        $first"
echo "parameters of list, work and result changed:  $second"
echo "after that run: list.txt, work.txt, result.txt hold $left"
echo "the same command again:                       $third"
[ "$first" = "result work " ] && [ "$second" = "list " ] && [ "$left" = "new old old " ] && [ "$third" = "result work " ]
