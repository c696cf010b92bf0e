"""Patch discriminators: the paper's sizes and receptive field, what they are given, and second derivatives."""

import pytest
import torch
from torch import Tensor, nn

from styleapp.models.discriminator import MultiScaleDiscriminator, PatchDiscriminator
from styleapp.norms.weights import weight_norm_name

PAPER = (64, 128, 256, 512)


def _built(**options: object) -> MultiScaleDiscriminator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MultiScaleDiscriminator(3, **{"widths": (4, 6, 8), **options})  # type: ignore[arg-type]


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 32, 32, generator=random), torch.rand(2, 3, 32, 32, generator=random).round()


@pytest.mark.parametrize(("labels", "count"), [(184, 5_904_514), (151, 5_836_930), (36, 5_601_410)])
def test_parameters_of_the_paper(labels: int, count: int) -> None:
    """5.90, 5.84 and 5.60 million (specification, section 7c)."""
    with torch.device("meta"):
        network = MultiScaleDiscriminator(labels, PAPER, weight_norm="none")
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_default_is_compact() -> None:
    assert sum(parameter.numel() for parameter in MultiScaleDiscriminator(12).parameters()) == 766_562


def test_sizes_of_the_paper() -> None:
    with torch.device("meta"):
        large, small = MultiScaleDiscriminator(12, PAPER, weight_norm="none")(
            torch.empty(1, 3, 256, 256), torch.empty(1, 12, 256, 256)
        )
    assert [part.shape[-1] for part in (*large.features, large.logits)] == [129, 65, 33, 34, 35]
    assert [part.shape[-1] for part in (*small.features, small.logits)] == [65, 33, 17, 18, 19]
    assert [part.shape[1] for part in (*large.features, large.logits)] == [*PAPER, 1]


def test_patch_is_seventy_pixels() -> None:
    picture = torch.rand(1, 3, 160, 160, requires_grad=True)
    logits = PatchDiscriminator(3, (2, 2, 2, 2), normalizer="none", weight_norm="none")(picture).logits
    logits[0, 0, 11, 11].backward()
    assert picture.grad is not None
    rows = picture.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert len(rows) == rows[-1] - rows[0] + 1 == 70


def test_mid_grey_without_labels_is_nothing() -> None:
    """The picture is seen from −1 to 1; at every scale then only the entry's bias is left."""
    network = _built()
    for judgement, at_scale in zip(
        network(torch.full((1, 3, 32, 32), 0.5), torch.zeros(1, 3, 32, 32)), network.at_scales, strict=True
    ):
        bias = at_scale.entry.bias.view(1, -1, 1, 1)  # type: ignore[union-attr]
        expected = nn.functional.leaky_relu(bias, 0.2).expand_as(judgement.features[0])
        torch.testing.assert_close(judgement.features[0], expected)


def test_map_matters(pair: tuple[Tensor, Tensor]) -> None:
    network, (photo, label_map) = _built().eval(), pair
    ours, theirs = network(photo, label_map), network(photo, label_map.flip(1))
    assert all((a.logits - b.logits).abs().mean() > 1e-3 for a, b in zip(ours, theirs, strict=True))


def test_samples_do_not_mix(pair: tuple[Tensor, Tensor]) -> None:
    network, (photo, label_map) = _built().eval(), pair
    together, alone = network(photo, label_map), network(photo[1:], label_map[1:])
    for both, one in zip(together, alone, strict=True):
        torch.testing.assert_close(both.logits[1:], one.logits)


def test_inner_convolutions_alone_are_normalized() -> None:
    network = _built(scales=3)
    assert len(network.at_scales) == 3
    for discriminator in network.at_scales:
        assert isinstance(discriminator, PatchDiscriminator)
        assert [weight_norm_name(conv) for conv in discriminator.convs] == ["spectral_norm"] * 2
        assert all(conv.bias is None for conv in discriminator.convs)
        assert weight_norm_name(discriminator.entry) == weight_norm_name(discriminator.to_logits) == "none"


@pytest.mark.parametrize("normalizer", ["instance", "group", "none"])
def test_gradient_penalty_reaches_every_weight(pair: tuple[Tensor, Tensor], normalizer: str) -> None:
    """R1 needs derivatives of derivatives, through the norms, too."""
    network, (photo, label_map) = _built(normalizer=normalizer), pair
    logits = [judgement.logits.sum() for judgement in network(photo.requires_grad_(), label_map)]
    gradient = torch.autograd.grad(sum(logits), photo, create_graph=True)[0]
    gradient.square().sum().backward()
    weights = [parameter for parameter in network.parameters() if parameter.dim() == 4]
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in weights)


def test_bad_options() -> None:
    with pytest.raises(ValueError, match=r"two widths and one scale are the least, got \[8\] and 2"):
        _built(widths=(8,))
    with pytest.raises(ValueError, match="two widths and one scale"):
        _built(scales=0)
    with pytest.raises(ValueError, match="unknown normalizer"):
        _built(normalizer="patch")
