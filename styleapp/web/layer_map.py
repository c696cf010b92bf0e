"""The layer map of the tab *Lab*: a table of a network's layers, each of which can be ticked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from styleapp.lab.ablation import LayerInfo
from styleapp.web.lab_catalogue import page_link
from styleapp.web.pictures import WithoutStub

__all__ = ["LayerMap", "shown_layers"]

KNOWN_AS = {"image": "adain", "mask": "spade", "styles": "conditional_instance"}
"""Modulators, and the systems as whose parts they are known."""

KINDS = {"norm": "Normalization layers", "convolution": "Convolutions"}


class LayerMap(gr.HTML, metaclass=WithoutStub):
    """A table with one row a layer. Its value is :func:`shown_layers`'s, with what is ticked under ``chosen``.

    Note:
        Not ``gr.Dataframe``: that one is a spreadsheet, whose cells one edits, too wide for a phone and without a box
        that ticks all rows of a kind.
    """

    def __init__(self, **options: Any) -> None:
        script = (Path(__file__).parent / "layer_map.js").read_text(encoding="utf-8")
        template = '<div class="frame"><table></table></div>'
        super().__init__(
            **{"html_template": template, "js_on_load": script, "apply_default_css": False, **options}
        )  # Gradio gives all of them when it updates the component


def shown_layers(
    layers: Sequence[LayerInfo],
    chosen: Sequence[str] | None = None,
    now: Mapping[str, str] | None = None,
    answer: bool = False,
) -> dict[str, Any]:
    """What the table shows.

    Args:
        chosen: names of the layers that are ticked; all by default.
        now: what is different, by name of the layer.
        answer: whether this only tells what is different: then the ticks of by now stay, and so does the table of
            another network that was chosen since.
    """
    return {
        "groups": [
            {"title": title, "rows": [_row(layer) for layer in layers if layer.kind == kind]}
            for kind, title in KINDS.items()
        ],
        "now": dict(now or {}),
        "chosen": [layer.name for layer in layers if chosen is None or layer.name in chosen],
        "answer": answer,
    }


def _row(layer: LayerInfo) -> dict[str, Any]:
    if layer.kind == "norm":
        modulator = str(layer.modulator)
        what = [_named(str(layer.normalizer)), {"words": " × "}, _named(KNOWN_AS.get(modulator), modulator)]
    else:
        weight_norm = str(layer.weight_norm)
        what = [{"words": "weights: "}, _named(weight_norm if weight_norm != "none" else None, weight_norm)]
    return {"name": layer.name, "shape": "×".join(map(str, layer.shape)), "what": what}


def _named(system: str | None, words: str | None = None) -> dict[str, str]:
    """Words, and the page that they lead to if they stand for a system of the catalogue."""
    return {"words": words or str(system)} | ({"page": page_link(system)} if system else {})
