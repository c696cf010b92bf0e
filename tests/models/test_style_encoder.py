"""The style of a photo: the paper's size, any size of photo, and what a style is drawn from."""

import pytest
import torch
from torch import Tensor

from styleapp.models.style_encoder import StyleEncoder, drawn_style
from styleapp.pipelines.images import to_tensor


@pytest.fixture(scope="module")
def encoder() -> StyleEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return StyleEncoder(4, (8, 12, 16)).eval().requires_grad_(False)


def test_parameters_of_the_paper() -> None:
    """10.46 million (specification, section 7c)."""
    with torch.device("meta"):
        encoder = StyleEncoder(256, (64, 128, 256, 512, 512, 512), "instance", weight_norm="none")
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 10_463_424
    assert encoder.side == 256


@pytest.mark.parametrize("size", [(32, 32), (7, 90), (100, 64)])
def test_photo_of_any_size(encoder: StyleEncoder, size: tuple[int, int]) -> None:
    assert encoder.side == 32
    mean, log_variance = encoder(torch.rand(2, 3, *size))
    assert mean.shape == log_variance.shape == (2, 4)
    assert mean.isfinite().all() and log_variance.isfinite().all()


def test_style_is_that_of_the_resized_photo(encoder: StyleEncoder) -> None:
    small = torch.rand(1, 3, 32, 32)
    large = small.repeat_interleave(2, -1).repeat_interleave(2, -2)
    expected = torch.nn.functional.interpolate(large, size=32, mode="bilinear", antialias=True)
    assert torch.equal(encoder(large)[0], encoder(expected)[0])


def _explained(normalizer: str, photos: Tensor) -> float:
    """Share of the variance of photos' mean colours that a linear map finds in untrained features of other photos."""
    torch.manual_seed(0)
    encoder = StyleEncoder(8, (16, 24, 32), normalizer, weight_norm="none").requires_grad_(False)
    seen: list[Tensor] = []
    encoder.to_mean.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    encoder(photos)
    features, colours = ((x - x.mean(0)) / x.std(0).clamp_min(1e-6) for x in (seen[0], photos.mean((2, 3))))
    products = features @ features.T / features.shape[1]
    half = len(photos) // 2
    learned = torch.linalg.solve(products[:half, :half] + 0.03 * torch.eye(half), colours[:half])
    return 1 - float((products[half:, :half] @ learned - colours[half:]).square().mean())


def test_palette_is_seen(draw_photo) -> None:
    """As the Note says: instance statistics hide it."""
    random = torch.Generator().manual_seed(0)
    tints = torch.rand(100, 3, 1, 1, generator=random)
    photos = torch.cat([to_tensor(draw_photo(32, 32, seed)) for seed in range(100)]) * tints
    assert _explained("layer", photos) > _explained("instance", photos) + 0.2


def test_drawn_style_by_hand() -> None:
    mean, log_variance = torch.tensor([[1.0, 2.0]]), torch.log(torch.tensor([[4.0, 0.25]]))
    assert drawn_style(mean, log_variance, torch.zeros(1, 2)).tolist() == [[1.0, 2.0]]
    torch.testing.assert_close(drawn_style(mean, log_variance, torch.tensor([[1.0, -2.0]])), torch.tensor([[3.0, 1.0]]))
