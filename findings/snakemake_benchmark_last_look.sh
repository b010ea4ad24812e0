#!/usr/bin/env bash
# Guess: what `benchmark:` writes of a job is of the whole job: the processor time that it took, its mean load, the most
#   memory that it held.
# Happens: all three are of the moments in which Snakemake looked: twice a second for 15 s, then every 30 s, not when
#   a job ends. Of one that computes for 30 s and holds 800 MB for the last 10, half of the processor time and half of
#   the load are there, and 9 of its 771 MiB. By these times a job of 44 s has a third of what it used, and one of 46 s
#   nearly all, so what two methods took does not compare.
# Version: snakemake 9.27.1, psutil 7.2.2
# Source: ScheduledPeriodicTimer._schedule and benchmarked, snakemake/benchmark.py
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check "snakemake==9.27.1" "psutil==7.2.2" 2>&1 |
  grep -v WARNING || true
cat >"$folder/compute.py" <<'PYTHON'
import resource
import sys
import time


def compute(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


compute(20)
held = b"1" * 800_000_000
compute(10)
own = resource.getrusage(resource.RUSAGE_SELF)
print(own.ru_utime + own.ru_stime, own.ru_maxrss / 1024, file=open(sys.argv[1], "w"))
PYTHON
cat >"$folder/Snakefile" <<'SNAKEFILE'
rule compute:
    output:
        "own.txt",
    benchmark:
        "benchmark.tsv"
    shell:
        "python compute.py {output}"
SNAKEFILE
cd "$folder"
PATH="$folder/venv/bin:$PATH" snakemake --cores 1 --quiet all
"$folder/venv/bin/python" - <<'PYTHON'
import csv
import sys
from importlib.metadata import version

seconds, peak = map(float, open("own.txt").read().split())
row = next(csv.DictReader(open("benchmark.tsv"), delimiter="\t"))
told, load, most = (float(row[name]) for name in ("cpu_time", "mean_load", "max_rss"))
print("snakemake", version("snakemake"), "psutil", version("psutil"))
print(f"the job's own account: {seconds:.1f} s of the processor, {peak:.0f} MB")
print(f"its benchmark file: {told:.1f} s, a load of {load:.0f} % in {row['s']} s, {most:.0f} MB")
same = told < 0.7 * seconds and load < 70 * seconds / float(row["s"]) and peak > 700 and most < 100
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
