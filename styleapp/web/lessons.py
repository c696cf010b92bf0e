"""The part *Add your own style* of the tab *Styles*: which control stands where, and what it calls."""

from typing import Any, NamedTuple

import gradio as gr

from styleapp.web.controls import PRIVATE, NameList, TabControls
from styleapp.web.lessons_handlers import MOST_STEPS, LessonsHandlers
from styleapp.web.pictures import PictureFile

__all__ = ["LESSON_TIPS", "LessonControls", "connect_lessons", "lesson_controls"]

TEACHING: dict[str, Any] = {"concurrency_id": "lessons", "concurrency_limit": 1}
"""Of every event that learns: one lesson at a time, and others can paint meanwhile."""

STEPS, FEWEST = 200, 20

CONFIRM = "name => name && confirm(`Remove “${name}” for good?`) ? name : null"

LESSON_TIPS = {
    "styles-own": "Teach the network a style from one picture.",
    "styles-lesson-picture": "The painting, drawing or texture that is to be learned.",
    "styles-lesson-preview": "A sample photo in the new style, as far as it has been learned.",
    "styles-lesson-name": "What the new style is called in the gallery.",
    "styles-lesson-steps": "More steps come nearer to the picture and take longer.",
    "styles-learn": "Learn the style; it is in the gallery when this is done.",
    "styles-learn-stop": "End the lesson now and keep what has been learned.",
    "styles-progress": "How far the lesson is, and how long it will take.",
    "styles-own-name": "One of your own styles, to be removed or downloaded.",
    "styles-own-download": "Save this style as a file, for example for another computer.",
    "styles-own-remove": "Take this style out of the gallery for good.",
}
"""What every control says when one points at it, by the id of its element."""


class LessonControls(NamedTuple):
    """The controls of the part, the last four of them for styles that have been learned."""

    picture: PictureFile
    preview: gr.Image
    name: gr.Textbox
    steps: gr.Slider
    learn: gr.Button
    stop: gr.Button
    progress: gr.HTML
    own_frame: gr.Column
    own: NameList
    download: gr.DownloadButton
    remove: gr.Button


def lesson_controls(controls: TabControls) -> LessonControls:
    """Builds the part into the Gradio context that is open."""
    with gr.Accordion("Add your own style", open=False, **controls.named("own")):
        with gr.Row(elem_classes="pair"):
            picture = controls.picture("lesson-picture", "Its picture", ["upload", "clipboard"], 200)
            preview = gr.Image(
                label="So far", height=200, interactive=False, buttons=[], **controls.named("lesson-preview")
            )
        name = gr.Textbox(label="Name of the style", max_length=80, max_lines=1, **controls.named("lesson-name"))
        steps = controls.slider("lesson-steps", "Steps", FEWEST, MOST_STEPS, STEPS, 20)
        learn, stop = controls.run_and_stop("Learn", "learn", "learn-stop")
        progress = gr.HTML("", **controls.named("progress"))
        with gr.Column(visible=False) as frame:
            own = controls.name_list("own-name", "Your own styles", [], None)
            with gr.Row():
                small: dict[str, Any] = {"interactive": False, "min_width": 90}
                download = gr.DownloadButton("Download", **small, **controls.named("own-download"))
                remove = gr.Button("Remove", **small, **controls.named("own-remove"))
    return LessonControls(picture, preview, name, steps, learn, stop, progress, frame, own, download, remove)


def connect_lessons(page: LessonControls, handlers: LessonsHandlers) -> tuple[Any, Any, gr.State]:
    """Wires the part.

    Returns:
        What happens after a lesson and after a style was removed, and what holds the name of the new style.
    """
    new, working = gr.State(None), [page.learn, page.stop]
    lesson = page.learn.click(handlers.begin, None, page.progress, **PRIVATE)
    lesson = lesson.then(lambda: (gr.update(interactive=False), gr.update(visible=True)), None, working, **PRIVATE)
    lesson = lesson.then(
        handlers.learn,
        [page.picture, page.name, page.steps],
        [page.preview, page.progress, new],
        show_progress="hidden",
        api_visibility="private",
        **TEACHING,
    )
    learned = lesson.success(lambda: None, None, None, **PRIVATE)
    for end in (lesson.success, lesson.failure):
        end(lambda: (gr.update(interactive=True), gr.update(visible=False)), None, working, **PRIVATE)
    lesson.failure(lambda: "", None, page.progress, **PRIVATE)
    page.stop.click(handlers.stop, None, page.progress, **PRIVATE)
    page.own.change(handlers.offer, page.own, [page.download, page.remove], **PRIVATE)
    removed = page.remove.click(handlers.remove, page.own, page.progress, js=CONFIRM, **PRIVATE)
    steps = gr.Number(STEPS, label="Steps", precision=0, minimum=1, maximum=MOST_STEPS, visible=False)
    answer = gr.JSON(label="What was learned", visible=False)
    gr.Button(visible=False).click(
        handlers.add_style, [page.picture, page.name, steps], answer, api_name="add_style", **TEACHING
    )
    return learned, removed, new
