"""What tiling must carry: one photo whole, and cut into four tiles, by ``python -m benchmarks.tiles``.

Tiles are rendered twice, each together with the pixels around it that reach into it: with statistics of their own, and
with those of the whole photo, which their norms are told.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from styleapp.checkpoint import load_network
from styleapp.data.pictures import read_picture
from styleapp.models.micro import MicroStylizer
from styleapp.norms import Code, Normalizer, mean_deviation
from styleapp.norms.deviations import rescale
from styleapp.pipelines.evaluate import peak_signal_to_noise
from styleapp.pipelines.images import to_tensor
from styleapp.pipelines.samples import sample_photos, sample_styles

REACH = 84
"""Pixels around a pixel on which it depends through 10 convolutions at a quarter of the resolution, rounded up."""


class GivenMoments(Normalizer):
    """Instance norm by statistics that were taken elsewhere."""

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__(mean.shape[1])
        self.mean, self.deviation = mean, deviation

    def forward(self, x: Tensor, code: Code | None = None) -> Tensor:
        assert code is not None
        return rescale(x, self.mean, self.deviation, code.gamma, code.beta)


@contextmanager
def statistics_of(network: MicroStylizer, photo: Tensor, code: Code) -> Iterator[None]:
    """Within the block all norms use the statistics of this photo, whatever they are given."""
    layers: list[nn.Module] = list(network.norms)
    seen: list[Tensor] = []
    handles = [layer.register_forward_pre_hook(lambda _, given: seen.append(given[0])) for layer in layers]
    network.render(photo, code)
    for handle in handles:
        handle.remove()
    before = [layer.normalizer for layer in layers]
    for layer, features in zip(layers, seen, strict=True):
        layer.normalizer = GivenMoments(*mean_deviation(features, eps=1e-5))
    try:
        yield
    finally:
        for layer, normalizer in zip(layers, before, strict=True):
            layer.normalizer = normalizer  # type: ignore[assignment]


def in_tiles(network: MicroStylizer, photo: Tensor, code: Code) -> Tensor:
    """Four tiles, each rendered with what reaches into it, put together."""
    height, width = photo.shape[-2:]
    rows = [
        torch.cat([_tile(network, photo, code, top, left) for left in (0, width // 2)], 3) for top in (0, height // 2)
    ]
    return torch.cat(rows, 2)


def _tile(network: MicroStylizer, photo: Tensor, code: Code, top: int, left: int) -> Tensor:
    height, width = (side // 2 for side in photo.shape[-2:])
    above, before = max(0, top - REACH), max(0, left - REACH)
    part = photo[..., above : top + height + REACH, before : left + width + REACH]
    painted = network.render(part, code)
    return painted[..., top - above : top - above + height, left - before : left - before + width]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", default=str(sample_photos()[0].path))
    parser.add_argument("--style", default=str(sample_styles()[0].path))
    parser.add_argument("--checkpoint", default="micro", help="name or file (default %(default)s)")
    parser.add_argument("--side", type=int, default=1024, help="a multiple of 8 (default %(default)s)")
    options = parser.parse_args()
    network, _, _ = load_network(options.checkpoint, architecture="micro")
    assert isinstance(network, MicroStylizer)
    photo = to_tensor(read_picture(options.photo).rgb.resize((options.side, options.side)))
    with torch.inference_mode():
        code = network.code(to_tensor(read_picture(options.style).rgb))
        whole = network.render(photo, code)
        own = in_tiles(network, photo, code)
        with statistics_of(network, photo, code):
            carried = in_tiles(network, photo, code)
    for name, tiles in (("statistics of each tile", own), ("statistics of the whole", carried)):
        difference = (tiles - whole).abs() * 255
        quality = peak_signal_to_noise(tiles.clamp(0, 1), whole.clamp(0, 1))
        print(f"{name}: mean {difference.mean():.3f}, largest {difference.max():.2f} of 255; {quality:.1f} dB")


if __name__ == "__main__":
    main()
