"""Normalization in few passes over memory, with a backward pass of its own; the plain formulas are in ``statistics``.

Every pass goes over pieces that stay in the cache (:mod:`styleapp.norms.pieces`), and the backward pass computes x − μ
again instead of keeping it. With z = (x − μ)/(σ + ε), y = γ·z + β, ĝ = γ·∂y, and over the n values that share
statistics A = Σĝ and B = Σĝ·z,

    ∂x = (ĝ − A/n − B·∂σ/∂x) / (σ + ε),

so that a :class:`Deviation` only has to say what σ and ∂σ/∂x are. Second derivatives go through the plain formula; so
does compiled code, because a compiler fuses that by itself.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from styleapp.norms.pieces import PLANE, Pieces, fitting, widened
from styleapp.norms.statistics import Moments, wide

__all__ = ["Deviation", "Measured", "Pullback", "Response", "Standardized", "standardize"]


class Measured(NamedTuple):
    """Statistics, 1×C×1×1 or N×C×1×1.

    Attributes:
        mean: μ; ``None`` is 0.
        divisor: σ + ε.
        places: where the values lie that alone determine σ, if there are such.
    """

    mean: Tensor | None
    divisor: Tensor
    places: Tensor | None = None


class Response(NamedTuple):
    """∂x = ĝ/divisor + steepness·shape(x − μ) + level; what follows ĝ comes from the statistics' dependence on x.

    Attributes:
        shape: works in place; ``None`` is 0, and so is a ``level`` of ``None``.
        divisor: ``None`` is that of the forward pass.
    """

    shape: Callable[[Tensor], Tensor] | None = None
    steepness: Tensor | None = None
    level: Tensor | None = None
    divisor: Tensor | None = None


class Deviation:
    """What is subtracted and what is divided by, and how both answer to x.

    Attributes:
        twice_differentiable: whether the gradients are those of the plain formula, so that its own may stand in.
    """

    twice_differentiable: ClassVar[bool] = True

    def moments(self, x: Tensor) -> Moments:
        """μ and σ + ε by the plain formula."""
        raise NotImplementedError

    def measure(self, x: Tensor, pieces: Pieces) -> Measured:
        """The same in few passes."""
        raise NotImplementedError

    def response(self, pullback: "Pullback") -> Response:
        """How the statistics answer to x, but for :meth:`respond_at_places`."""
        raise NotImplementedError

    def respond_at_places(self, dx: Tensor, pullback: "Pullback") -> None:
        """Adds to ∂x, in place, what values that alone determine σ get besides."""


class Standardized(NamedTuple):
    """y in x's type; μ and the divisor σ + ε (1×C×1×1, or N×C×1×1 of planes), which pass no gradient on."""

    y: Tensor
    mean: Tensor
    divisor: Tensor


def standardize(
    x: Tensor, deviation: Deviation, gamma: Tensor | None = None, beta: Tensor | None = None
) -> Standardized:
    """γ·(x − μ)/(σ + ε) + β.

    Centred before it is scaled: a shift of ordinary size survives the huge scale of a dead channel.

    Args:
        x: N×C×H×W.
        deviation: what μ and σ are, and which values share them.
        gamma: N×C×1×1, 1×C×1×1 or N×C×H×W; without it, z itself is the result.
        beta: the same shape; given where γ is.
    """
    if torch.compiler.is_compiling():
        moments = deviation.moments(x)
        return Standardized(_plain(x, moments, gamma, beta), *(moment.detach() for moment in moments))
    y, mean, divisor, _ = _Standardize.apply(x, *_fitted(x, gamma, beta), deviation)
    return Standardized(y, mean, divisor)


def _plain(x: Tensor, moments: Moments, gamma: Tensor | None, beta: Tensor | None = None) -> Tensor:
    scale = 1 / moments.deviation if gamma is None else gamma / moments.deviation
    scaled = (wide(x) - moments.mean) * scale
    return (scaled if beta is None else scaled + beta).to(x.dtype)


def _fitted(x: Tensor, gamma: Tensor | None, beta: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Both as N×C×1×1 or both as N×C×H×W: autograd then brings the gradients to the shapes that were given."""
    if gamma is None or beta is None:
        return None, None
    gamma, beta = torch.broadcast_tensors(gamma, beta)
    if gamma.shape[-2:] != (1, 1):
        return gamma.expand(x.shape), beta.expand(x.shape)
    planes = (*x.shape[:2], 1, 1)
    return wide(gamma).expand(planes), wide(beta).expand(planes)  # wide, because gradients of samples are summed


class _Scale(NamedTuple):
    """γ as a factor for each plane (N×C×1×1) or as a map of factors (N×C×H×W)."""

    planes: Tensor | float
    map: Tensor | None

    @staticmethod
    def of(gamma: Tensor | None) -> "_Scale":
        if gamma is None:
            return _Scale(1.0, None)
        return _Scale(gamma, None) if gamma.shape[2:] == (1, 1) else _Scale(1.0, gamma)


class _Standardize(Function):
    """x, γ, β, deviation -> y, μ, σ + ε, places."""

    @staticmethod
    def forward(
        x: Tensor, gamma: Tensor | None, beta: Tensor | None, deviation: Deviation
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        pieces, scale = Pieces(x), _Scale.of(gamma)
        measured = deviation.measure(x, pieces)
        factor = scale.planes / measured.divisor
        steps = ((torch.sub, measured.mean), (torch.mul, factor), (torch.mul, scale.map), (torch.add, beta))
        return pieces.chain(x, *steps, dtype=x.dtype), *measured

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        x, gamma, beta, ctx.deviation = inputs
        ctx.shift_dtype = None if beta is None else beta.dtype
        ctx.mark_non_differentiable(*(tensor for tensor in output[1:] if tensor is not None))
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, gamma, *output[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return None, None, None, None
        again = torch.is_grad_enabled() and ctx.deviation.twice_differentiable
        return *(_differentiable_gradients if again else _gradients)(ctx, grad), None


@once_differentiable
def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """∂x, ∂γ, ∂β."""
    x, gamma, *statistics = ctx.saved_tensors
    pullback = Pullback(grad, gamma, x, Measured(*statistics))
    needs_x, needs_gamma, needs_beta, _ = ctx.needs_input_grad
    return (
        pullback.to_input(ctx.deviation) if needs_x else None,
        pullback.to_scale() if needs_gamma else None,
        pullback.to_shift().to(ctx.shift_dtype) if needs_beta else None,
    )


def _differentiable_gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """The same by the plain formula, which autograd can go through again."""
    x, gamma, *_ = ctx.saved_tensors
    needs_x, needs_gamma, needs_beta, _ = ctx.needs_input_grad
    # Aliases, because γ may itself depend on x: here only the path through the features counts.
    features, factor = x.view_as(x), None if gamma is None else gamma.view_as(gamma)
    y = _plain(features, ctx.deviation.moments(features), factor)
    sources: list[Any] = [source for source, needed in ((features, needs_x), (factor, needs_gamma)) if needed]
    found = iter(torch.autograd.grad(y, sources, grad, create_graph=True) if sources else ())
    dx = next(found) if needs_x else None
    dgamma = next(found) if needs_gamma else None
    if not needs_beta:
        return dx, dgamma, None
    return dx, dgamma, (grad if gamma.shape == x.shape else grad.sum(PLANE, keepdim=True)).to(ctx.shift_dtype)


class Pullback:
    """A gradient on its way from y back to x, γ and β.

    Attributes:
        pieces: how x is cut.
        x: N×C×H×W.
        measured: the statistics of x.
    """

    def __init__(self, grad: Tensor, gamma: Tensor | None, x: Tensor, measured: Measured) -> None:
        self.x, self.measured, self.pieces = x, measured, Pieces(x)
        self._grad = grad.contiguous() if x.is_contiguous() else grad
        self._gamma, self._scale = gamma, _Scale.of(gamma)

    @property
    def sums(self) -> Tensor:
        """The sum of ĝ over each plane (N×C×1×1)."""
        return self._scale.planes * self._projections[0]

    @property
    def products(self) -> Tensor:
        """The sum of ĝ·z over each plane (N×C×1×1)."""
        return self._scale.planes * self._projections[1]

    @cached_property
    def _projections(self) -> tuple[Tensor, Tensor]:
        """Both without the factors of planes."""
        room, other = self.pieces.room(), self.pieces.room()

        def terms(grad_: Tensor, factors_: Tensor | None, x_: Tensor, mean_: Tensor | None) -> Iterator[Tensor]:
            room_, other_ = fitting(room, x_), fitting(other, x_)
            pulled = widened(grad_, other_)
            if factors_ is not None:
                pulled = torch.mul(pulled, factors_, out=other_)
            yield pulled
            centred = widened(x_, room_) if mean_ is None else torch.sub(x_, mean_, out=room_)
            yield torch.mul(centred, pulled, out=room_)

        sums, products = self.pieces.sums(terms, self._grad, self._scale.map, self.x, self.measured.mean)
        return sums, products / self.measured.divisor

    def to_input(self, deviation: Deviation) -> Tensor:
        """∂x."""
        response = deviation.response(self)
        divisor = self.measured.divisor if response.divisor is None else response.divisor
        factor = self._scale.planes / divisor
        if response.shape is None:
            steps = ((torch.mul, factor), (torch.mul, self._scale.map), (torch.add, response.level))
            dx = self.pieces.chain(self._grad, *steps, dtype=self.x.dtype)
        else:
            dx = self._with_shape(factor, response, response.shape)
        deviation.respond_at_places(dx, self)
        return dx

    def _with_shape(self, factor: Tensor, response: Response, shape: Callable[[Tensor], Tensor]) -> Tensor:
        dx, room, other = torch.empty_like(self.x), self.pieces.room(), self.pieces.room()
        tensors = (self._grad, factor, self._scale.map, self.x, self.measured.mean)
        for dx_, grad_, factor_, factors_, x_, mean_, steepness_, level_ in self.pieces(
            dx, *tensors, response.steepness, response.level
        ):
            room_, other_ = fitting(room, x_), fitting(other, x_)
            centred = room_.copy_(x_) if mean_ is None else torch.sub(x_, mean_, out=room_)
            answer = shape(centred).mul_(steepness_)
            if level_ is not None:
                answer.add_(level_)
            pulled = torch.mul(grad_, factor_, out=other_)
            if factors_ is not None:
                pulled.mul_(factors_)
            torch.add(pulled, answer, out=dx_)
        return dx

    def to_scale(self) -> Tensor:
        """∂γ."""
        assert self._gamma is not None
        if self._scale.map is None:
            return self._projections[1].to(self._gamma.dtype)
        steps = ((torch.sub, self.measured.mean), (torch.div, self.measured.divisor), (torch.mul, self._grad))
        return self.pieces.chain(self.x, *steps, dtype=self._gamma.dtype)

    def to_shift(self) -> Tensor:
        """∂β."""
        return self._projections[0] if self._scale.map is None else self._grad
