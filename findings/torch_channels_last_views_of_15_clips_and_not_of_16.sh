#!/usr/bin/env bash
# A small 3D network of PyTorch on a CPU, in channels last, that reshapes what a convolution gives with `view`.
#
# One would expect a memory format to be one order in memory, so that `view` either works on what a layer gives or does not,
# whatever the number of clips: then whoever tries a network on one clip, or on a few, knows.
#
# What happens: how an output lies in memory is decided by the kernel that computed it, and that hangs on the number of clips.
# oneDNN keeps channels last; PyTorch's own older kernel gives the usual order, whatever it was given. On one thread a pointwise
# convolution (1 x 1 x 1) goes to the older kernel up to 15 clips and to oneDNN from 16 on, one of 3 x 3 x 3 to the older kernel of one
# clip (where it is small) and to oneDNN of two. So `view` of the one works up to 15 clips and stops at 16, and of the other works for one clip and
# stops at two. A check with a batch of one, and inference clip by clip, find nothing; the first full batch does. `reshape` and
# `flatten` work always.
#
# Seen: torch 2.15.0, Python 3.11, x86_64. Takes some minutes, nearly all of it installing.
# Output seen:
#   1 x 1 x 1: view works for 1 to 15 clips, stops for 16 to 20; with weights and clips in the usual order works for 1 to 20
#   3 x 3 x 3: view works for 1 to 1 clips, stops for 2 to 20; with weights and clips in the usual order works for 1 to 20
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "torch==${TORCH:-2.15.0}" numpy==2.3.5
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - 2> "$folder/stderr" <<'PYTHON' || { cat "$folder/stderr" >&2; exit 1; }
import sys

import torch
from torch import nn

print("torch", torch.__version__, "threads", torch.get_num_threads())
MOST = 20


def works(layer, order):
    """Numbers of clips of which what the layer gives can be viewed as one row each."""
    layer = layer.to(memory_format=order)
    found = []
    for clips in range(1, MOST + 1):
        output = layer(torch.ones(clips, 8, 4, 16, 16).to(memory_format=order))
        try:
            output.view(clips, -1)
        except RuntimeError:
            continue
        found.append(clips)
    return found


seen = {}
with torch.inference_mode():
    for name, layer in (("1 x 1 x 1", nn.Conv3d(8, 16, 1)), ("3 x 3 x 3", nn.Conv3d(8, 16, 3, padding=1))):
        last = works(layer, torch.channels_last_3d)
        usual = works(layer, torch.contiguous_format)
        print(
            f"{name}: view works for 1 to {max(last)} clips, stops for {max(last) + 1} to {MOST}; with weights and clips in "
            f"the usual order works for 1 to {max(usual)}"
        )
        seen[name] = last, usual
everything = list(range(1, MOST + 1))
as_seen = seen == {"1 x 1 x 1": (everything[:15], everything), "3 x 3 x 3": (everything[:1], everything)}
sys.exit(not as_seen)
PYTHON
