"""Sample styles made of strokes and dots: swirling oil, pointillism, coloured pencil."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from styleapp.data.synthetic.fields import (
    OVERSAMPLING,
    Field,
    blend,
    coordinates,
    look_up,
    noise,
    paper,
    picture,
    polar,
    ramp,
    relief,
    rgb,
    ridge,
    smoothstep,
)

SCENE = 256  # compositions that strokes are sampled from are this large, whatever the size of the picture


def trace(angle: Field, starts: Field, lengths: Field, steps: int) -> Field:
    """Paths N×(steps+1)×2 from `starts` (N×2) along the field `angle` (radians), `lengths` (N) in picture sides."""
    paths = [starts]
    for _ in range(steps):
        reach = (lengths / steps)[:, None]
        middle = paths[-1] + 0.5 * reach * _heading(angle, paths[-1])  # midpoint rule: plain steps fly out of vortices
        paths.append(paths[-1] + reach * _heading(angle, middle))
    return np.stack(paths, axis=1)


def _heading(angle: Field, points: Field) -> Field:
    direction = look_up(angle, points)
    return np.stack([np.cos(direction), np.sin(direction)], axis=-1)


def draw_strokes(
    draw: ImageDraw.ImageDraw,
    side: int,
    paths: Field,
    width: float,
    colours: Field,
    rng: np.random.Generator,
    bristles: int = 1,
    contrast: float = 0.0,
) -> None:
    """Draw paths (N×K×2) on a canvas of `side` pixels, each `width` picture sides wide and split into ragged bristles.

    Colours are N×3 or N×4 in 0…1. `contrast` makes bristles differ in brightness. With four channels the last one is
    the thickness of the paint, which `contrast` varies too.
    """
    count, points = paths.shape[:2]
    along = np.gradient(paths, axis=1)
    normal = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    taper = np.sin(np.linspace(0.25, np.pi - 0.25, points))[None, :, None]
    offsets = np.linspace(-0.5, 0.5, bristles + 2)[1:-1]
    line = max(1, round(width * side / bristles * 1.35))
    lines, fills = [], []
    for offset in offsets:
        shift = width * (offset + 0.12 / bristles * rng.standard_normal(count))[:, None, None] * taper
        lines.append(((paths + normal * shift) * side).reshape(count, -1))
        shade = 1 + contrast * rng.standard_normal((count, 1))
        fills.append(np.clip(colours * shade * 255, 0, 255).astype(np.uint8))
    for stroke in range(count):
        for xy, fill in zip(lines, fills, strict=True):
            draw.line(xy[stroke].tolist(), fill=tuple(fill[stroke].tolist()), width=line)


def _night(rng: np.random.Generator) -> tuple[Field, Field]:
    """Colours and stroke directions of a night sky with vortices, stars, hills and a cypress."""
    x, y = coordinates(SCENE)
    light = 0.30 + 0.45 * y + 0.35 * (noise(rng, SCENE, (3, 9), 3) - 0.5)
    flow_x, flow_y = np.ones_like(x), 0.9 * (noise(rng, SCENE, 3) - 0.5)
    eyes = [(0.40, 0.33, 0.20), (0.66, 0.46, 0.13)]
    for cx, cy, radius in eyes:
        distance, theta = polar(x, y, (cx + rng.uniform(-0.05, 0.05), cy + rng.uniform(-0.04, 0.04)))
        pull = 5 * np.exp(-((distance / radius) ** 2))
        flow_x, flow_y = flow_x - pull * np.sin(theta), flow_y + pull * np.cos(theta)
        spiral = 0.5 + 0.5 * np.cos(theta * 2 - distance / radius * 9)
        light = light + 0.5 * np.exp(-((distance / radius) ** 2)) * (spiral - 0.35)
    colours = ramp(light, ["#0a1440", "#12308a", "#2a62b8", "#5f9fd0", "#a8d2cf", "#e6e6b4"])
    stars = [(0.85, 0.15, 0.085)] + [
        (0.12 + 0.78 * (i + 0.5) / 9 + rng.uniform(-0.04, 0.04), rng.uniform(0.05, 0.52), rng.uniform(0.022, 0.040))
        for i in range(9)
    ]
    for cx, cy, radius in stars:
        distance, theta = polar(x, y, (cx, cy))
        pull = 7 * np.exp(-((distance / radius / 1.8) ** 4))
        flow_x, flow_y = flow_x - pull * np.sin(theta), flow_y + pull * np.cos(theta)
        halo = np.exp(-((distance / radius / 1.5) ** 2)) * (0.75 + 0.25 * np.cos(distance / radius * 7))
        colours = blend(colours, rgb("#f4d35e"), np.clip(halo * 0.95, 0, 1))
        colours = blend(
            colours, rgb("#fff3b8" if radius < 0.05 else "#f08a24"), smoothstep(0.75, 0.35, distance / radius)
        )
    for level, (top, height, shades) in enumerate(
        [
            (0.66, 0.14, ["#183f73", "#2d6f93", "#5aa0a0"]),
            (0.76, 0.12, ["#14365c", "#1f5c5e", "#6d9a5b"]),
            (0.87, 0.08, ["#0c2440", "#2a5a3a", "#c9a13c"]),
        ]
    ):
        line = top + height * (0.5 - ridge(rng, SCENE, 2, 2))
        below = y - line
        tone = 0.25 + 0.75 * noise(rng, SCENE, (4, 12), 2) - below * 1.2
        colours = blend(colours, ramp(tone, shades), smoothstep(0, 0.008, below))
        slope = np.gradient(line) * SCENE + 0.5 * np.sin(below * 30 + level)
        flow_x, flow_y = np.where(below > 0, 1.0, flow_x), np.where(below > 0, slope, flow_y)
    edge = 0.075 * np.clip(y - 0.12, 0, 1) ** 0.6 * (1 + 0.25 * np.sin(y * 38)) - np.abs(
        x - 0.13 - 0.012 * np.sin(y * 21)
    )
    tree = smoothstep(-0.004, 0.006, edge)
    bark = ramp(noise(rng, SCENE, (30, 5), 2), ["#071420", "#12312c", "#2d5a35", "#7a6a2c"])
    colours = blend(colours, bark, tree)
    flow_x, flow_y = np.where(tree > 0.5, 0.35 * np.sin(y * 38), flow_x), np.where(tree > 0.5, -1.0, flow_y)
    return colours, np.arctan2(flow_y, flow_x)


def oil(size: int, seed: int) -> Image.Image:
    """Thick short strokes that swirl with the sky, each with bristles and a lit and a shaded edge."""
    rng = np.random.default_rng(seed)
    colours, angle = _night(rng)
    side = size * OVERSAMPLING
    ground = Image.fromarray((np.clip(colours * 0.85, 0, 1) * 255).astype(np.uint8))
    canvas = ground.resize((side, side), Image.Resampling.BICUBIC).convert("RGBA")
    draw = ImageDraw.Draw(canvas)
    for columns, length, width, wander in [(34, 0.13, 0.030, 0.16), (58, 0.085, 0.018, 0.14), (84, 0.05, 0.0105, 0.13)]:
        cells = np.stack(np.meshgrid(np.arange(columns), np.arange(columns)), axis=-1).reshape(-1, 2)
        starts = (cells + rng.random(cells.shape)) / columns
        starts = starts[rng.permutation(len(starts))]
        lengths = length * rng.uniform(0.6, 1.2, len(starts))
        halves = trace(angle + np.pi, starts, lengths / 2, 3), trace(angle, starts, lengths / 2, 3)
        paths = np.concatenate([halves[0][:, :0:-1], halves[1]], axis=1)
        paint = look_up(colours, starts)
        paint = paint * (1 + wander * rng.standard_normal((len(paint), 1))) + 0.035 * rng.standard_normal(paint.shape)
        thickness = rng.uniform(0.35, 0.85, (len(paint), 1))
        draw_strokes(draw, side, paths, width, np.hstack([paint, thickness]), rng, bristles=4, contrast=0.09)
    pixels = np.asarray(canvas, np.float32) / 255
    light = relief(pixels[..., 3] * 5.0)
    return picture(pixels[..., :3] * (1 + 0.30 * light[..., None]) + 0.10 * np.maximum(light, 0)[..., None], size)


def _lakeside(rng: np.random.Generator) -> Field:
    """Colours of a lake in evening light, with a far shore, its reflection, trees and a bank of flowers."""
    x, y = coordinates(SCENE)
    shore = 0.50
    mirrored = np.where(y < shore, y, 2 * shore - y) / shore
    ripple = 0.10 * (noise(rng, SCENE, (4, 40), 2) - 0.5) * (y > shore)
    colours = ramp(mirrored + ripple, ["#3f74b5", "#7db1d6", "#c9d9cf", "#f9dfa0", "#f7b267", "#ef7f6a"])
    sun = (rng.uniform(0.36, 0.52), 0.30)
    distance, _ = polar(x, np.where(y < shore, y, 2 * shore - y), sun)
    stretch = np.where(y < shore, distance, np.abs(x - sun[0]) + 0.05)
    colours = blend(
        colours, rgb("#fff0a8"), np.clip(np.exp(-((stretch / 0.10) ** 2)), 0, 1) * np.where(y < shore, 1, 0.75)
    )
    for top, height, shades in [(0.40, 0.10, ["#7d79b8", "#9f8cc0"]), (0.46, 0.07, ["#3f6f7f", "#6f9f78", "#b7b45a"])]:
        line = top + height * (0.5 - ridge(rng, SCENE, 3, 4))
        above_water = np.minimum(y - line, 0.5 * (2 * shore - y - line) + 0.002 * np.sin(y * 400))
        hills = ramp(noise(rng, SCENE, 20, 2), shades)
        colours = blend(colours, hills, smoothstep(0, 0.01, above_water) * np.where(y < shore, 1, 0.7))
    water = (y > shore + 0.02) * (0.25 + 0.5 * noise(rng, SCENE, (5, 44), 2)) * smoothstep(shore, 0.85, y) * 1.3
    colours = blend(colours, rgb("#2f6fb0"), np.clip(water, 0, 0.75))
    for cx, foot, height in [(0.42, 0.56, 0.17), (0.57, 0.535, 0.10)]:
        up = (foot - y) / height
        sail = ((up > 0) & (up < 1) & (x > cx - 0.10 * height * (1 - up)) & (x < cx + 0.52 * height * (1 - up))).astype(
            float
        )
        glimmer = ((up < -0.1) & (up > -0.9) & (np.abs(x - cx - 0.15 * height) < 0.25 * height * (1 + up))).astype(
            float
        )
        hull = ((up <= 0) & (up > -0.12) & (np.abs(x - cx - 0.12 * height) < 0.45 * height)).astype(float)
        colours = blend(colours, ramp((x - cx) / height / 0.5, ["#fffaf0", "#f6d9a0", "#e98a6a"]), sail)
        colours = blend(blend(colours, rgb("#f9ecd0"), 0.6 * glimmer), rgb("#3a2a5f"), hull)
    bank = y - (0.80 + 0.10 * (0.5 - ridge(rng, SCENE, 2, 3)) - 0.10 * smoothstep(0.55, 1.0, x))
    grass = ramp(noise(rng, SCENE, (26, 18), 3), ["#1f4d3a", "#2f7a45", "#7fae45", "#d8cf56"])
    colours = blend(colours, grass, smoothstep(0, 0.02, bank))
    blossoms = smoothstep(0.70, 0.78, noise(rng, SCENE, 34)) * smoothstep(0.0, 0.05, bank)
    colours = blend(colours, ramp(noise(rng, SCENE, 30), ["#e8476a", "#ff9db0", "#fff1d6", "#8d5bd0"]), blossoms)
    for cx, spread in [(0.84, 0.26), (0.06, 0.17)]:
        trunk = (np.abs(x - cx - 0.03 * np.sin(y * 9)) < 0.016 + 0.02 * np.clip(y - 0.6, 0, 1)) & (y > 0.2) & (y < 0.86)
        colours = blend(
            colours, ramp(noise(rng, SCENE, (40, 8)), ["#2c1f4a", "#7a4a3c", "#c97b4a"]), trunk.astype(float)
        )
        reach, _ = polar(x, (y - 0.20) * 1.05 + 0.20, (cx, 0.20))
        crown = smoothstep(0.06, -0.02, reach - spread + 0.22 * (noise(rng, SCENE, 9, 3) - 0.45))
        tone = 0.9 - 1.6 * (y - 0.02) - 0.5 * (x - cx) + 0.7 * (noise(rng, SCENE, 24, 2) - 0.5)
        colours = blend(colours, ramp(tone, ["#1d2b5e", "#1f5f50", "#4f9a3f", "#c9c33c", "#f9a13a"]), crown)
    return colours


def pointillism(size: int, seed: int) -> Image.Image:
    """Dense dots of pure colour, with complementary ones strewn among them."""
    rng = np.random.default_rng(seed)
    scene = _lakeside(rng)
    side = size * OVERSAMPLING
    canvas = Image.fromarray((np.clip(scene * 0.75 + 0.12, 0, 1) * 255).astype(np.uint8)).resize((side, side))
    draw = ImageDraw.Draw(canvas)
    for columns, diameter, opposites in [(68, 0.021, 0.10), (92, 0.0150, 0.16), (112, 0.0112, 0.20)]:
        cells = np.stack(np.meshgrid(np.arange(columns), np.arange(columns)), axis=-1).reshape(-1, 2)
        centres = (cells + 0.5 + rng.uniform(-0.55, 0.55, cells.shape)) / columns
        colours = look_up(scene, centres + 0.006 * rng.standard_normal(centres.shape))
        grey = colours.mean(axis=1, keepdims=True)
        colours = grey + (colours - grey) * rng.uniform(1.1, 1.9, grey.shape)
        opposite = rng.random(grey.shape) < opposites
        colours = np.where(opposite, grey * 1.05 - (colours - grey) * 0.75, colours)
        colours = colours + 0.07 * rng.standard_normal(colours.shape)
        fills = np.clip(colours * 255, 0, 255).astype(np.uint8).tolist()
        radii = 0.5 * diameter * side * rng.uniform(0.75, 1.15, len(centres))
        boxes = np.concatenate([centres * side - radii[:, None], centres * side + radii[:, None]], axis=1)
        order = rng.permutation(len(boxes))
        for index in order:
            draw.ellipse(boxes[index].tolist(), fill=tuple(fills[index]))
    pixels = np.asarray(canvas, np.float32) / 255
    thickness = pixels.mean(axis=2) * 2.2 + noise(rng, side, (60, 180), 2) * 1.2
    return picture(pixels * (1 + 0.14 * relief(thickness)[..., None]) * paper(rng, side, 0.03)[..., None], size)


def _foliage(rng: np.random.Generator) -> tuple[Field, Field, Field, Field]:
    """Colours, stroke directions and darkness of overlapping leaves, and a number for each half of a leaf."""
    x, y = coordinates(SCENE)
    colours = ramp(0.65 * y + 0.5 * noise(rng, SCENE, 3, 2), ["#23306e", "#4b4a9a", "#a05a9c", "#e08a7a", "#f3c46b"])
    angle = np.full_like(x, 0.9) + 0.5 * (noise(rng, SCENE, 2) - 0.5)
    shade = 0.35 + 0.4 * noise(rng, SCENE, 6, 2)
    part = np.zeros(x.shape, np.int32)
    families = [["#0f4a4a", "#1f8a78", "#a6d9a0"], ["#1d4a2a", "#4f9a3a", "#d6de6a"], ["#8a2a3a", "#e0603a", "#f9c85a"]]
    families += [["#123a6a", "#2f7ab0", "#a9dcd9"], ["#5a2a6a", "#b0508a", "#f5a9b0"]]
    places = [(0.14 + 0.24 * (i % 4), 0.12 + 0.25 * (i // 4)) for i in range(16)]
    for index in rng.permutation(16):
        cx, cy = (place + rng.uniform(-0.08, 0.08) for place in places[index])
        turn, length, width = rng.uniform(0, 2 * np.pi), rng.uniform(0.20, 0.30), rng.uniform(0.36, 0.55)
        along = ((x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)) / length
        across = ((y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)) / length + 0.22 * along * along - 0.08
        outline = width * np.clip(1 - along * along, 0, 1) ** 0.8 * (1 - 0.35 * along)
        inside = smoothstep(0.0, 0.05, outline - np.abs(across))
        veins = 0.5 + 0.5 * np.cos((along - 0.9 * np.abs(across)) * 30)
        tone = (
            0.25
            + 0.75 * np.abs(across) / np.maximum(outline, 0.05) * np.where(across > 0, 1.0, 0.55)
            + 0.22 * (veins - 0.5)
        )
        shadow = smoothstep(0.16, 0.0, np.abs(across) - outline) * (np.abs(along) < 1.1) * (inside < 0.5)
        colours = colours * (1 - 0.45 * shadow[..., None])
        leaf = ramp(tone, families[index % len(families)])
        leaf = blend(leaf, rgb("#f6edc0"), 0.8 * smoothstep(0.035, 0.01, np.abs(across)))
        colours = blend(colours, leaf, inside)
        part = np.where(inside > 0.5, 2 * index + 2 + (across > 0), part)
        angle = np.where(inside > 0.5, turn + np.sign(across) * 0.75 + 0.2 * along, angle)
        shade = np.where(inside > 0.5, 0.9 - tone * 0.6, shade + 0.4 * shadow)
    return colours, angle, np.clip(shade, 0, 1), part


def coloured_pencil(size: int, seed: int) -> Image.Image:
    """Leaves hatched and cross-hatched with coloured pencils on toothy paper."""
    rng = np.random.default_rng(seed)
    scene, angle, shade, leaf = _foliage(rng)
    side = size * OVERSAMPLING
    sheet: Field = np.ones((side, side, 3), np.float32) * rgb("#faf3e3")
    tooth = paper(rng, side, 0.5)
    for number, (turn, count, length) in enumerate([(0.0, 9000, 0.075), (0.15, 9000, 0.06), (1.1, 9000, 0.05)]):
        layer = Image.new("RGB", (side, side), (255, 255, 255))
        starts = rng.random((count, 2)) * 1.1 - 0.05
        if number == 2:  # cross-hatching only where it is dark
            starts = starts[rng.random(count) < look_up(shade, starts) * 1.3]
        lengths = length * rng.uniform(0.5, 1.2, len(starts))
        field = angle + turn
        for _ in range(3):  # shorten strokes that would leave their half of a leaf: a pencil stops at the outline
            ends = trace(field, starts, lengths, 2)[:, -1]
            lengths = np.where(look_up(leaf, ends) == look_up(leaf, starts), lengths, lengths * 0.55)
        paths = trace(field, starts, lengths, 3)
        colours = look_up(scene, starts) + 0.08 * rng.standard_normal((len(starts), 3))
        colours = 0.12 + 0.88 * colours * rng.uniform(0.8, 1.15, (len(starts), 1))
        draw_strokes(ImageDraw.Draw(layer), side, paths, 0.0022, colours, rng, bristles=1)
        pigment = 1 - np.asarray(layer, np.float32) / 255
        grip = np.clip(1.25 - 2.2 * np.maximum(tooth - 1.0, 0) - 0.25 * number, 0, 1)
        sheet = sheet * (1 - 0.80 * pigment * grip[..., None])
    return picture(sheet * (1 + 0.06 * (tooth - 1))[..., None], size)
