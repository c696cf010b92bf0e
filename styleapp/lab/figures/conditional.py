"""Figures of the conditional normalizations: what is removed, and where γ and β come from."""

from collections.abc import Callable

import torch

from styleapp.lab.figures.blocks import SHARING, Block, slab
from styleapp.lab.figures.panels import grid, heading, note, stack, swatch_notes
from styleapp.lab.figures.svg import BLUE, FAINT, GREEN, RED, YELLOW, Drawing, mixed

__all__ = ["CONDITIONAL_FIGURES"]

WIDTH, HEIGHT = 760, 262
MARKED = (0, 5)
LABELS = ("000002", "000022", "000022", "111122", "111111", "111111")
LABEL_TONES = (BLUE, GREEN, YELLOW)


def _conditional_instance() -> Drawing:
    says = "γ and β from a table of styles, chosen or mixed"
    drawing = Drawing(WIDTH, HEIGHT, f"conditional_instance: {says[0].lower()}{says[1:]}")
    heading(drawing, says, "training and evaluation: the same · the table is all that differs between styles")
    sharing = SHARING["instance"]
    block = Block(48, 198, sharing, samples=2)
    block.draw(drawing, slab(sharing, MARKED))
    block.label(drawing)
    x, y, cell = 470.0, 66.0, 22.0
    table = torch.rand(4, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    shares = torch.tensor([0.0, 0.6, 0.0, 0.4], dtype=torch.float64)
    grid(drawing, x, y, table.tolist(), BLUE, cell)
    for row, share in enumerate(shares.tolist()):
        note(drawing, x - 14, y + cell * row + 16, f"style {row}", "end", FAINT)
        note(drawing, x + 6 * cell + 14, y + cell * row + 16, f"× {share:g}", fill=RED.side if share else FAINT)
    grid(drawing, x, y + 5 * cell, [(shares @ table).tolist()], BLUE, cell)
    note(drawing, x + 3 * cell, y + 4 * cell + 15, "Σ", "middle", FAINT)
    note(drawing, x + 6 * cell + 14, y + 5 * cell + 16, "γ of this picture")
    note(drawing, x + 6 * cell + 14, y + 5 * cell + 35, "(β alike)", fill=FAINT)
    top, low = block.middle(0, 5, block.pixels), y + 5.5 * cell
    drawing.arrow([(x - 6, low), (372, low), (372, 58), (top[0], 58), (top[0], top[1] - 12)], BLUE.front)
    note(drawing, x + 3 * cell, y - 10, "γ of each channel", "middle", FAINT)
    return drawing


def _adain() -> Drawing:
    says = "The style picture's deviation and mean become γ and β"
    drawing = Drawing(WIDTH, HEIGHT, f"adain: {says[0].lower()}{says[1:]}")
    heading(drawing, says, "training and evaluation: the same · nothing is learned")
    sharing = SHARING["instance"]
    photo = Block(48, 198, sharing, samples=2)
    photo.draw(drawing, slab(sharing, MARKED))
    photo.label(drawing, "features of the photo")
    style = Block(530, 198, sharing, samples=2, pixels=3)
    style.draw(drawing, slab(sharing, MARKED, BLUE))
    drawing.text((style.x + style.right) / 2, 218, "features of the style, any size", fill=FAINT, anchor="middle")
    start, end = style.middle(0, 5, style.pixels), photo.middle(0, 5, photo.pixels)
    drawing.arrow([(start[0], start[1] - 12), (start[0], 62), (end[0], 62), (end[0], end[1] - 12)], BLUE.front)
    note(drawing, 476, 54, "σ(s) → γ,  μ(s) → β,  channel by channel", "middle")
    swatch_notes(drawing, 344, 118, [(RED, "μ(c), σ(c): removed"), (BLUE, "μ(s), σ(s): given")])
    return drawing


def _spade() -> Drawing:
    says = "γ and β are painted by a label map, for every channel and pixel"
    drawing = Drawing(WIDTH, HEIGHT, f"spade: {says[0].lower()}{says[1:]}")
    heading(
        drawing, says, "training: this batch · evaluation: running averages (with batch statistics, as in the paper)"
    )
    sharing = SHARING["batch"]
    block = Block(48, 198, sharing)
    block.draw(drawing, slab(sharing, MARKED))
    block.label(drawing)
    numbers = [[int(label) for label in row] for row in LABELS]
    labels = [[LABEL_TONES[number].front for number in row] for row in numbers]
    stack(drawing, 650, 96, labels, planes=1)
    drawing.text(689, 194, "label map", fill=FAINT, anchor="middle")
    drawing.box(533, 112, 84, 46, "#f6f7f9", FAINT, radius=8)
    drawing.text(575, 131, "3×3 conv,", size=12, anchor="middle")
    drawing.text(575, 147, "ReLU, conv", size=12, anchor="middle")
    drawing.arrow([(644, 135), (622, 135)])
    tints = [[mixed("#f3f6fb", BLUE.front, (0.9, 0.2, 0.5)[number]) for number in row] for row in numbers]
    stack(drawing, 400, 96, tints, planes=3)
    drawing.text(446, 194, "1 + γ, and β", fill=FAINT, anchor="middle")
    drawing.arrow([(528, 135), (500, 135)])
    drawing.arrow([(392, 135), (292, 135)], BLUE.front)
    return drawing


CONDITIONAL_FIGURES: dict[str, Callable[[], Drawing]] = {
    "conditional_instance": _conditional_instance,
    "adain": _adain,
    "spade": _spade,
}
