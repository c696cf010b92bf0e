"""Masks in colours: the label of every pixel, also where edges are smoothed, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from styleapp.data.labels import LabelError, LabelSet

__all__ = ["Numbers", "labels_of_colours", "paint_mask"]

Numbers = NDArray[np.uint8]
Values = NDArray[Any]
Flags = NDArray[np.bool_]

EXACT = 1
"""A pixel has a colour of the palette if no channel is further from it than this: canvases round."""

REACH = 2
"""Pixels around a mixed one in which the colours that it is mixed of are looked for."""

NEAR = 40.0
"""Distance in RGB up to which a colour is taken for a blurred or compressed one of the palette, wherever it is."""

MIXED = 4.0
"""Distance in RGB from the way between two colours up to which a third one is taken for a mixture of them."""

FEWEST_NEAR = 0.7
"""Share of such pixels below which a picture is not taken for a mask."""

PIECE = 2**18
"""Mixed pixels that are looked at together: what is found around them takes room."""

SHOWN = 5
"""Colours that a message lists."""


def labels_of_colours(rgb: Values, labels: LabelSet, name: str) -> Numbers:
    """Numbers of classes (H×W, :data:`styleapp.data.labels.IGNORED` without label) from colours (H×W×3, 0 to 255).

    Pixels with a colour of the palette decide what the mixed ones around them are.

    Args:
        name: how messages call the mask.

    Raises:
        LabelError: an area has a colour that the label set does not have, or the picture is no mask at all.

    Note:
        The nearest colour alone will not do: half way between two colours of a palette there often lies a third, and
        the edge between two classes would become a line of another.
    """
    palette = np.array([colour for colour, _ in labels.palette], dtype=np.int32)  # K×3
    numbers = np.array([number for _, number in labels.palette], dtype=np.uint8)  # K
    packed = rgb.astype(np.int32) @ np.array([65536, 256, 1], dtype=np.int32)  # H×W
    found, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
    places = places.reshape(packed.shape)  # H×W, which of the U colours found
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=-1)  # U×3
    distances = np.linalg.norm(colours[:, None] - palette, axis=-1)  # U×K
    exact = np.abs(colours[:, None] - palette).max(-1).min(-1) <= EXACT  # U
    if exact.all():
        return numbers[distances.argmin(-1)[places]]
    foreign = _foreign(distances.min(-1) > NEAR, places, counts)
    if foreign.any():
        raise LabelError(_listed(colours[foreign], counts[foreign], distances[foreign].argmin(-1), labels, name))
    return numbers[_settled(places, exact, distances, palette)]


def _foreign(far: Flags, places: Values, counts: Values) -> Flags:
    """Which of the colours found, of those far from the palette, are no mixtures: a mixture fills no 3×3 pixels."""
    if counts[~far].sum() < FEWEST_NEAR * places.size:
        return far
    flat = np.zeros(len(far), dtype=bool)
    flat[places[_in_blocks(places, 3, 3)]] = True
    return far & flat


def _settled(places: Values, exact: Flags, distances: Values, palette: Values) -> Values:
    """The entry of the palette for each pixel (H×W)."""
    entries = len(palette)
    chosen, sure = distances.argmin(-1)[places], exact[places]
    known = np.where(sure, chosen, -1)
    solid = _in_blocks(known, 2, 2)
    sure = solid | _in_blocks(known, 1, 3) | _in_blocks(known, 3, 1)  # one or two may look like a third colour
    windows = _windows(np.where(solid, chosen, entries), entries)
    for entry, ways in enumerate(_between(palette)):
        thin = np.flatnonzero(sure & ~solid & (chosen == entry))
        near = _around(windows, thin, entries)  # M×K
        sure.flat[thin[(near @ ways & near).any(-1)]] = False  # lies on the way between two that are beside it
    present = np.isin(np.arange(entries), chosen[sure]) | (not sure.any())  # K
    mixed, windows = np.flatnonzero(~sure), _windows(np.where(sure, chosen, entries), entries)
    for part in np.array_split(mixed, len(mixed) // PIECE + 1):
        near = _around(windows, part, entries)  # M×K
        allowed = np.where(near.any(-1, keepdims=True), near, present)
        chosen.flat[part] = np.where(allowed, distances[places.flat[part]], np.inf).argmin(-1)
    return chosen


def _between(palette: Values) -> Flags:
    """Which colours (first index) are mixtures of which two others: K×K×K."""
    start, end = palette[:, None].astype(float), palette[None].astype(float)
    way = end - start  # K×K×3
    steps = palette[:, None, None] - start  # K×K×K×3, from a to the colour
    shares = (steps * way).sum(-1) / np.maximum((way**2).sum(-1), 1)  # K×K×K
    off = np.linalg.norm(steps - shares[..., None] * way, axis=-1)
    return np.asarray((shares > 0) & (shares < 1) & (off < MIXED))


def _in_blocks(values: Values, rows: int, columns: int) -> Flags:
    """Which pixels are in a block of so many rows and columns with the same value; −1 is no value."""
    height, width = max(0, values.shape[0] - rows + 1), max(0, values.shape[1] - columns + 1)
    corners = [(down, right) for down in range(rows) for right in range(columns)]
    places = [(slice(down, down + height), slice(right, right + width)) for down, right in corners]
    first = values[places[0]]
    whole = np.logical_and.reduce([first >= 0, *(values[place] == first for place in places[1:])])
    found = np.zeros(values.shape, dtype=bool)
    for place in places:
        found[place] |= whole
    return found


def _windows(chosen: Values, entries: int) -> Values:
    """What lies around each pixel (H×W×5×5); ``entries`` stands for nothing, as beyond the border."""
    padded, size = np.pad(chosen, REACH, constant_values=entries), 2 * REACH + 1
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size))


def _around(windows: Values, pixels: Values, entries: int) -> Flags:
    """Which entries of the palette (M×K) are found around each of M pixels."""
    rows, columns = np.divmod(pixels, windows.shape[1])
    near = np.zeros((len(pixels), entries + 1), dtype=bool)
    near[np.arange(len(pixels))[:, None], windows[rows, columns].reshape(len(pixels), (2 * REACH + 1) ** 2)] = True
    return near[:, :entries]


def _listed(colours: Values, counts: Values, nearest: Values, labels: LabelSet, name: str) -> str:
    """What to say of colours (M×3) that the label set does not have, the most frequent first."""
    names = {entry.rgb: entry.name for entry in (*labels.classes, *labels.ignored)}
    listed = []
    for place in np.argsort(-counts)[:SHOWN]:
        pixels = f"{counts[place]:,} pixel{'s' if counts[place] > 1 else ''}"
        known = names[labels.palette[nearest[place]][0]]
        listed.append(f"({', '.join(map(str, colours[place]))}) in {pixels}, nearest is {known}")
    more = f"; and {len(counts) - SHOWN:,} more, as in a photo or a lossy file: save masks as PNG"
    more = more if len(counts) > SHOWN else ""
    return f"{name} has colours that are not in its label set: {'; '.join(listed)}{more}"


def paint_mask(numbers: Numbers, labels: LabelSet) -> NDArray[np.uint8]:
    """A mask (H×W, as :func:`styleapp.data.masks.read_mask` gives it) in the label set's colours (H×W×3).

    What has none is black.
    """
    table = np.zeros((256, 3), dtype=np.uint8)
    for rgb, number in reversed(labels.palette):  # of several ignored labels the first
        table[number] = rgb
    return table[numbers]
