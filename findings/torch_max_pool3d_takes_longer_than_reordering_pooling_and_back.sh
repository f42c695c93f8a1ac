#!/usr/bin/env bash
# Maximum pooling of PyTorch on a CPU, of clips in their usual order (channels, frames, height, width).
#
# One would expect a pooling layer, which computes next to nothing, to take about as long in either memory order, and
# surely no longer than to copy the clips into another order, pool them there, and copy the result back.
#
# What happens: the kernel for the usual order goes through one position after another with a loop over its window,
# and is not vectorized; that for channels last takes many channels at once. Pooling as between the layers of an
# Inception block (3 x 3 x 3, stride 1) takes ten times as long and more in the usual order; two copies of
# everything and the pooling between them take a fraction of it, for float32 and bfloat16, with the same values and,
# where several positions hold the greatest value, the same winner. A network whose clips come in the usual order
# (nobody said otherwise) pays it in every such layer.
#
# Seen: torch 2.15.0 and 2.11.0, Python 3.11, x86_64 (AMD EPYC, AVX2). Takes a minute, most of it installing.
# Output seen (the times vary):
#   torch.float32: the usual order takes 15.5 times as long as channels last, 8.3 times as long as there and back; same values: True, same winners among equals: True
#   torch.bfloat16: the usual order takes 14.5 times as long as channels last, 9.4 times as long as there and back; same values: True, same winners among equals: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "torch==${TORCH:-2.15.0}" numpy==2.3.5
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - 2> "$folder/stderr" <<'PYTHON' || { cat "$folder/stderr" >&2; exit 1; }
import sys
import time

import torch
from torch.nn import functional as F

print("torch", torch.__version__, "threads", torch.get_num_threads())
torch.manual_seed(0)
LAST = torch.channels_last_3d


def pooled(clips):
    return F.max_pool3d(clips, 3, stride=1, padding=1)


def there_and_back(clips):
    return pooled(clips.contiguous(memory_format=LAST)).contiguous()


def gradient(clips):
    clips = clips.detach().requires_grad_()
    pooled(clips).sum().backward()
    return clips.grad


def least(function, clips, repeats=7):
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        function(clips)
        taken.append(time.process_time() - start)
    return min(taken)


as_seen = True
for dtype in (torch.float32, torch.bfloat16):
    usual = torch.randn(8, 64, 8, 28, 28).to(dtype)
    last = usual.contiguous(memory_format=LAST)
    tied = torch.zeros(1, 8, 4, 6, 6, dtype=dtype)
    with torch.inference_mode():
        seconds = least(pooled, usual), least(pooled, last), least(there_and_back, usual)
        same = torch.equal(pooled(usual), there_and_back(usual))
    winners = torch.equal(gradient(tied), gradient(tied.contiguous(memory_format=LAST)))
    print(
        f"{dtype}: the usual order takes {seconds[0] / seconds[1]:.1f} times as long as channels last, {seconds[0] / seconds[2]:.1f} "
        f"times as long as there and back; same values: {same}, same winners among equals: {winners}"
    )
    as_seen &= seconds[0] > 2 * seconds[2] and same and winners
sys.exit(not as_seen)
PYTHON
