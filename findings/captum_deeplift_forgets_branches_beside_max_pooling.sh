#!/usr/bin/env bash
# Captum's DeepLift of networks of PyTorch's modules, each of which is used once and changes nothing in place, as it asks for. It has rules for rectifiers
# and for max pooling.
#
# One would expect what it says of its result: attributions sum to the score of the clip less that of the baseline, to rounding.
#
# What happens: it hangs its rule on the tensor that goes into a rectifier or a pooling, and the rule's result takes the place of all gradients that arrive at this
# tensor, also of those from elsewhere. So where something else reads the same tensor, it is forgotten: the skip beside a rectifier
# (residual blocks that rectify first), and the convolutions beside the max pooling of an Inception block. In S3D this
# is so in nine blocks one after the other, and next to nothing is left: maps that are still drawn, as everybody scales maps, of a millionth and less
# of what should be explained. A copy of the tensor for the rectifier alone makes it right. Integrated gradients are right everywhere. Nothing
# fails; the error is seen by who asks for the convergence delta.
#
# Seen: captum 0.9.0, torch 2.15.0, torchvision 0.29.2, Python 3.11, x86_64. Takes some minutes, most of it installing. Output seen:
#   a rectifier alone: wanted -0.011, DeepLift -0.011, integrated gradients -0.011
#   a skip beside a rectifier: wanted 0.137, DeepLift 0.019, integrated gradients 0.137
#   a skip beside a rectifier of a copy: wanted 0.137, DeepLift 0.137, integrated gradients 0.137
#   a convolution beside max pooling: wanted -0.020, DeepLift 0.091, integrated gradients -0.020
#   S3D of torchvision: wanted -13.417, DeepLift 9.1e-08
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check captum==0.9.0 torch==2.15.0 torchvision==0.29.2 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import importlib.metadata as metadata
import sys

import torch
from captum.attr import DeepLift, IntegratedGradients
from torch import nn
from torchvision.models.video import s3d

print({name: metadata.version(name) for name in ("captum", "torch", "torchvision")})
FORMS = {
    "a rectifier alone": lambda net, x: net.rectifier(x),
    "a skip beside a rectifier": lambda net, x: net.convolution(net.rectifier(x)) + x,
    "a skip beside a rectifier of a copy": lambda net, x: net.convolution(net.rectifier(x.clone())) + x,
    "a convolution beside max pooling": lambda net, x: net.convolution(x) + net.pooling(x),
}


class Network(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.form, self.first = form, nn.Conv3d(1, 4, 3, padding=1)
        self.rectifier, self.pooling = nn.ReLU(), nn.MaxPool3d(3, 1, 1)
        self.convolution, self.last = nn.Conv3d(4, 4, 3, padding=1), nn.Linear(4 * 4 * 16 * 16, 1)

    def forward(self, clip):
        return self.last(FORMS[self.form](self, self.first(clip)).flatten(1))


@torch.no_grad()
def difference(network, clip, baseline):
    return (network(clip) - network(baseline))[0, 0].item()


clip = torch.rand(1, 1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
black, apart = torch.zeros_like(clip), {}
for form in FORMS:
    torch.manual_seed(0)
    network = Network(form).eval()
    wanted = difference(network, clip, black)
    found = DeepLift(network).attribute(clip, black, target=0).sum().item()
    other = IntegratedGradients(network).attribute(clip, black, target=0, n_steps=300).sum().item()
    apart[form] = abs(found - wanted) / abs(wanted)
    print(f"{form}: wanted {wanted:.3f}, DeepLift {found:.3f}, integrated gradients {other:.3f}")

torch.manual_seed(0)
network = s3d(weights=None)
for module in network.modules():
    if isinstance(module, nn.ReLU):
        module.inplace = False
    if isinstance(module, nn.BatchNorm3d):
        module.momentum = None  # the statistics are those of all batches
with torch.no_grad():
    network.train()(torch.rand(2, 3, 16, 224, 224))  # so that they are there
clip = torch.rand(1, 3, 16, 224, 224)
wanted = difference(network.eval(), clip, torch.zeros_like(clip))
found = DeepLift(network).attribute(clip, torch.zeros_like(clip), target=0).sum().item()
apart["S3D"] = abs(found - wanted) / abs(wanted)
print(f"S3D of torchvision: wanted {wanted:.3f}, DeepLift {found:.1e}")
right = [error for name, error in apart.items() if name.endswith(("alone", "copy"))]
wrong = [error for name, error in apart.items() if not name.endswith(("alone", "copy"))]
sys.exit(not (max(right) < 1e-3 and min(wrong) > 0.1 and abs(found) < 1e-3 * abs(wanted)))
PYTHON
