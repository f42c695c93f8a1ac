#!/usr/bin/env bash
# HiRes-CAM (pytorch-grad-cam) of a torchvision Swin transformer, at its last block: the layer that Grad-CAM is usually asked at,
# the last one that still has positions.
#
# One would expect a map of what each position adds to the class's logit: HiRes-CAM sums gradient times activation over
# channels, and says of itself that it shows what the network used.
#
# What happens: after the last block come a layer norm at every position, the mean over positions and a linear layer. A layer
# norm does not change when all channels of a position are multiplied by a number, so by Euler's theorem gradient times
# activation sums to 0 at every position, whatever is shown. What is left is the layer norm's epsilon and rounding: a
# millionth of the terms that cancel. The library stretches that to 0..1 and returns a map of full contrast; in
# double precision without the epsilon another one. The same holds before any layer norm that nothing but positions' means follows.
# Before the block's own norms a residual path goes around them, and the map is one.
#
# Seen: grad-cam 1.5.7, torch 2.15.0, torchvision 0.29.2, Python 3.11, x86_64. Takes some minutes, most of it installing.
# Output seen:
#   left of the terms: 1.0e-06 (double, no epsilon: 8.3e-17)
#   map returned: 0.00 to 1.00; correlation with that in double precision: -0.09
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check grad-cam==1.5.7 torch==2.15.0 torchvision==0.29.2
"$folder/venv/bin/python" - <<'PYTHON'
import copy
import importlib.metadata as metadata
import sys

import numpy as np
import torch
from pytorch_grad_cam import HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchvision.models import swin_t

print({name: metadata.version(name) for name in ("grad-cam", "torch", "torchvision")})
torch.manual_seed(0)
network = swin_t(weights=None).eval()
image = torch.rand(1, 3, 224, 224)
channels_first = lambda tensor: tensor.permute(0, 3, 1, 2)  # noqa: E731  of (N, H, W, C)


def cancelled(network, image):
    """Sum over channels of gradient times activation, over the sum of its terms' sizes, at every position of the last block."""
    kept = {}
    handle = network.features[-1][-1].register_forward_hook(lambda m, i, out: kept.update(out=out))
    gradient = torch.autograd.grad(network(image)[0, 0], kept["out"])[0]
    handle.remove()
    terms = gradient * kept["out"]
    return (terms.sum(-1) / terms.abs().sum(-1)).abs().max().item()


def hires(network, image):
    with HiResCAM(network, [network.features[-1][-1]], reshape_transform=channels_first) as cam:
        return cam(image, [ClassifierOutputTarget(0)])[0]


exact = copy.deepcopy(network).double()
for module in exact.modules():
    if isinstance(module, nn.LayerNorm):
        module.eps = 0.0
left = cancelled(network, image)
shown, other = hires(network, image), hires(exact, image.double())
alike = float(np.corrcoef(shown.ravel(), other.ravel())[0, 1])
print(f"left of the terms: {left:.1e} (double, no epsilon: {cancelled(exact, image.double()):.1e})")
print(f"map returned: {shown.min():.2f} to {shown.max():.2f}; correlation with that in double precision: {alike:.2f}")
sys.exit(not (left < 1e-3 and shown.max() > 0.99 and abs(alike) < 0.9))
PYTHON
