"""The part *Probes* of the tab *Lab*: which control stands where, and what it calls."""

from typing import Any, NamedTuple

import gradio as gr

from styleapp.lab.probes import PROBES
from styleapp.web.controls import COMPUTE, PRIVATE, NameRadio, NameTicks, TabControls
from styleapp.web.lab_probes_handlers import DOWNLOADS, MOST_SEEDS, ProbeHandlers

__all__ = ["PROBE_TIPS", "ProbePart", "connect_probes", "probe_part"]

MEASURING: dict[str, Any] = {"concurrency_id": "probes", "concurrency_limit": 1}
"""Of the event that measures, in a process of its own: others can paint meanwhile."""

PROBE_TIPS = {
    "lab-probe": "Small networks are made and watched; everything depends on the seed alone.",
    "lab-probe-told": "What is measured, and which paper did so.",
    "lab-probe-cases": "The networks that are compared with each other.",
    "lab-probe-seeds": "Each seed has weights and data of its own; more make the bands more certain, and take longer.",
    "lab-probe-run": "Measure it here and now.",
    "lab-probe-stop": "End it; the cases that are done are kept.",
    "lab-probe-words": "Where the figures are from, or how far the measurement is.",
    "lab-probe-figure": "Lines are means over the seeds, bands go from the smallest to the largest.",
    "lab-probe-table": "Means over the seeds ± the deviation over them.",
    "lab-probe-svg": "Save the figure to be printed in any size.",
    "lab-probe-png": "Save the figure as a picture.",
    "lab-probe-rows": "Save all that was measured, a line for each place and seed.",
}
"""What every control says when one points at it, by the id of its element."""


class ProbePart(NamedTuple):
    """The controls of the part: those that are chosen, those that measure, and what is shown."""

    name: NameRadio
    told: gr.HTML
    cases: NameTicks
    seeds: gr.Slider
    run: gr.Button
    stop: gr.Button
    words: gr.HTML
    figure: gr.HTML
    table: gr.HTML
    downloads: list[gr.DownloadButton]


def probe_part(controls: TabControls) -> ProbePart:
    """Builds the part into the Gradio context that is open."""
    with gr.Row(equal_height=False, elem_classes="studio lab measured"):
        with gr.Column(elem_classes="inputs"):
            names = [(name.capitalize(), name) for name in PROBES]
            name = NameRadio(names, value=names[0][1], label="Probe", **controls.told("probe"))
            told = gr.HTML("", **controls.named("probe-told"))
            cases = NameTicks([], label="Cases", **controls.told("probe-cases"))
            seeds = controls.slider("probe-seeds", "Seeds", 1, MOST_SEEDS, 3, 1)
            run, stop = controls.run_and_stop("Measure", "probe-run", "probe-stop")
        with gr.Column(elem_classes="outcome"):
            words = gr.HTML("", **controls.named("probe-words"))
            figure = gr.HTML("", **controls.named("probe-figure"))
            table = gr.HTML("", **controls.named("probe-table"))
            downloads = controls.downloads({f"probe-{part}": title for part, title in DOWNLOADS.items()})
    return ProbePart(name, told, cases, seeds, run, stop, words, figure, table, downloads)


def connect_probes(part: ProbePart, handlers: ProbeHandlers, tab: gr.Tab) -> None:
    """Wires the part."""
    opened, measured, working = gr.State(False), gr.State(None), [part.name, part.run, part.stop]
    chosen = [part.told, part.cases, measured]
    show: dict[str, Any] = {
        "fn": handlers.show,
        "inputs": [measured, part.cases],
        "outputs": [part.words, part.figure, part.table, *part.downloads],
        "trigger_mode": "always_last",
        "show_progress": "minimal",
        "show_progress_on": [part.figure],
        "api_visibility": "private",
        **COMPUTE,
    }
    tab.select(handlers.open, [opened, part.name], [opened, *chosen], **PRIVATE).then(**show)
    part.name.input(handlers.choose, part.name, chosen, **PRIVATE).then(**show)
    part.cases.input(**show)
    run = part.run.click(handlers.begin, None, part.words, **PRIVATE)
    run = run.then(lambda: _working(True), None, working, **PRIVATE)
    run = run.then(
        handlers.measure,
        [part.name, part.cases, part.seeds],
        [part.words, measured],
        show_progress="hidden",
        api_visibility="private",
        **MEASURING,
    )
    run.success(**show)
    for end in (run.success, run.failure):
        end(lambda: _working(False), None, working, **PRIVATE)
    run.failure(lambda: "", None, part.words, **PRIVATE)
    part.stop.click(handlers.stop, None, part.words, **PRIVATE)


def _working(now: bool) -> tuple[Any, ...]:
    """While something is measured, no other probe can be chosen."""
    return gr.update(interactive=not now), gr.update(interactive=not now), gr.update(visible=now)
