"""The tab *Stylize*: which control stands where, and what it calls."""

from typing import Any

import gradio as gr

from styleapp.pipelines.samples import sample_photos, sample_styles
from styleapp.pipelines.stylize import MAX_STRENGTH, STYLE_SCALES
from styleapp.web.controls import (
    COMPUTE,
    PRIVATE,
    TabControls,
    draft_while_dragging,
    painting_endpoint,
    region_and_side,
)
from styleapp.web.network import NetworkProvider
from styleapp.web.pictures import PictureFile, readable_errors
from styleapp.web.region import BRUSHES, CANVAS_SIDE, canvas
from styleapp.web.stylize_handlers import StylizeHandlers

__all__ = ["TIPS", "build"]

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


def build(network: NetworkProvider) -> PictureFile:
    """Puts the tab's controls into the Gradio context that is open, and wires them.

    Returns:
        Where the photo is, which other tabs may bring.
    """
    handlers, controls = StylizeHandlers(network), TabControls("stylize", TIPS)
    with gr.Row(equal_height=False, elem_classes="studio"):
        with gr.Column(elem_classes="inputs"):
            with gr.Row(equal_height=False, elem_classes="pair"):
                photo = controls.picture_with_samples("photo", "1 · Your photo", sample_photos(), photos=True)
                style = controls.picture_with_samples("style", "2 · The style", sample_styles())
            strength = controls.slider("strength", "Strength", 0, MAX_STRENGTH, 1.0, 0.05)
            run, stop = controls.run_and_stop("Stylize")
        with gr.Column(elem_classes="outcome"):
            outcome = controls.outcome("3 · The painting")
        with gr.Column(elem_classes="options"):
            mix = _mix_controls(controls)
            painting = _region_control(photo)
            look = _look_controls(controls)
    painted, strokes = gr.State(None), _editor(visible=False)
    inputs = [photo, style, strength, *mix, strokes, *look]
    outputs = [*outcome, painted]
    shown: dict[str, Any] = {**COMPUTE, "api_visibility": "private", "show_progress_on": [outcome.result]}
    hand_over: dict[str, Any] = {"fn": None, "inputs": painting, "outputs": strokes, "js": "value => value", **PRIVATE}
    # one after the other: on their own, a quick painting would be overtaken by the button's appearance
    press = run.click(**hand_over).then(lambda: gr.update(visible=True), None, stop, **PRIVATE)
    press = press.then(handlers.paint, [gr.State(True), *inputs], outputs, **shown)
    sliders = [control for control in (strength, *mix, *look) if isinstance(control, gr.Slider)]
    draft_while_dragging(sliders, handlers.draft, [painted, *inputs], outcome.result)
    let_go = gr.on([slider.release for slider in sliders], **hand_over)
    redo = let_go.then(lambda painted: gr.update(visible=painted is not None), painted, stop, **PRIVATE)
    redo = redo.then(handlers.paint, [painted, *inputs], outputs, trigger_mode="always_last", **shown)
    for event in (press, redo):
        event.success(lambda: gr.update(visible=False), None, stop, **PRIVATE)
        event.failure(lambda: gr.update(visible=False), None, stop, **PRIVATE)
    stop.click(lambda: gr.update(visible=False), None, stop, cancels=[press, redo], **PRIVATE)
    region, side = region_and_side()
    painting_endpoint(handlers.stylize, [photo, style, strength, *mix, region, *look[:2], side], "stylize")
    return photo


def _mix_controls(controls: TabControls) -> list[Any]:
    """Second and third style, then the three weights."""
    with gr.Accordion("Mix styles", open=False, elem_id="stylize-mix"):
        with gr.Row(elem_classes="pair"):
            others = [
                controls.picture("style-2", "Second style", ["upload"], 180),
                controls.picture("style-3", "Third style", ["upload"], 180),
            ]
        weights = [
            controls.slider("weight", "Weight of style 1", 0, 1, 1.0, 0.05),
            controls.slider("weight-2", "Weight of style 2", 0, 1, 1.0, 0.05),
            controls.slider("weight-3", "Weight of style 3", 0, 1, 1.0, 0.05),
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


def _look_controls(controls: TabControls) -> list[Any]:
    """Colour, style scale, longer side."""
    with gr.Accordion("Colour and scale", open=False, elem_id="stylize-look"):
        colour = controls.colour()
        scale = controls.slider("scale", "Style scale", *STYLE_SCALES, 1.0, 0.25)
    with gr.Accordion("Size", open=False, elem_id="stylize-size"):
        side = controls.side()
    return [colour, scale, side]
