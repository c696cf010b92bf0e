"""Normalization: statistics that are removed and the scales and shifts that are given back."""

from styleapp.norms.adain import (
    AdaptiveInstanceNorm,
    StyleCode,
    adaptive_instance_norm,
    blend_codes,
    style_code,
    weight_shares,
)
from styleapp.norms.statistics import Moments, mean_deviation

__all__ = [
    "AdaptiveInstanceNorm",
    "Moments",
    "StyleCode",
    "adaptive_instance_norm",
    "blend_codes",
    "mean_deviation",
    "style_code",
    "weight_shares",
]
