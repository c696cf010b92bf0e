"""Modulators: what gives scale and shift back to normalized features, learned, looked up, measured or painted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, interpolate, linear, one_hot, relu_

from styleapp.norms.code import Code, blend_codes
from styleapp.norms.neighbourhoods import Neighbourhoods
from styleapp.norms.statistics import Moments, mean_deviation

__all__ = [
    "AffineModulator",
    "ImageModulator",
    "MaskModulator",
    "Mixture",
    "Modulator",
    "NoModulator",
    "Regions",
    "StylesModulator",
    "style_code",
]


@dataclass(frozen=True)
class Mixture:
    """Several conditions blended into one code.

    Attributes:
        parts: conditions of one modulator, or codes without regions.
        weights: one a part, ≥ 0, not all 0; brought to sum 1.
    """

    parts: Sequence[Any]
    weights: Sequence[float]


@dataclass(frozen=True)
class Regions:
    """Several conditions, each in a part of the picture.

    Attributes:
        parts: conditions of one modulator, or codes.
        masks: one N×1×H×W or 1×1×H×W of weights 0 to 1 a part, any size.
    """

    parts: Sequence[Any]
    masks: Sequence[Tensor]


class Modulator(nn.Module):
    """Turns its condition into a code. A new modulator fills :meth:`make_code`."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def code(self, condition: Any = None, size: Sequence[int] | None = None) -> Code | list[Code] | None:
        """γ and β of a condition; a :class:`Code` is its own; several with regions for :class:`Regions`.

        Args:
            size: height and width of the features, for conditions that vary over the picture; without it such a
                code has the condition's own size.
        """
        if isinstance(condition, Code):
            return condition
        if isinstance(condition, Mixture):
            return blend_codes([self._one(part, size) for part in condition.parts], condition.weights)
        if isinstance(condition, Regions):
            codes = [self._one(part, size) for part in condition.parts]
            return [Code(c.gamma, c.beta, mask) for c, mask in zip(codes, condition.masks, strict=True)]
        if isinstance(condition, list | tuple) and condition and all(isinstance(part, Code) for part in condition):
            return list(condition)
        return self.make_code(condition, size)

    def make_code(self, condition: Any, size: Sequence[int] | None) -> Code | None:
        """The code of a condition of this modulator's own kind."""
        raise NotImplementedError

    def start_at(self, scale: float) -> None:
        """Begins with γ = ``scale``, where one γ a channel is learned directly."""

    def extra_repr(self) -> str:
        return str(self.num_features)

    def _one(self, condition: Any, size: Sequence[int] | None) -> Code:
        code = self.code(condition, size)
        if not isinstance(code, Code):
            raise ValueError(f"{type(self).__name__} cannot mix {type(condition).__name__}: it gives no single code")
        return code


class NoModulator(Modulator):
    """Gives nothing back; a condition is ignored, so that it can stand where a network passes one."""

    def make_code(self, condition: Any, size: Sequence[int] | None) -> Code | None:
        return None


class AffineModulator(Modulator):
    """A learned scale and shift a channel; a condition is ignored, so that it can stand where a network passes one."""

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features)
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))

    def make_code(self, condition: Any, size: Sequence[int] | None) -> Code:
        return Code(self.weight.view(1, -1, 1, 1), self.bias.view(1, -1, 1, 1))

    def start_at(self, scale: float) -> None:
        nn.init.constant_(self.weight, scale)


class StylesModulator(Modulator):
    """A table of styles, one scale and shift a channel each; with instance statistics, conditional instance norm.

    Dumoulin et al., *A Learned Representation for Artistic Style*, ICLR 2017, section 2.2.

    A condition is a style's number (or numbers N, integers), mixing weights (S or N×S, floats; used as they are, so
    the caller decides whether they sum to 1), or weight maps (N×S×H×W, resized to the features).

    Args:
        num_styles: rows of the table; all begin with γ = 1 and β = 0.
    """

    def __init__(self, num_features: int, *, num_styles: int) -> None:
        super().__init__(num_features)
        if num_styles < 1:
            raise ValueError(f"num_styles must be at least 1, got {num_styles}")
        self.num_styles = num_styles
        self.weight = nn.Parameter(torch.ones(num_styles, num_features))
        self.bias = nn.Parameter(torch.zeros(num_styles, num_features))

    def make_code(self, condition: Any, size: Sequence[int] | None) -> Code:
        if condition is None:
            raise ValueError("a table of styles needs a condition: style numbers, mixing weights or weight maps")
        styles = torch.as_tensor(condition, device=self.weight.device)
        if not styles.is_floating_point():
            return self._selected(styles.reshape(-1))
        if styles.dim() == 4:
            return self._mapped(styles, size)
        if styles.shape[-1] != self.num_styles or styles.dim() > 2:
            raise ValueError(f"mixing weights must be N×{self.num_styles}, got {tuple(styles.shape)}")
        shares = styles.reshape(-1, self.num_styles).to(self.weight.dtype)  # N×S
        return _channels(shares @ self.weight, shares @ self.bias)

    def _selected(self, numbers: Tensor) -> Code:
        if not torch.compiler.is_compiling() and bool(((numbers < 0) | (numbers >= self.num_styles)).any()):
            raise ValueError(f"style numbers must be 0 to {self.num_styles - 1}, got {numbers.tolist()}")
        return _channels(self.weight[numbers], self.bias[numbers])

    def _mapped(self, maps: Tensor, size: Sequence[int] | None) -> Code:
        if maps.shape[1] != self.num_styles:
            raise ValueError(f"weight maps must be N×{self.num_styles}×H×W, got {tuple(maps.shape)}")
        fitted = maps if size is None else interpolate(maps, size=tuple(size), mode="area")  # N×S×H×W
        shares = fitted.to(self.weight.dtype)
        gamma, beta = (torch.einsum("nshw,sc->nchw", shares, table) for table in (self.weight, self.bias))
        return Code(gamma, beta)

    def extra_repr(self) -> str:
        return f"{self.num_features}, num_styles={self.num_styles}"


def _channels(gamma: Tensor, beta: Tensor) -> Code:
    return Code(gamma[:, :, None, None], beta[:, :, None, None])  # N×C×1×1


def style_code(features: Tensor, eps: float = 0.0, unbiased: bool = False) -> Code:
    """The code of a style picture's features (N×C×H×W): their deviation as γ and their mean as β.

    Args:
        eps: added to the variance, inside the root.
        unbiased: divide by n − 1 instead of n.
    """
    moments = mean_deviation(features, eps=eps, unbiased=unbiased)
    return Code(gamma=moments.deviation, beta=moments.mean)


class ImageModulator(Modulator):
    """The statistics of a style picture's features; with instance statistics, AdaIN. Nothing is learned.

    Huang & Belongie, ICCV 2017, section 5, equation 8. A condition is features (N×C×H×W of any size, N that of the
    content or 1), or given moments (mean, deviation), each N×C×1×1.

    Args:
        style_eps: added to the style's variance; 0 in the authors' code, so that a dead style channel leaves none.
        style_unbiased: divide by n − 1 instead of n.
    """

    def __init__(self, num_features: int, *, style_eps: float = 0.0, style_unbiased: bool = False) -> None:
        super().__init__(num_features)
        self.style_eps, self.style_unbiased = style_eps, style_unbiased

    def make_code(self, condition: Any, size: Sequence[int] | None) -> Code:
        if isinstance(condition, tuple) and len(condition) == 2:
            moments = Moments(*condition)
            return Code(gamma=moments.deviation, beta=moments.mean)
        if not isinstance(condition, Tensor):
            raise ValueError("image statistics need a condition: features of a style picture, or (mean, deviation)")
        if condition.dim() != 4 or condition.shape[1] != self.num_features:
            raise ValueError(f"style features must be N×{self.num_features}×H×W, got {tuple(condition.shape)}")
        return style_code(condition, self.style_eps, self.style_unbiased)


class MaskModulator(Modulator):
    """Scale and shift painted by a label map through convolutions: 1 + γ(m) and β(m), as in SPADE.

    Park et al., CVPR 2019, section 3, equations 1 to 3. A condition is a one-hot map (N×L×H×W, floats; soft maps and
    further planes are welcome) or a map of label numbers (N×H×W, integers). It is resized to the features by nearest
    neighbours. The :class:`Neighbourhoods` of one mask of the features' size are its one-hot map with less work.

    Args:
        num_labels: L, all planes of the map.
        hidden: channels between map and scale, 128 in the paper.
        kernel_size: of the convolutions from there to γ and to β, odd, 3 in the paper; 1 saves most of the work.
        padding_mode: of the convolutions; ``"zeros"`` as in the paper lets γ and β change towards the border.

    Note:
        The resize is ``nearest-exact``; the original's ``nearest`` is off the centre by half a cell.
    """

    def __init__(
        self,
        num_features: int,
        *,
        num_labels: int,
        hidden: int = 128,
        kernel_size: int = 3,
        padding_mode: Literal["zeros", "reflect", "replicate"] = "zeros",
    ) -> None:
        super().__init__(num_features)
        if num_labels < 1 or hidden < 1:
            raise ValueError(f"num_labels and hidden must be at least 1, got {num_labels} and {hidden}")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        self.num_labels = num_labels
        self.shared = nn.Conv2d(num_labels, hidden, 3, padding=1, padding_mode=padding_mode)
        self.gamma, self.beta = (
            nn.Conv2d(hidden, num_features, kernel_size, padding=kernel_size // 2, padding_mode=padding_mode)
            for _ in range(2)
        )
        for conv in (self.shared, self.gamma, self.beta):
            nn.init.xavier_normal_(conv.weight, gain=0.02)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)

    @property
    def narrow(self) -> bool:
        """Whether γ and β of a pixel depend on the 3×3 pixels of the map around it alone."""
        return self.gamma.kernel_size == (1, 1) and self.shared.padding_mode != "reflect"

    def table(self, seen: Neighbourhoods) -> tuple[Tensor, Tensor]:
        """γ and β (U×C each) for each neighbourhood, where :attr:`narrow`."""
        hidden = self._hidden_table(seen)  # U×hidden
        assert self.gamma.bias is not None
        gamma = linear(hidden, self.gamma.weight.flatten(1), self.gamma.bias + 1)
        return gamma, linear(hidden, self.beta.weight.flatten(1), self.beta.bias)

    def _hidden_table(self, seen: Neighbourhoods) -> Tensor:
        """Hidden channels for each neighbourhood: a 3×3 convolution of a one-hot map is a sum of nine weights."""
        if seen.planes != self.num_labels:
            raise ValueError(f"a map must have {self.num_labels} label planes, got {seen.planes}")
        if self.shared.padding_mode != seen.padding_mode:
            raise ValueError(
                f"padding_mode is {self.shared.padding_mode!r}, of the mask's neighbourhoods {seen.padding_mode!r}"
            )
        weights = self.shared.weight.flatten(2).permute(2, 1, 0)  # 9×(L+P)×hidden
        of_labels, of_further = weights.tensor_split([seen.num_labels], dim=1)  # 9×L×hidden, 9×P×hidden
        outside = unlabelled = weights.new_zeros(9, 1, weights.shape[2])
        if seen.further is not None:
            unlabelled = (of_further * seen.further[:, None]).sum(1, keepdim=True)  # 9×1×hidden
        rows = torch.cat([of_labels + unlabelled, unlabelled, outside], dim=1).flatten(0, 1)  # 9·(L+2)×hidden
        assert self.shared.bias is not None
        return relu_(embedding_bag(seen.taps, rows, mode="sum").add_(self.shared.bias))  # U×hidden

    def make_code(self, condition: Any, size: Sequence[int] | None) -> Code:
        hidden = self._hidden(condition, size)  # N×hidden×H×W
        return Code(self.gamma(hidden).add_(1), self.beta(hidden))  # N×C×H×W each

    def _hidden(self, condition: Any, size: Sequence[int] | None) -> Tensor:
        if isinstance(condition, Neighbourhoods):
            if size is not None and tuple(size) != tuple(condition.places.shape):
                raise ValueError(f"neighbourhoods of {tuple(condition.places.shape)} do not fit {tuple(size)} features")
            return self._hidden_table(condition)[condition.places].permute(2, 0, 1)[None]
        if not isinstance(condition, Tensor):
            raise ValueError("a mask modulator needs a condition: a one-hot map N×L×H×W, or label numbers N×H×W")
        mask = condition if condition.dim() == 4 else self._one_hot(condition)  # N×L×H×W
        if mask.shape[1] != self.num_labels:
            raise ValueError(f"a map must have {self.num_labels} label planes, got {mask.shape[1]}")
        if size is not None and tuple(size) != tuple(mask.shape[-2:]):
            mask = interpolate(mask, size=tuple(size), mode="nearest-exact")
        return relu_(self.shared(mask.to(self.shared.weight.dtype)))

    def _one_hot(self, labels: Tensor) -> Tensor:
        if labels.dim() != 3 or labels.is_floating_point():
            raise ValueError(f"label numbers must be N×H×W integers, got {tuple(labels.shape)} {labels.dtype}")
        if not torch.compiler.is_compiling() and bool(((labels < 0) | (labels >= self.num_labels)).any()):
            low, high = int(labels.min()), int(labels.max())
            raise ValueError(f"labels must be 0 to {self.num_labels - 1}, the map has {low} to {high}")
        return one_hot(labels.long(), self.num_labels).permute(0, 3, 1, 2).to(self.shared.weight.dtype)

    def extra_repr(self) -> str:
        return f"{self.num_features}, num_labels={self.num_labels}"
