"""Modulators: the numbers of the specification, and that each code is what its condition says."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, one_hot

from styleapp.norms import Code, Mixture, Moments, NormLayer, Regions, blend_codes, build_norm, style_code

Draw = Callable[..., Tensor]
HAND = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64).view(1, 1, 1, 4)


def _flat(x: Tensor) -> list[float]:
    return x.flatten().tolist()


# A table of styles


def _table(draw: Draw, styles: int = 3, features: int = 4) -> NormLayer:
    norm = build_norm("instance", features, modulator="styles", num_styles=styles).double()
    with torch.no_grad():
        norm.modulator.weight.copy_(draw(styles, features))  # type: ignore[union-attr, operator]
        norm.modulator.bias.copy_(draw(styles, features))  # type: ignore[union-attr, operator]
    return norm


def test_conditional_instance_norm_by_hand() -> None:
    norm = build_norm("instance", 1, modulator="styles", num_styles=2).double()
    with torch.no_grad():
        norm.modulator.weight[1] = 2  # type: ignore[union-attr, index, operator]
        norm.modulator.bias[1] = -1  # type: ignore[union-attr, index, operator]
    expected = [-3.6832708, -1.8944236, -0.1055764, 1.6832708]
    assert _flat(norm(HAND, torch.tensor([1]))) == pytest.approx(expected, abs=5e-8)


def test_new_table_is_instance_norm(draw: Draw) -> None:
    x = draw(2, 4, 6, 6)
    norm = build_norm("instance", 4, modulator="styles", num_styles=3).double()
    torch.testing.assert_close(norm(x, torch.tensor([0, 2])), nn.InstanceNorm2d(4)(x))


def test_one_hot_blend_selects(draw: Draw) -> None:
    norm, x = _table(draw), draw(3, 4, 6, 6)
    numbers = torch.tensor([2, 0, 1])
    torch.testing.assert_close(norm(x, one_hot(numbers, 3).double()), norm(x, numbers))


def test_each_sample_has_its_own_style(draw: Draw) -> None:
    norm, x = _table(draw), draw(3, 4, 6, 6)
    numbers = torch.tensor([2, 0, 1])
    alone = [norm(x[i : i + 1], numbers[i]) for i in range(3)]
    torch.testing.assert_close(norm(x, numbers), torch.cat(alone))


def test_blended_parameters_are_blended_outputs(draw: Draw) -> None:
    norm, x = _table(draw), draw(1, 4, 6, 6)
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    expected = sum(weights[i] * norm(x, torch.tensor([i])) for i in range(3))
    gap = (norm(x, weights) - expected).abs().max().item()
    assert gap < 1e-14


def test_weights_need_not_sum_to_one(draw: Draw) -> None:
    norm = _table(draw)
    code, half = norm.modulator.code(torch.ones(1, 3)), norm.modulator.code(torch.full((1, 3), 0.5))
    assert isinstance(code, Code)
    assert isinstance(half, Code)
    torch.testing.assert_close(code.gamma, 2 * half.gamma)


def test_weight_maps_select_in_each_place(draw: Draw) -> None:
    norm, x = _table(draw), draw(1, 4, 6, 8)
    maps = torch.zeros(1, 3, 12, 16, dtype=torch.float64)  # twice the size of the features
    maps[:, 0, :, :8] = 1
    maps[:, 2, :, 8:] = 1
    y = norm(x, maps)
    torch.testing.assert_close(y[..., :4], norm(x, torch.tensor([0]))[..., :4])
    torch.testing.assert_close(y[..., 4:], norm(x, torch.tensor([2]))[..., 4:])


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (None, "needs a condition"),
        (torch.tensor([3]), "must be 0 to 2, got \\[3\\]"),
        (torch.tensor([-1]), "must be 0 to 2"),
        (torch.ones(1, 4), "mixing weights must be N×3, got \\(1, 4\\)"),
        (torch.ones(1, 2, 5, 5), "weight maps must be N×3×H×W"),
    ],
)
def test_bad_styles(condition: Tensor | None, message: str, draw: Draw) -> None:
    with pytest.raises(ValueError, match=message):
        _table(draw)(draw(1, 4, 6, 6), condition)


def test_a_table_needs_a_row() -> None:
    with pytest.raises(ValueError, match="num_styles must be at least 1, got 0"):
        build_norm("instance", 4, modulator="styles", num_styles=0)


# Statistics of a picture


@pytest.mark.parametrize("style", [(10.0, 10.0, 20.0, 20.0), (10.0, 20.0)])
@pytest.mark.parametrize("stats", ["lua", "torch"])
def test_adain_by_hand(style: tuple[float, ...], stats: str) -> None:
    """Only the second style, of another size, tells the two conventions apart by more than ε."""
    norm = build_norm("instance", 1, modulator="image", stats=stats)  # type: ignore[arg-type]
    expected = {
        ("lua", 4): [8.2918229, 12.7639410, 17.2360590, 21.7081771],
        ("lua", 2): [8.2918229, 12.7639410, 17.2360590, 21.7081771],
        ("torch", 4): [8.2918152, 12.7639384, 17.2360616, 21.7081848],
        ("torch", 2): [6.7841855, 12.2613952, 17.7386048, 23.2158145],
    }[stats, len(style)]
    y = norm(HAND, torch.tensor(style, dtype=torch.float64).view(1, 1, 1, -1))
    assert _flat(y) == pytest.approx(expected, abs=5e-8)


def test_lua_is_the_default(draw: Draw) -> None:
    content, style = draw(1, 4, 6, 6), draw(1, 4, 5, 5)
    layers = [build_norm("instance", 4, modulator="image", **options) for options in ({}, {"stats": "lua"})]
    assert torch.equal(layers[0](content, style), layers[1](content, style))


def test_gap_between_the_conventions(draw: Draw) -> None:
    content, style = draw(1, 512, 32, 32), draw(1, 512, 64, 64)
    lua, port = (build_norm("instance", 512, modulator="image", stats=s)(content, style) for s in ("lua", "torch"))
    gap = ((lua - port).norm() / lua.norm()).item()
    assert 1e-4 < gap < 1e-3  # the specification has 3.5e-4


@pytest.mark.parametrize(("stats", "left"), [("lua", 0.0), ("torch", 0.00316)])
def test_dead_style_channel(stats: str, left: float, draw: Draw) -> None:
    style = torch.full((1, 1, 8, 8), 5.0, dtype=torch.float64)
    y = build_norm("instance", 1, modulator="image", stats=stats)(draw(1, 1, 64, 64), style)  # type: ignore[arg-type]
    assert y.std().item() == pytest.approx(left, abs=1e-5)


def test_given_moments_are_a_condition(draw: Draw) -> None:
    norm, x, style = build_norm("instance", 4, modulator="image"), draw(2, 4, 6, 6), draw(2, 4, 5, 5)
    code = style_code(style)
    moments = Moments(code.beta, code.gamma)
    assert torch.equal(norm(x, moments), norm(x, style))
    assert torch.equal(norm(x, (moments.mean, moments.deviation)), norm(x, style))


def test_mixture_and_regions(draw: Draw) -> None:
    norm, x = build_norm("instance", 4, modulator="image"), draw(1, 4, 6, 8)
    styles = [draw(1, 4, 5, 5, scale=s) for s in (1.0, 3.0)]
    blended = blend_codes([style_code(style) for style in styles], [3, 1])
    torch.testing.assert_close(norm(x, Mixture(styles, [3, 1])), norm(x, blended))
    left = torch.zeros(1, 1, 6, 8, dtype=torch.float64)
    left[..., :4] = 1
    y = norm(x, Regions(styles, [left, 1 - left]))
    torch.testing.assert_close(y[..., :4], norm(x[..., :4], styles[0]))
    torch.testing.assert_close(y[..., 4:], norm(x[..., 4:], styles[1]))


def test_regions_with_statistics_of_the_batch(draw: Draw) -> None:
    """A normalizer without region statistics normalizes once and scales each part for itself."""
    norm, x = build_norm("batch", 4, modulator="image").double(), draw(2, 4, 6, 8)
    styles = [draw(2, 4, 5, 5, scale=s) for s in (1.0, 3.0)]
    left = torch.zeros(1, 1, 6, 8, dtype=torch.float64)
    left[..., :4] = 1
    y = norm(x, Regions(styles, [left, 1 - left]))
    torch.testing.assert_close(y[..., :4], norm(x, styles[0])[..., :4])
    torch.testing.assert_close(y[..., 4:], norm(x, styles[1])[..., 4:])


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (None, "need a condition"),
        (torch.ones(1, 3, 5, 5), "style features must be N×4×H×W, got \\(1, 3, 5, 5\\)"),
        (torch.ones(3, 4, 5, 5), "a condition for 3 samples does not fit 2 samples"),
    ],
)
def test_bad_style_features(condition: Tensor | None, message: str, draw: Draw) -> None:
    with pytest.raises(ValueError, match=message):
        build_norm("instance", 4, modulator="image")(draw(2, 4, 6, 6), condition)


# A label map


def _spade(features: int = 4, labels: int = 3, **options: Any) -> NormLayer:
    torch.manual_seed(0)
    return build_norm("batch", features, modulator="mask", num_labels=labels, hidden=16, **options).double()


def test_spade_without_its_convolutions_is_batch_norm(draw: Draw) -> None:
    norm, x = _spade(), draw(2, 4, 8, 8)
    for conv in (norm.modulator.gamma, norm.modulator.beta):  # type: ignore[union-attr]
        nn.init.zeros_(conv.weight)  # type: ignore[union-attr, arg-type]
    labels = torch.randint(3, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(norm(x, labels), batch_norm(x, None, None, training=True))


def test_parameters_of_spade() -> None:
    norm = build_norm("batch", 1024, modulator="mask", num_labels=184)
    assert sum(parameter.numel() for parameter in norm.parameters()) == 2_573_440


@pytest.mark.parametrize(("padding", "frame"), [("zeros", True), ("reflect", False)])
def test_one_label_is_one_scale_inside_a_frame(padding: str, frame: bool) -> None:
    code = _spade(padding_mode=padding).modulator.code(torch.ones(1, 12, 12, dtype=torch.long))
    assert isinstance(code, Code)
    inside = code.gamma[..., 2:-2, 2:-2]
    assert (inside.amax((2, 3)) - inside.amin((2, 3))).max() < 1e-12
    assert bool((code.gamma.amax((2, 3)) - code.gamma.amin((2, 3))).max() > 1e-9) is frame


@pytest.mark.parametrize(("kernel", "reach"), [(3, 2), (1, 1)])
def test_scales_see_so_much_of_the_map(kernel: int, reach: int) -> None:
    labels = torch.zeros(1, 11, 11, dtype=torch.long)
    plain = _spade(kernel_size=kernel).modulator.code(labels)
    labels[:, 5, 5] = 2
    changed = _spade(kernel_size=kernel).modulator.code(labels)
    assert isinstance(plain, Code)
    assert isinstance(changed, Code)
    rows = (plain.gamma - changed.gamma).abs().sum((0, 1, 3)).nonzero().flatten()
    assert (rows[0], rows[-1]) == (5 - reach, 5 + reach)


@pytest.mark.parametrize("kernel", [0, 2, -1])
def test_kernel_must_be_odd(kernel: int) -> None:
    with pytest.raises(ValueError, match=f"kernel_size must be odd, got {kernel}"):
        _spade(kernel_size=kernel)


def test_label_numbers_are_their_one_hot_map(draw: Draw) -> None:
    norm, x = _spade(), draw(2, 4, 8, 8)
    labels = torch.randint(3, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    planes = one_hot(labels, 3).permute(0, 3, 1, 2).double()
    assert torch.equal(norm(x, labels), norm(x, planes))


def test_map_is_resized_to_its_centres() -> None:
    """Of each 2×2 block ``nearest-exact`` takes a cell of its own; a quarter map lands where it was painted."""
    spade = _spade(padding_mode="reflect").modulator
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    labels[:, 4:12, 4:12] = 1
    small, full = spade.code(labels, (8, 8)), spade.code(labels[:, ::2, ::2])
    assert isinstance(small, Code)
    assert isinstance(full, Code)
    assert torch.equal(small.gamma, full.gamma)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (None, "needs a condition"),
        (torch.full((1, 8, 8), 3), "labels must be 0 to 2, the map has 3 to 3"),
        (torch.full((1, 8, 8), 255), "the map has 255 to 255"),
        (torch.ones(1, 4, 8, 8), "must have 3 label planes, got 4"),
        (torch.ones(1, 8, 8), "must be N×H×W integers"),
    ],
)
def test_bad_masks(condition: Tensor | None, message: str, draw: Draw) -> None:
    with pytest.raises(ValueError, match=message):
        _spade()(draw(1, 4, 8, 8), condition)
