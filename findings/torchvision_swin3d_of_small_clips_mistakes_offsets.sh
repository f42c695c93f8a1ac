#!/usr/bin/env bash
# torchvision's Video Swin (swin3d_t, _s, _b) takes clips of any size: its weights name a min_size of 1 x 1 pixels. It attends within windows
# of 8 x 7 x 7 tokens, and adds to each pair of tokens what it has learned for their offset ("one up", "two frames earlier"). Where an
# axis has fewer tokens than the window, the window shrinks to them.
#
# One would expect the pairs of a smaller window to get what was learned for their offsets, as those of the whole window do.
#
# What happens: the table of offsets stays that of the whole window, and its upper left corner is taken, as if the first 8 x 4 x 4 tokens
# of the whole window, counted row by row, were the smaller one; they are its first two frames and a part of the third. Of a clip of 112 pixels, the last
# two blocks see 4 x 4 tokens a frame, and of a hundred pairs two or three get their own offset's number (mostly a token with itself). A layer that
# is told to look one token up never does, nor one that is told to look one frame back. It is so for all clips below 193 pixels, in the last stage, and below
# 97 in the one before, too. Nothing fails and nothing warns. Fewer frames alone do no harm, as time counts slowest. Swin for images, in
# the same library, pads to the whole window instead. Who gives released weights clips of 112 or 160 pixels, to explain them faster or as other
# networks take them, explains a network whose sense of place is shuffled.
#
# Seen: torchvision 0.29.2, torch 2.15.0, Python 3.11, x86_64. Takes some minutes, most of it installing. Output seen:
#   clip of 224 pixels: last block of 8 x 7 x 7 tokens, 100.0 % of pairs have their own offset's bias
#   clip of 192 pixels: last block of 8 x 6 x 6 tokens, 1.5 % of pairs have their own offset's bias
#   clip of 112 pixels: last block of 8 x 4 x 4 tokens, 2.6 % of pairs have their own offset's bias
#   told to look one token up: 100 % do of 8 x 7 x 7 tokens, 0 % of 8 x 4 x 4, 100 % of 4 x 7 x 7
#   told to look one frame back: 100 % do of 8 x 7 x 7 tokens, 0 % of 8 x 4 x 4, 100 % of 4 x 7 x 7
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
import torchvision
from torchvision.models.video import Swin3D_T_Weights, swin3d_t
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

print("torchvision", torchvision.__version__, "torch", torch.__version__)
print({name: Swin3D_T_Weights.DEFAULT.meta[name] for name in ("min_size", "min_temporal_size")})
WINDOW = [8, 7, 7]


def place(offset):
    """Of an offset in frames, rows and columns, its row in the table of biases: 15 x 13 x 13, offset 0 in the middle."""
    return ((offset[0] + 7) * 13 + offset[1] + 6) * 13 + offset[2] + 6


@torch.no_grad()
def own_share(network, pixels):
    """Tokens that the last block gets of a clip, and how many of its pairs of tokens get the bias of their own offset."""
    block, seen = network.features[-1][-1], []
    handle = block.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape[1:4]))
    network(torch.zeros(1, 3, 16, pixels, pixels))
    handle.remove()
    table = block.attn.relative_position_bias_table
    table.copy_(torch.arange(len(table))[:, None].expand_as(table))  # each bias says for which offset it is
    given = block.attn.get_relative_position_bias(list(seen[0]))[0, 0]
    at = torch.cartesian_prod(*(torch.arange(size) for size in seen[0]))
    wanted = place((at[:, None] - at[None]).unbind(-1))
    return tuple(seen[0]), 100 * (given == wanted).float().mean().item()


@torch.no_grad()
def found_share(size, offset):
    """A layer whose only large bias is that of an offset, and which hands on what it looks at: how many tokens get the right one."""
    layer = ShiftedWindowAttention3d(1, WINDOW, [0, 0, 0], num_heads=1)
    for parameter in layer.parameters():
        parameter.zero_()
    layer.qkv.weight[2] = layer.proj.weight[0] = 1
    layer.relative_position_bias_table[place(offset)] = 60
    tokens = torch.arange(size[0] * size[1] * size[2], dtype=torch.float32).view(size)
    looked_at = layer(tokens[None, ..., None])[0, ..., 0]
    inner = looked_at[offset[0] :, offset[1] :, offset[2] :]  # the others have no such neighbor
    wanted = tokens[: size[0] - offset[0], : size[1] - offset[1], : size[2] - offset[2]]
    return 100 * ((inner - wanted).abs() < 0.01).float().mean().item()


torch.manual_seed(0)
network, shares = swin3d_t(weights=None).eval(), []
for pixels in (224, 192, 112):
    tokens, share = own_share(network, pixels)
    shares.append(share)
    print(f"clip of {pixels} pixels: last block of {' x '.join(map(str, tokens))} tokens, {share:.1f} % of pairs have their own offset's bias")
found = []
for name, offset in (("token up", (0, 1, 0)), ("frame back", (1, 0, 0))):
    whole, small, short = (found_share(size, offset) for size in ((8, 7, 7), (8, 4, 4), (4, 7, 7)))
    found.append((whole, small, short))
    print(f"told to look one {name}: {whole:.0f} % do of 8 x 7 x 7 tokens, {small:.0f} % of 8 x 4 x 4, {short:.0f} % of 4 x 7 x 7")
right = shares[0] == 100 and all(whole == short == 100 for whole, _, short in found)
sys.exit(not (right and max(shares[1:]) < 10 and all(small < 10 for _, small, _ in found)))
PYTHON
