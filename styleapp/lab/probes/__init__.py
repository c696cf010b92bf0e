"""Probes: measurements that show what a normalization does to signals, gradients, rates and statistics."""

from typing import Any

from styleapp.lab.probes.base import Probe
from styleapp.lab.probes.drift import DRIFT
from styleapp.lab.probes.growth import GROWTH
from styleapp.lab.probes.landscape import LANDSCAPE
from styleapp.lab.probes.rates import RATES
from styleapp.lab.probes.signals import SIGNALS
from styleapp.lab.probes.workers import WORKERS

__all__ = ["PROBES", "probe"]

PROBES: dict[str, Probe[Any]] = {one.name: one for one in (SIGNALS, GROWTH, LANDSCAPE, RATES, DRIFT, WORKERS)}
"""All probes by name."""


def probe(name: str) -> Probe[Any]:
    """One probe.

    Raises:
        ValueError: there is none of this name; the message lists them.
    """
    if name not in PROBES:
        raise ValueError(f"unknown probe {name!r}; known are {', '.join(PROBES)}")
    return PROBES[name]
