"""Convolutional normalization: each output channel of a convolution filtered to unit gain at every frequency.

Liu et al., *Convolutional Normalization: Improving Deep Convolutional Network Robustness and Training*, NeurIPS 2021
(arXiv 2103.00673).
"""

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, fold
from torch.utils.hooks import RemovableHandle

from styleapp.norms.statistics import wide

__all__ = ["ConvNorm", "attach_conv_norm", "conv_norm", "detach_conv_norm", "whitening_filter"]


def whitening_filter(weight: Tensor, size: tuple[int, int], eps: float = 1e-12) -> Tensor:
    """V = (Σⱼ |F(wₖⱼ)|² + eps)^(−1/2), what gives each output channel k unit gain at every frequency.

    It is computed from the kernel's autocorrelation, one small array an output channel, so that the cost does not grow
    with input channels × picture; in float64, because a power of nearly 0 is a small difference of large numbers.

    Args:
        weight: kernel of a convolution, C'×C×kh×kw. No gradient flows to it.
        size: height and width H, W of what is filtered.
        eps: keeps V finite (10⁶) where a kernel has no energy, as a kernel that sums to 0 has at frequency 0.

    Returns:
        C'×H×(W // 2 + 1) at the frequencies of :func:`torch.fft.rfft2`, float64; real, so it shifts nothing.
    """
    rows, columns = weight.shape[2:]
    taps = weight.detach().double().flatten(2)  # C'×C×kh·kw
    products = taps.mT @ taps  # C'×kh·kw×kh·kw, of every two taps, summed over the inputs
    # Placing the products of each tap at its mirrored place sums those that are equally far apart.
    extent = (2 * rows - 1, 2 * columns - 1)
    lags = fold(products.flip(2), extent, (rows, columns))[:, 0]  # C'×(2kh−1)×(2kw−1)
    (cos_down, sin_down), (cos_across, sin_across) = _waves(rows, size[0], lags), _waves(columns, size[1], lags)
    half = size[1] // 2 + 1
    even = cos_down @ lags @ cos_across[:half].T  # C'×H×(W//2+1)
    odd = sin_down @ lags @ sin_across[:half].T
    return ((even - odd).clamp_min(0) + eps).rsqrt()


def _waves(taps: int, size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every frequency of ``size`` samples (rows) at the lags 1 − taps … taps − 1 (columns)."""
    frequencies = torch.arange(size, device=like.device)
    lags = torch.arange(1 - taps, taps, device=like.device)
    angles = torch.outer(frequencies, lags).remainder(size).to(like.dtype) * (2 * math.pi / size)  # size×(2·taps−1)
    return angles.cos(), angles.sin()


def conv_norm(y: Tensor, weight: Tensor, eps: float = 1e-12) -> Tensor:
    """Filters each output channel of a convolution by :func:`whitening_filter` of its kernel, at the output's size.

    If ``y`` is a circular convolution with ``weight``, every singular value of each output channel's operator is 1
    afterwards, and the largest of the whole layer's is at most √C'.

    Args:
        y: N×C'×H×W, of a convolution without bias, stride 1.
        weight: its kernel, C'×C×kh×kw; no gradient flows to it from here.
        eps: see :func:`whitening_filter`.

    Returns:
        N×C'×H×W in y's type, computed in float32 or wider.
    """
    return _filtered(y, whitening_filter(weight, (y.shape[2], y.shape[3]), eps))


def _filtered(y: Tensor, whitening: Tensor) -> Tensor:
    x = wide(y)  # N×C'×H×W
    spectrum = torch.fft.rfft2(x) * whitening.to(x.dtype)  # N×C'×H×(W//2+1)
    return torch.fft.irfft2(spectrum, s=(y.shape[2], y.shape[3])).to(y.dtype)


@dataclass(frozen=True)
class _Geometry:
    """Stride and padding that a convolution had, and how much of its full output lies outside its usual output."""

    stride: tuple[int, int]
    padding: tuple[int, int] | str
    crop: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class _Cached:
    weight: Tensor
    key: tuple[Any, ...]
    whitening: Tensor


class ConvNorm(nn.Module):
    """What stands behind a convolution that is normalized: filter, stride, learned k×k depthwise convolution, bias.

    :func:`attach_conv_norm` builds it. V is computed from the weights at the current size, in training each time, in
    evaluation once for each state of the weights (their version as torch counts it) and size. A change through
    ``weight.data`` does not count as a new version: call :meth:`train` or :meth:`eval` after it.

    Attributes:
        depthwise: C'×1×k×k, at first a single 1 in the middle, which changes nothing; or ``None``.
        bias: the convolution's own, which must come after the filter; or ``None``.

    Note:
        The reference averages V over the steps of training and stores it at the training pictures' size, so that
        other sizes fail and an untrained network gives zeros. V follows from the weights alone; we recompute it. The
        reference's depthwise convolution starts at random, with a bias of its own, and an affine batch normalization
        follows; here that is a matter of the network's normalization layer.
    """

    def __init__(
        self,
        out_channels: int,
        kernel_size: tuple[int, int],
        *,
        depthwise: bool = True,
        eps: float = 1e-12,
        geometry: _Geometry | None = None,
    ) -> None:
        super().__init__()
        self.eps = eps
        self.geometry = geometry or _Geometry((1, 1), (0, 0))
        self.depthwise = nn.Parameter(_delta(out_channels, kernel_size)) if depthwise else None
        self.bias: nn.Parameter | None
        self.register_parameter("bias", None)
        self._cached: _Cached | None = None
        self._handle: RemovableHandle | None = None

    def forward(self, y: Tensor, weight: Tensor) -> Tensor:
        x = _filtered(y, self._whitening(weight, (y.shape[2], y.shape[3])))  # N×C'×H×W
        top, left = self.geometry.crop
        down, across = self.geometry.stride
        x = x[:, :, top : x.shape[2] - top : down, left : x.shape[3] - left : across]  # N×C'×H'×W'
        if self.depthwise is not None:
            rows, columns = self.depthwise.shape[2:]
            x = conv2d(x, self.depthwise, padding=(rows // 2, columns // 2), groups=x.shape[1])
        return x if self.bias is None else x + self.bias.to(x.dtype).view(-1, 1, 1)

    def _whitening(self, weight: Tensor, size: tuple[int, int]) -> Tensor:
        # A weight that is computed is a new tensor each time, so its version tells nothing.
        lasting = not self.training and isinstance(weight, nn.Parameter)
        if not lasting or torch.compiler.is_compiling() or weight.is_inference():
            return whitening_filter(weight, size, self.eps)
        key = (weight._version, weight.data_ptr(), weight.dtype, weight.device, size, self.eps)
        cached = self._cached
        if cached is None or cached.weight is not weight or cached.key != key:
            with torch.inference_mode(False):  # otherwise a later pass with gradients could not use it
                cached = _Cached(weight, key, whitening_filter(weight, size, self.eps))
            self._cached = cached
        return cached.whitening

    def train(self, mode: bool = True) -> "ConvNorm":
        self._cached = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cached": None}

    def extra_repr(self) -> str:
        return f"stride={self.geometry.stride}, depthwise={self.depthwise is not None}, eps={self.eps}"


def _delta(channels: int, kernel_size: tuple[int, int]) -> Tensor:
    """C×1×k×k with a 1 in the middle; one less than k where k is even, since only odd kernels have a middle."""
    rows, columns = ((size - 1) // 2 for size in kernel_size)
    delta = torch.zeros(channels, 1, 2 * rows + 1, 2 * columns + 1)
    delta[:, :, rows, columns] = 1
    return delta


def attach_conv_norm(conv: nn.Conv2d, *, depthwise: bool = True, eps: float = 1e-12) -> nn.Conv2d:
    """Puts a :class:`ConvNorm` behind a built convolution, in place, as its submodule ``conv_norm``.

    V acts on the output, so this is a forward hook and no parametrization of the weight: the convolution must be
    *called*; code that only reads its ``weight`` gets the ordinary convolution.

    Where the convolution pads with zeros itself, this is the paper's procedure: the full convolution (padding k − 1,
    stride 1) is filtered, then cropped and strided; ``conv.padding`` and ``conv.stride`` change accordingly until
    :func:`detach_conv_norm`. Where the padding is another one (``padding_mode``, or a subclass with its own
    ``forward``) the output is filtered at its own size; this is exact for circular padding.

    Args:
        depthwise: a learned depthwise convolution after the filter. Without it the layer has no scale of its own.
        eps: see :func:`whitening_filter`.

    Returns:
        The same convolution. Its bias has moved to ``conv.conv_norm.bias``, behind the filter.

    Raises:
        ValueError: the convolution is grouped or dilated, already has a ConvNorm, or has a stride and a ``forward`` of
            its own.
    """
    _require_supported(conv)
    margin = _full_padding(conv) if _pads_with_zeros(conv) else None
    crop = (0, 0) if margin is None else (margin[0] - _padding(conv)[0], margin[1] - _padding(conv)[1])
    rows, columns = conv.kernel_size
    geometry = _Geometry(cast("tuple[int, int]", conv.stride), cast("tuple[int, int] | str", conv.padding), crop)
    norm = ConvNorm(conv.out_channels, (rows, columns), depthwise=depthwise, eps=eps, geometry=geometry)
    norm.to(conv.weight.device, conv.weight.dtype).train(conv.training)
    norm.requires_grad_(conv.weight.requires_grad)
    norm.bias, conv.bias = cast("nn.Parameter | None", conv.bias), None
    conv.padding, conv.stride = conv.padding if margin is None else margin, (1, 1)
    conv.conv_norm = norm
    norm._handle = conv.register_forward_hook(_filter_output)
    return conv


def detach_conv_norm(conv: nn.Conv2d) -> nn.Conv2d:
    """Takes the :class:`ConvNorm` of a convolution away again: weights, bias, stride and padding as they were.

    Raises:
        ValueError: it has none.
    """
    norm = getattr(conv, "conv_norm", None)
    if not isinstance(norm, ConvNorm) or norm._handle is None:
        raise ValueError("this convolution has no ConvNorm to take away")
    norm._handle.remove()
    conv.stride, conv.padding = norm.geometry.stride, norm.geometry.padding
    conv.bias = norm.bias
    del conv.conv_norm
    return conv


def _filter_output(conv: nn.Module, _: tuple[Tensor, ...], y: Tensor) -> Tensor:
    return cast(Tensor, cast(ConvNorm, conv.conv_norm)(y, conv.weight))


def _require_supported(conv: nn.Conv2d) -> None:
    if hasattr(conv, "conv_norm"):
        raise ValueError("this convolution already has a ConvNorm")
    if conv.groups != 1:
        raise ValueError(f"conv_norm is defined for convolutions with groups=1, got groups={conv.groups}")
    if conv.dilation != (1, 1):
        raise ValueError(f"conv_norm is defined for convolutions with dilation=1, got dilation={conv.dilation}")
    if type(conv).forward is not nn.Conv2d.forward and conv.stride != (1, 1):
        raise ValueError(f"{type(conv).__name__} has a forward of its own, so conv_norm cannot undo its {conv.stride=}")


def _pads_with_zeros(conv: nn.Conv2d) -> bool:
    return type(conv).forward is nn.Conv2d.forward and conv.padding_mode == "zeros"


def _padding(conv: nn.Conv2d) -> tuple[int, int]:
    if conv.padding == "valid":
        return (0, 0)
    if conv.padding != "same":
        return cast("tuple[int, int]", conv.padding)
    rows, columns = conv.kernel_size
    if rows % 2 == 0 or columns % 2 == 0:
        raise ValueError(f"conv_norm cannot center padding='same' of an even kernel size, got {conv.kernel_size}")
    return rows // 2, columns // 2


def _full_padding(conv: nn.Conv2d) -> tuple[int, int]:
    """At least k − 1 zeros, so that the circular filter's convolution is the linear one."""
    (rows, columns), (down, across) = conv.kernel_size, _padding(conv)
    return max(rows - 1, down), max(columns - 1, across)
