"""Networks against torchvision, the published sizes, and recorded outputs of the real I3D."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.video import r3d_18

from voxplain.errors import ConfigError
from voxplain.models.build import build_model
from voxplain.models.inputs import normalize
from voxplain.models.kinetics import i3d_kinetics400
from voxplain.models.layers import replace_head


def parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.fixture(scope="module")
def kinetics() -> dict[str, torch.Tensor]:
    try:
        return i3d_kinetics400()
    except ConfigError as error:
        pytest.skip(str(error))


def test_r3d_is_torchvisions():
    theirs = r3d_18(num_classes=7).eval()
    ours = build_model("r3d_18", num_classes=7)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for buffer in theirs.buffers():  # running statistics that differ from the initial ones
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    ours.load_state_dict(theirs.state_dict())
    clips = torch.randn(1, 3, 4, 40, 40)
    with torch.no_grad():
        torch.testing.assert_close(ours(clips), theirs(clips), rtol=1e-5, atol=1e-6)


def test_published_numbers_of_parameters():
    assert parameters(build_model("r3d_18")) == 33_371_472  # torchvision's table of weights
    # Tran et al. 2015 with 4,096 units, 3 x 3 x 3 kernels and biases, counted by hand.
    convolutions = [(3, 64), (64, 128), (128, 256), (256, 256), (256, 512), *[(512, 512)] * 3]
    dense = [(512 * 4 * 4, 4096), (4096, 4096), (4096, 101)]
    by_hand = sum(27 * i * o + o for i, o in convolutions) + sum(i * o + o for i, o in dense)
    with torch.device("meta"):
        assert parameters(build_model("c3d", num_classes=101)) == by_hand == 78_409_573


def test_i3d_has_the_published_tensors(kinetics):
    model = build_model("i3d")
    own = {name: tensor.shape for name, tensor in model.state_dict().items() if "num_batches" not in name}
    assert own == {name: tensor.shape for name, tensor in kinetics.items()}
    learned = [tensor for name, tensor in kinetics.items() if "running" not in name]
    # 12.7 million: without scales in its batch norms.
    assert parameters(model) == sum(tensor.numel() for tensor in learned) == 12_689_984


def test_i3d_gives_the_recorded_logits(shared, kinetics):
    golden = np.load(shared / "golden" / "i3d_k400_punch.npz")
    model = build_model("i3d", weights="kinetics400")
    with torch.no_grad():
        logits = model(normalize(golden["clip"][None], model.spec))[0].numpy()
    names = (shared / "data" / "labels" / "label_map_k400.txt").read_text().splitlines()
    assert names[logits.argmax()] == str(golden["top1"])
    largest = np.abs(golden["logits"]).max()
    np.testing.assert_allclose(logits, golden["logits"], rtol=1e-3, atol=1e-5 * largest)


def test_i3d_keeps_its_weights_under_a_new_head(kinetics):
    model = build_model("i3d", "kinetics400", 5)
    assert model.head.out_features == 5
    kernel = "mixed_5c.branch_0.conv_0a.conv.weight"
    assert torch.equal(model.state_dict()[kernel], kinetics[kernel])
    replace_head(model, 400, weight=kinetics["head.weight"], bias=kinetics["head.bias"])
    clips = torch.randn(1, 3, 8, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model(clips), build_model("i3d", "kinetics400")(clips))


def test_batch_norms_without_scale_can_be_merged():
    """Tools that merge normalization into convolutions find the scale they expect, which is 1."""
    unit = build_model("i3d", width=0.25, num_classes=3).conv_2c
    for statistics in (unit.bn.running_mean, unit.bn.running_var, unit.bn.bias.data):
        statistics.uniform_(0.5, 1.5)
    inputs = torch.randn(2, 16, 4, 5, 5)
    with torch.no_grad():
        merged = fuse_conv_bn_eval(unit.conv, unit.bn)
        centered = unit.conv(inputs) - _column(unit.bn.running_mean)
        by_hand = centered / _column(unit.bn.running_var + 1e-3).sqrt() + _column(unit.bn.bias)
        torch.testing.assert_close(merged(inputs), by_hand, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(unit.bn(unit.conv(inputs)), by_hand, rtol=1e-4, atol=1e-5)


def _column(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, 1, 1, 1)
