"""Sample styles made with water: watercolour, ink wash, marbled paper."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from styleapp.data.synthetic.fields import (
    OVERSAMPLING,
    Field,
    blend,
    coordinates,
    grain,
    hashed,
    noise,
    palette,
    paper,
    picture,
    polar,
    ramp,
    rgb,
    ridge,
    smoothstep,
)


def _wash(sheet: Field, shape: Field, pigment: Field, strength: Field | float, granulation: Field) -> None:
    """Glaze `sheet` in place where `shape` (signed distance in picture sides) is positive.

    Pigment gathers in a dark rim at the border and in the valleys of the paper (`granulation`, about 1).
    """
    inside = smoothstep(-0.0005, 0.0035, shape)
    rim = np.exp(-((shape / 0.0055) ** 2)) * inside
    pool = np.exp(-np.maximum(shape, 0) / 0.05)
    density = strength * inside * (0.62 + 0.28 * pool + 0.55 * rim) * granulation
    sheet *= 1 - np.clip(density, 0, 1)[..., None] * (1 - pigment)


def _window(cx: float, cy: float, reach: float, size: int) -> tuple[slice, slice]:
    """The rows and columns of a square around a point, inside the picture, for washes that touch little of it."""
    rows = slice(max(0, int((cy - reach) * size)), max(0, min(size, int((cy + reach) * size) + 1)))
    columns = slice(max(0, int((cx - reach) * size)), max(0, min(size, int((cx + reach) * size) + 1)))
    return rows, columns


def watercolour(size: int, seed: int) -> Image.Image:
    """Poppies before hills: wet washes that bleed, glazes with dark rims, granulation, splashes, rough paper."""
    rng = np.random.default_rng(seed)
    x, y = coordinates(size)
    granulation = 0.55 + 0.90 * (0.6 * grain(rng, size, 0.0035) + 0.4 * grain(rng, size, 0.009))
    sheet = np.ones((size, size, 3), np.float32) * rgb("#fbf6ea")
    flow = noise(rng, size, 4, 4)
    for level, colour in enumerate(["#6db9e6", "#f9b9c4", "#8fa6f0", "#fbdc8c", "#7fd0d6"]):
        bleed = noise(rng, size, 3, 5, 0.6) - 0.52 - 0.16 * np.abs(y - 0.10 * level)
        _wash(sheet, bleed * 0.22, rgb(colour), 0.55 + 0.5 * (flow - 0.5), granulation)
    for level, colour in enumerate(["#9aa4ea", "#78a4dc", "#6cc0ae", "#a9d05e"]):
        line = 0.36 + 0.085 * level - 0.10 * (ridge(rng, size, 2, 5, 0.45) - 0.5)
        ragged = 0.006 * (noise(rng, size, 40, 2) - 0.5)
        tone = 0.66 * np.clip(1.1 - (y - line) * 4.5, 0.10, 1) * (0.6 + 0.8 * noise(rng, size, 6, 3))
        _wash(sheet, y - line + ragged, rgb(colour), tone, granulation)
    _meadow(rng, sheet, x, y, granulation)
    _poppies(rng, sheet, x, y, granulation)
    for _ in range(70):  # splashes from the brush
        cx, cy = rng.random(2).tolist()
        radius = 0.0015 + 0.007 * rng.random() ** 3
        at = _window(cx, cy, 0.012, size)
        drop = rgb(("#d8352a", "#2f6f9f", "#3f7f3a", "#e08a2a")[rng.integers(4)])
        _wash(sheet[at], radius - np.hypot(x[at] - cx, y[at] - cy), drop, 0.7, granulation[at])
    return picture(sheet * paper(rng, size, 0.08)[..., None], size)


def _meadow(rng: np.random.Generator, sheet: Field, x: Field, y: Field, granulation: Field) -> None:
    """Glazes of grass over the lower half: pale patches first, then darker blades."""
    size = len(x)
    for colour, cells, floor in [
        ("#c6d14f", 6, 0.60),
        ("#7fb25a", 11, 0.74),
        ("#4fa08a", 15, 0.86),
        ("#5a78c0", 9, 0.98),
    ]:
        patch = noise(rng, size, (cells * 2, cells // 2), 3, 0.6) - 0.42 - 0.9 * np.clip(floor - y, -0.10, 1)
        _wash(sheet, patch * 0.08, rgb(colour), 0.46, granulation)
    for _ in range(95):
        foot, height = rng.uniform(-0.02, 1.02), rng.uniform(0.10, 0.26)
        base, lean = rng.uniform(0.88, 1.10), rng.uniform(-0.35, 0.35)
        at = _window(foot + lean * height / 2, base - height / 2, height * 0.75, size)
        up = np.clip((base - y[at]) / height, 0, 1)
        blade = 0.0055 * (1 - up) ** 0.7 * np.sqrt(np.clip(up * 8, 0, 1)) - np.abs(
            x[at] - foot - lean * height * up * up
        )
        blade = np.where((up > 0) & (up < 1), blade, -0.01)
        green = rgb(("#4f9440", "#86b53a", "#2f7466", "#b3b53e")[rng.integers(4)])
        _wash(sheet[at], blade, green, rng.uniform(0.3, 0.85), granulation[at])


def _poppies(rng: np.random.Generator, sheet: Field, x: Field, y: Field, granulation: Field) -> None:
    """Flowers of a few overlapping petals on thin stems, small ones first."""
    size = len(x)
    ragged = noise(rng, size, 16, 4, 0.6) - 0.5
    blooms = [(rng.uniform(0.04, 0.96), 0.52 + 0.05 * i * rng.uniform(0.8, 1.2), 0.022 + 0.006 * i) for i in range(7)]
    blooms += [(0.13, 0.50, 0.095), (0.47, 0.60, 0.115), (0.82, 0.44, 0.105), (0.74, 0.82, 0.10), (0.22, 0.85, 0.09)]
    for cx, cy, radius in blooms:
        cx, cy = cx + rng.uniform(-0.05, 0.05), cy + rng.uniform(-0.05, 0.05)
        lean, length = rng.uniform(-0.12, 0.12), 1.1 - cy
        at = _window(cx + lean / 2, cy + length / 2, length / 2 + 0.1, size)
        down = np.clip((y[at] - cy) / length, 0, 1)
        stem = 0.0035 - np.abs(x[at] - cx - lean * down * down) - 0.01 * (y[at] < cy)
        _wash(sheet[at], stem, rgb("#3a6a35"), 0.8, granulation[at])
        at = _window(cx, cy, radius * 2, size)
        dx, dy = x[at] - cx, (y[at] - cy) * 1.3
        turn = rng.uniform(0, 6.3)
        petals = []
        for angle in (turn + np.arange(5) * 2.55).tolist():
            px, py = 0.52 * radius * math.cos(angle), 0.52 * radius * math.sin(angle)
            petals.append(radius * (0.62 + 0.75 * ragged[at]) - np.hypot(dx - px, dy - py))
        # masking fluid kept the paper under a flower dry, or the reds would turn brown over the greens
        sheet[at] = blend(sheet[at], rgb("#fdeee0"), 0.93 * smoothstep(-0.002, 0.002, np.maximum.reduce(petals)))
        for petal, shape in enumerate(petals):
            colour = rgb(("#ee3a2a", "#f4683a", "#e0204a", "#f8953f", "#d0183a")[(petal + int(turn)) % 5])
            lit = 0.45 + 0.75 * np.clip(np.hypot(dx, dy) / radius * 0.75, 0, 1) * rng.uniform(0.75, 1.1)
            _wash(sheet[at], shape, colour, lit * (0.85 + 0.6 * ragged[at]), granulation[at])
        heart = radius * (0.22 + 0.5 * ragged[at]) - np.hypot(dx, dy)
        _wash(sheet[at], heart, rgb("#2a1c3a"), 0.95, granulation[at])
        for _ in range(16):
            angle, reach = rng.uniform(0, 6.3), radius * rng.uniform(0.22, 0.42)
            dot = (
                0.035 * radius + 0.001 - np.hypot(dx - reach * float(np.cos(angle)), dy - reach * float(np.sin(angle)))
            )
            _wash(sheet[at], dot, rgb("#1c1430"), 0.9, granulation[at])


def ink_wash(size: int, seed: int) -> Image.Image:
    """Mountains in mist: layered ridges in grey ink with dry-brush texture, pines, a pale sun, on warm paper."""
    rng = np.random.default_rng(seed)
    x, y = coordinates(size)
    sheet = rgb("#efe2c6") * (0.93 + 0.14 * noise(rng, size, 4, 4))[..., None]
    tooth = 0.6 * grain(rng, size, 0.003) + 0.4 * grain(rng, size, 0.007)
    clouds = noise(rng, size, (3, 7), 5, 0.55)
    ink = 0.52 * smoothstep(0.42, 0.85, clouds + 0.25 * (0.4 - y)) * (0.75 + 0.5 * tooth)
    sun, _ = polar(x, y, (rng.uniform(0.60, 0.78), 0.15))
    red = smoothstep(0.078, 0.072, sun + 0.004 * (tooth - 0.5)) * (
        0.72 + 0.35 * tooth - 0.5 * smoothstep(0.5, 0.8, clouds)
    )
    ink = ink * (1 - 0.7 * np.clip(red, 0, 1))
    levels = 6
    for level in range(levels):
        near = level / (levels - 1)
        line = 0.30 + 0.64 * near - (0.26 - 0.06 * near) * (ridge(rng, size, 2 + level % 3, 6, 0.46) - 0.45)
        below = y - line + 0.010 * (noise(rng, size, 26, 3) - 0.5)
        inside = smoothstep(0, 0.004, below)
        lean = noise(rng, size, 5, 2)
        mist = np.clip(1 - below / (0.16 + 0.12 * near), 0, 1) ** 0.8
        contour = np.exp(-((below / (0.007 + 0.007 * lean)) ** 2)) * smoothstep(0.25, 0.6, lean)
        folds = _folds(rng, size, line, near) * (0.25 + 0.75 * mist)
        dry = 0.35 + 0.65 * smoothstep(0.40, 0.62, tooth + 0.25 * (lean - 0.5))
        wet = (0.20 + 0.42 * near) * mist * (0.6 + 0.8 * noise(rng, size, 9, 3)) * (0.8 + 0.4 * tooth)
        tone = wet + (0.26 + 0.55 * near) * np.maximum(folds, contour) * dry
        ink = ink * (1 - inside * (0.60 + 0.35 * mist)) + inside * np.clip(tone, 0, 0.97)
        red = red * (1 - inside)
    ink = np.maximum(ink, _pines(rng, size) * (0.72 + 0.28 * smoothstep(0.30, 0.55, tooth)))
    sheet = blend(sheet, rgb("#b8412f"), np.clip(red, 0, 1))
    sheet = blend(sheet, ramp(ink, ["#4a5566", "#3a4250", "#23262e", "#121318"]), np.clip(ink * 1.05, 0, 0.97))
    at = _window(0.915, 0.085, 0.030, size)
    u, v = np.abs(x[at] - 0.915), np.abs(y[at] - 0.085)
    strokes = ((u % 0.015 > 0.0045) | (v > 0.021)) & ((v % 0.0165 > 0.004) | (u < 0.005))
    seal = strokes & (np.maximum(u, v) < 0.028)
    sheet[at] = blend(sheet[at], rgb("#b32d22"), seal * np.clip(0.6 + 0.7 * tooth[at], 0, 1))
    return picture(sheet * paper(rng, size, 0.10)[..., None], size)


def _folds(rng: np.random.Generator, size: int, line: Field, near: float) -> Field:
    """Brush strokes that run down a mountain from its ridge (`line`), the folds of the rock: cover 0…1."""
    side = size * OVERSAMPLING
    layer = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(layer)
    fall = np.gradient(np.convolve(np.pad(line, 12, mode="edge"), np.ones(25) / 25, mode="valid")) * size
    count = 520
    starts, drops = rng.uniform(-0.05, 1.05, count), 0.17 * rng.random(count) ** 1.6
    lengths, widths = rng.uniform(0.025, 0.075, count), rng.uniform(0.0012, 0.0050, count) * (0.7 + 0.8 * near)
    bends, shades = rng.uniform(-0.5, 0.5, count), rng.uniform(70, 255, count)
    for start, drop, length, width, bend, shade in zip(starts, drops, lengths, widths, bends, shades, strict=True):
        column = min(size - 1, max(0, int(start * size)))
        slope = float(np.clip(fall[column], -1.6, 1.6))
        top = float(line[column]) + drop
        side_step = math.copysign(0.55, slope) * length * (0.5 + 0.3 * abs(slope))
        points = [(start + side_step * t + 0.012 * bend * math.sin(4 * t), top + length * t) for t in (0, 0.3, 0.6, 1)]
        fill = int(shade * (1 - 3.5 * drop))
        for (ax, ay), (bx, by), share in zip(points, points[1:], (1.0, 0.7, 0.4), strict=False):
            stroke = [ax * side, ay * side, bx * side, by * side]
            draw.line(stroke, fill=max(fill, 0), width=max(1, round(width * share * side)))
    return np.asarray(layer.resize((size, size), Image.Resampling.LANCZOS), np.float32) / 255


def _pines(rng: np.random.Generator, size: int) -> Field:
    """Leaning pines in front: crooked trunks, boughs and fans of needles, as cover 0…1."""
    side = size * OVERSAMPLING
    layer = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(layer)
    for foot, base, height in [(0.12, 1.02, 0.66), (0.30, 1.05, 0.42), (0.86, 1.06, 0.40)]:
        foot, height = foot + rng.uniform(-0.04, 0.04), height * rng.uniform(0.9, 1.1)
        lean, sway = rng.uniform(-0.06, 0.16) * (1 if foot < 0.5 else -1), rng.uniform(0, 6.3)
        ups = np.linspace(0, 1, 15)
        trunk = np.stack([foot + lean * ups + 0.020 * np.sin(ups * 8 + sway), base - height * ups], axis=1)
        for step in range(14):
            width = max(1, round(0.055 * height * (1.08 - ups[step]) * side))
            draw.line((trunk[step : step + 2] * side).ravel().tolist(), fill=int(rng.uniform(190, 240)), width=width)
        for number in range(12):
            level = 0.36 + 0.64 * (number + rng.uniform(-0.3, 0.3)) / 11
            root = trunk[min(14, round(level * 14))]
            reach = (-1 if number % 2 else 1) * height * (0.34 * (1.15 - level) + 0.03) * rng.uniform(0.7, 1.2)
            bough = [root * side, (root + (reach * 0.55, 0.012)) * side, (root + (reach, -0.008)) * side]
            draw.line(np.concatenate(bough).tolist(), fill=220, width=max(1, round(0.009 * height * side)))
            for place in np.linspace(0.15, 1.05, 3 + round(abs(reach) / 0.04)):
                _fan(
                    draw,
                    rng,
                    (root[0] + reach * place, root[1] + rng.uniform(-0.010, 0.008)),
                    0.040 * height + 0.012,
                    side,
                )
    return np.asarray(layer.resize((size, size), Image.Resampling.LANCZOS), np.float32) / 255


def _fan(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, root: tuple[float, float], reach: float, side: int
) -> None:
    """Needles that spread upwards and sideways from one point."""
    for angle in rng.normal(-np.pi / 2, 0.85, 26).tolist():
        length = reach * rng.uniform(0.6, 1.15)
        tip = (root[0] + 1.25 * length * math.cos(angle), root[1] + 0.85 * length * math.sin(angle))
        stroke = [root[0] * side, root[1] * side, tip[0] * side, tip[1] * side]
        draw.line(stroke, fill=int(rng.uniform(130, 255)), width=max(1, round(0.0014 * side)))


def marbled_paper(size: int, seed: int) -> Image.Image:
    """Inks dropped on water, drawn out with combs and swirled, then lifted onto paper."""
    rng = np.random.default_rng(seed)
    side = size * OVERSAMPLING
    x, y = coordinates(side)
    for _ in range(6):  # where each pixel's ink came from: the last movements, swirls and combs, are undone first
        cx, cy = rng.random(2).tolist()
        distance, _ = polar(x, y, (cx, cy))
        twist = rng.choice([-2.8, 2.8]) * np.exp(-((distance / rng.uniform(0.09, 0.17)) ** 2)).astype(np.float32)
        dx, dy, cos, sin = x - cx, y - cy, np.cos(twist), np.sin(twist)
        x, y = cx + dx * cos - dy * sin, cy + dx * sin + dy * cos
    x = x + 0.04 * (noise(rng, side, 4, 2) - 0.5)
    tine = np.floor(x * 9)
    y = y + np.where(tine % 2 == 0, 0.11, -0.11) * np.exp(-np.abs(x * 9 - tine - 0.5) / 0.16)
    y = y + 0.040 * np.exp(-np.abs(x * 27 - np.floor(x * 27) - 0.5) / 0.17)
    inks = palette(["#12284f", "#c8402f", "#f3e6c8", "#1f7a78", "#e7b04a", "#7c1f3a", "#2f6fa8", "#f0a58a", "#0f4a55"])
    level = y * 30 + 3.0 * noise(rng, side, (3, 5), 2)
    band = np.floor(level)
    place = level - band
    pick = (band % 9).astype(np.int32)
    pick = np.where(hashed(band, salt=seed) < 0.3, (hashed(band, salt=seed + 3) * 9).astype(np.int32), pick)
    veins = np.abs(place - 0.5 - 0.5 * (hashed(band, salt=seed + 1) - 0.5)) < 0.055 + 0.05 * hashed(band, salt=seed + 2)
    pick = np.where(veins & (pick != 2), 2, pick)
    for _ in range(34):  # drops that open round eyes, which the combs then draw out
        cx, cy, radius = rng.uniform(0, 1), rng.uniform(-0.1, 1.1), rng.uniform(0.012, 0.034)
        eye = np.hypot(x - cx, y - cy)
        for share in (1.0, 0.72, 0.42):
            pick = np.where(eye < radius * share, rng.integers(len(inks)), pick)
    shade = 0.88 + 0.18 * smoothstep(0.0, 0.5, place) + 0.20 * (grain(rng, side, 0.006) - 0.5)
    return picture(inks[pick] * shade[..., None] * paper(rng, side, 0.06)[..., None], size)
