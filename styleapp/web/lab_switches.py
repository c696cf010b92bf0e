"""The part *Switch* of the tab *Lab*: which control stands where, and what it calls."""

from typing import Any, NamedTuple

import gradio as gr

from styleapp.lab.presets import PRESETS
from styleapp.pipelines.stylize import MAX_STRENGTH
from styleapp.web.controls import COMPUTE, PRIVATE, NameList, NameRadio, NameTicks, TabControls
from styleapp.web.lab_endpoint import ablate_endpoint
from styleapp.web.lab_handlers import LabHandlers
from styleapp.web.lab_switchboard import SWITCHBOARD_TIPS, switchboard
from styleapp.web.lab_views import PLACES
from styleapp.web.lab_wish import AS_IT_IS
from styleapp.web.layer_map import LayerMap
from styleapp.web.pictures import PictureFile

__all__ = ["SWITCH_TIPS", "SwitchPart", "connect_switches", "switch_part"]

SIZES = [("128", 128), ("256", 256), ("512", 512)]

SWITCH_TIPS = {
    "lab-network": "The network whose normalizations are switched: a copy, for you alone.",
    "lab-preset": "Ready-made experiments, named after what papers say; all of it can be changed afterwards.",
    "lab-claim": "What the paper says, and what to look for in the pictures.",
    "lab-pictures": "All that are ticked pass the network together, as one batch.",
    "lab-style": "The style that photos are painted in.",
    "lab-seed": "Another seed makes another look, and another of the ready-made label maps.",
    "lab-own": "Try it on photos, label maps and styles of your own.",
    "lab-files": "Photos, or masks of label numbers or colours; they join the batch.",
    "lab-style-picture": "A picture whose style is taken instead of the one chosen above.",
    "lab-second": "A second style of the network, whose scales and shifts are mixed with those of the first.",
    "lab-share": "How much of the second style: 0 is the first alone, 1 the second alone.",
    "lab-overall": "How far features go from the photo's own towards the style: 0 is not at all, 1 is as trained.",
    "lab-size": "Side of the square pictures in pixels. Scores of different sizes cannot be compared.",
    "lab-layers": "The network's layers in their order; switches work on those that are ticked.",
    "lab-kept": "Switches that stay while you choose others.",
    "lab-keep": "Keep these switches, and begin others for other layers.",
    "lab-reset": "Undo all switches: the original network is back, bit for bit.",
    "lab-problem": "What is wrong with these switches, and what is allowed.",
    "lab-tiles": "Original, switched and their difference, brightened; click one to see it large.",
    "lab-scores": "Scores as in the project's tables; small distances are near to the style, or to the photo.",
    "lab-place": "Statistics before the layers, or after them.",
    "lab-chart": "How much the channels of each layer vary, without and with the switches.",
    "lab-export": "Take the result along as pictures, tables and configuration.",
    "lab-grid": "Save the pictures side by side, as a PNG without loss.",
    "lab-statistics": "Save mean and deviation of every channel of every layer.",
    "lab-scores-file": "Save the scores of both networks as a table.",
    "lab-configuration": "Save what is needed to make this again: styleapp ablate run --config ablation.yaml",
    "lab-all": "Save all of it, with pictures of your own that the configuration needs.",
    **SWITCHBOARD_TIPS,
}
"""What every control says when one points at it, by the id of its element."""


class Subjects(NamedTuple):
    """What is switched, and on which pictures it is tried: the first of :meth:`Wish.of`."""

    network: NameRadio
    pictures: NameTicks
    files: gr.File
    style: NameList
    style_picture: PictureFile
    second: NameList
    seed: gr.Number
    share: gr.Slider
    overall: gr.Slider
    size: gr.Radio


class Result(NamedTuple):
    """Where the outcome is shown, and what it is downloaded by."""

    problem: gr.HTML
    tiles: gr.Gallery
    scores: gr.HTML
    place: gr.Radio
    chart: gr.HTML
    downloads: list[gr.DownloadButton]


class SwitchPart(NamedTuple):
    """What the event of opening is connected with."""

    handlers: LabHandlers
    opened: list[Any]
    run: dict[str, Any]


def switch_part(controls: TabControls, handlers: LabHandlers) -> SwitchPart:
    """Builds the part into the Gradio context that is open, and wires it."""
    notice = gr.HTML(visible=False, elem_id="lab-notice", elem_classes="notice")
    with gr.Row(equal_height=False, visible=False, elem_classes="studio lab") as studio:
        with gr.Column(elem_classes="inputs"):
            network, preset, claim, few = _beginning(controls)
        with gr.Column(elem_classes="outcome"):
            result = _result(controls)
        with gr.Column(elem_classes="choice"):
            board = switchboard(controls)
            layer_map, kept_words, keep, reset = _layers(controls)
        with gr.Column(elem_classes="options"):
            files, style_picture, (second, share, overall), size = _own(controls)
    pictures, style, seed = few
    subjects = Subjects(network, pictures, files, style, style_picture, second, seed, share, overall, size)
    kept, opened = gr.State([]), gr.State(False)
    values = [*subjects, kept, layer_map, *board]
    run = _running(handlers, result, values, layer_map)
    undone = [layer_map, kept, kept_words, *board, preset, claim]
    setup = [*subjects[:9], *undone]
    network.input(handlers.choose, network, setup, **PRIVATE).then(**run)
    preset.input(handlers.begin, [preset, network], setup, **PRIVATE).then(**run)
    reset.click(handlers.reset, network, undone, **PRIVATE).then(**run)
    keep.click(handlers.keep, values, [kept, kept_words, *board], **PRIVATE).then(**run)
    gr.on([*_changes(subjects), layer_map.input, *board.changes], **run)
    chosen: list[Any] = [board.normalizer, board.deviation, board.weight_norm]
    shown = [*board.options, board.normalizer, board.weight_norm]
    gr.on([one.input for one in chosen], handlers.systems, chosen, shown, **PRIVATE)
    ablate_endpoint(handlers, style_picture)
    return SwitchPart(handlers, [notice, studio, opened, *setup], run)


def _running(handlers: LabHandlers, result: Result, values: list[Any], layer_map: LayerMap) -> dict[str, Any]:
    """The event that makes the result, as keywords; and the choice of what its chart shows."""
    done, charts = gr.State(None), gr.State(None)
    result.place.input(handlers.place, [charts, result.place], result.chart, **PRIVATE)
    shown = [result.problem, result.tiles, result.scores, charts, result.chart, layer_map]
    return {
        "fn": handlers.run,
        "inputs": [done, result.place, *values],
        "outputs": [*shown, *result.downloads, done],
        "trigger_mode": "always_last",
        "show_progress": "minimal",
        "show_progress_on": [result.tiles],
        "api_visibility": "private",
        **COMPUTE,
    }


def connect_switches(part: SwitchPart, tab: gr.Tab) -> None:
    """Wires the tab: when it is shown for the first time, there is a first result."""
    opened = part.opened[2]
    tab.select(part.handlers.open, opened, part.opened, **PRIVATE).then(**part.run)


def _changes(subjects: Subjects) -> list[Any]:
    """Events of the controls for pictures."""
    inputs = [subjects.pictures.input, subjects.style.input, subjects.second.input, subjects.size.input]
    inputs += [subjects.share.release, subjects.overall.release]
    files = [subjects.files.upload, subjects.files.delete, subjects.files.clear]
    style = [subjects.style_picture.upload, subjects.style_picture.clear, subjects.style_picture.input]
    return [*inputs, *files, *style, subjects.seed.submit, subjects.seed.blur]


def _beginning(controls: TabControls) -> tuple[NameRadio, NameList, gr.HTML, tuple[NameTicks, NameList, gr.Number]]:
    """The network, presets, and the pictures that are ready-made."""
    network = NameRadio([], label="Network", **controls.told("network"))
    claims = [(f"{one.name} ({one.ablation.checkpoint})", one.name) for one in PRESETS.values()]
    preset = controls.name_list("preset", "Try a claim", [("choose one", AS_IT_IS), *claims], AS_IT_IS)
    claim = gr.HTML(visible=False, **controls.named("claim"))
    pictures = NameTicks([], label="Photos", **controls.told("pictures"))
    with gr.Row(elem_classes="pair"):
        style = controls.name_list("style", "Style", [], None)
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, **controls.named("seed"))
    return network, preset, claim, (pictures, style, seed)


def _result(controls: TabControls) -> Result:
    problem = gr.HTML(visible=False, elem_classes="notice", **controls.named("problem"))
    tiles = controls.large_tiles("tiles", "Original, switched, difference", 3, "triples")
    scores = gr.HTML("", **controls.named("scores"))
    places = [(words.capitalize(), name) for name, (words, _) in PLACES.items()]
    place = gr.Radio(places, value=places[0][1], label="Statistics of the layers", **controls.named("place"))
    chart = gr.HTML("", **controls.named("chart"))
    return Result(problem, tiles, scores, place, chart, _downloads(controls))


def _downloads(controls: TabControls) -> list[gr.DownloadButton]:
    """Of :data:`styleapp.web.lab_handlers.DOWNLOADS`."""
    titles = {
        "grid": "Pictures (PNG)",
        "statistics": "Layers (CSV)",
        "scores-file": "Scores (CSV)",
        "configuration": "Config (YAML)",
        "all": "All (ZIP)",
    }
    with gr.Accordion("Export", open=True, **controls.named("export")):
        return controls.downloads(titles)


def _layers(controls: TabControls) -> tuple[LayerMap, gr.HTML, gr.Button, gr.Button]:
    with gr.Row(elem_classes="actions"):
        keep = gr.Button("Keep, and switch others", size="md", min_width=120, scale=2, **controls.named("keep"))
        reset = gr.Button("Reset", variant="primary", size="md", min_width=90, scale=1, **controls.named("reset"))
    kept_words = gr.HTML(visible=False, **controls.named("kept"))
    return LayerMap(elem_classes="layer-map", **controls.named("layers")), kept_words, keep, reset


def _own(controls: TabControls) -> tuple[gr.File, PictureFile, tuple[NameList, gr.Slider, gr.Slider], gr.Radio]:
    with gr.Accordion("Own pictures, mixed styles, strength, size", open=False, **controls.named("own")):
        files = gr.File(
            label="Photos or masks", file_count="multiple", file_types=["image"], height=140, **controls.named("files")
        )
        style = controls.picture("style-picture", "Style picture", ["upload", "clipboard"], 180)
        second = controls.name_list("second", "Mixed with", [("nothing", AS_IT_IS)], AS_IT_IS)
        share = controls.slider("share", "Share of the second style", 0, 1, 0.5, 0.05)
        overall = controls.slider("overall", "Strength of the style", 0, MAX_STRENGTH, 1.0, 0.05)
        size = gr.Radio(SIZES, value=256, label="Size", **controls.told("size"))
    return files, style, (second, share, overall), size
