#!/usr/bin/env bash
# adaptive_avg_pool3d of PyTorch on a CPU, of features in bfloat16: the average of every frame of a clip whose features are all 1.
#
# One would expect 1 for every frame, as the mean over height and width has it, and adaptive_avg_pool2d of the same frames: both sum in
# float32 and round once.
#
# What happens: it sums in bfloat16, where 256 and 1 are 256. The average of 28 x 28 ones is a third, and that of random features between 0 and 1 is
# two thirds of what it should be, in all channels alike, so that no number looks wrong: what is averaged over more than some 500 positions comes out too small,
# the more positions the smaller, and over 200 it is off by up to four percent. A single cell takes another way and is right, and with it a network's own last
# layer. Features that are kept by frame, or by cells of a grid, are not, nor is interpolate(mode="area"), which is the same function: a mask of ones that is
# scaled down from 16 x 112 x 112 to 4 x 4 x 4 has 0.08 everywhere. Under autocast PyTorch takes float32 there; of networks and features that are
# bfloat16 themselves it does not.
#
# Seen: torch 2.15.0, Python 3.11, x86_64. Takes some minutes, most of it installing. Output seen:
#   ones by frame: adaptive_avg_pool3d 0.326, mean 1.000, adaptive_avg_pool2d 1.000; to one cell: adaptive_avg_pool3d 1.000
#   random features by frame, over their average: adaptive_avg_pool3d 0.626 to 0.678, mean 0.997 to 1.004
#   mask of ones scaled down by area: 0.082
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.15.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
from torch.nn import functional as F

print("torch", torch.__version__)
torch.manual_seed(0)
shape = (1, 16, 4, 28, 28)
ones, features = torch.ones(shape, dtype=torch.bfloat16), torch.rand(shape).bfloat16()
pooled = F.adaptive_avg_pool3d(ones, (4, 1, 1)).float()
print(
    f"ones by frame: adaptive_avg_pool3d {pooled.mean():.3f}, mean {ones.mean((-2, -1)).float().mean():.3f}, adaptive_avg_pool2d "
    f"{F.adaptive_avg_pool2d(ones[:, :, 0], 1).float().mean():.3f}; to one cell: adaptive_avg_pool3d {F.adaptive_avg_pool3d(ones, 1).float().mean():.3f}"
)
exact = features.float().mean((-2, -1))
ratio = F.adaptive_avg_pool3d(features, (4, 1, 1)).float()[..., 0, 0] / exact
plain = features.mean((-2, -1)).float() / exact
print(f"random features by frame, over their average: adaptive_avg_pool3d {ratio.min():.3f} to {ratio.max():.3f}, mean {plain.min():.3f} to {plain.max():.3f}")
mask = torch.ones(1, 1, 16, 112, 112, dtype=torch.bfloat16)
small = F.interpolate(mask, size=(4, 4, 4), mode="area").float().mean()
print(f"mask of ones scaled down by area: {small:.3f}")
sys.exit(not (pooled.max() < 0.5 and ratio.max() < 0.9 and small < 0.2 and abs(plain - 1).max() < 0.01))
PYTHON
