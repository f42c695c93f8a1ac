#!/usr/bin/env bash
# Grad-CAM (pytorch-grad-cam) of a network of 2D convolutions, and of the same network with 3D convolutions of one frame, shown a picture and a clip
# in which this picture stands still.
#
# One would expect the same map in each frame: the maps of both networks are the same on the layer's grid, and are enlarged to the input.
#
# What happens: the map of the 2D network is enlarged linearly, with each cell's value in the middle of the cell's pixels. That of the 3D network is
# enlarged by a cubic spline that puts the first cell's value on the first pixel, the last one's on the last, and the others evenly between, so
# that the map is stretched outward, at the borders by half a cell. Of 112 pixels and 7 cells, evidence that fills the second cell and has its middle at
# column 23.5 is shown most at column 19. Of 16 frames and 2 cells, evidence that fills the first half alike is shown most at frame 0, and half as much at
# its end. The spline also swings around 0, so that pixels get relevance that no cell near them has. Where a map is compared with a mask, with
# motion, or with the map of a 2D network, it is off by that.
#
# Seen: grad-cam 1.5.7, torch 2.15.0, torchvision 0.29.2, scipy 1.17.1, Python 3.11, x86_64. Takes some minutes, most of it installing. Output seen:
#   evidence in columns 16 to 31: 2D map greatest at column 23, 3D map at 19; greatest difference 0.43
#   beyond column 64, two cells off: 2D map up to 0.000, 3D map up to 0.038
#   evidence in frames 0 to 7, by frame: 1.00 0.99 0.95 0.90 0.82 0.74 0.65 0.55 0.45 0.35 0.26 0.18 0.10 0.05 0.01 0.00
#   evidence in frames 8 to 15, by frame: 0.00 0.01 0.05 0.10 0.18 0.26 0.35 0.45 0.55 0.65 0.74 0.82 0.90 0.95 0.99 1.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check grad-cam==1.5.7 torch==2.15.0 torchvision==0.29.2 numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata as metadata
import sys

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

print({name: metadata.version(name) for name in ("grad-cam", "torch", "scipy")})


def network(convolution, pooling, cell):
    """Each cell's mean brightness, its average and a linear layer."""
    layers = nn.Sequential(convolution(1, 1, cell, cell), nn.ReLU(), pooling(1), nn.Flatten(), nn.Linear(1, 1)).eval()
    with torch.no_grad():
        layers[0].weight.fill_(1 / np.prod(cell))
        layers[0].bias.zero_()
        layers[-1].weight.fill_(1)
    return layers


def relevance(of, shown):
    with GradCAM(of, [of[1]]) as cam:
        return cam(shown, [ClassifierOutputTarget(0)])[0]


picture = torch.zeros(1, 1, 112, 112)
picture[..., 48:64, 16:32] = 1  # all of a cell: the fourth row, the second column
still = picture[:, :, None].repeat(1, 1, 16, 1, 1)
flat = relevance(network(nn.Conv2d, nn.AdaptiveAvgPool2d, (16, 16)), picture)
deep = relevance(network(nn.Conv3d, nn.AdaptiveAvgPool3d, (1, 16, 16)), still)[0]
shown = [float(np.abs(image).sum(0).argmax()) for image in (flat, deep)]
far = [float(image[:, 64:].max()) for image in (flat, deep)]
print(f"evidence in columns 16 to 31: 2D map greatest at column {shown[0]:.0f}, 3D map at {shown[1]:.0f}; greatest difference {np.abs(flat - deep).max():.2f}")
print(f"beyond column 64, two cells off: 2D map up to {far[0]:.3f}, 3D map up to {far[1]:.3f}")
peaks = []
for first in (0, 8):
    clip = torch.zeros(1, 1, 16, 112, 112)
    clip[:, :, first : first + 8] = 1
    in_time = relevance(network(nn.Conv3d, nn.AdaptiveAvgPool3d, (8, 16, 16)), clip).mean((1, 2))
    peaks.append(int(in_time.argmax()))
    print(f"evidence in frames {first} to {first + 7}, by frame: {' '.join(f'{value:.2f}' for value in in_time)}")
sys.exit(not (shown[0] in (23, 24) and shown[1] < 20 and peaks == [0, 15] and np.abs(flat - deep).max() > 0.2))
PYTHON
