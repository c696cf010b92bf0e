"""Figures of what is no layer: training rules, optimizers and probes; and the picture of the idea behind all."""

from collections.abc import Callable

from styleapp.lab.figures.blocks import SHARING, Block, Kernels, slab
from styleapp.lab.figures.panels import bars, grid, heading, note, notes, stack, swatch_notes
from styleapp.lab.figures.svg import BLUE, FAINT, GREEN, GREY, LINE, RED, VIOLET, YELLOW, Drawing, Point

__all__ = ["RULE_FIGURES", "idea"]

WIDTH, HEIGHT = 760, 262
NO_LAYER = "no layer: the forward pass stays as it is"


def _figure(name: str, says: str, below: str = NO_LAYER) -> Drawing:
    drawing = Drawing(WIDTH, HEIGHT, f"{name}: {says[0].lower()}{says[1:]}")
    heading(drawing, says, below)
    return drawing


def _preconditioning() -> Drawing:
    drawing = _figure("bn_preconditioning", "The gradient is changed as if the layer's input had been normalized")
    sharing = SHARING["batch"]
    block = Block(48, 190, sharing, channels=3)
    block.draw(drawing, slab(sharing, (0, 2)))
    block.label(drawing, "the layer's input")
    drawing.arrow([(258, 128), (348, 128)], RED.front)
    note(drawing, 303, 116, "running μ, σ²", "middle")
    kernels = Kernels(374, 62, inputs=3)
    kernels.draw(drawing, lambda row, channel: RED if channel == 2 else GREY)
    drawing.text(
        (kernels.x + kernels.right) / 2, kernels.bottom + 20, "gradient of the kernels", fill=FAINT, anchor="middle"
    )
    notes(
        drawing,
        512,
        104,
        ["every entry that sees the red", "channel is divided by its σ̃²,", "after − (bias gradient) · μ"],
    )
    return drawing


def _mimic() -> Drawing:
    drawing = _figure(
        "mimic_norm",
        "Kernels are centred after every step; one batch normalization at the very end",
        "statistics of features in the last layer only",
    )
    kernels = Kernels(62, 56)
    kernels.draw(drawing, lambda row, channel: RED if row == 1 else GREY)
    kernels.label(drawing)
    drawing.arrow([(kernels.right + 14, kernels.middle(1)), (238, kernels.middle(1))], RED.front)
    notes(drawing, 248, 92, ["w_i − mean of its entries,", "in place, after each step"])
    block = Block(490, 170, SHARING["batch"], pixels=1, cell=22)
    block.draw(drawing, slab(SHARING["batch"], (0, 5)))
    drawing.text(576, 194, "logits, N × classes", fill=FAINT, anchor="middle")
    note(drawing, 600, 92, "the last BN, no γ, β", "middle")
    return drawing


def _sam_on() -> Drawing:
    drawing = _figure("sam_on", "Only the normalization parameters climb before the step is taken")
    for index, name in enumerate(["conv", "norm", "conv", "norm", "conv"]):
        is_norm = name == "norm"
        x, high = 48 + 74 * index, 18 if is_norm else 112
        drawing.box(x, 178 - high, 46, high, RED.front if is_norm else GREY.front, radius=4)
        drawing.text(x + 23, 198, "γ, β" if is_norm else name, fill=RED.side if is_norm else FAINT, anchor="middle")
    notes(drawing, 470, 92, ["A: gradient g; only γ and β move,", "by ρ · g / ‖g‖"], fill=RED.side)
    notes(drawing, 470, 146, ["B: gradient there, for all weights;", "γ and β move back, then the step"])
    return drawing


def _decay() -> Drawing:
    drawing = _figure(
        "decay_rate_correction", "Without weight decay kernels grow, and a longer kernel turns more slowly"
    )
    kernels = Kernels(62, 56)
    kernels.draw(drawing, lambda row, channel: RED if row == 1 else GREY)
    kernels.label(drawing)
    for row, (grown, kept) in enumerate([(150, 84), (188, 110), (120, 70), (166, 92)]):
        y = kernels.middle(row)
        drawing.box(214, y - 12, grown, 11, RED.front if row == 1 else GREY.side, radius=2)
        drawing.box(214, y + 1, kept, 11, BLUE.front, radius=2)
    swatch_notes(drawing, 456, 92, [(RED, "‖w‖ now, without decay"), (BLUE, "‖w_{WD}‖, logged with decay")])
    notes(drawing, 456, 158, ["step of this kernel:", "η · ‖w‖² / ‖w_{WD}‖²"])
    return drawing


def _input_norm() -> Drawing:
    says = "Batch normalization of the picture itself, in front of the network"
    drawing = _figure("input_norm", says, "training: this batch · evaluation: running averages")
    sharing = SHARING["batch"]
    block = Block(48, 190, sharing, channels=3)
    block.draw(drawing, lambda n, c: (RED, GREEN, BLUE)[c])
    block.label(drawing, "red, green, blue")
    drawing.arrow([(258, 128), (316, 128)])
    drawing.box(322, 98, 146, 60, "#fdf1ef", RED.front, radius=8)
    drawing.text(395, 124, "γ_0 = 0.1 · 0.58", anchor="middle")
    drawing.text(395, 144, "no shift", anchor="middle")
    drawing.arrow([(474, 128), (532, 128)])
    drawing.box(538, 98, 146, 60, "#f6f7f9", FAINT, radius=8)
    drawing.text(611, 132, "the network", anchor="middle")
    return drawing


def _landscape() -> Drawing:
    drawing = _figure("landscape_probe", "How the loss changes along the gradient, at several step sizes")
    left, floor = 96.0, 184.0

    def at(step: float) -> Point:
        loss = 0.5 * ((1 - step) ** 2 + 10 * (1 - 10 * step) ** 2)
        return left + 1180 * step, floor - 20 * loss

    drawing.line([(left, 62), (left, floor), (left + 300, floor)], LINE)
    drawing.line([at(0.004 * index) for index in range(53)], RED.front, 2)
    for step in (0, 0.05, 0.1, 0.15, 0.2):
        drawing.dot(*at(step), 4.5, BLUE.front, "#ffffff")
        drawing.text(left + 1180 * step, floor + 18, f"{step:g}", size=12, fill=FAINT, anchor="middle")
    drawing.text(left - 12, 122, "loss", fill=FAINT, anchor="middle", turned=True)
    drawing.text(left + 150, floor + 35, "step s along −g", fill=FAINT, anchor="middle")
    lines = ["range of L(w − s·g)", "largest ‖g − g_s‖", "largest ‖g − g_s‖ / (s·‖g‖)"]
    swatch_notes(drawing, 450, 96, [(BLUE, words) for words in lines])
    note(drawing, 450, 182, "here L = ½(x² + 10y²) from (1, 1)", fill=FAINT)
    return drawing


def _beyond() -> Drawing:
    drawing = _figure("beyond_bn_probe", "How alike the features of different pictures become, layer by layer")
    sharing = SHARING["layer"]
    block = Block(48, 190, sharing)
    block.draw(drawing, slab(sharing, (0, 0)))
    block.label(drawing)
    drawing.arrow([(300, 118), (338, 118)], RED.front)
    near = [[1 if a == b else 0.35 + 0.1 * ((a + b) % 4) for a in range(4)] for b in range(4)]
    grid(drawing, 350, 76, near, VIOLET, 20)
    note(drawing, 390, 176, "cosines", "middle", FAINT)
    names = ("IN", "2", "4", "8", "16", "32", "LN", "BN")
    means = (0.409, 0.534, 0.666, 0.809, 0.901, 0.936, 0.944, 0.403)  # styleapp probe signals
    tones = [*[GREY] * 7, RED]
    bars(drawing, 486, 176, [100 * mean for mean in means], tones, names, width=22, pitch=30)
    note(drawing, 486, 62, "mean cosine, 20 random layers", fill=FAINT)
    drawing.text(604, 212, "channels in a group", size=12, fill=FAINT, anchor="middle")
    return drawing


def idea() -> Drawing:
    """A normalizer removes statistics, a modulator gives scale and shift back."""
    drawing = Drawing(
        WIDTH,
        330,
        "a normalization is a normalizer, which removes statistics, and a modulator, which gives γ and β back",
    )
    for x, words in ((24, "x"), (366, "z"), (716, "y")):
        drawing.text(x, 62, words, size=16, bold=True)
    drawing.box(84, 32, 236, 48, "#fdf1ef", RED.front, radius=8)
    drawing.text(202, 62, "normalizer:  z = (x − μ) / σ", size=14, anchor="middle")
    drawing.box(426, 32, 236, 48, "#eef4fd", BLUE.front, radius=8)
    drawing.text(544, 62, "modulator:  y = γ · z + β", size=14, anchor="middle")
    for start, end in ((42, 80), (324, 358), (384, 422), (666, 708)):
        drawing.arrow([(start, 57), (end, 57)])
    drawing.text(84, 112, "Which values share μ and σ?", bold=True)
    drawing.text(426, 112, "Where do γ and β come from?", bold=True)
    places = ((84, 198, "batch"), (220, 198, "layer"), (84, 298, "instance"), (220, 298, "group"))
    for x, y, name in places:
        sharing = SHARING[name]
        Block(x, y, sharing, samples=3, channels=6, cell=11).draw(drawing, slab(sharing, (0, 5)))
        drawing.text(x + 40, y + 18, name, fill=FAINT, anchor="middle")
    _sources(drawing)
    return drawing


def _sources(drawing: Drawing) -> None:
    for channel in range(5):
        drawing.box(430 + 13 * channel, 140, 11, 11, BLUE.front, radius=2)
    note(drawing, 512, 151, "affine: learned, one a channel")
    grid(drawing, 430, 172, [[0.2, 0.9, 0.4, 0.6, 0.3], [0.7, 0.3, 0.8, 0.2, 0.9]], BLUE, 13)
    note(drawing, 512, 189, "styles: a table, also mixed")
    sharing = SHARING["instance"]
    Block(430, 252, sharing, samples=1, channels=4, pixels=3, cell=11).draw(drawing, lambda n, c: BLUE)
    note(drawing, 512, 239, "image: statistics of a picture")
    tones = (BLUE, GREEN, YELLOW)
    rows = ("0002", "0022", "1111")
    stack(drawing, 430, 274, [[tones[int(label)].front for label in row] for row in rows], planes=1, cell=12)
    note(drawing, 512, 296, "mask: painted by a label map")


RULE_FIGURES: dict[str, Callable[[], Drawing]] = {
    "bn_preconditioning": _preconditioning,
    "mimic_norm": _mimic,
    "sam_on": _sam_on,
    "decay_rate_correction": _decay,
    "input_norm": _input_norm,
    "landscape_probe": _landscape,
    "beyond_bn_probe": _beyond,
}
