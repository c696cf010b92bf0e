"""StyleApp: photos into paintings, label maps into pictures, and what normalization layers do."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from styleapp.pipelines.stylize import StylizePipeline
    from styleapp.pipelines.synthesize import SynthesizePipeline

__all__ = ["StylizePipeline", "SynthesizePipeline"]

_HOME = {
    "StylizePipeline": "styleapp.pipelines.stylize",
    "SynthesizePipeline": "styleapp.pipelines.synthesize",
}


def __getattr__(name: str) -> Any:
    """Loads a public name on first use, so that ``styleapp --help`` need not wait for torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'styleapp' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
