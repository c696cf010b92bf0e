"""What the part *Probes* of the tab *Lab* does: a measurement chosen, figure and table out; measured anew on demand."""

import html
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import gradio as gr

from styleapp.lab.grid_results import results_folder
from styleapp.lab.probes import PROBES, probe
from styleapp.lab.probes.base import Probe, Row, as_csv, check_cases, read_csv, summary_table
from styleapp.lab.probes.process import in_process
from styleapp.web.lab_figures import drawn, offered, table_html
from styleapp.web.lessons_handlers import progress_text
from styleapp.web.pictures import readable_errors

__all__ = ["DOWNLOADS", "MOST_SEEDS", "Measured", "ProbeHandlers"]

DOWNLOADS = {"svg": "Figure (SVG)", "png": "Figure (PNG)", "rows": "All rows (CSV)"}
"""What can be downloaded, and what its button says."""

MOST_SEEDS = 5


@dataclass(frozen=True)
class Measured:
    """Rows of a probe, and where they are from, in words."""

    probe: str
    rows: tuple[Row, ...]
    source: str


@dataclass
class ProbeHandlers:
    """What happens when a probe is chosen, measured or stopped."""

    stops: dict[str | None, Event] = field(default_factory=dict)
    """Of those who asked for a measurement, by visitor; some leave before it begins."""

    running: set[str | None] = field(default_factory=set)
    """Whose measurement has begun."""

    def open(self, opened: bool, name: str) -> tuple[Any, ...]:
        """For the page, when the part is shown: whether it is open now, and :meth:`choose` where it was not before."""
        return (True, gr.skip(), gr.skip(), gr.skip()) if opened else (True, *self.choose(name))

    def choose(self, name: str) -> tuple[Any, ...]:
        """For the page, when a probe is chosen: what it is, its cases, how to repeat it, and the rows that come with
        the app.
        """
        with readable_errors():
            chosen = probe(name)
            path = results_folder() / f"probe-{name}.csv"
            rows = read_csv(chosen, path) if path.is_file() else ()
        seeds = len({row.seed for row in rows})
        kept = (
            Measured(name, rows, f"Measured before, with {_counted(seeds)}; “Measure” does it anew.") if rows else None
        )
        return _explained(chosen), gr.update(choices=list(chosen.cases), value=list(chosen.cases)), kept

    def show(self, measured: Measured | None, cases: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """For the page: yields the words, the figure, the table and the files of :data:`DOWNLOADS`."""
        if measured is None:
            empty = gr.update(value=None, interactive=False)
            yield "Not measured yet: press “Measure”.", "", "", *(empty,) * len(DOWNLOADS)
            return
        chosen = PROBES[measured.probe]
        rows = [row for row in measured.rows if row.case in cases]
        if not rows:
            yield "Tick a case that was measured, or measure it.", *(gr.skip(),) * (2 + len(DOWNLOADS))
            return
        figure, files = drawn(chosen.panels(rows), chosen.heading)
        contents = {f"probe-{chosen.name}{suffix}": content for suffix, content in files.items()}
        contents[f"probe-{chosen.name}.csv"] = as_csv(rows).encode()
        with tempfile.TemporaryDirectory() as folder:
            yield measured.source, figure, table_html(summary_table(chosen, rows)), *offered(contents, folder)

    def begin(self, request: gr.Request) -> str:
        """For the page, before :meth:`measure`, which may have to wait for another visitor's: what to say."""
        self.stops[request.session_hash] = Event()
        return "Waiting: somebody else measures." if self.running else "Getting ready …"

    def stop(self, request: gr.Request) -> Any:
        """For the page: ends what the visitor measures; what to say until then."""
        flag = self.stops.get(request.session_hash)
        if flag is None:
            return gr.skip()
        flag.set()
        return "Stopping …"

    def measure(
        self, request: gr.Request, name: str, cases: Sequence[str], seeds: int
    ) -> Iterator[tuple[str, Measured | Any]]:
        """For the page: yields (progress, rows), the latter at the end. Stopped, it keeps the cases that are done."""
        session = request.session_hash
        flag = self.stops.setdefault(session, Event())
        rows: list[Row] = []
        self.running.add(session)
        try:
            with readable_errors():
                chosen = _checked(name, cases, seeds)
                total, begun, done = len(chosen) * seeds, time.monotonic(), 0
                for found in in_process(name, range(seeds), chosen):
                    rows += found or ()
                    done += found is not None
                    yield progress_text(done, total, time.monotonic() - begun, "Run"), gr.skip()
                    if flag.is_set():
                        break
            yield _ended(done, total, seeds), _whole(name, rows, done, total, seeds)
        except RuntimeError as error:
            raise gr.Error(str(error), title="That did not work", print_exception=False) from error
        finally:
            self.running.discard(session)
            self.stops.pop(session, None)


def _checked(name: str, cases: Sequence[str], seeds: int) -> tuple[str, ...]:
    if not 1 <= seeds <= MOST_SEEDS:
        raise ValueError(f"seeds must be between 1 and {MOST_SEEDS}, got {seeds}")
    if not cases:
        raise ValueError("Tick at least one case.")
    chosen = probe(name)
    return tuple(case for case in chosen.cases if case in check_cases(chosen, cases))


def _ended(done: int, total: int, seeds: int) -> str:
    return f"Measured now, with {_counted(seeds)}." if done == total else f"Stopped after {done} of {total} runs."


def _counted(seeds: int) -> str:
    return f"{seeds} seeds" if seeds != 1 else "1 seed"


def _whole(name: str, rows: Sequence[Row], done: int, total: int, seeds: int) -> Any:
    """The rows of the cases that are done with all seeds; nothing new where none is."""
    of_case: dict[str, set[int]] = {}
    for row in rows:
        of_case.setdefault(row.case, set()).add(row.seed)
    kept = tuple(row for row in rows if len(of_case[row.case]) == seeds)
    return Measured(name, kept, _ended(done, total, seeds)) if kept else gr.skip()


def _explained(chosen: Probe[Any]) -> str:
    return (
        f'<div class="lab-claim"><p>{html.escape(chosen.title[0].upper() + chosen.title[1:])}. '
        f"<cite>{html.escape(chosen.source)}</cite></p>"
        f"<p>On the command line: <code>styleapp probe {html.escape(chosen.name)}</code></p></div>"
    )
