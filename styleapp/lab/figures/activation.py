"""Figures of the activation normalizers: which cells share statistics, and what the statistics are."""

from collections.abc import Callable

import torch

from styleapp.lab.figures.blocks import SHARING, Block, slab
from styleapp.lab.figures.panels import (
    SAMPLE,
    bars,
    grid,
    heading,
    note,
    notes,
    reach,
    spread,
    swatch_notes,
)
from styleapp.lab.figures.svg import BLUE, FAINT, GREEN, GREY, LINE, RED, VIOLET, Drawing
from styleapp.norms.statistics import l1_moments, mean_deviation, topk_moments

__all__ = ["ACTIVATION_FIGURES"]

WIDTH, HEIGHT = 760, 262
LEFT, FLOOR = 48.0, 198.0  # of the block
RIGHT = 402.0  # of what stands beside it
MARKED = (0, 5)  # the cell whose set is in colour: first picture, last channel
RUNNING = "training: this batch · evaluation: running averages"
ALIKE = "training and evaluation: the same"


def _figure(name: str, says: str, below: str) -> Drawing:
    drawing = Drawing(WIDTH, HEIGHT, f"{name}: {says[0].lower()}{says[1:]}")
    heading(drawing, says, below)
    sharing = SHARING.get(name)
    block = Block(LEFT, FLOOR, sharing)
    block.draw(drawing, slab(sharing, MARKED) if sharing else lambda n, c: GREY)
    block.label(drawing)
    return drawing


def _none() -> Drawing:
    drawing = _figure("none", "Nothing is shared: every value stays as it is", ALIKE)
    swatch_notes(drawing, RIGHT, 110, [(GREY, "no statistics at all"), (BLUE, "γ and β: whatever the modulator gives")])
    return drawing


def _per_picture(name: str, says: str, values: str, sets: str, remark: str) -> Drawing:
    drawing = _figure(name, says, ALIKE)
    swatch_notes(drawing, RIGHT, 84, [(RED, f"{values} values share one μ and one σ"), (GREY, sets)])
    drawing.box(RIGHT, 126, 15, 15, BLUE.front, radius=3)
    note(drawing, RIGHT + 24, 138, "γ and β: one pair a channel")
    for channel in range(6):
        drawing.box(RIGHT + 24 + 24 * channel, 150, 20, 20, BLUE.top, BLUE.front, radius=3)
    note(drawing, RIGHT, 200, remark, fill=FAINT)
    return drawing


def _layer() -> Drawing:
    says = "One μ and σ for each picture, over all its channels and pixels"
    return _per_picture("layer", says, "C·H·W", "N such sets", "group normalization with one group")


def _instance() -> Drawing:
    says = "One μ and σ for each channel of each picture"
    return _per_picture("instance", says, "H·W", "N·C such sets", "contrast and brightness of a picture are gone")


def _group() -> Drawing:
    says = "One μ and σ for each group of channels of each picture"
    return _per_picture("group", says, "C/G·H·W", "N·G such sets (here G = 3)", "G = 1 is layer, G = C is instance")


def _deviation(name: str, says: str, counted: torch.Tensor, reaches: float, words: str) -> Drawing:
    """A batch normalizer with the values of the marked channel, those that make its deviation in colour."""
    drawing = _figure(name, says, RUNNING)
    mean, sigma = (float(moment) for moment in mean_deviation(SAMPLE, dim=(0,)))
    note(drawing, RIGHT - 12, 62, "the values of the red channel", fill=FAINT)
    zero = RIGHT + 72
    spread(drawing, zero, 158, SAMPLE, counted, mean)
    note(drawing, zero + 34 * mean, 85, "μ", anchor="middle", fill=FAINT)
    reach(drawing, zero, 182, mean, mean + reaches, f"{words} = {reaches:.2f}")
    if name != "batch":
        reach(drawing, zero, 206, mean, mean + sigma, f"σ = {sigma:.2f}, for comparison", LINE)
    return drawing


def _batch() -> Drawing:
    says = "One μ and σ for each channel, over all pictures and pixels"
    sigma = float(mean_deviation(SAMPLE, dim=(0,)).deviation)
    return _deviation("batch", says, torch.ones(len(SAMPLE), dtype=torch.bool), sigma, "σ")


def _l1() -> Drawing:
    says = "As batch, with the mean absolute deviation: no squares, no root"
    scale = float(l1_moments(SAMPLE, dim=(0,)).deviation)
    return _deviation("l1_batch", says, torch.ones(len(SAMPLE), dtype=torch.bool), scale, "C_1 · mean |x − μ|")


def _largest(k: int) -> torch.Tensor:
    """Which values are among the k farthest from the mean."""
    away = (SAMPLE - SAMPLE.mean()).abs()
    return away >= away.topk(k).values[-1]


def _linf() -> Drawing:
    says = "As batch, with the one value that is farthest from the mean"
    scale = float(topk_moments(SAMPLE, 1, dim=(0,)).deviation)
    return _deviation("linf_batch", says, _largest(1), scale, "C_∞ · max |x − μ|")


def _topk() -> Drawing:
    says = "As batch, with the mean of the ten values farthest from the mean"
    scale = float(topk_moments(SAMPLE, 10, dim=(0,)).deviation)
    return _deviation("topk_batch", says, _largest(10), scale, "C_∞ · mean of ten")


def _revisited() -> Drawing:
    drawing = _figure("revisited_batch", "Batch normalization that begins with a small γ", RUNNING)
    normal = ((SAMPLE - SAMPLE.mean()) / SAMPLE.std(correction=0))[::2]
    zero, all_of_them = RIGHT + 104, torch.ones(len(normal), dtype=torch.bool)
    spread(drawing, zero, 138, normal, ~all_of_them, 0.0, dot=3.4, height=58)
    note(drawing, RIGHT + 180, 112, "γ = 1", fill=FAINT)
    drawing.line([(zero - 70, 214), (zero + 122, 214)], LINE)
    spread(drawing, zero, 214, 0.1 * normal, all_of_them, 0.0, dot=1.7, height=52)
    note(drawing, RIGHT + 180, 192, "γ_0 = 0.1", fill=RED.front)
    note(drawing, RIGHT - 12, 66, "what the layer gives before training", fill=FAINT)
    return drawing


def _sync() -> Drawing:
    says = "One μ and σ for each channel, over the pictures of all workers"
    drawing = Drawing(WIDTH, HEIGHT, f"sync_batch: {says[0].lower()}{says[1:]}")
    heading(drawing, says, "training: the batches of all workers together · evaluation: running averages")
    sharing = SHARING["sync_batch"]
    blocks = [Block(LEFT, 186, sharing, samples=4, cell=18), Block(LEFT + 222, 186, sharing, samples=3, cell=18)]
    for number, block in enumerate(blocks, start=1):
        block.draw(drawing, slab(sharing, MARKED))
        middle = (block.x + block.right) / 2
        drawing.text(middle, 208, f"worker {number}", fill=FAINT, anchor="middle")
    x, y = 548.0, 112.0
    for block in blocks:
        left, up = block.far
        drawing.arrow([(left - 12, up - 6), (left - 12, 66), (x + 86, 66), (x + 86, y - 4)], RED.front)
    drawing.box(x, y, 172, 62, "#fdf1ef", RED.front, radius=8)
    drawing.text(x + 86, y + 26, "mean, spread, count", anchor="middle")
    drawing.text(x + 86, y + 46, "→ one μ and one σ", anchor="middle")
    return drawing


def _moving() -> Drawing:
    drawing = _figure(
        "moving_batch",
        "One quadratic mean for each channel, over the last m batches",
        "training: a ring of m batches · evaluation: running mean square · nothing is subtracted",
    )
    note(drawing, RIGHT - 12, 74, "mean x² of each batch", fill=FAINT)
    heights = [46, 61, 38, 52, 66, 43, 57, 49]
    bars(drawing, RIGHT - 6, 160, heights, [GREY, GREY, *[VIOLET] * 5, RED], width=20, pitch=27)
    drawing.line([(RIGHT + 46, 168), (RIGHT + 46, 174), (RIGHT + 205, 174), (RIGHT + 205, 168)], FAINT)
    note(drawing, RIGHT + 126, 192, "v = their mean;  x / √(v + ε)", anchor="middle")
    note(drawing, RIGHT + 126, 212, "the newest is this batch", anchor="middle", fill=RED.front)
    return drawing


def _power() -> Drawing:
    drawing = _figure(
        "power",
        "One running quadratic mean for each channel",
        "training: φ from before this batch · evaluation: φ · nothing is subtracted",
    )
    note(drawing, RIGHT - 12, 74, "share of each batch in the running φ", fill=FAINT)
    shares = [0.1 * 0.9**age for age in range(8)]
    heights = [700 * share for share in reversed(shares)]
    bars(drawing, RIGHT - 6, 160, heights, [VIOLET] * 8, width=20, pitch=27)
    drawing.box(RIGHT - 6 + 27 * 8, 90, 20, 70, "#ffffff", RED.front, radius=2)
    note(drawing, RIGHT + 96, 184, "φ;  x / √(φ + ε)", anchor="middle")
    notes(drawing, RIGHT + 242, 118, ["this batch:", "from the next", "step on"], fill=RED.front)
    return drawing


def _memorized() -> Drawing:
    says = "One μ and σ for each channel, pooled over the last K batches"
    drawing = Drawing(WIDTH, HEIGHT, f"memorized_batch: {says[0].lower()}{says[1:]}")
    heading(drawing, says, "training and evaluation: the same memory; each batch is seen once more after its update")
    sharing = SHARING["memorized_batch"]
    for index, (words, tone) in enumerate([("step t − 2", VIOLET), ("step t − 1", VIOLET), ("step t", RED)]):
        block = Block(66 + 166 * index, 176, sharing, samples=3, channels=5, cell=17)
        block.draw(drawing, slab(sharing, (0, 4), tone))
        drawing.text((block.x + block.right) / 2, 200, words, fill=FAINT, anchor="middle")
        left, up = block.far
        drawing.arrow([(left - 8, up - 6), (left - 8, 64), (656, 64), (656, 100)], tone.front)
    drawing.text(36, 140, "…", size=18, fill=FAINT)
    drawing.box(588, 102, 136, 62, "#f6f3fd", VIOLET.front, radius=8)
    drawing.text(656, 128, "K memories", anchor="middle")
    drawing.text(656, 148, "→ one μ, one σ", anchor="middle")
    swatch_notes(drawing, 588, 196, [(RED, "with gradient")])
    swatch_notes(drawing, 588, 220, [(VIOLET, "constants")])
    return drawing


def _unified() -> Drawing:
    drawing = _figure(
        "unified_batch",
        "Batch normalization that learns only from batches whose pictures differ",
        "training: this batch · evaluation: running averages, which some batches did not reach",
    )
    note(drawing, RIGHT - 12, 74, "similarity of the pictures", fill=FAINT)
    alike = [[1, 0.8, 0.7, 0.9], [0.8, 1, 0.75, 0.85], [0.7, 0.75, 1, 0.8], [0.9, 0.85, 0.8, 1]]
    grid(drawing, RIGHT - 6, 86, alike, VIOLET, 19)
    x = RIGHT + 100
    note(drawing, x, 98, "s = mean off the diagonal")
    note(drawing, x, 124, "s ≤ τ: running averages move", fill=GREEN.side)
    note(drawing, x, 150, "s > τ: they stay as they are", fill=RED.side)
    return drawing


def _adaptive() -> Drawing:
    says = "Batch normalization for mixed batches, nothing for uniform ones"
    drawing = Drawing(WIDTH, HEIGHT, f"adaptive_batch: {says[0].lower()}{says[1:]}")
    heading(drawing, says, "h: how much the pictures of a batch differ · evaluation: running averages")
    sharing = SHARING["adaptive_batch"]
    first = Block(LEFT, 190, sharing, cell=20)
    first.draw(drawing, slab(sharing, MARKED))
    note(drawing, (first.x + first.right) / 2, 216, "h > t: batch statistics", anchor="middle")
    second = Block(LEFT + 330, 190, None, cell=20)
    second.draw(drawing)
    note(drawing, (second.x + second.right) / 2 + 10, 216, "h ≤ t: the features as they are", anchor="middle")
    return drawing


ACTIVATION_FIGURES: dict[str, Callable[[], Drawing]] = {
    "none": _none,
    "batch": _batch,
    "sync_batch": _sync,
    "layer": _layer,
    "instance": _instance,
    "group": _group,
    "l1_batch": _l1,
    "linf_batch": _linf,
    "topk_batch": _topk,
    "revisited_batch": _revisited,
    "moving_batch": _moving,
    "power": _power,
    "memorized_batch": _memorized,
    "unified_batch": _unified,
    "adaptive_batch": _adaptive,
}
