"""3D convolutions of few clips on a CPU, by the faster of PyTorch's kernels.

For float32 PyTorch chooses between oneDNN and an older kernel of its own. Two of its choices cost clips dearly. Of one clip
most layers of a video network go to the older kernel, which, of few channels, takes longer than oneDNN for two
(`findings/torch_conv3d_of_one_clip_takes_longer_than_of_two.sh`). And of fewer than 16 clips so do, on one thread, convolutions
of one position in each frame (1 x 1 x 1, or in time alone: 3 x 1 x 1), which besides take channels-last inputs apart, so that
whatever follows takes longer as well. The results are the same but for their last bits, and lie in memory as the inputs do: as
PyTorch's own of many clips, and a network may rely on it (``view``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.utils import _triple
from torch.overrides import TorchFunctionMode

ALONE = 20480  # channels x frames x rows up to which one clip goes to the older kernel
NARROW = 128  # channels; of more the older kernel is as fast as two clips by the other
FEW = 16  # clips, of fewer a convolution of one position in each frame does


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """`torch.conv3d`, of few clips on a CPU by the faster kernel."""
    given = bias, stride, padding, dilation, groups
    if (
        input.dim() != 5
        or input.device.type != "cpu"
        or input.dtype != torch.float32
        or len(input) >= FEW
        or groups != 1
        or torch.is_autocast_enabled("cpu")
        or input.shape[1] != weight.shape[1]  # PyTorch tells it best
    ):
        return torch.conv3d(input, weight, *given)
    if weight.shape[3:].numel() == 1 and not isinstance(padding, str):
        (step, *steps), (ends, *sides), (apart, *_) = map(_triple, (stride, padding, dilation))
        if steps == [1, 1] and sides == [0, 0]:
            if weight.shape[2] == step == 1 and ends == 0:
                if input.stride(1) == 1:
                    positions = input.permute(0, 2, 3, 4, 1)
                    return F.linear(positions, weight.flatten(1), bias).permute(0, 4, 1, 2, 3)
                output = torch.matmul(weight.flatten(1), input.flatten(2)).unflatten(2, input.shape[2:])
                return output if bias is None else output + bias.reshape(-1, 1, 1, 1)
            # In time alone: one of images of frames x positions, for which the rule was made.
            moved = torch.conv2d(input.flatten(3), weight[..., 0], bias, (step, 1), (ends, 0), (apart, 1))
            return moved.unflatten(3, input.shape[3:])
    small = input.shape[1:4].numel() <= ALONE and input.shape[1] <= NARROW and min(weight.shape[3:]) <= 3
    if len(input) == 1 and small and _triple(dilation) == (1, 1, 1):
        both = torch.cat([input, torch.zeros_like(input)])
        return torch.conv3d(both, weight, *given)[:1]
    return torch.conv3d(input, weight, *given)


def of_few_clips(function: Callable) -> Callable:
    """`conv3d` for `torch.conv3d`, any other operation as it is."""
    return conv3d if function is torch.conv3d else function


class FewClips(TorchFunctionMode):
    """Within this context `torch.conv3d`, whichever module asks for it, is `conv3d`."""

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        return of_few_clips(function)(*args, **(kwargs or {}))
