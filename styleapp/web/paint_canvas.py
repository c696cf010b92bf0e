"""The canvas on which label maps are painted, and its maps as numbers."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from styleapp.pipelines.label_maps import IGNORED, LabelSet, Numbers, legend
from styleapp.web.pictures import WithoutStub

__all__ = ["LARGEST_MAP", "PaintCanvas", "PaintedMap", "painted_map", "shown_map"]

LARGEST_MAP = 1024
"""Longer side in pixels up to which a map can be painted on."""

FORM = re.compile(r"(\d{1,5})x(\d{1,5})((?: \d{1,3}:\d{1,7})+)")

ICONS = {
    "brush": "M4 20c3 0 5-1 5-3 0-1.5-1-2.5-2.5-2.5S4 16 4 20zM9 14.5 19 4l1.5 1.5L11 16",
    "eraser": "M8 20h12M4 15 14 5l6 6-9 9H8z",
    "fill": "M5 12 12 5l7 7-7 7zM9 8 6 5M20 15c1 2 1.5 3 1.5 4a1.5 1.5 0 0 1-3 0c0-1 .5-2 1.5-4z",
    "rectangle": "M4 6h16v12H4z",
    "undo": "M9 7 4 12l5 5M4 12h10a5 5 0 0 1 5 5v2",
    "redo": "m15 7 5 5-5 5M20 12H10a5 5 0 0 0-5 5v2",
    "flip": "M8 8 4 12l4 4M16 8l4 4-4 4M4 12h16",
    "mirror": "M12 3v18M9 7 3 17h6zM15 7l6 10h-6z",
    "clear": "M4 4h16v16H4z",
}

TOOLS = {
    "brush": "Brush: paint in the chosen class (B)",
    "eraser": "Eraser: bring back what the map began with (E)",
    "fill": "Fill: click an area to give all of it the chosen class (F)",
    "rectangle": "Rectangle: drag from corner to corner (R)",
}
ACTIONS = {
    "undo": "Take back the last change (Ctrl+Z)",
    "redo": "Do it again (Ctrl+Y)",
    "flip": "Swap left and right",
    "mirror": "Make the right half a reflection of the left one",
    "clear": "Give everything the chosen class",
}


class PaintedMap(NamedTuple):
    """A label map, and the network whose labels it has."""

    network: str
    numbers: Numbers


class PaintCanvas(gr.HTML, metaclass=WithoutStub):
    """A canvas with tools and a legend. Its value is :func:`shown_map`'s; :func:`painted_map` makes numbers of it.

    Besides ``input``, soon after each change, it has the event ``settled``, when nothing was changed for a second.

    Note:
        Not ``gr.ImageEditor``. That one renders strokes by WebGL, with smoothed edges: in a browser without a graphics
        card a stroke took 5 seconds where this canvas takes 0.2. It has no way to fill an area, and its undo forgets
        all that was before a ready-made map. Here pixels hold labels and nothing else: what arrives is what was
        painted.
    """

    def __init__(self, **options: Any) -> None:
        folder = Path(__file__).parent
        script = [(folder / name).read_text(encoding="utf-8") for name in ("label_map.js", "paint_canvas.js")]
        own = {"html_template": _template(), "js_on_load": "\n".join(script), "apply_default_css": False}
        super().__init__(**{**own, **options})  # Gradio gives all of them when it updates the component


def _template() -> str:
    """The page's part, which stays as it is: a legend, a canvas and buttons around them."""
    tools = "".join(_button("tool", name, tip) for name, tip in TOOLS.items())
    actions = "".join(_button("do", name, tip) for name, tip in ACTIONS.items())
    brush = '<input class="size" type="range" min="1" max="40" value="6" aria-label="Size of brush and eraser">'
    return f"""
<div class="tools" role="toolbar" aria-label="Tools">{tools}
<label title="Size of brush and eraser"><span>Size</span>{brush}</label></div>
<div class="board"><div class="legend" role="radiogroup" aria-label="What to paint"></div>
<div class="frame"><canvas width="256" height="256" title="" aria-label="The label map"></canvas>
<div class="ring" hidden></div></div></div>
<div class="tools" role="toolbar" aria-label="Changes">{actions}<span class="under"></span></div>
"""


def _button(kind: str, name: str, tip: str) -> str:
    icon = f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{ICONS[name]}"/></svg>'
    return f'<button type="button" data-{kind}="{name}" title="{tip}">{icon}<span>{name.capitalize()}</span></button>'


def shown_map(network: str, numbers: Numbers, labels: LabelSet) -> dict[str, Any]:
    """What the canvas shows: a label map (H×W), the legend for it, and the network that paints it."""
    flat = numbers.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    counts = np.diff(starts, append=flat.size)
    runs = [f"{label}:{count}" for label, count in zip(flat[starts], counts, strict=True)]
    size = f"{numbers.shape[1]}x{numbers.shape[0]}"
    return {"network": network, "legend": legend(labels), "map": " ".join([size, *runs])}


def painted_map(value: Any) -> PaintedMap:
    """What was painted, from the canvas's value. Whether the network has these labels is left to the network.

    Raises:
        ValueError: it is no map, or too large.
    """
    text, network = (value.get(key) for key in ("map", "network")) if isinstance(value, dict) else (None, None)
    form = FORM.fullmatch(text) if isinstance(text, str) and isinstance(network, str) else None
    if form is None:
        raise ValueError("There is no label map yet: choose one of the ready-made ones to begin with.")
    width, height = int(form[1]), int(form[2])
    runs = np.array(re.findall(r"\d+", form[3]), dtype=np.int64).reshape(-1, 2)  # R×2: label, count
    if not (0 < width <= LARGEST_MAP and 0 < height <= LARGEST_MAP):
        raise ValueError(f"A label map is at most {LARGEST_MAP}×{LARGEST_MAP} pixels, this one is {width}×{height}.")
    if runs[:, 1].sum() != width * height or runs[:, 0].max() > IGNORED:
        raise ValueError("The label map is damaged: load the page anew.")
    return PaintedMap(str(network), np.repeat(runs[:, 0], runs[:, 1]).astype(np.uint8).reshape(height, width))
