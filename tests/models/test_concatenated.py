"""The network that SPADE is compared with: what reaches the picture, sizes, and saving."""

import json

import pytest
import torch
from torch import Tensor

from styleapp.models.concatenated import ConcatenatedGenerator
from styleapp.models.spade import SpadeGenerator
from styleapp.norms import NormLayer
from styleapp.norms.modulators import AffineModulator

LABELS = 3
SMALL = {"stages": ((12,), (12, 8), (6,)), "encoder_widths": (5, 7), "latent": 4, "style_widths": (6, 8)}


def _built(**options: object) -> ConcatenatedGenerator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ConcatenatedGenerator(LABELS, **{**SMALL, **options})  # type: ignore[arg-type]
    return network.eval().requires_grad_(False)


def _mask(height: int, width: int) -> Tensor:
    return torch.randint(LABELS, (height, width), generator=torch.Generator().manual_seed(0))


def _map(mask: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(mask[None], LABELS).permute(0, 3, 1, 2).float()


def test_no_norm_sees_the_map() -> None:
    norms = [module for module in _built().modules() if isinstance(module, NormLayer)]
    of_style_encoder = 2
    plain = [norm for norm in norms if isinstance(norm.modulator, AffineModulator)]
    assert len(plain) == len(norms) - of_style_encoder > 10


def test_every_pixel_of_the_map_reaches_the_picture() -> None:
    """Not only one of each 4×4, as a map that is merely shrunk would have it."""
    network, label_map = _built(), _map(_mask(16, 16)).requires_grad_()
    network(label_map, torch.ones(1, 4)).square().sum().backward()
    assert label_map.grad is not None
    assert (label_map.grad.abs().sum(1) > 0).all()


def test_style_reaches_the_picture() -> None:
    network, label_map = _built(), _map(_mask(16, 16))
    one, other = (network(label_map, torch.full((1, 4), value)) for value in (1.0, -1.0))
    assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize("size", [(16, 16), (13, 30), (1, 1)])
def test_picture_has_the_size_of_the_mask(size: tuple[int, int]) -> None:
    network, mask = _built(), _mask(*size)
    picture = network.paint(mask)
    assert picture.shape == (1, 3, *size)
    assert torch.equal(picture, network(_map(mask)))


def test_options_rebuild_it() -> None:
    network = _built(normalizer="group", stages=((32,), (32, 32), (32,)), encoder_widths=(32, 32))
    again = ConcatenatedGenerator(**json.loads(json.dumps(network.options())))
    again.load_state_dict(network.state_dict())
    assert again.options() == network.options()
    assert torch.equal(again.eval()(_map(_mask(16, 16))), network(_map(_mask(16, 16))))


def test_size_is_near_that_of_the_other() -> None:
    """So that no difference comes from the number of parameters alone."""
    with torch.device("meta"):
        networks = [kind(12, weight_norm="none") for kind in (SpadeGenerator, ConcatenatedGenerator)]
    counts = [sum(parameter.numel() for parameter in network.parameters()) for network in networks]
    assert counts == [2_596_139, 2_620_323]


def test_bad_widths() -> None:
    with pytest.raises(ValueError, match="3 stages need 2 encoder_widths, got 1"):
        _built(encoder_widths=(5,))
