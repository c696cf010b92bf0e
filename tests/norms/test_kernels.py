"""The kernels against the plain formulas, finite differences, and layers that must come out the same."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from styleapp.norms.deviations import (
    AbsoluteDeviation,
    FixedStatistics,
    InstanceDeviation,
    LargestDeviation,
    PooledStatistics,
)
from styleapp.norms.kernels import Deviation, Pullback, Response, standardize
from styleapp.norms.pieces import Pieces

Draw = Callable[..., Tensor]
Make = Callable[[Tensor], Deviation]
BATCH, PLANE = (0, 2, 3), (2, 3)


def _pooled(x: Tensor) -> PooledStatistics:
    """As if a memory held this batch, and a second one of mean 0.5 and variance 2."""
    mean, variance = (moments.detach() for moments in _biased(x, BATCH))
    center = (mean + 0.5) / 2
    spread = (variance + (mean - center).square() + 2 + (0.5 - center).square()) / 2
    return PooledStatistics(center, (spread + 1e-5).sqrt(), 0.5)


def _fixed(x: Tensor, *, mean: bool) -> FixedStatistics:
    """Constants that do not come from x: a derivative by x must find them where they were."""
    places = torch.linspace(0.5, 2.0, x.shape[1], dtype=x.dtype).view(1, -1, 1, 1)
    return FixedStatistics(places.neg() if mean else None, places)


def _biased(x: Tensor, dim: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return x.mean(dim, keepdim=True), x.var(dim, correction=0, keepdim=True)


DEVIATIONS: dict[str, Make] = {
    "instance": lambda x: InstanceDeviation(),
    "instance, unbiased": lambda x: InstanceDeviation(1e-2, unbiased=True),
    "absolute": lambda x: AbsoluteDeviation(),
    "largest": lambda x: LargestDeviation(1),
    "3 largest, calibrated": lambda x: LargestDeviation(3, "calibrated", eps=1e-2),
    "more than there are": lambda x: LargestDeviation(1000),
    "pooled": _pooled,
    "fixed": lambda x: _fixed(x, mean=True),
    "fixed without mean": lambda x: _fixed(x, mean=False),
}
CODES: dict[str, Callable[..., tuple[int, ...] | None]] = {
    "no code": lambda n, c, h, w: None,
    "affine": lambda n, c, h, w: (1, c, 1, 1),
    "styles": lambda n, c, h, w: (n, c, 1, 1),
    "maps": lambda n, c, h, w: (n, c, h, w),
}
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x,
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "every second": lambda x: torch.stack([x, x], -1).flatten(3)[..., ::2],
}
every_deviation = pytest.mark.parametrize("make", DEVIATIONS.values(), ids=DEVIATIONS)
every_code = pytest.mark.parametrize("code_shape", CODES.values(), ids=CODES)


def _plain(x: Tensor, deviation: Deviation, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
    mean, divisor = deviation.moments(x)
    z = (x - mean) / divisor
    return z if gamma is None or beta is None else gamma * z + beta


def _inputs(x: Tensor, shape: tuple[int, ...] | None, draw: Draw) -> list[Tensor | None]:
    code = [None, None] if shape is None else [draw(*shape, dtype=x.dtype).requires_grad_() for _ in range(2)]
    return [x.requires_grad_(), *code]


# Against the plain formula


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@every_code
@every_deviation
def test_equals_the_plain_formula(make: Make, code_shape: Callable, layout: Callable, draw: Draw) -> None:
    for size in ((3, 5, 6, 7), (1, 5, 3, 3), (2, 5, 1, 4), (2, 5, 4, 1)):
        inputs = _inputs(layout(draw(*size, scale=2.0, shift=3.0)), code_shape(*size), draw)
        deviation, upstream = make(inputs[0]), draw(*size)
        y, expected = standardize(inputs[0], deviation, *inputs[1:]).y, _plain(inputs[0], deviation, *inputs[1:])
        torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)
        assert y.stride() == torch.empty_like(inputs[0]).stride()
        known = [tensor for tensor in inputs if tensor is not None]
        torch.testing.assert_close(
            torch.autograd.grad(y, known, upstream),
            torch.autograd.grad(expected, known, upstream),
            rtol=1e-9,
            atol=1e-10,
        )


@every_deviation
def test_float32_is_near_the_plain_formula_in_float64(make: Make, draw: Draw) -> None:
    exact = draw(4, 3, 40, 30, scale=2.0, shift=3.0).requires_grad_()
    x, upstream = exact.detach().float().requires_grad_(), draw(4, 3, 40, 30)
    y, expected = standardize(x, make(x)).y, _plain(exact, make(exact), None, None)
    torch.testing.assert_close(y.double(), expected, rtol=0, atol=3e-6)
    (gradient,) = torch.autograd.grad(y, x, upstream.float())
    (exact_gradient,) = torch.autograd.grad(expected, exact, upstream)
    torch.testing.assert_close(gradient.double(), exact_gradient, rtol=0, atol=3e-6)


@every_code
@every_deviation
def test_gradients_by_finite_differences(make: Make, code_shape: Callable, draw: Draw) -> None:
    size = (2, 3, 2, 3)
    inputs = _inputs(draw(*size, scale=2.0), code_shape(*size), draw)

    def function(*values: Tensor) -> Tensor:
        return standardize(values[0], make(values[0]), *(values[1:] or (None, None))).y

    known = tuple(tensor for tensor in inputs if tensor is not None)
    assert torch.autograd.gradcheck(function, known, atol=1e-6)
    assert torch.autograd.gradgradcheck(function, known, atol=1e-5)


def test_second_derivative_where_the_code_depends_on_the_features(draw: Draw) -> None:
    x = draw(2, 3, 2, 3).requires_grad_()

    def restyled(x: Tensor) -> Tensor:
        code = (x.square().mean(PLANE, keepdim=True), x.amax(PLANE, keepdim=True))
        return standardize(x, InstanceDeviation(), *code).y

    assert torch.autograd.gradgradcheck(restyled, (x,), atol=1e-5)


@every_deviation
def test_compiled_code_takes_the_plain_formula(make: Make, draw: Draw) -> None:
    torch.compiler.reset()
    x, upstream = draw(2, 3, 4, 5).requires_grad_(), draw(2, 3, 4, 5)
    gamma, beta = draw(2, 3, 1, 1), draw(2, 3, 1, 1)
    deviation = make(x)
    if deviation == LargestDeviation(3, "calibrated", eps=1e-2):
        deviation = LargestDeviation(3, eps=1e-2)  # the constant's cache is something dynamo warns of

    def function(x: Tensor) -> tuple[Tensor, ...]:
        return tuple(part for part in standardize(x, deviation, gamma, beta) if part is not None)

    y, expected = torch.compile(function, backend="aot_eager", fullgraph=True)(x), function(x)
    torch.testing.assert_close(y[0], expected[0])
    torch.testing.assert_close(y[-1], expected[-1])
    torch.testing.assert_close(torch.autograd.grad(y[0], x, upstream), torch.autograd.grad(expected[0], x, upstream))
    assert not any(part.requires_grad for part in (*y[1:], *expected[1:]))


# Numbers that are hard


@every_deviation
@pytest.mark.parametrize("size", [(1, 2, 8, 8), (3, 2, 7, 9)])
def test_dead_channel_becomes_the_shift(make: Make, size: tuple[int, ...], draw: Draw) -> None:
    """Features of VGG are large, and so are the scales of styles: what is left of rounding would be seen."""
    x = draw(*size, dtype=torch.float32)
    x[:, 1] = 1234.567
    deviation = make(x)
    if isinstance(deviation, FixedStatistics | PooledStatistics):
        deviation = type(deviation)(x[:1, :, :1, :1], torch.full((1, 2, 1, 1), 1e-5**0.5), *[1.0][: make is _pooled])
    code = draw(size[0], 2, 1, 1, scale=500.0, dtype=torch.float32), draw(size[0], 2, 1, 1, dtype=torch.float32)
    y = standardize(x, deviation, *code).y
    assert torch.equal(y[:, 1], code[1][:, 1].expand_as(y[:, 1]))


@pytest.mark.parametrize("deviation", [InstanceDeviation(eps=0.0), AbsoluteDeviation(eps=0.0)])
def test_deviation_is_exact_where_the_mean_is_large(deviation: Deviation) -> None:
    """10⁶ values of N(10⁴, 1) in float32: the mean of squares less the square of the mean would give 8."""
    x = torch.randn(1, 1, 1000, 1000, generator=torch.Generator().manual_seed(0)) + 1e4
    y, mean, divisor = standardize(x, deviation)
    assert divisor.item() == pytest.approx(1.0, abs=3e-3)
    assert divisor.item() == pytest.approx(deviation.moments(x.double()).deviation.item(), rel=1e-6)
    assert mean.item() == pytest.approx(x.double().mean().item(), abs=1e-3)
    assert abs(y.mean().item()) < 1e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@every_code
@every_deviation
def test_half_precision_is_computed_in_float32(
    make: Make, code_shape: Callable, dtype: torch.dtype, draw: Draw
) -> None:
    """The result and the gradients are those of float32, rounded once; squares of 3000 would overflow float16."""
    size = (2, 3, 6, 5)
    half = _inputs(draw(*size, scale=3000.0, shift=500.0, dtype=dtype), code_shape(*size), draw)
    full = [None if tensor is None else tensor.detach().float().requires_grad_() for tensor in half]
    upstream, deviation = draw(*size, dtype=dtype), make(full[0])
    y, expected = standardize(half[0], deviation, *half[1:]).y, standardize(full[0], deviation, *full[1:]).y
    assert torch.equal(y, expected.to(dtype))
    pairs = [(a, b) for a, b in zip(half, full, strict=True) if a is not None]
    gradients = torch.autograd.grad(y, [a for a, _ in pairs], upstream)
    wanted = torch.autograd.grad(expected, [b for _, b in pairs], upstream.float())
    for gradient, other in zip(gradients, wanted, strict=True):
        assert gradient.dtype == dtype
        # What is added at the k largest places is rounded a second time, by a step of the larger of both terms.
        step = torch.finfo(dtype).eps * other.abs().max().item()
        torch.testing.assert_close(gradient, other.to(dtype), rtol=0, atol=step)


# Where gradients come from and go to


@pytest.mark.parametrize("needed", [(0,), (1,), (2,), (0, 1), (1, 2)])
@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (2, 3, 4, 5)])
def test_only_what_is_asked_for(needed: tuple[int, ...], shape: tuple[int, ...], draw: Draw) -> None:
    inputs = [draw(2, 3, 4, 5), draw(*shape), draw(*shape)]
    for index in needed:
        inputs[index].requires_grad_()
    sources, upstream = [inputs[index] for index in needed], draw(2, 3, 4, 5)
    y, expected = (
        standardize(inputs[0], InstanceDeviation(), *inputs[1:]).y,
        _plain(inputs[0], InstanceDeviation(), *inputs[1:]),
    )
    wanted = torch.autograd.grad(expected, sources, upstream, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(y, sources, upstream, retain_graph=True), wanted)
    torch.testing.assert_close(torch.autograd.grad(y, sources, upstream, create_graph=True), wanted)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@every_deviation
def test_gradient_may_arrive_in_any_layout(make: Make, layout: Callable, draw: Draw) -> None:
    x, upstream = draw(3, 4, 6, 5).requires_grad_(), draw(3, 4, 6, 5)
    y = standardize(x, make(x), draw(3, 4, 1, 1), draw(3, 4, 1, 1)).y
    (expected,) = torch.autograd.grad(y, x, upstream, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(y, x, layout(upstream), retain_graph=True)[0], expected)
    everywhere = torch.ones(()).double().expand_as(y)  # as of y.sum()
    (expected,) = torch.autograd.grad(y, x, torch.ones_like(y), retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(y, x, everywhere)[0], expected)


def test_result_may_be_changed_in_place(draw: Draw) -> None:
    x, upstream = draw(2, 3, 4, 5).requires_grad_(), draw(2, 3, 4, 5)
    y, expected = standardize(x, AbsoluteDeviation()).y.relu_(), standardize(x, AbsoluteDeviation()).y.relu()
    assert torch.equal(torch.autograd.grad(y, x, upstream)[0], torch.autograd.grad(expected, x, upstream)[0])


def test_statistics_alone_pass_no_gradient(draw: Draw) -> None:
    x = draw(2, 3, 4, 5).requires_grad_()
    y, mean, divisor = standardize(x, InstanceDeviation())
    assert y.requires_grad
    assert not mean.requires_grad
    assert not divisor.requires_grad


class _NotAgain(FixedStatistics):
    """A backward pass that is not a derivative."""

    twice_differentiable = False

    def response(self, pullback: Pullback) -> Response:
        return Response(divisor=self.divisor / 2)


def test_a_backward_pass_of_its_own_is_not_differentiated(draw: Draw) -> None:
    x, upstream = draw(2, 3, 4, 5).requires_grad_(), draw(2, 3, 4, 5).requires_grad_()
    y = standardize(x, _NotAgain(None, torch.full((1, 3, 1, 1), 4.0).double())).y
    (gradient,) = torch.autograd.grad(y, x, upstream, create_graph=True)
    torch.testing.assert_close(gradient, upstream / 2)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()


# Pieces


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_pieces_cover_everything_once(layout: Callable, draw: Draw) -> None:
    x = layout(draw(3, 4, 5, 6))
    pieces = Pieces(x)
    (sums,) = pieces.sums(lambda x_: [x_], x)
    torch.testing.assert_close(sums, x.sum(PLANE, keepdim=True))
    shifted = pieces.chain(x, (torch.sub, sums), (torch.add, None), (torch.mul, sums[:1]), dtype=torch.float64)
    torch.testing.assert_close(shifted, (x - sums) * sums[:1])
