"""Programs of egs2/mini/enh1/local."""

import subprocess
import sys
from pathlib import Path

import torch

from espnet_codecse.enh.separator.unet import EmbeddingUNetSeparator

LOCAL = Path(__file__).parents[1] / "egs2/mini/enh1/local"


def test_bands_are_added_to_a_trained_network(tmp_path):
    """The bottleneck treats the bands that it knows as before, and new bands as the highest of them."""
    torch.manual_seed(0)
    sizes = {"num_spk": 1, "channels": (4, 6), "width": 8, "num_conv_blocks": 1, "num_layers": 1}
    narrow, wide = (EmbeddingUNetSeparator(dim, **sizes).eval() for dim in (16, 24))
    source, target = tmp_path / "narrow.pth", tmp_path / "wide.pth"
    torch.save({f"separator.{name}": value for name, value in narrow.state_dict().items()}, source)
    command = [sys.executable, LOCAL / "add_bands.py", source, target, "--num_planes", "6", "--num_bands", "2"]
    subprocess.run(command, check=True)
    weights = {name.removeprefix("separator."): value for name, value in torch.load(target).items()}
    wide.load_state_dict(weights)
    planes = torch.randn(2, 6, 5, 6)
    with torch.no_grad():
        known, extended = narrow._bottleneck(planes[..., :4], None), wide._bottleneck(planes, None)
    torch.testing.assert_close(extended[..., :4], known)
    torch.testing.assert_close(extended[..., 4:], known[..., 3:].expand(-1, -1, -1, 2))
