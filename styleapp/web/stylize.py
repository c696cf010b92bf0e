"""The tab *Stylize*: which control stands where, and what it calls."""

from typing import Any

import gradio as gr

from styleapp.pipelines.colour import COLOURS
from styleapp.pipelines.samples import Sample, sample_photos, sample_styles
from styleapp.pipelines.stylize import MAX_STRENGTH, STYLE_SCALES
from styleapp.web.network import NetworkProvider
from styleapp.web.pictures import PictureFile, readable_errors
from styleapp.web.region import BRUSHES, CANVAS_SIDE, canvas
from styleapp.web.stylize_handlers import StylizeHandlers

__all__ = ["TIPS", "build"]

COMPUTE: dict[str, Any] = {"concurrency_id": "compute", "concurrency_limit": 1}
"""Of every event that runs a network: only one at a time, whoever asks."""

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
SIDES = [("As the photo", 0), ("512", 512), ("768", 768), ("1024", 1024), ("2048", 2048)]

TIPS = {
    "stylize-photo": "The picture that you want painted. Drop a file, paste, or use the camera.",
    "stylize-photo-samples": "Click one to try it as your photo.",
    "stylize-style": "A painting, drawing or texture. The photo gets its colours and brush strokes.",
    "stylize-style-samples": "Click one to try it as the style.",
    "stylize-strength": "How much of the style: 0 is close to the photo, 1 is the style, above 1 exaggerates.",
    "stylize-run": "Paint the photo in the style.",
    "stylize-stop": "Give up the painting that is in work.",
    "stylize-mix": "Blend up to three styles into one.",
    "stylize-style-2": "A second style to blend in. Leave empty for none.",
    "stylize-style-3": "A third style to blend in. Leave empty for none.",
    "stylize-weight": "How much of the first style goes into the blend.",
    "stylize-weight-2": "How much of the second style goes into the blend.",
    "stylize-weight-3": "How much of the third style goes into the blend.",
    "stylize-where": "Paint on the photo to say where the style goes.",
    "stylize-region": "Brush over the places that the style should change. The rest stays as in the photo.",
    "stylize-look": "Keep the photo's colours, or change how large the strokes are.",
    "stylize-colour": "Whose colours the painting has.",
    "stylize-scale": "Above 1: larger strokes and patterns. Below 1: finer ones.",
    "stylize-size": "A smaller painting is ready sooner.",
    "stylize-side": "Longer side of the painting in pixels. A photo is never enlarged.",
    "stylize-result": "Drag the line to compare: the photo on the left, the painting on the right.",
    "stylize-download": "Save the painting in full size, as a PNG without loss.",
    "stylize-caption": "How long the painting took, and its width × height in pixels.",
}
"""What every control says when one points at it, by the id of its element."""


def build(network: NetworkProvider) -> None:
    """Puts the tab's controls into the Gradio context that is open, and wires them."""
    handlers = StylizeHandlers(network)
    with gr.Row(equal_height=False, elem_classes="studio"):
        with gr.Column(elem_classes="inputs"):
            with gr.Row(equal_height=False, elem_classes="pair"):
                photo = _picture_with_samples("stylize-photo", "1 · Your photo", sample_photos(), camera=True)
                style = _picture_with_samples("stylize-style", "2 · The style", sample_styles())
            strength = _slider("stylize-strength", "Strength", 0, MAX_STRENGTH, 1.0, 0.05)
            with gr.Row(elem_classes="actions"):
                run = gr.Button("Stylize", variant="primary", size="lg", elem_id="stylize-run", scale=3, min_width=120)
                stop = gr.Button("Stop", variant="stop", elem_id="stylize-stop", visible=False, scale=1, min_width=90)
        with gr.Column(elem_classes="outcome"):
            result, download, caption = _outcome()
        with gr.Column(elem_classes="options"):
            mix = _mix_controls()
            painting = _region_control(photo)
            look = _look_controls()
    painted, strokes = gr.State(None), _editor(visible=False)
    controls = [photo, style, strength, *mix, strokes, *look]
    outputs = [result, download, caption, painted]
    shown: dict[str, Any] = {**COMPUTE, "api_visibility": "private", "show_progress_on": [result]}
    hand_over: dict[str, Any] = {"fn": None, "inputs": painting, "outputs": strokes, "js": "value => value", **PRIVATE}
    # one after the other: on their own, a quick painting would be overtaken by the button's appearance
    press = run.click(**hand_over).then(lambda: gr.update(visible=True), None, stop, **PRIVATE)
    press = press.then(handlers.paint, [gr.State(True), *controls], outputs, **shown)
    sliders = [control for control in (strength, *mix, *look) if isinstance(control, gr.Slider)]
    _draft_while_dragging(sliders, handlers, [painted, *controls], result)
    let_go = gr.on([slider.release for slider in sliders], **hand_over)
    redo = let_go.then(lambda painted: gr.update(visible=painted is not None), painted, stop, **PRIVATE)
    redo = redo.then(handlers.paint, [painted, *controls], outputs, trigger_mode="always_last", **shown)
    for event in (press, redo):
        event.success(lambda: gr.update(visible=False), None, stop, **PRIVATE)
        event.failure(lambda: gr.update(visible=False), None, stop, **PRIVATE)
    stop.click(lambda: gr.update(visible=False), None, stop, cancels=[press, redo], **PRIVATE)
    _endpoint(handlers, photo, style, strength, mix, look)


def _draft_while_dragging(
    sliders: list[gr.Slider], handlers: StylizeHandlers, inputs: list[Any], result: gr.ImageSlider
) -> None:
    """A small painting each time that the one before is done, of where the slider is by then."""
    gr.on(
        [slider.input for slider in sliders],
        handlers.draft,
        inputs,
        result,
        trigger_mode="always_last",
        show_progress="hidden",
        api_visibility="private",
        **COMPUTE,
    )


def _tip(elem_id: str) -> dict[str, Any]:
    return {"elem_id": elem_id, "info": TIPS[elem_id]}


def _slider(elem_id: str, label: str, low: float, high: float, value: float, step: float) -> gr.Slider:
    return gr.Slider(low, high, value, step=step, label=label, buttons=["reset"], **_tip(elem_id))


def _picture(elem_id: str, label: str, sources: list[Any], height: int) -> PictureFile:
    return PictureFile(label=label, elem_id=elem_id, height=height, sources=sources, buttons=[])


def _picture_with_samples(elem_id: str, label: str, samples: list[Sample], camera: bool = False) -> PictureFile:
    with gr.Column(min_width=150):
        sources: list[Any] = ["upload", "webcam", "clipboard"] if camera else ["upload", "clipboard"]
        picture = _picture(elem_id, label, sources, 260)
        with gr.Column(elem_classes="samples", visible=bool(samples)):
            gr.Examples(
                [[str(sample.path)] for sample in samples],
                picture,
                label="or try one of these",
                elem_id=f"{elem_id}-samples",
                examples_per_page=max(1, len(samples)),
                api_visibility="private",
                preload=False,
                cache_examples=False,
            )
    return picture


def _mix_controls() -> list[Any]:
    """Second and third style, then the three weights."""
    with gr.Accordion("Mix styles", open=False, elem_id="stylize-mix"):
        with gr.Row(elem_classes="pair"):
            others = [
                _picture("stylize-style-2", "Second style", ["upload"], 180),
                _picture("stylize-style-3", "Third style", ["upload"], 180),
            ]
        weights = [
            _slider("stylize-weight", "Weight of style 1", 0, 1, 1.0, 0.05),
            _slider("stylize-weight-2", "Weight of style 2", 0, 1, 1.0, 0.05),
            _slider("stylize-weight-3", "Weight of style 3", 0, 1, 1.0, 0.05),
        ]
    return [*others, *weights]


def _region_control(photo: PictureFile) -> gr.ImageEditor:
    with gr.Accordion("Only in part of the picture", open=False, elem_id="stylize-where"):
        names = list(BRUSHES.values())
        gr.Markdown(
            "Brush over the places that the style should change; nothing painted means everywhere. "
            "With several styles: one colour mixes them there, several colours keep them apart "
            f"({names[0]} the first style, {names[1]} the second, {names[2]} the third)."
        )
        painting = _editor(elem_id="stylize-region")
    photo.change(_canvas, photo, painting, show_progress_on=[photo], **PRIVATE)
    return painting


def _editor(**options: Any) -> gr.ImageEditor:
    """The photo to paint on; and once more, unseen, to take what was painted when it is needed.

    An editor that is itself an input or shows progress is asked for its pictures with every message of any event, a
    dozen uploads a painting; the unseen one has them once.
    """
    return gr.ImageEditor(
        label="Where the style goes",
        show_label=False,
        type="pil",
        image_mode="RGBA",
        format="png",
        sources=(),
        transforms=(),
        layers=False,
        brush=gr.Brush(default_size=48, colors=list(BRUSHES), default_color=next(iter(BRUSHES)), color_mode="fixed"),
        eraser=gr.Eraser(default_size=48),
        canvas_size=(CANVAS_SIDE, CANVAS_SIDE),
        fixed_canvas=False,
        buttons=[],
        **options,
    )


def _canvas(photo: str | None) -> dict[str, Any] | None:
    with readable_errors(photo):
        return canvas(photo)


def _look_controls() -> list[Any]:
    """Colour, style scale, longer side."""
    with gr.Accordion("Colour and scale", open=False, elem_id="stylize-look"):
        choices = [(mode.title[0].upper() + mode.title[1:], name) for name, mode in COLOURS.items()]
        colour = gr.Radio(choices, value="style", label="Colour", **_tip("stylize-colour"))
        scale = _slider("stylize-scale", "Style scale", *STYLE_SCALES, 1.0, 0.25)
    with gr.Accordion("Size", open=False, elem_id="stylize-size"):
        side = gr.Radio(SIDES, value=0, label="Longer side", **_tip("stylize-side"))
    return [colour, scale, side]


def _outcome() -> tuple[gr.ImageSlider, gr.DownloadButton, gr.HTML]:
    result = gr.ImageSlider(
        label="3 · The painting",
        elem_id="stylize-result",
        type="filepath",
        format="png",
        image_mode=None,
        interactive=False,
        max_height=620,
        buttons=["fullscreen"],
    )
    with gr.Row(elem_classes="actions"):
        caption = gr.HTML("", elem_id="stylize-caption")
        download = gr.DownloadButton(
            "Download full size", elem_id="stylize-download", interactive=False, min_width=120, scale=0
        )
    return result, download, caption


def _endpoint(
    handlers: StylizeHandlers, photo: Any, style: Any, strength: Any, mix: list[Any], look: list[Any]
) -> None:
    """``/stylize``: the page's own inputs; a mask file instead of the painting, any number instead of the size list."""
    region = PictureFile(label="Region", visible=False)
    side = gr.Number(None, label="Longer side", precision=0, minimum=16, visible=False)
    picture = gr.Image(label="Painting", type="filepath", format="png", image_mode=None, visible=False)
    gr.Button(visible=False).click(
        handlers.stylize,
        [photo, style, strength, *mix, region, *look[:2], side],
        picture,
        api_name="stylize",
        **COMPUTE,
    )
