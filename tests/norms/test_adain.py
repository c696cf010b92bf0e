"""AdaIN against the numbers of the specification, torch's instance norm and its own identities."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import instance_norm

from styleapp.norms import (
    Code,
    adaptive_instance_norm,
    blend_codes,
    build_norm,
    join_codes,
    split_code,
    style_code,
    weight_shares,
)

Draw = Callable[..., Tensor]


def _row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


@pytest.mark.parametrize("style", [(10.0, 10.0, 20.0, 20.0), (10.0, 20.0)])
def test_numbers_of_the_authors_code(style: tuple[float, ...]) -> None:
    # The second style tells the biased deviation from the unbiased one: [6.784, ..., 23.215] with the latter.
    result = adaptive_instance_norm(_row(1, 2, 3, 4), style_code(_row(*style)))
    expected = [8.2918229, 12.7639410, 17.2360590, 21.7081771]
    assert result.flatten().tolist() == pytest.approx(expected, abs=5e-8)


def test_style_onto_itself_changes_nothing(draw: Draw) -> None:
    content = draw(2, 64, 16, 16)
    gap = (adaptive_instance_norm(content, style_code(content)) - content).abs().max().item()
    assert 0 < gap < 5e-5  # the ε on the content side alone


def test_result_has_the_style_moments(draw: Draw) -> None:
    content, style = draw(1, 512, 32, 32, scale=2.0), draw(1, 512, 64, 64, scale=5.0, shift=3.0)
    result, code = style_code(adaptive_instance_norm(content, style_code(style))), style_code(style)
    torch.testing.assert_close(result.beta, code.beta, rtol=0, atol=1e-12)
    torch.testing.assert_close(result.gamma, code.gamma, rtol=1e-5, atol=0)


def test_equals_instance_norm_with_the_code_as_affine(draw: Draw) -> None:
    content, code = draw(3, 8, 6, 10), style_code(draw(1, 8, 5, 5))
    expected = instance_norm(content, weight=code.gamma.flatten(), bias=code.beta.flatten(), eps=1e-5)
    torch.testing.assert_close(adaptive_instance_norm(content, code), expected)


def test_each_sample_gets_its_own_style(draw: Draw) -> None:
    content, style = draw(2, 4, 6, 6), draw(2, 4, 9, 7)
    together = adaptive_instance_norm(content, style_code(style))
    alone = [adaptive_instance_norm(content[i : i + 1], style_code(style[i : i + 1])) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_code_may_vary_over_the_picture(draw: Draw) -> None:
    content = draw(1, 2, 4, 4)
    gamma, beta = draw(1, 2, 4, 4), draw(1, 2, 4, 4)
    normalized = instance_norm(content, eps=1e-5)
    torch.testing.assert_close(adaptive_instance_norm(content, Code(gamma, beta)), gamma * normalized + beta)


def test_dead_style_channel_leaves_no_variation(draw: Draw) -> None:
    style = draw(1, 3, 8, 8)
    style[:, 1] = 4.0
    result = adaptive_instance_norm(draw(1, 3, 8, 8), style_code(style))
    assert (result[:, 1] == 4.0).all()


@pytest.mark.parametrize("value", [0.0, 1234.567])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dead_content_channel_becomes_the_style_mean(draw: Draw, value: float, dtype: torch.dtype) -> None:
    # Features of VGG are large: with β added before the subtraction of the mean it drowned in rounding.
    content, style = draw(1, 3, 8, 8), draw(1, 3, 8, 8, scale=500.0, shift=300.0)
    content[:, 1] = value
    code = style_code(style.to(dtype))
    result = adaptive_instance_norm(content.to(dtype), code)
    assert result.isfinite().all()
    torch.testing.assert_close(result[:, 1], code.beta[:, 1].expand(1, 8, 8), rtol=1e-6, atol=0)


def test_half_precision_is_computed_in_float32(draw: Draw) -> None:
    content, style = (draw(1, 4, 8, 8, scale=900.0).half() for _ in range(2))
    result = adaptive_instance_norm(content, style_code(style))
    wide = adaptive_instance_norm(content.float(), style_code(style.float()))
    torch.testing.assert_close(result, wide.half(), rtol=0, atol=0)
    assert result.isfinite().all()


def test_module_is_the_function(draw: Draw) -> None:
    content, code, module = draw(1, 4, 8, 8), style_code(draw(1, 4, 8, 8)), build_norm("instance", 4, modulator="image")
    assert torch.equal(module(content, code), adaptive_instance_norm(content, code))
    assert not module.state_dict()


# Mixtures


def test_blended_code_equals_blended_results(draw: Draw) -> None:
    content, codes = draw(1, 8, 6, 6), [style_code(draw(1, 8, 5, 5, scale=s)) for s in (1.0, 3.0, 0.2)]
    weights = [2.0, 1.0, 5.0]
    expected = sum(w / 8 * adaptive_instance_norm(content, code) for w, code in zip(weights, codes, strict=True))
    torch.testing.assert_close(adaptive_instance_norm(content, blend_codes(codes, weights)), expected)


def test_one_hot_blend_selects(draw: Draw) -> None:
    codes = [style_code(draw(1, 8, 5, 5)) for _ in range(3)]
    blended = blend_codes(codes, [0, 1, 0])
    assert torch.equal(blended.gamma, codes[1].gamma)
    assert torch.equal(blended.beta, codes[1].beta)


def test_strength_equals_moments_between_content_and_style(draw: Draw) -> None:
    content, code = draw(1, 8, 6, 6), style_code(draw(1, 8, 5, 5, scale=4.0))
    own = style_code(content)
    between = Code(torch.lerp(own.gamma, code.gamma, 0.3), torch.lerp(own.beta, code.beta, 0.3))
    expected = torch.lerp(content, adaptive_instance_norm(content, code), 0.3)
    torch.testing.assert_close(adaptive_instance_norm(content, between), expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.0, 0.0], "sum to 0"),
        ([1.0, -0.5], "at least 0"),
        ([1.0, float("nan")], "finite"),
        ([float("inf"), 1.0], "finite"),
        ([1.5e308, 1.5e308], "finite"),
    ],
)
def test_bad_weights(weights: list[float], message: str) -> None:
    codes = [style_code(_row(1, 2)), style_code(_row(3, 5))]
    with pytest.raises(ValueError, match=message):
        blend_codes(codes, weights)


def test_weights_for_each_code() -> None:
    with pytest.raises(ValueError, match="1 styles but 2 weights"):
        blend_codes([style_code(_row(1, 2))], [1, 1])


def test_shares_sum_to_one() -> None:
    assert weight_shares([3, 1, 0]) == [0.75, 0.25, 0.0]


# Regions


def _halves(height: int, width: int) -> tuple[Tensor, Tensor]:
    left = torch.zeros(1, 1, height, width)
    left[..., : width // 2] = 1
    return left, 1 - left


def test_region_of_ones_is_no_region(draw: Draw) -> None:
    content, code = draw(1, 4, 8, 8), style_code(draw(1, 4, 8, 8))
    region = Code(code.gamma, code.beta, torch.ones(1, 1, 8, 8))
    torch.testing.assert_close(adaptive_instance_norm(content, region), adaptive_instance_norm(content, code))


def test_disjoint_regions_are_their_cut_outs(draw: Draw) -> None:
    content, codes = draw(1, 4, 8, 8), [style_code(draw(1, 4, 8, 8)) for _ in range(2)]
    parts = [Code(code.gamma, code.beta, half) for code, half in zip(codes, _halves(8, 8), strict=True)]
    result = adaptive_instance_norm(content, parts)
    torch.testing.assert_close(result[..., :4], adaptive_instance_norm(content[..., :4], codes[0]))
    torch.testing.assert_close(result[..., 4:], adaptive_instance_norm(content[..., 4:], codes[1]))


def test_region_in_picture_size_is_brought_to_the_features(draw: Draw) -> None:
    content, code = draw(1, 4, 8, 8), style_code(draw(1, 4, 8, 8))
    small, large = (Code(code.gamma, code.beta, _halves(side, side)[0]) for side in (8, 64))
    assert torch.equal(adaptive_instance_norm(content, small), adaptive_instance_norm(content, large))


def test_uncovered_part_is_the_content(draw: Draw) -> None:
    content, code = draw(1, 4, 8, 8), style_code(draw(1, 4, 8, 8))
    result = adaptive_instance_norm(content, Code(code.gamma, code.beta, _halves(8, 8)[0]))
    assert torch.equal(result[..., 4:], content[..., 4:])
    assert not torch.isclose(result[..., :4], content[..., :4]).all()


def test_full_overlap_is_the_mean(draw: Draw) -> None:
    content, codes = draw(1, 4, 8, 8), [style_code(draw(1, 4, 8, 8)) for _ in range(2)]
    result = adaptive_instance_norm(content, [Code(c.gamma, c.beta, torch.ones(1, 1, 8, 8)) for c in codes])
    torch.testing.assert_close(result, adaptive_instance_norm(content, blend_codes(codes, [1, 1])))


def test_half_weight_keeps_half_of_the_content(draw: Draw) -> None:
    content, code = draw(1, 4, 8, 8), style_code(draw(1, 4, 8, 8))
    result = adaptive_instance_norm(content, [Code(code.gamma, code.beta, torch.full((1, 1, 8, 8), 0.5))])
    torch.testing.assert_close(result, 0.5 * content + 0.5 * adaptive_instance_norm(content, code))


def test_empty_region_changes_nothing(draw: Draw) -> None:
    content, code = draw(1, 4, 8, 8), style_code(draw(1, 4, 8, 8))
    empty = Code(code.gamma, code.beta, torch.zeros(1, 1, 8, 8))
    assert torch.equal(adaptive_instance_norm(content, [empty]), content)


@pytest.mark.parametrize("deviation", ["l2", "l1", "linf", "topk"])
def test_regions_are_those_of_each_sample(deviation: str, draw: Draw) -> None:
    """One is empty, one is a single place, one is large; each as if its sample were alone."""
    norm = build_norm("instance", 4, modulator="image", deviation=deviation)
    content, code, region = draw(3, 4, 8, 8), style_code(draw(1, 4, 8, 8)), torch.zeros(3, 1, 8, 8)
    region[1, :, 2, 5], region[2, :, :, :5] = 1, 1
    together = norm(content, [Code(code.gamma, code.beta, region)])
    alone = [norm(content[n : n + 1], [Code(code.gamma, code.beta, region[n : n + 1])]) for n in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert torch.equal(together[0], content[0])
    torch.testing.assert_close(together[1, :, 2, 5], code.beta.flatten())


def test_several_codes_need_regions(draw: Draw) -> None:
    code = style_code(draw(1, 4, 8, 8))
    with pytest.raises(ValueError, match="needs a region"):
        adaptive_instance_norm(draw(1, 4, 8, 8), [code, code])


@pytest.mark.parametrize("with_region", [False, True])
def test_gradient(draw: Draw, with_region: bool) -> None:
    content, style = (draw(1, 2, 4, 4).requires_grad_() for _ in range(2))
    region = _halves(4, 4)[0].double() if with_region else None

    def restyle(content: Tensor, style: Tensor) -> Tensor:
        code = style_code(style)
        return adaptive_instance_norm(content, Code(code.gamma, code.beta, region))

    assert torch.autograd.gradcheck(restyle, (content, style), atol=1e-5)


def test_joined_codes_come_apart_again() -> None:
    parts = [Code(torch.rand(2, width, 1, 1), torch.rand(2, width, 1, 1)) for width in (3, 1, 4)]
    joined = join_codes(parts)
    assert joined.gamma.shape == (2, 8, 1, 1)
    for found, part in zip(split_code(joined, [3, 1, 4]), parts, strict=True):
        assert isinstance(found, Code)
        assert torch.equal(found.gamma, part.gamma) and torch.equal(found.beta, part.beta)
    region = torch.rand(2, 1, 5, 5)
    (first, second), *_ = split_code([Code(joined.gamma, joined.beta, region), joined], [3, 5])
    assert first.region is region and second.region is None and first.gamma.shape[1] == 3
    with pytest.raises(ValueError, match=r"a code for layers of \[3, 4\] channels has 7, got 8"):
        split_code(joined, [3, 4])
