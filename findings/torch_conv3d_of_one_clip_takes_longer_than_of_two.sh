#!/usr/bin/env bash
# A 3D convolution of PyTorch on a CPU, of one clip and of a batch of two.
#
# One would expect two clips to take as long as one, or up to twice as long.
#
# What happens: for float32 a rule chooses between oneDNN and an older kernel of PyTorch's own, which unfolds the input. A
# batch of two or more goes to oneDNN. Of a batch of one the rule multiplies the first four of the input's sizes and asks
# whether that exceeds 20480, as it did for images, of which these were all (batch, channels, height, width). Of a clip they
# are batch, channels, frames and height: the width is left out, and most layers of a video network at 112 pixels and below,
# which as many numbers as of an image would have sent to oneDNN, go to the older kernel. That takes longer for one clip than oneDNN for two,
# with one thread or several. What is live, interactive or explained clip by clip meets batches of one all the time.
#
# Seen: torch 2.15.0 and 2.11.0, Python 3.11, x86_64 (AMD EPYC, AVX2). Takes a minute, most of it installing.
# Output seen (the times vary, which kernel is taken does not):
#   1 clip, (64, 8, 28, 28): slow_conv3d_forward; 2 clips: mkldnn_convolution; 1 clip, (64, 12, 28, 28): mkldnn_convolution
#   1 clip takes 2.5 times as long as 2, 5.3 times as long as by oneDNN; greatest difference between their results 2.1e-06 of the greatest value
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
from torch.profiler import ProfilerActivity, profile

print("torch", torch.__version__, "threads", torch.get_num_threads())
torch.manual_seed(0)
weight = torch.randn(64, 64, 3, 3, 3)


def clips(number, frames=8):
    return torch.randn(number, 64, frames, 28, 28)


def convolve(batch):
    return F.conv3d(batch, weight, padding=1)


def kernel(batch):
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        convolve(batch)
    names = {event.key.removeprefix("aten::") for event in seen.key_averages()}
    (found,) = names & {"slow_conv3d_forward", "mkldnn_convolution"}
    return found


def least(function, repeats=20):
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return min(taken)


def by_onednn(batch):
    return torch.mkldnn_convolution(batch, weight, None, [1] * 3, [1] * 3, [1] * 3, 1)


with torch.inference_mode():
    one, two, longer = clips(1), clips(2), clips(1, 12)
    taken = [kernel(batch) for batch in (one, two, longer)]
    print(
        f"1 clip, (64, 8, 28, 28): {taken[0]}; 2 clips: {taken[1]}; 1 clip, (64, 12, 28, 28): {taken[2]}"
    )
    seconds = [least(lambda batch=batch: convolve(batch)) for batch in (one, two)]
    direct = least(lambda: by_onednn(one))
    expected = convolve(one)
    apart = float((by_onednn(one) - expected).abs().max() / expected.abs().max())
    print(
        f"1 clip takes {seconds[0] / seconds[1]:.1f} times as long as 2, {seconds[0] / direct:.1f} times as long as by "
        f"oneDNN; greatest difference between their results {apart:.1e} of the greatest value"
    )
as_seen = taken == ["slow_conv3d_forward", "mkldnn_convolution", "mkldnn_convolution"]
sys.exit(not (as_seen and seconds[0] > seconds[1] and apart < 1e-4))
PYTHON
