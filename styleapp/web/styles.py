"""The tab *Styles*: which control stands where, and what it calls."""

from typing import Any, NamedTuple

import gradio as gr

from styleapp.pipelines.colour import COLOURS
from styleapp.pipelines.samples import sample_photos
from styleapp.pipelines.stylize import MAX_STRENGTH
from styleapp.web.controls import (
    COMPUTE,
    PRIVATE,
    NameList,
    Outcome,
    TabControls,
    draft_while_dragging,
    painting_endpoint,
    region_and_side,
)
from styleapp.web.lessons import LESSON_TIPS, LessonControls, connect_lessons, lesson_controls
from styleapp.web.lessons_handlers import LessonsHandlers
from styleapp.web.studios import Studios
from styleapp.web.styles_handlers import MIXED, NOBODY, StylesHandlers

__all__ = ["TIPS", "build"]

NAMED_COLOURS = [name for name, mode in COLOURS.items() if mode.prepare is None]
"""The others recolour the style picture, and here is none."""

TIPS = {
    "styles-photo": "The picture that you want painted. Drop a file, paste, or use the camera.",
    "styles-photo-samples": "Click one to try it as your photo.",
    "styles-gallery": "Click a style: the photo is painted in it at once.",
    "styles-strength": "How much of the style: 0 is the photo, 1 is the style, above 1 exaggerates.",
    "styles-mix": "Blend up to four styles into one.",
    **{f"styles-name-{place}": f"Which style is number {place} of the mixture." for place in range(1, MIXED + 1)},
    **{f"styles-weight-{place}": f"How much of style {place} goes into it." for place in range(1, MIXED + 1)},
    "styles-all": "See your photo in every style, small, and choose one.",
    "styles-all-run": "Paint the photo in every style, 320 pixels large.",
    "styles-sheet": "Click a picture: the photo is painted in this style in full size.",
    "styles-look": "Keep the photo's colours, or paint a smaller picture.",
    "styles-colour": "Whose colours the painting has.",
    "styles-side": "Longer side of the painting in pixels. A photo is never enlarged.",
    "styles-result": "Drag the line to compare: the photo on the left, the painting on the right.",
    "styles-download": "Save the painting in full size, as a PNG without loss.",
    "styles-caption": "How long the painting took, its width × height in pixels, and the styles in it.",
    **LESSON_TIPS,
}
"""What every control says when one points at it, by the id of its element."""


class Page(NamedTuple):
    """The tab's controls."""

    photo: Any
    gallery: gr.Gallery
    strength: gr.Slider
    outcome: Outcome
    names: list[NameList]
    weights: list[gr.Slider]
    sheet_button: gr.Button
    sheet: gr.Gallery
    look: list[Any]
    lessons: LessonControls

    @property
    def mixer(self) -> list[Any]:
        """Names, then weights."""
        return [*self.names, *self.weights]

    @property
    def values(self) -> list[Any]:
        """Of :class:`styleapp.web.styles_handlers.Wish`, in its order."""
        return [self.photo, self.strength, *self.mixer, *self.look]


def build(studios: Studios) -> None:
    """Puts the tab's controls into the Gradio context that is open, and wires them."""
    handlers, lessons = StylesHandlers(studios), LessonsHandlers(studios)
    notice = gr.HTML(visible=False, elem_id="styles-notice", elem_classes="notice")
    page = _page(TabControls("styles", TIPS))
    names, sheet_names, painted = gr.State([]), gr.State([]), gr.State(None)
    shelf = [notice, page.gallery, names, *page.mixer, page.lessons.own, page.lessons.own_frame]
    shown: dict[str, Any] = {
        **COMPUTE,
        "inputs": page.values,
        "outputs": [*page.outcome, painted],
        "trigger_mode": "always_last",
        "show_progress": "minimal",
        "show_progress_on": [page.outcome.result],
        "api_visibility": "private",
    }
    gr.on(None, handlers.open, None, shelf, **PRIVATE)
    for tiles, among in ((page.gallery, names), (page.sheet, sheet_names)):
        chosen = tiles.select(
            handlers.choose, [among, names], [*page.mixer, page.gallery], trigger_mode="multiple", **PRIVATE
        )
        chosen.then(handlers.paint, **shown)
    marking: dict[str, Any] = {
        "fn": handlers.mark,
        "inputs": [names, *page.names],
        "outputs": page.gallery,
        **PRIVATE,
    }
    gr.on([one.input for one in page.names], **marking)
    sliders = [page.strength, *page.weights]
    draft_while_dragging(sliders, handlers.draft, [painted, *page.values], page.outcome.result)
    changes = [page.photo.change, *(one.input for one in (*page.names, *page.look)), *(one.release for one in sliders)]
    gr.on(changes, handlers.change, **{**shown, "inputs": [painted, *page.values]})
    page.sheet_button.click(
        handlers.sheet,
        [page.photo, page.strength, page.look[0]],
        [page.sheet, sheet_names],
        show_progress_on=[page.sheet],
        api_visibility="private",
        **COMPUTE,
    )
    learned, removed, new = connect_lessons(page.lessons, lessons)
    learned.then(handlers.shelve, [new, *page.mixer], shelf, **PRIVATE).then(handlers.repaint, **shown)
    removed.then(handlers.shelve, [gr.State(None), *page.mixer], shelf, **PRIVATE).then(**marking)
    _endpoints(handlers, page)


def _page(controls: TabControls) -> Page:
    with gr.Row(equal_height=False, elem_classes="studio"):
        with gr.Column(elem_classes="inputs"):
            photo = controls.picture_with_samples("photo", "Your photo", sample_photos(), photos=True, beside=True)
        with gr.Column(elem_classes="choice"):
            strength = controls.slider("strength", "Strength", 0, MAX_STRENGTH, 1.0, 0.05, told=False)
            gallery = controls.tiles("gallery", "Click a style", 5)
        with gr.Column(elem_classes="outcome"):
            outcome = controls.outcome("The painting")
        with gr.Column(elem_classes="options"):
            names, weights = _mixer(controls)
            sheet_button, sheet = _sheet(controls)
            lessons = lesson_controls(controls)
            with gr.Accordion("Colour and size", open=False, **controls.named("look")):
                look = [controls.colour(NAMED_COLOURS), controls.side()]
    return Page(photo, gallery, strength, outcome, names, weights, sheet_button, sheet, look, lessons)


def _mixer(controls: TabControls) -> tuple[list[NameList], list[gr.Slider]]:
    """Four styles, and the weight of each."""
    names, weights = [], []
    with gr.Accordion("Mix styles", open=False, **controls.named("mix")):
        gr.Markdown("Choose up to four styles and drag their weights; only the proportions count.")
        for place in range(1, MIXED + 1):
            with gr.Row(elem_classes="pair"):
                names.append(controls.name_list(f"name-{place}", f"Style {place}", [("none", NOBODY)], NOBODY))
                weights.append(controls.slider(f"weight-{place}", "Weight", 0, 1, 1.0, 0.05, told=False))
    return names, weights


def _sheet(controls: TabControls) -> tuple[gr.Button, gr.Gallery]:
    with gr.Accordion("All styles at once", open=False, **controls.named("all")):
        button = gr.Button("Paint the photo in every style", **controls.named("all-run"))
        return button, controls.tiles("sheet", "Click one to paint it large", 3, visible=False)


def _endpoints(handlers: StylesHandlers, page: Page) -> None:
    """``/styles`` and ``/stylize_named``."""
    listed = gr.JSON(label="Styles", visible=False)
    gr.Button(visible=False).click(handlers.styles, None, listed, api_name="styles")
    styles, (region, side) = gr.JSON(label="A name, or names with weights", visible=False), region_and_side()
    inputs = [page.photo, styles, page.strength, page.look[0], region, side]
    painting_endpoint(handlers.stylize_named, inputs, "stylize_named")
