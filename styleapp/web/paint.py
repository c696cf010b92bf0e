"""The tab *Paint*: which control stands where, and what it calls."""

from typing import Any, NamedTuple

import gradio as gr

from styleapp.web.controls import COMPUTE, PRIVATE, NameRadio, TabControls, painting_endpoint
from styleapp.web.paint_canvas import PaintCanvas
from styleapp.web.paint_handlers import MANY_SEEDS, PaintHandlers
from styleapp.web.paint_maps_handlers import SIDES, MapsHandlers
from styleapp.web.painters import Painters
from styleapp.web.pictures import PictureFile

__all__ = ["TIPS", "PaintPage", "build", "connect_stylize"]

LARGEST_SEED = 2**31 - 1

DICE = f"() => Math.floor(Math.random() * {MANY_SEEDS})"

TIPS = {
    "paint-network": "What kind of picture comes of your map. Each kind has classes of its own.",
    "paint-side": "Longer side of map and picture in pixels; most networks were trained on maps of about 256.",
    "paint-canvas": "Choose a class in the legend and paint; a right click takes the class under the pointer.",
    "paint-start": "Click one to begin with it; click it again for another one of the same kind.",
    "paint-result": "What the network makes of your map, anew after each stroke.",
    "paint-caption": "How long the picture took, its width × height in pixels, and its seed.",
    "paint-download": "Save the picture, as a PNG without loss.",
    "paint-send": "Take the picture to the tab Stylize, as the photo to be painted.",
    "paint-seed": "The same map and seed make the same picture; another seed makes another look.",
    "paint-dice": "Try another seed, drawn at random.",
    "paint-more": "See the map in four other looks and choose one.",
    "paint-variants": "Click a picture: its seed is taken.",
    "paint-look": "Give the picture the colours and the light of another one.",
    "paint-style": "A picture of the same kind of scene, whose look the result gets. Leave empty for the seed's look.",
    "paint-strength": "How much of that picture's look: 0 is the seed's own, 1 is the picture's.",
    "paint-seen": "Begin with what is on a photo.",
    "paint-photo": "A photo: each of its parts is given a class, as well as the network can tell.",
    "paint-file": "Keep the map for another day, or bring one along.",
    "paint-upload": "A picture file of label numbers, or in the legend's colours.",
    "paint-mask": "Save the map as a PNG of label numbers, which can be uploaded again.",
    "paint-legend": "Save the numbers, names and colours of the classes as a YAML file.",
}
"""What every control says when one points at it, by the id of its element."""


class PaintPage(NamedTuple):
    """The tab's controls that others are connected with.

    Attributes:
        values: of :class:`styleapp.web.paint_handlers.Wish`, in its order.
    """

    send: gr.Button
    values: list[Any]
    handlers: PaintHandlers


class Maker(NamedTuple):
    """Where maps come from."""

    network: NameRadio
    side: gr.Radio
    canvas: PaintCanvas
    start: gr.Gallery
    photo: PictureFile
    upload: gr.UploadButton
    mask: gr.DownloadButton
    legend: gr.DownloadButton


class Result(NamedTuple):
    """Where pictures are shown, and what they are made with beside the map."""

    picture: gr.Image
    caption: gr.HTML
    download: gr.DownloadButton
    send: gr.Button
    seed: gr.Number
    dice: gr.Button
    more: gr.Button
    variants: gr.Gallery


def build(painters: Painters) -> PaintPage:
    """Puts the tab's controls into the Gradio context that is open, and wires them."""
    pictures, maps, controls = PaintHandlers(painters), MapsHandlers(painters), TabControls("paint", TIPS)
    notice = gr.HTML(visible=False, elem_id="paint-notice", elem_classes="notice")
    with gr.Row(equal_height=False, visible=False, elem_classes="studio even") as studio:
        with gr.Column(elem_classes="inputs"):
            with gr.Row(elem_classes="pair"):
                network = NameRadio([], label="What to paint", **controls.named("network"))
                side = gr.Radio(SIDES, value=SIDES[0], label="Size of the map", **controls.named("side"))
            canvas = PaintCanvas(elem_classes="label-canvas", **controls.named("canvas"))
        with gr.Column(elem_classes="outcome"):
            result = _result(controls)
        with gr.Column(elem_classes="options"):
            start = controls.tiles("start", "Begin with", 7, format="png")
            look, style, strength = _look(controls)
            photo, files = _sources(controls)
    maker = Maker(network, side, canvas, start, photo, *files)
    values = [canvas, result.seed, style, strength]
    _connect_maps(maker, maps, notice, studio, look)
    _connect_pictures(maker, result, pictures, values)
    _endpoints(pictures, maps, result.seed, style, strength, photo)
    return PaintPage(result.send, values, pictures)


def connect_stylize(page: PaintPage, photo: PictureFile, tabs: gr.Tabs) -> None:
    """Wires the button that takes the picture to the tab *Stylize*.

    Args:
        photo: of that tab.
        tabs: where it is one of.
    """
    page.send.click(page.handlers.send, page.values, [photo, tabs], api_visibility="private", **COMPUTE)


def _result(controls: TabControls) -> Result:
    picture = gr.Image(
        label="The picture",
        type="filepath",
        format="png",
        interactive=False,
        buttons=["fullscreen"],
        elem_classes="studio-result",
        **controls.named("result"),
    )
    small: dict[str, Any] = {"min_width": 90, "scale": 0, "elem_classes": "studio-download"}
    with gr.Row(elem_classes="actions"):
        caption = gr.HTML("", elem_classes="studio-caption", **controls.named("caption"))
        send = gr.Button("Send to Stylize", **small, **controls.named("send"))
        download = gr.DownloadButton("Download", interactive=False, **small, **controls.named("download"))
    with gr.Row(elem_classes="actions seeds"):
        seed = gr.Number(
            0, label="Seed", precision=0, minimum=0, maximum=LARGEST_SEED, min_width=110, **controls.named("seed")
        )
        dice = gr.Button("Roll the dice", min_width=110, **controls.named("dice"))
        more = gr.Button("Four variants", min_width=110, **controls.named("more"))
    variants = controls.tiles("variants", "Click one to take it", 4, visible=False)
    return Result(picture, caption, download, send, seed, dice, more, variants)


def _look(controls: TabControls) -> tuple[gr.Accordion, PictureFile, gr.Slider]:
    with gr.Accordion("The look of another picture", open=False, **controls.named("look")) as frame:
        style = controls.picture("style", "Style picture", ["upload", "clipboard"], 200)
        strength = controls.slider("strength", "Style strength", 0, 1, 1.0, 0.05)
    return frame, style, strength


def _sources(controls: TabControls) -> tuple[PictureFile, list[Any]]:
    """The photo, then the buttons of mask files."""
    with gr.Accordion("Begin with a photo", open=False, **controls.named("seen")):
        photo = controls.picture("photo", "Photo", ["upload", "webcam", "clipboard"], 200)
    with gr.Accordion("The map as a file", open=False, **controls.named("file")), gr.Row():
        small: dict[str, Any] = {"min_width": 130, "size": "md"}
        upload = gr.UploadButton("Upload mask", file_types=["image"], **small, **controls.named("upload"))
        mask = gr.DownloadButton("Download mask", interactive=False, **small, **controls.named("mask"))
        legend = gr.DownloadButton("Download legend", interactive=False, **small, **controls.named("legend"))
    return photo, [upload, mask, legend]


def _connect_maps(maker: Maker, maps: MapsHandlers, notice: gr.HTML, studio: gr.Row, look: gr.Accordion) -> None:
    network, side, canvas = maker.network, maker.side, maker.canvas
    names = gr.State([])
    switched = [canvas, maker.start, names, look]
    gr.on(None, maps.open, None, [notice, studio, network, *switched], **PRIVATE)
    network.input(maps.switch, [network, side], switched, **PRIVATE)
    side.input(maps.resize, [canvas, side], canvas, **PRIVATE)
    maker.start.select(maps.begin, [network, side, names], canvas, **PRIVATE)
    maker.upload.upload(maps.load, [network, maker.upload], canvas, **PRIVATE)
    maker.photo.change(
        maps.see,
        [network, maker.photo, side],
        canvas,
        trigger_mode="always_last",
        show_progress_on=[maker.photo],
        api_visibility="private",
        **COMPUTE,
    )


def _connect_pictures(maker: Maker, result: Result, handlers: PaintHandlers, values: list[Any]) -> None:
    canvas, seed, style, strength = values
    done, seeds = gr.State(None), gr.State([])
    outputs = [result.picture, result.download, maker.mask, maker.legend, result.caption, done]
    shown: dict[str, Any] = {
        "inputs": [done, *values],
        "outputs": outputs,
        "trigger_mode": "always_last",  # one at a time, and then the newest: nothing piles up
        "show_progress": "hidden",
        "api_visibility": "private",
        **COMPUTE,
    }
    gr.on([canvas.input, strength.input], handlers.live, **shown)
    canvas.settled(handlers.settle, **shown)
    gr.on([seed.change, style.change, strength.release], handlers.settle, **shown)
    result.dice.click(None, None, seed, js=DICE, **PRIVATE)
    result.more.click(
        handlers.variants,
        values,
        [result.variants, seeds],
        show_progress_on=[result.variants],
        api_visibility="private",
        **COMPUTE,
    )
    result.variants.select(handlers.take, seeds, seed, **PRIVATE)


def _endpoints(
    pictures: PaintHandlers, maps: MapsHandlers, seed: gr.Number, style: PictureFile, strength: gr.Slider, photo: Any
) -> None:
    """``/synthesize``, ``/segment`` and ``/labels``."""
    mask = PictureFile(label="Mask", visible=False)
    checkpoint = gr.Textbox("facades", label="Network", visible=False)
    size = gr.Number(None, label="Longer side", precision=0, minimum=1, visible=False)
    sureness = gr.Number(0.0, label="Sureness", minimum=0, maximum=1, visible=False)
    painting_endpoint(pictures.synthesize, [mask, checkpoint, seed, style, strength, size], "synthesize")
    painting_endpoint(maps.segment, [photo, checkpoint, sureness, size], "segment")
    listed = gr.JSON(label="Label sets", visible=False)
    gr.Button(visible=False).click(maps.labels, None, listed, api_name="labels")
