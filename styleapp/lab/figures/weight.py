"""Figures of the weight normalizations: which entries of a convolution's weight share what they are divided by."""

from collections.abc import Callable

import torch

from styleapp.lab.figures.blocks import KERNEL_SHARING, Kernels
from styleapp.lab.figures.panels import SAMPLE, bars, heading, note, notes, reach, spread, swatch_notes
from styleapp.lab.figures.svg import BLUE, FAINT, GREY, RED, VIOLET, Drawing

__all__ = ["WEIGHT_FIGURES"]

WIDTH, HEIGHT = 760, 262
MARKED = 1  # the output channel in colour
RIGHT = 300.0
ALIKE = "training and evaluation: the same · no statistics of features"
LENGTHS = (92.0, 148.0, 64.0, 116.0)  # learned lengths of the four kernels in pixels
NORMS = (3.0, 4.2, 2.4, 3.6)


def _figure(name: str, says: str, below: str = ALIKE) -> tuple[Drawing, Kernels]:
    drawing = Drawing(WIDTH, HEIGHT, f"{name}: {says[0].lower()}{says[1:]}")
    heading(drawing, says, below)
    kernels = Kernels(62, 56)
    shared = KERNEL_SHARING[name]
    kernels.draw(drawing, lambda row, channel: RED if shared(MARKED, row) else GREY)
    kernels.label(drawing)
    return drawing, kernels


def _lengths(drawing: Drawing, kernels: Kernels, lengths: tuple[float, ...], fill: str) -> None:
    for row, length in enumerate(lengths):
        y = kernels.middle(row)
        drawing.arrow([(kernels.right + 14, y), (RIGHT - 14, y)])
        drawing.box(RIGHT, y - 8, length, 16, fill, radius=3)


def _weight_norm() -> Drawing:
    drawing, kernels = _figure("weight_norm", "Every output channel has a direction and a learned length")
    _lengths(drawing, kernels, LENGTHS, BLUE.front)
    notes(drawing, 480, 100, ["the red entries share one norm ‖v_i‖"])
    swatch_notes(drawing, 480, 132, [(BLUE, "g_i: learned, one each")])
    note(drawing, 480, 164, "w_i = g_i · v_i / ‖v_i‖")
    return drawing


def _bounded() -> Drawing:
    drawing, kernels = _figure("bounded_weight_norm", "Every output channel has a direction; all have one fixed length")
    _lengths(drawing, kernels, (sum(LENGTHS) / 4,) * 4, VIOLET.front)
    notes(drawing, 480, 100, ["the red entries share one norm ‖v_i‖"])
    swatch_notes(drawing, 480, 132, [(VIOLET, "ρ: fixed, their mean at first")])
    note(drawing, 480, 164, "w_i = ρ · v_i / ‖v_i‖")
    return drawing


def _standardization() -> Drawing:
    drawing, kernels = _figure(
        "weight_standardization", "The entries of every output channel get mean 0 and deviation 1"
    )
    values = SAMPLE[::2] / SAMPLE.std(correction=0) * 0.9
    everything = torch.ones(len(values), dtype=torch.bool)
    before, after = values + 0.9, (values - values.mean()) / values.std()
    y = kernels.middle(MARKED)
    drawing.arrow([(kernels.right + 14, y), (RIGHT + 6, y)])
    for x, shown, words in ((RIGHT + 84, before, "W_i"), (RIGHT + 314, after, "(W_i − μ_i) / (σ_i + ε)")):
        spread(drawing, x, 150, shown, everything, float(shown.mean()), height=58)
        note(drawing, x + 34, 84, words, "middle")
        note(drawing, x, 170, "0", "middle", FAINT)
        reach(drawing, x, 190, float(shown.mean()), float(shown.mean() + shown.std()), f"{float(shown.std()):.2f}")
    drawing.arrow([(RIGHT + 206, 128), (RIGHT + 236, 128)])
    return drawing


def _conv_norm() -> Drawing:
    drawing, kernels = _figure("conv_norm", "Every output channel passes all frequencies with the same gain")
    y = kernels.middle(MARKED)
    drawing.arrow([(kernels.right + 14, y), (RIGHT - 2, y)])
    energy = torch.fft.fft(torch.tensor([2.0, 1.0, 0.0, 0.0], dtype=torch.float64)).abs().square()
    names = [f"ω{index}" for index in range(4)]
    bars(drawing, RIGHT + 18, 170, (11 * energy).tolist(), [RED] * 4, names, width=24, pitch=34)
    note(drawing, RIGHT + 78, 210, "energy of a kernel [2, 1]", "middle", FAINT)
    drawing.arrow([(RIGHT + 176, 128), (RIGHT + 216, 128)])
    note(drawing, RIGHT + 196, 118, "× V²", "middle")
    flat = energy * energy.rsqrt().square()
    bars(drawing, RIGHT + 246, 170, (33 * flat).tolist(), [BLUE] * 4, names, width=24, pitch=34)
    note(drawing, RIGHT + 308, 210, "after: 1 everywhere", "middle", FAINT)
    note(drawing, RIGHT + 308, 92, "V = 1 / √energy", "middle")
    return drawing


def _spectral() -> Drawing:
    drawing, kernels = _figure(
        "spectral_norm",
        "The whole weight is divided by its largest gain",
        "power iteration in training; fixed in evaluation",
    )
    middle = (kernels.y + kernels.bottom) / 2
    drawing.arrow([(kernels.right + 14, middle), (RIGHT - 2, middle)])
    values = torch.tensor([2.5, 1.6, 1.0, 0.5], dtype=torch.float64)
    names = [f"σ_{index}" for index in range(1, 5)]
    bars(drawing, RIGHT + 18, 170, (40 * values).tolist(), [RED, GREY, GREY, GREY], names, width=24, pitch=34)
    note(drawing, RIGHT + 78, 210, "singular values", "middle", FAINT)
    drawing.arrow([(RIGHT + 176, 128), (RIGHT + 216, 128)])
    note(drawing, RIGHT + 196, 118, "÷ σ_1", "middle")
    bars(drawing, RIGHT + 246, 170, (40 * values / values[0]).tolist(), [BLUE] * 4, names, width=24, pitch=34)
    note(drawing, RIGHT + 308, 210, "the largest is 1", "middle", FAINT)
    return drawing


WEIGHT_FIGURES: dict[str, Callable[[], Drawing]] = {
    "weight_norm": _weight_norm,
    "bounded_weight_norm": _bounded,
    "weight_standardization": _standardization,
    "conv_norm": _conv_norm,
    "spectral_norm": _spectral,
}
