"""What the tab *Lab* and the HTTP endpoint ``/ablate`` do: a network, switches and pictures in, a comparison out."""

import html
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from styleapp.lab.ablation import Ablation, Outcome, layers_of
from styleapp.lab.ablation import run as run_ablation
from styleapp.lab.ablation_files import export, record
from styleapp.lab.presets import preset
from styleapp.lab.subjects import Subject, subject, subjects
from styleapp.lab.switches import LayerSwitch
from styleapp.pipelines.samples import sample_photos, sample_styles
from styleapp.pipelines.stylize import MAX_STRENGTH
from styleapp.web.lab_views import (
    PLACES,
    explained_preset,
    score_table,
    statistics_chart,
    system_words,
    tiles,
)
from styleapp.web.lab_wish import (
    AS_IT_IS,
    OPTIONS,
    Switchboard,
    Wish,
    fitting,
    known_pictures,
    known_style,
    shown_options,
)
from styleapp.web.layer_map import shown_layers
from styleapp.web.pictures import readable_errors

__all__ = ["DOWNLOADS", "LabHandlers"]

FIRST = ("multistyle", "vangogh-starry_night")
"""Network and style that the tab begins with where they are there."""

MODULATIONS = {
    "Scale and shift": "both",
    "Only the scale": "scale",
    "Only the shift": "shift",
    "Neither": "none",
}
OF_MAPS = {"Mean of each class": "class_mean", "Mean of the map": "map_mean"}
"""Modulations by what people call them; the second table is for label maps."""

DOWNLOADS = ("grid", "statistics", "scores", "configuration", "all")
"""What can be downloaded, in the page's order."""

SYSTEMS = ("normalizer", "weight_norm")
"""Controls that choose a system of the catalogue."""

OUTPUTS = 6 + len(DOWNLOADS) + 1


class LabHandlers:
    """What happens when something is switched; holds nothing that belongs to one visitor, and changes no network."""

    def open(self, opened: bool) -> tuple[Any, ...]:
        """For the page, when the tab is shown: the notice, the frame around all else, whether it is open now, and
        :meth:`choose`.

        Args:
            opened: whether that was before; then all stays as it is.
        """
        if opened:
            return (gr.skip(),) * (3 + SETUP)
        try:
            known = subjects()
            names = [one.name for one in known]
            first = FIRST[0] if FIRST[0] in names else next(iter(names), None)
            if first is None:
                raise ValueError("The manifest of the checkpoints lists no network that makes pictures.")
            rest = _setup(subject(first), None)
        except ValueError as error:
            notice = f"<b>No network to switch yet.</b> {html.escape(str(error))}"
            return gr.update(value=notice, visible=True), gr.update(visible=False), False, *[gr.skip()] * SETUP
        network = gr.update(choices=[(name, name) for name in names], value=first)
        return gr.update(visible=False), gr.update(visible=True), True, network, *rest[1:]

    def choose(self, network: str) -> tuple[Any, ...]:
        """For the page, when a network is chosen: the network, pictures, own files, style, own style, second style,
        seed, share of the second style, strength, and :meth:`reset`.
        """
        with readable_errors():
            return _setup(subject(network), None)

    def begin(self, name: str, network: str) -> tuple[Any, ...]:
        """For the page, when a preset is chosen: as :meth:`choose`, with its network, pictures and switches."""
        with readable_errors():
            return _setup(subject(preset(name).ablation.checkpoint if name else network), name or None)

    def reset(self, network: str) -> tuple[Any, ...]:
        """For the page: what undoes all switches, in the order layer map, kept switches, their words, the switchboard,
        the preset, its explanation.
        """
        with readable_errors():
            return _switches(network, None)

    def keep(self, *values: Any) -> tuple[Any, ...]:
        """For the page: the kept switches with those of the controls, their words, and a switchboard for others."""
        with readable_errors():
            kept = [switch.record() for switch in Wish.of(*values).switches()]
            return kept, _told(kept), *_board(Switchboard(), of_masks=subject(values[0]).of_masks)

    def systems(self, normalizer: str, deviation: str, weight_norm: str) -> tuple[Any, ...]:
        """For the page, when another system is chosen: which options there are, and what the catalogue says of the
        normalizer and of the weight normalization.
        """
        shown = {*shown_options(normalizer, deviation), *shown_options(weight_norm, deviation)}
        with readable_errors():
            told = [gr.update(info=system_words(name)) for name in (normalizer, weight_norm)]
        return *(gr.update(visible=name in shown) for name in OPTIONS), *told

    def run(self, done: str | None, *values: Any) -> Iterator[tuple[Any, ...]]:
        """For the page, when something was changed: yields the problem, pictures, scores, charts by place, the chart
        that is shown, the layer map, files to download, and :attr:`Wish.key`; then the files once more, when they are
        there.

        Args:
            done: the key of what is shown; nothing new where it is what is wanted.
            values: the place of the statistics, then those of :meth:`Wish.of`.
        """
        place, *rest = values
        wish = Wish.of(*rest)
        if not wish.network or done == wish.key:
            yield (gr.skip(),) * OUTPUTS
            return
        try:
            with readable_errors(*wish.paths):
                outcome = run_ablation(wish.ablation())
        except gr.Error as error:
            yield gr.update(value=_sentence(error), visible=True), *[gr.skip()] * (OUTPUTS - 2), None
            return
        charts = {name: statistics_chart(outcome, name) for name in PLACES}
        now = {change.layer: change.summary for change in outcome.changes}
        layers = shown_layers(layers_of(wish.network), wish.chosen, now, answer=True)
        shown = gr.update(visible=False), tiles(outcome), score_table(outcome), charts, charts[place], layers
        yield *shown, *[gr.update(interactive=False)] * len(DOWNLOADS), wish.key
        with tempfile.TemporaryDirectory() as folder:
            files = _files(outcome, Path(folder))
            ready = [gr.update(value=str(file), interactive=True) for file in files]
            yield *[gr.skip()] * len(shown), *ready, gr.skip()

    def place(self, charts: Mapping[str, str] | None, place: str) -> Any:
        """For the page, when another place of the statistics is chosen: its chart."""
        return charts[place] if charts else gr.skip()

    def ablate(
        self,
        checkpoint: str = "multistyle",
        pictures: list[str] | None = None,
        samples: list[str] | None = None,
        style: str = "",
        style_picture: str | None = None,
        layers: str = "*",
        normalizer: str = "",
        options: dict[str, Any] | None = None,
        removed: str = "both",
        statistics: str = "",
        modulation: str = "both",
        strength: float = 1.0,
        weight_norm: str = "",
        switches: list[dict[str, Any]] | None = None,
        seed: int = 0,
        size: int = 256,
    ) -> Iterator[tuple[str, dict[str, Any], str]]:
        """Switches normalizations of a network; returns the grid original, switched, difference as a PNG, scores and
        statistics, and the configuration for the command line.

        See docs/web.md for every value.
        """
        with readable_errors(*(pictures or ()), style_picture), tempfile.TemporaryDirectory() as folder:
            one = subject(checkpoint)
            plain = {
                "normalizer": normalizer or None,
                "options": options or {},
                "removed": removed,
                "statistics": statistics or None,
                "modulation": modulation,
                "strength": strength,
                "weight_norm": weight_norm or None,
            }
            given = [*_listed(switches, "switches"), *_asked(layers, plain)]
            if not given:
                raise ValueError("name a switch, such as normalizer or modulation, or give switches")
            request = {"checkpoint": one.name, "switches": given, "size": size}
            request |= _asked_pictures(one, _listed(samples, "samples"), pictures or [], style, style_picture, seed)
            outcome = run_ablation(Ablation.from_yaml(json.dumps(request), "the request"))
            files = export(outcome, folder)
            yield str(files["grid"]), record(outcome), files["configuration"].read_text(encoding="utf-8")


def _setup(one: Subject, name: str | None) -> tuple[Any, ...]:
    """See :meth:`LabHandlers.choose`; with the preset of this name."""
    asked = preset(name).ablation if name else None
    known = [(title.capitalize(), title) for title in one.masks] if one.of_masks else _photos()
    pictures = (asked.masks or asked.photos) if asked else tuple(value for _, value in known[:1])
    styles = _styles(one)
    first = FIRST[1] if FIRST[1] in one.styles else next((name for _, name in styles), None)
    style = asked.styles[0] if asked and asked.styles else first
    return (
        one.name,
        gr.update(choices=known, value=list(pictures), label="Label maps" if one.of_masks else "Photos"),
        None,
        gr.update(choices=styles, value=style, visible=not one.of_masks),
        gr.update(value=None, visible=one.takes_pictures),
        gr.update(choices=[("nothing", AS_IT_IS), *styles], value=AS_IT_IS, visible=not one.of_masks),
        gr.update(value=asked.seed if asked else 0, visible=one.of_masks),
        gr.update(value=0.5, visible=not one.of_masks),
        gr.update(value=asked.strength if asked else 1.0, maximum=1.0 if one.of_masks else MAX_STRENGTH),
        *_switches(one.name, name),
    )


def _photos() -> list[tuple[str, str]]:
    return [(sample.title, sample.name) for sample in sample_photos()]


def _styles(one: Subject) -> list[tuple[str, str]]:
    """Titles and names of a network's styles, or of the sample styles where it takes pictures."""
    if one.of_masks:
        return []
    named = [(name.replace("-", ": ").replace("_", " "), name) for name in one.styles]
    return named or [(sample.title, sample.name) for sample in sample_styles()]


def _switches(network: str, name: str | None) -> tuple[Any, ...]:
    """See :meth:`LabHandlers.reset`; with the switches of the preset of this name."""
    asked = preset(name) if name else None
    layers, of_masks = layers_of(network), subject(network).of_masks
    *kept, last = (asked.ablation.switches if asked else ()) or (LayerSwitch(),)
    records = [switch.record() for switch in kept]
    return (
        shown_layers(layers, fitting(last, layers)),
        records,
        _told(records),
        *_board(Switchboard.of(last), of_masks=of_masks),
        asked.name if asked else AS_IT_IS,
        gr.update(value=explained_preset(asked), visible=asked is not None),
    )


def _board(board: Switchboard, *, of_masks: bool) -> tuple[Any, ...]:
    """Updates of the switchboard's controls."""
    values = board._asdict()
    shown = {*shown_options(board.normalizer, board.deviation), *shown_options(board.weight_norm, board.deviation)}
    updates = {name: gr.update(value=value) for name, value in values.items()}
    updates |= {name: gr.update(value=values[name], visible=name in shown) for name in OPTIONS}
    updates |= {name: gr.update(value=values[name], info=system_words(values[name])) for name in SYSTEMS}
    modulations = [*MODULATIONS.items(), *(OF_MAPS.items() if of_masks else ())]
    updates["modulation"] = gr.update(choices=modulations, value=board.modulation)
    return tuple(updates.values())


SETUP = 9 + 3 + len(Switchboard._fields) + 2
"""How many controls :func:`_setup` is for."""


def _told(kept: Sequence[Mapping[str, Any]]) -> Any:
    """Words for switches that are kept."""
    lines = []
    for one in kept:
        facts = ", ".join(f"{key} {value}" for key, value in one.items() if key != "layers")
        lines.append(f"<li><code>{html.escape(one.get('layers', '*'))}</code>: {html.escape(facts)}</li>")
    words = f"Switched already, below what is chosen here:<ul>{''.join(lines)}</ul>"
    return gr.update(value=words, visible=bool(kept))


def _sentence(error: gr.Error) -> str:
    return f"<b>That does not work.</b> {html.escape(str(error.message))} What is shown below is from before."


def _files(outcome: Outcome, folder: Path) -> list[Path]:
    """Of :data:`DOWNLOADS`."""
    files = export(outcome, folder / "ablation")
    files["all"] = folder / "ablation.zip"
    with zipfile.ZipFile(files["all"], "w", zipfile.ZIP_STORED) as together:
        for file in sorted((folder / "ablation").iterdir()):
            together.write(file, file.name)
    return [files[name] for name in DOWNLOADS]


def _listed(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a JSON list, got {value!r}")
    return value


def _asked(layers: str, plain: dict[str, Any]) -> list[dict[str, Any]]:
    """The one switch of an endpoint's plain values, if there is one."""
    default = vars(LayerSwitch())
    given = {name: value for name, value in plain.items() if value != default[name]}
    return [{"layers": layers, **given}] if given else []


def _asked_pictures(
    one: Subject, samples: list[str], files: list[str], style: str, style_picture: str | None, seed: int
) -> dict[str, Any]:
    """The pictures of a request as an ablation names them."""
    pictures = [*known_pictures(one, samples), *files]
    own = [style_picture] if style_picture else []
    if one.of_masks:
        return {"masks": pictures, "styles": own, "seed": seed}
    return {"photos": pictures, "styles": own or [known_style(one, style)]}
