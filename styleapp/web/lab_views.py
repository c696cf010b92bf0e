"""How the tab *Lab* tells of an ablation: scores, statistics of the layers, claims, and systems."""

import math
from collections.abc import Callable, Iterator, Mapping
from html import escape

from PIL import Image

from styleapp.lab.ablation import Outcome
from styleapp.lab.benches import Rendering
from styleapp.lab.layer_statistics import ChannelStatistics
from styleapp.lab.presets import Preset
from styleapp.norms.catalogue import behaviour, entry
from styleapp.web.lab_catalogue import ALL, page_link

__all__ = ["PLACES", "brightened", "explained_preset", "score_table", "statistics_chart", "system_words", "tiles"]

FACTORS = (16, 8, 4, 2, 1)
BRIGHT = 0.3  # mean of a picture's values up to which it is brightened

WORDS = {
    "style_distance": "style distance",
    "content_distance": "content distance",
    "pixel_accuracy": "label accuracy",
    "mean_iou": "label mean IoU",
    "mean_difference": "mean difference",
}
"""Scores as people call them."""

PLACES: dict[str, tuple[str, Callable[[Rendering], Iterator[tuple[str, ChannelStatistics]]]]] = {
    "after": ("coming out", lambda one: ((layer.layer, layer.after) for layer in one.layers)),
    "before": ("going in", lambda one: ((layer.layer, layer.before) for layer in one.layers)),
}
"""Where statistics are taken: words for people, and how they are found."""


def tiles(outcome: Outcome) -> list[tuple[Image.Image, str]]:
    """Three pictures with captions for each photo or map: original, switched, difference."""
    names = outcome.ablation.photos or outcome.ablation.masks
    found: list[tuple[Image.Image, str]] = []
    rows = zip(outcome.original.pictures, outcome.switched.pictures, outcome.difference, strict=True)
    for number, (original, switched, difference) in enumerate(rows, start=1):
        which = f" {number}" if len(names) > 1 else ""
        bright, factor = brightened(difference)
        times = f" × {factor}" if factor > 1 else ""
        found += [(original, f"original{which}"), (switched, f"switched{which}")]
        found.append((bright, f"difference{which}{times}"))
    return found


def brightened(difference: Image.Image) -> tuple[Image.Image, int]:
    """A difference that can be seen, and what its values were multiplied by."""
    histogram = difference.histogram()
    mean = sum((value % 256) * count for value, count in enumerate(histogram)) / max(1, sum(histogram)) / 255
    factor = next(factor for factor in FACTORS if mean * factor <= BRIGHT or factor == 1)
    return difference.point(lambda value: min(255, value * factor)), factor


def score_table(outcome: Outcome) -> str:
    """Scores of both networks and how far apart they are, one column below each column of pictures."""
    columns = {
        "original": {**_scores(outcome.original.scores), "seconds": f"{outcome.original.seconds:.2f}"},
        "switched": {**_scores(outcome.switched.scores), "seconds": f"{outcome.switched.seconds:.2f}"},
        "difference": {
            WORDS.get(name, name) + (" to the original" if "distance" in name else ""): f"{value:.4f}"
            for name, value in outcome.change.items()
        },
    }
    return '<div class="lab-scores">' + "".join(_column(title, facts) for title, facts in columns.items()) + "</div>"


def _scores(scores: Mapping[str, float]) -> dict[str, str]:
    return {WORDS.get(name, name): f"{value:.4f}" for name, value in scores.items()}


def _column(title: str, facts: Mapping[str, str]) -> str:
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"<div><b>{title}</b><dl>{lines}</dl></div>"


def statistics_chart(outcome: Outcome, place: str) -> str:
    """A line for each layer with two marks, original and switched: mean deviation of its channels, on a log scale.

    Args:
        place: one of :data:`PLACES`.
    """
    words, of_layers = PLACES[place]
    pairs = list(zip(of_layers(outcome.original), of_layers(outcome.switched), strict=True))
    values = [(layer, old.mean_deviation, new.mean_deviation) for (layer, old), (_, new) in pairs]
    positive = [value for _, *both in values for value in both if value > 0] or [1.0]
    low, high = _decade(min(positive), max(positive))
    lines = "".join(_line(layer, old, new, low, high) for layer, old, new in values)
    return (
        f'<div class="lab-chart" role="img" aria-label="Deviation of each layer, {words}">'
        f"<p>Deviation of the features {words} of each layer, mean over its channels: "
        '<i class="original"></i> original, <i class="switched"></i> switched.</p>'
        f'<div class="axis"><span></span><span><b>{low:g}</b><b>{math.sqrt(low * high):.3g}</b><b>{high:g}</b></span>'
        f"<span></span></div>{lines}</div>"
    )


def _decade(low: float, high: float) -> tuple[float, float]:
    """Ends of a log scale: round numbers (1, 2 or 5 times a power of 10) around these values."""
    return _rounded(low, down=True), _rounded(high * 1.0001, down=False)


def _rounded(value: float, *, down: bool) -> float:
    power = math.floor(math.log10(value))
    steps = [digit * 10.0**exponent for exponent in (power, power + 1) for digit in (1, 2, 5)]
    return max(one for one in steps if one <= value) if down else min(one for one in steps if one >= value)


def _line(layer: str, old: float, new: float, low: float, high: float) -> str:
    first, second = (_place(value, low, high) for value in (old, new))
    told = f"{layer}: {old:.4g} without, {new:.4g} with the switches"
    start, length = min(first, second), abs(first - second)
    return (
        f'<div class="line" title="{escape(told)}"><span>{escape(layer)}</span><span class="track">'
        f'<u style="left:{start:.1f}%;width:{length:.1f}%"></u>'
        f'<i class="original" style="left:{first:.1f}%"></i><i class="switched" style="left:{second:.1f}%"></i></span>'
        f"<span>{old:.3g} → {new:.3g}</span></div>"
    )


def _place(value: float, low: float, high: float) -> float:
    """In per cent of the scale; what is 0 lies at its lower end."""
    return 100 * math.log(max(value, low) / low) / math.log(high / low)


def explained_preset(preset: Preset | None) -> str:
    """The claim, where it is from, and what to look for."""
    if preset is None:
        return ""
    return (
        f'<div class="lab-claim"><p>{escape(preset.claim)} <cite>{escape(preset.paper)}</cite> '
        f'<a href="{page_link(preset.system)}">The page of {escape(preset.system)}</a></p>'
        f"<p><b>Look for:</b> {escape(preset.look)}</p></div>"
    )


def system_words(name: str) -> str:
    """A system in a line, with a link to its page, as Markdown; where none is named, a link to all of them.

    Raises:
        ValueError: no entry of the catalogue has this name.
    """
    if not name:
        return f"[All systems]({page_link(ALL)})"
    known = entry(name)
    return f"`{known.formula}` over {behaviour(name).axes}. [Its page]({page_link(name)})"
