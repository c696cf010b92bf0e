"""Ways to train that are no layer, one a file; each is chosen in a recipe under ``trainer.callbacks``."""

from styleapp.training.rules.clipping import AdaptiveClipping
from styleapp.training.rules.decay_correction import DecayRateCorrection
from styleapp.training.rules.decay_log import DecayLog
from styleapp.training.rules.mimic import MimicNorm
from styleapp.training.rules.precise import PreciseStatistics
from styleapp.training.rules.preconditioning import BatchNormPreconditioning
from styleapp.training.rules.repeated import RepeatedForward
from styleapp.training.rules.revisited import RevisitedBatchNorm
from styleapp.training.rules.sharpness import SharpnessAware

__all__ = [
    "AdaptiveClipping",
    "BatchNormPreconditioning",
    "DecayLog",
    "DecayRateCorrection",
    "MimicNorm",
    "PreciseStatistics",
    "RepeatedForward",
    "RevisitedBatchNorm",
    "SharpnessAware",
]
