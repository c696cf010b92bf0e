"""Instance normalization by other deviations than L2: what it divides by, codes, regions, gradients, bad input."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from styleapp.norms import Code, build_norm
from styleapp.norms.normalizers import PLANE_DEVIATIONS
from styleapp.norms.statistics import Moments, l1_moments, topk_moments

OTHERS: dict[str, Callable[[Tensor], Moments]] = {
    "l1": l1_moments,
    "linf": lambda x: topk_moments(x, 1),
    "topk": lambda x: topk_moments(x, 7),
}


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3 + 1


def test_the_table_has_a_plain_formula_each() -> None:
    assert [*PLANE_DEVIATIONS] == ["l2", *OTHERS]


@pytest.mark.parametrize("deviation", OTHERS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_is_the_plain_formula(deviation: str, channels_last: bool) -> None:
    x = draw(2, 3, 6, 5)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    mean, spread = OTHERS[deviation](x)
    layer = build_norm("instance", 3, modulator="none", deviation=deviation, k=7, eps=1e-3)
    torch.testing.assert_close(layer(x), (x - mean) / (spread + 1e-3))


@pytest.mark.parametrize("deviation", OTHERS)
def test_a_sample_does_not_see_the_others(deviation: str) -> None:
    layer, x = build_norm("instance", 3, modulator="none", deviation=deviation), draw(3, 3, 6, 5)
    torch.testing.assert_close(layer(x), torch.cat([layer(one[None]) for one in x]))


@pytest.mark.parametrize("deviation", PLANE_DEVIATIONS)
def test_normal_values_keep_their_size(deviation: str) -> None:
    """L1 is made for this; with the paper's constants L∞ gives about 0.7 and top-k something between."""
    z = build_norm("instance", 4, modulator="none", deviation=deviation)(draw(1, 4, 64, 64))
    assert (0.97 if deviation in ("l1", "l2") else 0.6) < float(z.std()) < 1.03


@pytest.mark.parametrize("deviation", OTHERS)
@pytest.mark.parametrize("size", [(1, 1), (6, 5)])
def test_a_code_scales_and_shifts(deviation: str, size: tuple[int, int]) -> None:
    layer, x = build_norm("instance", 3, modulator="image", deviation=deviation), draw(2, 3, 6, 5)
    code = Code(draw(2, 3, *size, seed=1), draw(2, 3, *size, seed=2))
    expected = code.gamma * layer.normalizer(x) + code.beta
    torch.testing.assert_close(layer(x, code), expected)
    one = Code(code.gamma[:1], code.beta[:1])
    torch.testing.assert_close(layer(x, one), one.gamma * layer.normalizer(x) + one.beta)


@pytest.mark.parametrize("deviation", OTHERS)
def test_a_region_that_is_everything(deviation: str) -> None:
    layer, x = build_norm("instance", 3, modulator="image", deviation=deviation), draw(1, 3, 6, 5)
    gamma, beta = draw(1, 3, 1, 1, seed=1), draw(1, 3, 1, 1, seed=2)
    everywhere = torch.ones(1, 1, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x, [Code(gamma, beta, everywhere)]), layer(x, Code(gamma, beta)))


@pytest.mark.parametrize("deviation", OTHERS)
def test_gradient(deviation: str) -> None:
    layer = build_norm("instance", 2, modulator="none", deviation=deviation, k=3).double()
    assert torch.autograd.gradcheck(layer, draw(2, 2, 4, 3).requires_grad_())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"deviation": "l3"}, "deviation must be one of l2, l1, linf, topk, got 'l3'"),
        ({"deviation": "topk", "k": 0}, "k must be at least 1, got 0"),
        ({"deviation": "l1", "unbiased": True}, "only the deviation l2 can be unbiased, not l1"),
    ],
)
def test_bad_options(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_norm("instance", 4, **options)
