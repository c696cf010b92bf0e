"""The part *Trained* of the tab *Lab*: which control stands where, and what it calls."""

from typing import Any, NamedTuple

import gradio as gr

from styleapp.web.controls import COMPUTE, PRIVATE, NameList, NameRadio, NameTicks, TabControls
from styleapp.web.lab_trained_handlers import DOWNLOADS, TrainedHandlers

__all__ = ["TRAINED_TIPS", "TrainedPart", "connect_trained", "trained_part"]

TRAINED_TIPS = {
    "lab-trained-grid": "Networks that were trained from scratch and differ in nothing but what is named here.",
    "lab-trained-told": "How these networks were trained.",
    "lab-trained-settings": "Lines of the figure, and pictures below it.",
    "lab-trained-loss": "What was made small in the training: the whole, or one of its parts by its weight.",
    "lab-trained-pictures": "What the networks paint; those of one seed are kept.",
    "lab-trained-photo": "The photo that they paint.",
    "lab-trained-style": "The style that they paint it in.",
    "lab-trained-figure": "Lines are means over the seeds, bands go from the smallest to the largest.",
    "lab-trained-table": "Means over the seeds ± the deviation over them. Distances are small where a picture is near.",
    "lab-trained-tiles": "The photo, and what the network of each setting and one seed makes of it; click to enlarge.",
    "lab-trained-svg": "Save the figure to be printed in any size.",
    "lab-trained-png": "Save the figure as a picture.",
    "lab-trained-results": "Save the scores of all networks of this grid.",
    "lab-trained-curves": "Save the losses of all networks of this grid, step by step.",
}
"""What every control says when one points at it, by the id of its element."""


class TrainedPart(NamedTuple):
    """The controls of the part: those that say what is there, what is chosen, and what is shown."""

    notice: gr.HTML
    frame: gr.Row
    grid: NameRadio
    told: gr.HTML
    settings: NameTicks
    loss: NameRadio
    pictures: gr.Row
    photo: NameList
    style: NameList
    figure: gr.HTML
    table: gr.HTML
    tiles: gr.Gallery
    downloads: list[gr.DownloadButton]


def trained_part(controls: TabControls) -> TrainedPart:
    """Builds the part into the Gradio context that is open."""
    notice = gr.HTML(visible=False, elem_id="lab-trained-notice", elem_classes="notice")
    with gr.Row(equal_height=False, visible=False, elem_classes="studio lab measured") as frame:
        with gr.Column(elem_classes="inputs"):
            grid = NameRadio([], label="Grid", **controls.told("trained-grid"))
            told = gr.HTML("", **controls.named("trained-told"))
            settings = NameTicks([], label="Trained with", **controls.told("trained-settings"))
            loss = NameRadio([], label="Curve of", **controls.told("trained-loss"))
            with gr.Row(visible=False, elem_classes="pair", **controls.named("trained-pictures")) as pictures:
                photo = controls.name_list("trained-photo", "Photo", [], None)
                style = controls.name_list("trained-style", "Style", [], None)
        with gr.Column(elem_classes="outcome"):
            figure = gr.HTML("", **controls.named("trained-figure"))
            table = gr.HTML("", **controls.named("trained-table"))
            tiles = controls.large_tiles("trained-tiles", "Paintings by these networks", 4, "fours")
            downloads = controls.downloads({f"trained-{part}": title for part, title in DOWNLOADS.items()})
    return TrainedPart(
        notice, frame, grid, told, settings, loss, pictures, photo, style, figure, table, tiles, downloads
    )


def connect_trained(part: TrainedPart, handlers: TrainedHandlers, tab: gr.Tab) -> None:
    """Wires the part: all is shown anew after each choice, pictures after what is quicker."""
    opened = gr.State(False)
    chosen: list[Any] = [part.grid, part.told, part.settings, part.loss, part.style, part.pictures]
    draw: dict[str, Any] = {
        "fn": handlers.draw,
        "inputs": [part.grid, part.settings, part.loss],
        "outputs": [part.figure, part.table, *part.downloads],
        "show_progress": "minimal",
        "show_progress_on": [part.figure],
    }
    paint: dict[str, Any] = {
        "fn": handlers.paint,
        "inputs": [part.grid, part.settings, part.photo, part.style],
        "outputs": part.tiles,
        "show_progress": "hidden",
    }
    event: dict[str, Any] = {"trigger_mode": "always_last", "api_visibility": "private", **COMPUTE}
    first = [part.notice, part.frame, opened, part.photo, *chosen]
    tab.select(handlers.open, opened, first, **PRIVATE).then(**draw, **event).then(**paint, **event)
    part.grid.input(handlers.choose, part.grid, chosen, **PRIVATE).then(**draw, **event).then(**paint, **event)
    part.settings.input(**draw, **event).then(**paint, **event)
    part.loss.input(**draw, **event)
    gr.on([part.photo.input, part.style.input], **paint, **event)
