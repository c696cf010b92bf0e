"""Many named styles in one network (Dumoulin et al., *A Learned Representation for Artistic Style*, ICLR 2017).

All styles share the convolutions; a style is nothing but its row of scales and shifts in the table of every norm.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu, sigmoid

from styleapp.models.blocks import ReflectConv2d, beyond, faded
from styleapp.models.cells import CELL, CHANNELS, folded, margined, trimmed, with_margin
from styleapp.models.subpixel import picture_head
from styleapp.norms import Code, NormLayer, blend_codes, build_norm, join_codes, split_code
from styleapp.norms.weights import apply_weight_norm, weight_norm_name

__all__ = ["MultiStyleNetwork", "NamedStylizer", "PaperMultiStyleNetwork"]


class NamedStylizer(nn.Module):
    """What networks with named styles have in common: names, codes of all norms in a row, strength.

    Args:
        styles: names of the rows of the tables.
        normalizer: a name of :data:`styleapp.norms.NORMALIZERS`.
        normalizer_options: of that normalizer, such as ``{"groups": 4}``.

    Raises:
        ValueError: no name, or one twice; see also :func:`styleapp.norms.build_norm`.
    """

    stride: ClassVar[int] = CELL
    bytes_per_pixel: ClassVar[int]

    def __init__(
        self,
        styles: Sequence[str],
        normalizer: str = "instance",
        normalizer_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not styles or len(set(styles)) != len(styles):
            raise ValueError(f"styles must be names, each once, got {list(styles)}")
        self.styles, self.normalizer = tuple(styles), normalizer
        self.normalizer_options = dict(normalizer_options or {})
        self.learned: dict[str, Code] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Of all styles: those of the tables, and those that were learned later."""
        return (*self.styles, *self.learned)

    def learn(self, name: str, code: Code) -> None:
        """Takes a code as a further style, or in the place of one that was learned under this name.

        Raises:
            ValueError: the tables have a style of this name, or the code is for another network.
        """
        if name in self.styles:
            raise ValueError(f"the network has a style called {name!r} from the beginning: choose another name")
        split_code(code, [norm.num_features for norm in self.norms])  # raises where it does not fit
        self.learned[name] = code

    def without_learned(self) -> "NamedStylizer":
        """The same weights, and no styles that were learned later: two users need not know of each other's."""
        twin = copy(self)
        twin.learned = {}
        return twin

    def options(self) -> dict[str, Any]:
        """What is needed to build this network again."""
        options = {"normalizer_options": self.normalizer_options} if self.normalizer_options else {}
        return {"styles": list(self.styles), "normalizer": self.normalizer, **options}

    def conditional_norm(self, width: int) -> NormLayer:
        """A norm with a row for each style."""
        options = self.normalizer_options
        return build_norm(self.normalizer, width, modulator="styles", num_styles=len(self.styles), **options)

    @property
    def norms(self) -> list[NormLayer]:
        """All of them, in the order in which a photo passes them."""
        return [module for module in self.modules() if isinstance(module, NormLayer)]

    def code(self, style: str | Mapping[str, float] | Tensor) -> Code:
        """The code of a style: all norms in a row, N×ΣC×1×1.

        Args:
            style: a name, names with weights, which are brought to sum 1, or what
                :class:`styleapp.norms.modulators.StylesModulator` takes: numbers of rows (N) or weights of rows
                (N×S).

        Raises:
            ValueError: a name is unknown, a weight negative, or all are 0.
        """
        if isinstance(style, Tensor):
            return join_codes([cast(Code, norm.modulator.code(style)) for norm in self.norms])
        mixture = {style: 1.0} if isinstance(style, str) else dict(style)
        for name in mixture:
            if name not in self.names:
                raise ValueError(f"unknown style {name!r}; known are {', '.join(self.names)}")
        return blend_codes([self._row(name) for name in mixture], list(mixture.values()))

    def _row(self, name: str) -> Code:
        return self.learned[name] if name in self.learned else self.code(torch.tensor([self.styles.index(name)]))

    def render(self, photo: Tensor, code: Code | Sequence[Code], strength: float | Tensor = 1.0) -> Tensor:
        """The photo in a style.

        Args:
            photo: N×3×H×W, RGB in [0, 1], sides multiples of :attr:`stride`, above 8.
            code: from :meth:`code`, or several with regions that cover the photo.
            strength: 0 is the photo, 1 its painting, between them one fades into the other; more goes beyond the style,
                away from the mean of all styles. Also one value a sample (N×1×1×1), up to 1.

        Returns:
            N×3×H×W, RGB about [0, 1], not clamped.
        """
        if isinstance(strength, float) and strength > 1:
            mean = self.code(torch.full((1, len(self.styles)), 1 / len(self.styles)))
            code = beyond(mean, code, strength)
        return faded(photo, self.paint(photo, code), strength)

    def paint(self, photo: Tensor, code: Code | Sequence[Code]) -> Tensor:
        """The photo in a style at full strength."""
        raise NotImplementedError

    def codes_in_order(self, code: Code | Sequence[Code]) -> Iterator[Code | list[Code]]:
        """The part of each norm."""
        return iter(split_code(code, [norm.num_features for norm in self.norms]))


class ConditionalBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))); nothing after the sum, as in the paper."""

    def __init__(self, convs: Iterable[nn.Module], norms: Iterable[NormLayer]) -> None:
        super().__init__()
        (first, second), (first_norm, second_norm) = convs, norms
        self.first, self.first_norm = first, first_norm
        self.second, self.second_norm = second, second_norm

    def forward(self, x: Tensor, codes: Iterator[Code | list[Code]]) -> Tensor:
        inner = relu(self.first_norm(self.first(x), next(codes)))  # N×C×h×w
        return x + self.second_norm(self.second(inner), next(codes))  # N×C×h×w


class MultiStyleNetwork(NamedStylizer):
    """The fast one: a narrow trunk at a quarter of the resolution, with a head that cannot draw a grid.

    Args:
        styles, normalizer, normalizer_options: see :class:`NamedStylizer`.
        width: channels of the trunk.
        blocks: residual blocks.
        weight_norm: of the convolutions that a norm follows, all but the head's; a name of
            :data:`styleapp.norms.WEIGHT_NORMS`.
    """

    bytes_per_pixel = 250

    def __init__(
        self,
        styles: Sequence[str],
        width: int = 32,
        blocks: int = 4,
        normalizer: str = "instance",
        normalizer_options: Mapping[str, Any] | None = None,
        weight_norm: str = "none",
    ) -> None:
        super().__init__(styles, normalizer, normalizer_options)
        self.width = width
        convs = [ReflectConv2d(CHANNELS, width), *(ReflectConv2d(width, width) for _ in range(2 * blocks))]
        for conv in convs:
            apply_weight_norm(conv, weight_norm)
        self.entry, self.entry_norm = convs[0], self.conditional_norm(width)
        self.blocks = nn.ModuleList(
            ConditionalBlock(convs[index : index + 2], [self.conditional_norm(width) for _ in range(2)])
            for index in range(1, 2 * blocks, 2)
        )
        self.head = picture_head(width, CELL)

    def options(self) -> dict[str, Any]:
        weight_norm = weight_norm_name(self.entry)
        options = {} if weight_norm == "none" else {"weight_norm": weight_norm}
        return {**super().options(), "width": self.width, "blocks": len(self.blocks), **options}

    def paint(self, photo: Tensor, code: Code | Sequence[Code]) -> Tensor:
        codes = self.codes_in_order(with_margin(code, photo.shape[-2:]))
        x = relu(self.entry_norm(self.entry(folded(margined(photo))), next(codes)))  # N×C×h×w, h = H/4 + 4
        for block in self.blocks:
            x = block(x, codes)  # N×C×h×w
        return trimmed(self.head(x))  # N×3×H×W


class PaperMultiStyleNetwork(NamedStylizer):
    """The network of the paper (table 1): 1,674,432 shared weights and 3,206 numbers a style.

    Note:
        The paper's convolutions have no bias, and so have ours; sides of the photo must be multiples of 4, where the
        authors' code rounds.
    """

    bytes_per_pixel = 1500

    def __init__(
        self,
        styles: Sequence[str],
        normalizer: str = "instance",
        normalizer_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(styles, normalizer, normalizer_options)
        self.down = self._convs(((3, 32, 9, 1), (32, 64, 3, 2), (64, 128, 3, 2)))
        self.down_norms = nn.ModuleList(self.conditional_norm(width) for width in (32, 64, 128))
        self.blocks = nn.ModuleList(
            ConditionalBlock(self._convs(((128, 128, 3, 1),) * 2), [self.conditional_norm(128) for _ in range(2)])
            for _ in range(5)
        )
        self.up = self._convs(((128, 64, 3, 1), (64, 32, 3, 1), (32, 3, 9, 1)))
        self.up_norms = nn.ModuleList(self.conditional_norm(width) for width in (64, 32, 3))

    def _convs(self, plan: Sequence[tuple[int, int, int, int]]) -> nn.ModuleList:
        convs = nn.ModuleList(
            nn.Conv2d(a, b, size, stride, size // 2, bias=False, padding_mode="reflect") for a, b, size, stride in plan
        )
        for conv in convs:
            nn.init.normal_(conv.weight, std=0.01)  # type: ignore[arg-type]
        return convs

    def paint(self, photo: Tensor, code: Code | Sequence[Code]) -> Tensor:
        codes, x = self.codes_in_order(code), photo
        for conv, norm in zip(self.down, self.down_norms, strict=True):
            x = relu(norm(conv(x), next(codes)))  # N×C×h×w
        for block in self.blocks:
            x = block(x, codes)  # N×128×H/4×W/4
        for conv, norm in zip(self.up[:2], self.up_norms[:2], strict=True):
            x = relu(norm(conv(interpolate(x, scale_factor=2.0, mode="nearest")), next(codes)))  # N×C×h×w
        return sigmoid(self.up_norms[2](self.up[2](x), next(codes)))  # N×3×H×W
