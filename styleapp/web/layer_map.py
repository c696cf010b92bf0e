"""The layer map of the tab *Lab*: a table of a network's layers, each of which can be ticked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import gradio as gr

from styleapp.lab.ablation import LayerInfo
from styleapp.norms.catalogue import catalogue
from styleapp.web.lab_catalogue import page_link
from styleapp.web.pictures import WithoutStub

__all__ = ["LayerMap", "shown_layers"]

LINKS = {one.name: page_link(one.name) for one in catalogue()}
LINKS |= {
    modulator: page_link(system)
    for modulator, system in {"image": "adain", "mask": "spade", "styles": "conditional_instance"}.items()
}
"""Where links of normalizers and of modulators, which are known as parts of systems, lead."""

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
    stamp: str | None = None,
) -> dict[str, Any]:
    """What the table shows.

    Args:
        chosen: names of the layers that are ticked; all by default.
        now: what is different, by name of the layer.
        stamp: a table that has this stamp already keeps the ticks that it has by now; without one they are set.
    """
    return {
        "groups": [
            {"title": title, "rows": [_row(layer) for layer in layers if layer.kind == kind]}
            for kind, title in KINDS.items()
        ],
        "now": dict(now or {}),
        "chosen": [layer.name for layer in layers if chosen is None or layer.name in chosen],
        "stamp": stamp or uuid4().hex,
    }


def _row(layer: LayerInfo) -> dict[str, Any]:
    what = [layer.normalizer, layer.modulator] if layer.kind == "norm" else [f"weights: {layer.weight_norm}"]
    pieces = [{"words": words, "page": LINKS.get(str(words), "")} for words in what]
    return {"name": layer.name, "shape": "×".join(map(str, layer.shape)), "what": pieces}
