"""A normalization layer: a normalizer, then a modulator. The tables of both, and how a layer is built from names."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from styleapp.norms.code import Code, fitted_regions
from styleapp.norms.experimental import AdaptiveBatchNormalizer, UnifiedBatchNormalizer
from styleapp.norms.lookup import looked_up_norm
from styleapp.norms.lp_batch import L1BatchNormalizer, LinfBatchNormalizer, TopKBatchNormalizer
from styleapp.norms.memory import MemorizedBatchNormalizer
from styleapp.norms.modulators import (
    AffineModulator,
    ImageModulator,
    MaskModulator,
    Modulator,
    NoModulator,
    StylesModulator,
)
from styleapp.norms.neighbourhoods import Neighbourhoods
from styleapp.norms.normalizers import (
    BatchNormalizer,
    GroupNormalizer,
    InstanceNormalizer,
    LayerNormalizer,
    NoNormalizer,
    Normalizer,
    RevisitedBatchNormalizer,
)
from styleapp.norms.running import MovingBatchNormalizer, PowerNormalizer
from styleapp.norms.synchronized import SyncBatchNormalizer

__all__ = ["MODULATORS", "NORMALIZERS", "STATS", "NormConfig", "NormLayer", "build_norm"]

NORMALIZERS: dict[str, type[Normalizer]] = {
    "none": NoNormalizer,
    "batch": BatchNormalizer,
    "sync_batch": SyncBatchNormalizer,
    "layer": LayerNormalizer,
    "instance": InstanceNormalizer,
    "group": GroupNormalizer,
    "l1_batch": L1BatchNormalizer,
    "linf_batch": LinfBatchNormalizer,
    "topk_batch": TopKBatchNormalizer,
    "revisited_batch": RevisitedBatchNormalizer,
    "moving_batch": MovingBatchNormalizer,
    "power": PowerNormalizer,
    "memorized_batch": MemorizedBatchNormalizer,
    "unified_batch": UnifiedBatchNormalizer,
    "adaptive_batch": AdaptiveBatchNormalizer,
}

MODULATORS: dict[str, type[Modulator]] = {
    "none": NoModulator,
    "affine": AffineModulator,
    "styles": StylesModulator,
    "image": ImageModulator,
    "mask": MaskModulator,
}

STATS: dict[str, dict[str, Any]] = {
    "lua": {"eps": 1e-5, "unbiased": False, "style_eps": 0.0, "style_unbiased": False},
    "torch": {"eps": 1e-5, "unbiased": True, "style_eps": 1e-5, "style_unbiased": True},
}
"""Estimators of content and style that belong together: the AdaIN authors' code, and its widespread PyTorch port."""


class NormLayer(nn.Module):
    """Normalizes features, then scales and shifts them by what the modulator makes of a condition.

    ``layer(x, condition)``: x is N×C×H×W; the condition is what the modulator understands, or a :class:`Code` (or a
    list of codes with regions) that was made before, blended, scaled or varied over the picture.

    Raises:
        ValueError: the two are for different numbers of features, or the features have another number of channels.
    """

    def __init__(self, normalizer: Normalizer, modulator: Modulator) -> None:
        super().__init__()
        if normalizer.num_features != modulator.num_features:
            raise ValueError(
                f"the normalizer is for {normalizer.num_features} features, "
                f"the modulator for {modulator.num_features}: they must be the same"
            )
        self.normalizer, self.modulator = normalizer, modulator

    @property
    def num_features(self) -> int:
        return self.normalizer.num_features

    def forward(self, x: Tensor, condition: Any = None) -> Tensor:
        if x.dim() != 4 or x.shape[1] != self.num_features:
            raise ValueError(f"features must be N×{self.num_features}×H×W, got {tuple(x.shape)}")
        if isinstance(condition, Neighbourhoods):
            result = looked_up_norm(self.normalizer, self.modulator, x, condition)
            if result is not None:
                return result  # N×C×H×W
        code = self.modulator.code(condition, x.shape[-2:])
        if code is None or (isinstance(code, Code) and code.region is None):
            return self.normalizer(x, _paired(code, x))  # N×C×H×W
        codes = [code] if isinstance(code, Code) else code
        return self.normalizer.restyle(x, codes, fitted_regions(codes, x.shape[-2:]))  # N×C×H×W


def _paired(code: Code | None, x: Tensor) -> Code | None:
    if code is not None and code.gamma.shape[0] not in (1, x.shape[0]):
        raise ValueError(f"a condition for {code.gamma.shape[0]} samples does not fit {x.shape[0]} samples of features")
    return code


def build_norm(
    normalizer: str,
    num_features: int,
    *,
    modulator: str = "affine",
    stats: Literal["lua", "torch"] | None = None,
    **options: Any,
) -> NormLayer:
    """A layer from the names of a normalizer and a modulator.

    Args:
        normalizer: one of :data:`NORMALIZERS`.
        num_features: C.
        modulator: one of :data:`MODULATORS`.
        stats: sets estimator and ε of content and style together, see :data:`STATS`; ``options`` win over it.
        options: keyword options of the two constructors; each goes to the one that has it.

    Raises:
        ValueError: an unknown name; an option that neither has or both have; see the two constructors.
    """
    return NormConfig(normalizer, modulator, stats, options).build(num_features)


@dataclass(frozen=True)
class NormConfig:
    """What :func:`build_norm` takes but for the number of features, so that a recipe or a network can hold it.

    Raises:
        ValueError: see :func:`build_norm`; said when the configuration is made, not when it is used.
    """

    normalizer: str = "batch"
    modulator: str = "affine"
    stats: Literal["lua", "torch"] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._split({})

    def build(self, num_features: int, **more: Any) -> NormLayer:
        """The layer for a number of features; ``more`` are options that only the network knows, such as num_labels."""
        for_normalizer, for_modulator = self._split(more)
        norm = NORMALIZERS[self.normalizer](num_features, **for_normalizer)
        modulation = MODULATORS[self.modulator](num_features, **for_modulator)
        if norm.initial_scale != 1:
            modulation.start_at(norm.initial_scale)
        return NormLayer(norm, modulation)

    def _split(self, more: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Options of the normalizer and of the modulator."""
        known = {
            f"normalizer {self.normalizer}": _options(_named("normalizer", self.normalizer, NORMALIZERS)),
            f"modulator {self.modulator}": _options(_named("modulator", self.modulator, MODULATORS)),
        }
        given = {**self.options, **more}
        for name in given:
            _check_claims(name, known)
        preset = STATS[_named_stats(self.stats)] if self.stats else {}
        first, second = known.values()
        split = [{name: value for name, value in {**preset, **given}.items() if name in own} for own in (first, second)]
        return split[0], split[1]


def _check_claims(option: str, known: Mapping[str, tuple[str, ...]]) -> None:
    claims = [owner for owner, own in known.items() if option in own]
    if len(claims) == 1:
        return
    if claims:
        raise ValueError(f"option {option} is claimed by both {' and '.join(claims)}")
    have = "; ".join(f"{owner} has {', '.join(own) or 'no options'}" for owner, own in known.items())
    raise ValueError(f"unknown option {option}: {have}")


def _options(constructor: type[nn.Module]) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(constructor).parameters if name != "num_features")


def _named(kind: str, name: str, table: Mapping[str, Any]) -> Any:
    if name not in table:
        raise ValueError(f"unknown {kind} {name!r}; known are {', '.join(table)}")
    return table[name]


def _named_stats(name: str) -> str:
    _named("stats", name, STATS)
    return name
