"""Figures of the normalization systems, drawn as SVG: which cells share statistics, and where γ and β come from."""

from collections.abc import Callable

from styleapp.lab.figures.activation import ACTIVATION_FIGURES
from styleapp.lab.figures.conditional import CONDITIONAL_FIGURES
from styleapp.lab.figures.rule import RULE_FIGURES, idea
from styleapp.lab.figures.svg import Drawing
from styleapp.lab.figures.weight import WEIGHT_FIGURES

__all__ = ["FIGURES", "Drawing"]

FIGURES: dict[str, Callable[[], Drawing]] = {
    "idea": idea,
    **ACTIVATION_FIGURES,
    **WEIGHT_FIGURES,
    **CONDITIONAL_FIGURES,
    **RULE_FIGURES,
}
"""The figure of every system in the catalogue, by its name; and ``idea``, the one of the index."""
