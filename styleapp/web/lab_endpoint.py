"""The HTTP endpoint ``/ablate``: what it is given and what it returns."""

import gradio as gr

from styleapp.lab.partial import MODULATIONS, REMOVED
from styleapp.lab.switches import STRONGEST
from styleapp.web.controls import COMPUTE
from styleapp.web.lab_handlers import LabHandlers
from styleapp.web.pictures import PictureFile

__all__ = ["ablate_endpoint"]

SIDES = (32, 512)
"""Of pictures, in pixels: they are made while others wait."""


def ablate_endpoint(handlers: LabHandlers, style_picture: PictureFile) -> None:
    """Wires ``/ablate``; its controls are not seen."""
    inputs = [
        gr.Textbox("multistyle", label="Network", visible=False),
        gr.File(label="Pictures", file_count="multiple", visible=False),
        gr.JSON(label="Names of samples", visible=False),
        gr.Textbox("", label="Style", visible=False),
        style_picture,
        gr.Textbox("*", label="Layers", visible=False),
        gr.Textbox("", label="Normalizer", visible=False),
        gr.JSON(label="Options", visible=False),
        gr.Radio([*REMOVED], value="both", label="Removed", visible=False),
        gr.Textbox("", label="Statistics", visible=False),
        gr.Radio([*MODULATIONS], value="both", label="Modulation", visible=False),
        gr.Number(1.0, label="Strength", minimum=0, maximum=STRONGEST, visible=False),
        gr.Textbox("", label="Weight normalization", visible=False),
        gr.JSON(label="Switches", visible=False),
        gr.Number(0, label="Seed", precision=0, minimum=0, visible=False),
        gr.Number(256, label="Size", precision=0, minimum=SIDES[0], maximum=SIDES[1], visible=False),
    ]
    outputs = [
        gr.Image(label="Grid", type="filepath", format="png", image_mode=None, visible=False),
        gr.JSON(label="Scores", visible=False),
        gr.Textbox(label="Configuration", visible=False),
    ]
    gr.Button(visible=False).click(handlers.ablate, inputs, outputs, api_name="ablate", **COMPUTE)
