"""Networks that want a clip at two frame rates, such as SlowFast, as networks that take one clip."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_PATHWAYS = ("pytorchvideo.models.net", "MultiPathWayWithFuse")


class TwoPathways(nn.Module):
    """A network of blocks that take a list of a slow and a fast pathway, given one clip.

    The fast pathway is all frames, the slow one every `ratio`-th of them, evenly from the first to the last. Names of
    layers and weights are those of the network itself.

    Parameters
    ----------
    blocks : ModuleList
        Of the network, one after the other.
    ratio : int
        Of the pathways' frame rates.

    References
    ----------
    Feichtenhofer et al., SlowFast networks for video recognition, ICCV (2019), section 3.
    """

    def __init__(self, blocks: nn.ModuleList, ratio: int) -> None:
        super().__init__()
        self.blocks, self.ratio = blocks, ratio

    def forward(self, clip: Tensor) -> Tensor:
        frames = clip.shape[2]
        if frames < self.ratio:
            raise ValueError(f"clips of {frames} frames, and the slow pathway takes one of {self.ratio}")
        slow = torch.linspace(0, frames - 1, frames // self.ratio, device=clip.device).long()
        given: list[Tensor] | Tensor = [clip.index_select(2, slow), clip]
        for block in self.blocks:
            given = block(given)
        return given


def with_pathways(model: nn.Module) -> nn.Module:
    """Return a network that takes one clip: pytorchvideo's of two pathways in `TwoPathways`, others as they are."""
    blocks = getattr(model, "blocks", None)
    if not isinstance(blocks, nn.ModuleList) or not blocks or not _is_pathways(blocks[0]):
        return model
    # Where the fast pathway flows into the slow one, its frames are thinned out by just that ratio.
    fusions = [
        module.conv_fast_to_slow for module in blocks.modules() if hasattr(module, "conv_fast_to_slow")
    ]
    return TwoPathways(blocks, fusions[0].stride[0]) if fusions else model


def _is_pathways(module: nn.Module) -> bool:
    return (type(module).__module__, type(module).__name__) == _PATHWAYS
