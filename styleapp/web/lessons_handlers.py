"""What *Add your own style* and the HTTP endpoint ``/add_style`` do: a picture in, a style of one's own out."""

import html
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr

from styleapp.pipelines.add_style import Learning
from styleapp.pipelines.lessons import check_new_name, keep, lesson
from styleapp.web.pictures import readable_errors
from styleapp.web.studios import Studio, Studios

__all__ = ["MOST_STEPS", "LessonsHandlers", "progress_text"]

MOST_STEPS = 1000


class LessonsHandlers:
    """What happens when something is learned, stopped, removed or taken along.

    Args:
        studios: where a visitor's network and styles are.
    """

    def __init__(self, studios: Studios) -> None:
        self.studios = studios
        self._stops: dict[str | None, Event] = {}  # of those who asked for a lesson; some leave before it begins
        self._learning: set[str | None] = set()  # whose lesson has begun

    def begin(self, request: gr.Request) -> str:
        """For the page, before :meth:`learn`, which may have to wait for another visitor's lesson: what to say."""
        self._stops[request.session_hash] = Event()
        return "Waiting: another style is being learned." if self._learning else "Getting ready …"

    def stop(self, request: gr.Request) -> Any:
        """For the page: the visitor's lesson ends after the step in work; what to say until then."""
        flag = self._stops.get(request.session_hash)
        if flag is None:
            return gr.skip()
        flag.set()
        return "Stopping after this step …"

    def learn(
        self, request: gr.Request, picture: str | None, name: str, steps: int
    ) -> Iterator[tuple[Any, str, str | None]]:
        """For the page: yields (preview, progress, name of the style that has been learned, at first None).

        Stopped, it keeps what has been learned until then.
        """
        session, last = request.session_hash, None
        stop = self._stops.setdefault(session, Event())
        self._learning.add(session)
        try:
            with readable_errors(picture):
                studio, name, begun = self.studios.get(session), (name or "").strip(), 0.0
                for last in _lesson(studio, picture, name, steps):
                    begun = begun or time.monotonic()  # without the preparations
                    told = progress_text(last.step, last.steps, time.monotonic() - begun)
                    yield gr.skip() if last.preview is None else last.preview, told, None
                    if stop.is_set():
                        break
                yield gr.skip(), *self._kept(session, studio, name, last)
        except GeneratorExit:  # the page was closed: its visitor may come back
            self._kept(session, studio, name, last)
            raise
        finally:
            self._learning.discard(session)
            self._stops.pop(session, None)

    def _kept(self, session: str | None, studio: Studio, name: str, last: Learning | None) -> tuple[str, str | None]:
        """What to say at the end of a lesson, and the name if there is a new style."""
        if last is None or last.step == 0:
            return "Stopped before the first step: nothing was learned.", None
        keep(studio.pipeline, name, last)
        self.studios.renewed(session)
        done = f"{last.step} of {last.steps} steps" if last.step < last.steps else f"{last.steps} steps"
        return f"“{html.escape(name)}” is in the gallery, after {done}.", name

    def add_style(self, request: gr.Request, picture: str, name: str, steps: int = 200) -> Iterator[Any]:
        """Learns a style from one picture; returns its name, the steps taken, and how far it is from the picture.

        From then on the name works in /stylize_named. See docs/web.md for every value.
        """
        session = request.session_hash
        with readable_errors(picture):
            studio = self.studios.get(session)
            name, states = (name or "").strip(), []
            for state in _lesson(studio, picture, name, steps):
                states = [state]
                yield None
            record = keep(studio.pipeline, name, *states)
            self.studios.renewed(session)
            yield {"name": name, "steps": record["steps"], "style_distance": record["style_distance"]}

    def remove(self, request: gr.Request, name: str | None) -> str:
        """For the page: takes a style out of the bank; what to say."""
        if not name:
            return ""
        with self._own(request) as studio:
            studio.bank.remove(name)
            self.studios.renewed(request.session_hash)
        return f"“{html.escape(name)}” is gone."

    def offer(self, request: gr.Request, name: str | None) -> Iterator[tuple[Any, Any]]:
        """For the page, when one of one's own styles is chosen: yields the file to download, and whether to remove."""
        if not name:
            yield gr.update(value=None, interactive=False), gr.update(interactive=False)
            return
        with self._own(request) as studio, tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / studio.bank.path(name).name
            studio.bank.give(name, file)
            yield gr.update(value=str(file), interactive=True), gr.update(interactive=True)

    @contextmanager
    def _own(self, request: gr.Request) -> Iterator[Studio]:
        """The visitor's studio; what goes wrong with its bank is said without saying where that lies."""
        with readable_errors():
            studio = self.studios.get(request.session_hash)
        with readable_errors(str(studio.bank.folder)):
            yield studio


def progress_text(step: int, steps: int, seconds: float, what: str = "Step") -> str:
    """A bar, and for example ``Step 12 of 200 · 34 s left``.

    Args:
        seconds: that the steps took.
        what: a step is called.
    """
    left = seconds / step * (steps - step) if step else 0.0
    told = f" · {left / 60:.0f} min left" if left > 120 else f" · {left:.0f} s left" if 0 < step < steps else ""
    return f'<progress max="{steps}" value="{step}"></progress> {what} {step} of {steps}{told}'


def _lesson(studio: Studio, picture: str | None, name: str, steps: int) -> Iterator[Learning]:
    if not picture:
        raise ValueError("Choose a picture first: the painting, drawing or texture that is to be learned.")
    if not name:
        raise ValueError("Give your style a name first.")
    if not 1 <= steps <= MOST_STEPS:
        raise ValueError(f"steps must be between 1 and {MOST_STEPS}, got {steps}")
    check_new_name(studio.pipeline, name)
    return lesson(studio.pipeline, picture, steps)
