"""Adaptive instance normalization as one function (Huang & Belongie, ICCV 2017, section 5, equation 8)."""

from collections.abc import Sequence
from functools import lru_cache

from torch import Tensor

from styleapp.norms.code import Code
from styleapp.norms.layer import NormLayer, build_norm

__all__ = ["adaptive_instance_norm"]


def adaptive_instance_norm(content: Tensor, codes: Code | Sequence[Code]) -> Tensor:
    """Gives the content features the style's mean and deviation: γ·(c − μ_c)/√(σ_c² + 1e-5) + β.

    The module is ``build_norm("instance", C, modulator="image")``. With regions, each code normalizes and restyles its
    own part: content statistics are taken *inside* the region (as the authors' code does) and the results are added
    with the regions as weights. Where regions overlap to more than 1 they are scaled down to 1; what no region covers
    keeps the content's features.

    Args:
        content: N×C×H×W.
        codes: one code, or several that each have a region.

    Raises:
        ValueError: one of several codes has no region.

    Note:
        The deviations are biased, and ε stands on the content side only: the authors' Torch7 layer
        (``stats="lua"``), not the widespread PyTorch port, which is unbiased with ε on both sides.
    """
    return _layer(content.shape[1])(content, codes)


@lru_cache(maxsize=16)
def _layer(num_features: int) -> NormLayer:
    """It has no parameters and no state, so one serves every caller."""
    return build_norm("instance", num_features, modulator="image")
