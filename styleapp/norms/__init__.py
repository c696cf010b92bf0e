"""Normalization: a normalizer removes statistics, a modulator gives scale and shift back."""

from styleapp.norms.adain import adaptive_instance_norm
from styleapp.norms.catalogue import catalogue
from styleapp.norms.code import Code, blend_codes, join_codes, split_code, weight_shares
from styleapp.norms.layer import MODULATORS, NORMALIZERS, NormConfig, NormLayer, build_norm
from styleapp.norms.modulators import Mixture, Modulator, Regions, style_code
from styleapp.norms.normalizers import Normalizer
from styleapp.norms.statistics import Moments, mean_deviation
from styleapp.norms.switch import Switched, switch_norms, switched_norms
from styleapp.norms.weight_switch import SwitchedWeight, switch_weight_norm, switched_weight_norm
from styleapp.norms.weights import WEIGHT_NORMS

__all__ = [
    "MODULATORS",
    "NORMALIZERS",
    "WEIGHT_NORMS",
    "Code",
    "Mixture",
    "Modulator",
    "Moments",
    "NormConfig",
    "NormLayer",
    "Normalizer",
    "Regions",
    "Switched",
    "SwitchedWeight",
    "adaptive_instance_norm",
    "blend_codes",
    "build_norm",
    "catalogue",
    "join_codes",
    "mean_deviation",
    "split_code",
    "style_code",
    "switch_norms",
    "switch_weight_norm",
    "switched_norms",
    "switched_weight_norm",
    "weight_shares",
]
