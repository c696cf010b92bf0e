"""Sample styles made of pieces: mosaic, stained glass, geometric planes."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from styleapp.data.synthetic.fields import (
    OVERSAMPLING,
    Field,
    blend,
    coordinates,
    hashed,
    noise,
    palette,
    paper,
    picture,
    polar,
    ramp,
    relief,
    rgb,
    ridge,
    smoothstep,
)


def _stones(
    u: Field, v: Field, row_height: float, stone_width: Field | float, salt: int
) -> tuple[Field, Field, Field, Field]:
    """Rows across `u` and stones along `v`: row and column numbers, and the distance to the grout along both axes.

    `stone_width` may differ from row to row; stones of neighbouring rows are shifted against each other.
    """
    row = np.floor(u / row_height)
    place = v / stone_width + 3 * hashed(row, salt=salt)
    unevenness = np.minimum(0.22, 0.006 / stone_width)  # widths vary by a third; 9 is whole, so that rings close
    place = place + unevenness * np.sin(2 * np.pi * (9 * v + hashed(row, salt=salt + 7)))
    column = np.floor(place)
    across = (0.5 - np.abs(u / row_height - row - 0.5)) * row_height
    along = (0.5 - np.abs(place - column - 0.5)) * stone_width
    return row, column, across, along


def mosaic(size: int, seed: int) -> Image.Image:
    """Irregular stones in curved rows: a sun with rays over hills and a sea."""
    rng = np.random.default_rng(seed)
    side = size * OVERSAMPLING
    x, y = coordinates(side)
    x = x + 0.010 * (noise(rng, side, 9, 2) - 0.5) + 0.004 * (noise(rng, side, 60) - 0.5)
    y = y + 0.010 * (noise(rng, side, 9, 2) - 0.5) + 0.004 * (noise(rng, side, 60) - 0.5)
    pitch = 0.0245
    sun = (rng.uniform(0.40, 0.60), rng.uniform(0.26, 0.32))
    distance, theta = polar(x, y, sun)
    region = np.zeros((side, side), np.int32)
    ring = np.floor(distance / pitch)
    # whole numbers of stones in every ring, so that no seam shows
    u, v = distance, theta / (2 * np.pi)
    width = 1.0 / np.maximum(np.round(2 * np.pi * (ring + 0.5) / 1.1), 4)
    row, column, across, along = _stones(u, v, pitch, width, 1)
    along = along * 2 * np.pi * (ring + 0.5) * pitch
    column = column % np.round(1 / width)
    ray = 0.5 + 0.5 * np.cos(theta * 12 + 0.9 * np.sin(distance * 16))
    heat = smoothstep(0.85, 0.13, distance)
    tone = np.clip(0.72 * heat + 0.30 * (ray > 0.5) - 0.05, 0, 1)
    colours = ramp(tone, ["#0f2f63", "#1b5a94", "#3d93b5", "#9ccfc0", "#f2e2a0", "#f0b63c"])
    disc = distance < pitch * 5
    face = ramp(0.5 + 0.5 * np.cos(np.floor(distance / pitch) * 1.4), ["#d8481f", "#f6a821", "#ffe08a"])
    colours, region = np.where(disc[..., None], face, colours), np.where(disc, 1, region)
    for level, (top, height, shades) in enumerate(
        [
            (0.60, 0.16, ["#3b2a5a", "#6a4a86", "#b08aa8"]),
            (0.70, 0.12, ["#1d4a3a", "#4a8a4a", "#c3c25a"]),
            (0.79, 0.05, ["#0d3a5f", "#1b7f94", "#8fd6c4", "#f4efd2"]),
        ]
    ):
        line = top + height * (0.5 - ridge(rng, side, 2, 1))
        kernel = np.hanning(side // 8)
        line = np.convolve(np.pad(line, side // 16, mode="edge"), kernel / kernel.sum(), mode="same")[side // 16 :][
            :side
        ]
        waves = 0.016 * np.sin(x * 42 + level) if level == 2 else 0.0
        below = y - line - waves
        r, c, a, b = _stones(below, x, pitch, pitch * 1.15, 11 + level)
        inside = below > 0
        row, column = np.where(inside, r, row), np.where(inside, c, column)
        across, along = np.where(inside, a, across), np.where(inside, b, along)
        if level == 2:
            tone = 0.5 + 0.5 * np.cos(np.floor(below / pitch) * 1.05 + 0.6 * np.sin(x * 11))
        else:
            tone = np.clip(0.95 - below * 4.5, 0, 1)
        colours = np.where(inside[..., None], ramp(tone, shades), colours)
        region = np.where(inside, 2 + level, region)
    return _lay(rng, colours, (region, row, column), np.minimum(across, along), side, size)


def _lay(
    rng: np.random.Generator, colours: Field, ids: tuple[Field, Field, Field], to_grout: Field, side: int, size: int
) -> Image.Image:
    """Give every stone one jittered colour, a bevel and grout around it."""
    key = (hashed(*ids) * (1 << 22)).astype(np.int64)
    _, stone = np.unique(key, return_inverse=True)
    stone = stone.reshape(key.shape)
    count = np.bincount(stone.ravel())
    means = np.stack([np.bincount(stone.ravel(), colours[..., c].ravel()) / count for c in range(3)], axis=1)
    means = means * (1 + 0.16 * rng.standard_normal((len(count), 1))) + 0.035 * rng.standard_normal((len(count), 3))
    gilded = rng.random((len(count), 1)) < 0.03
    means = np.where(gilded, rgb("#e9c46a"), means)
    edges = np.zeros((side, side), bool)  # where regions meet the rows are cut: grout there too
    for axis in (0, 1):
        for shift in (1, 2):
            edges |= ids[0] != np.roll(ids[0], shift, axis)
    depth = np.where(edges, 0.0, to_grout)
    cover = smoothstep(0.0012, 0.0030, depth)
    bevel = relief(np.minimum(depth, 0.0075) * side * 0.9 + rng.random(len(count))[stone] * 0.3)
    tilt = 1 + 0.10 * (rng.random(len(count))[stone] - 0.5)
    surface = (
        np.clip(means, 0, 1)[stone] * (tilt * (1 + 0.22 * bevel) * (0.92 + 0.16 * noise(rng, side, 90, 2)))[..., None]
    )
    grout = rgb("#3a332e") * (0.75 + 0.5 * noise(rng, side, 120, 2))[..., None]
    return picture(blend(grout, surface, cover), size)


def _cells(x: Field, y: Field, seeds: Field) -> tuple[Field, Field]:
    """For every pixel the number of the nearest seed (N×2) and the distance to the border of its cell."""
    size = x.shape[0]
    nearest = np.full((size, size), 9.0, np.float32)
    second = nearest.copy()
    first_id, second_id = np.zeros((size, size), np.int32), np.zeros((size, size), np.int32)
    for number, (sx, sy) in enumerate(seeds):
        distance = (x - sx) ** 2 + (y - sy) ** 2
        closer, next_closer = distance < nearest, distance < second
        second_id = np.where(closer, first_id, np.where(next_closer, number, second_id))
        second = np.where(closer, nearest, np.where(next_closer, distance, second))
        first_id, nearest = np.where(closer, number, first_id), np.where(closer, distance, nearest)
    apart = np.linalg.norm(seeds[first_id] - seeds[second_id], axis=-1)
    return first_id, (second - nearest) / (2 * np.maximum(apart, 1e-6))


def stained_glass(size: int, seed: int) -> Image.Image:
    """A rose of glass pieces in rings, with dark leads, streaks in the glass and light from behind."""
    rng = np.random.default_rng(seed)
    x, y = coordinates(size)
    centre = (rng.uniform(0.42, 0.58), rng.uniform(0.40, 0.52))
    counts = [1, 8, 8, 16, 16, 16, 24, 24, 32, 32]
    radii = [0.0, 0.075, 0.135, 0.20, 0.27, 0.345, 0.425, 0.51, 0.60, 0.70]
    seeds, rings = [], []
    for ring, (count, radius) in enumerate(zip(counts, radii, strict=True)):
        turns = (np.arange(count) + 0.5 * (ring % 2)) * 2 * np.pi / count
        wobble = 0.10 if ring < 8 else 0.45
        turns = turns + rng.uniform(-wobble, wobble, count) * np.pi / count
        reach = radius * (1 + 0.08 * (ring > 7) * rng.uniform(-1, 1, count))
        seeds.append(np.stack([centre[0] + reach * np.cos(turns), centre[1] + reach * np.sin(turns)], axis=1))
        rings += [ring] * count
    points = np.concatenate(seeds).astype(np.float32)
    warp = 0.008 * (noise(rng, size, 4, 2) - 0.5)
    cell, border = _cells(x + warp, y - warp, points)
    families = [
        ["#ffe9a8"], ["#d62828", "#f9a03f"], ["#f7c548", "#e85d2a"], ["#163f9e", "#2f8fd6"], ["#b3122b", "#e23a2e"],
        ["#f4b030", "#1d6fb8"], ["#12307f", "#2a5fc4", "#12307f", "#b3122b"], ["#1f7fc0", "#0f8f8a", "#f2c14e"],
        ["#152a78", "#3a56b8", "#6a2fa0"], ["#0d1f5c", "#1f5aa0", "#b3203f", "#12307f"],
    ]  # fmt: skip
    position = np.concatenate([np.arange(count) for count in counts])
    table = np.stack([rgb(families[r][p % len(families[r])]) for r, p in zip(rings, position, strict=True)])
    table = np.clip(table * rng.uniform(0.75, 1.2, (len(table), 1)) + 0.04 * rng.standard_normal(table.shape), 0, 1)
    streak = noise(rng, size, (6, 30), 3) * 0.6 + noise(rng, size, (36, 8), 2) * 0.4
    seedy = noise(rng, size, 70, 2)
    glow = smoothstep(0.0, 0.045, border) * 0.55 + 0.62 + 0.55 * (streak - 0.5) + 0.25 * (seedy - 0.5)
    glass = table[cell] * glow[..., None]
    glass = glass + (0.22 * smoothstep(0.35, 0.95, glow - 0.3))[..., None] * (table[cell] * 0.4 + 0.6) * 0.6
    glass = glass * (1 + 0.10 * relief(seedy * 6))[..., None]
    distance, _ = polar(x, y, centre)
    glass = glass * (1.25 - 0.42 * distance)[..., None]
    rims = np.minimum(np.abs(distance + 0.3 * warp - 0.235), np.abs(distance + 0.3 * warp - 0.4675))
    lead = np.maximum(smoothstep(0.0075, 0.0048, border), smoothstep(0.0105, 0.008, rims))
    bar = np.minimum(np.maximum(0.0065 - border, 0), np.inf) + np.maximum(0.0095 - rims, 0)
    metal = rgb("#15130f") + 0.30 * np.maximum(relief(bar * size * 0.5), 0)[..., None] + 0.05 * seedy[..., None]
    return picture(blend(glass, metal, lead), size)


def geometric(size: int, seed: int) -> Image.Image:
    """Discs cut into coloured rings and sectors, shaded planes, arcs and lines, painted with a dry brush."""
    rng = np.random.default_rng(seed)
    side = size * OVERSAMPLING
    x, y = coordinates(side)
    colours = palette(
        ["#d7263d", "#f46036", "#f2b134", "#f4e3b2", "#2e86ab", "#1b3b6f", "#1b998b", "#7a4988", "#e8998d", "#20262e"]
    )
    bristles = noise(rng, side, (10, 170), 2, 0.8)  # brush marks along x, looked up along each shape's own direction
    plane, shading = np.zeros((side, side), np.int32), np.zeros((side, side), np.float32)
    for number in range(9):  # planes: both sides of a few lines, shaded towards the line as cubists do
        turn = number * np.pi * 0.382 * 2 + rng.uniform(-0.3, 0.3)
        offset = (x - rng.uniform(0.2, 0.8)) * math.cos(turn) + (y - rng.uniform(0.2, 0.8)) * math.sin(turn)
        plane = plane * 2 + (offset > 0)
        shading += np.where(offset > 0, 1.0, -0.6) * np.exp(-np.abs(offset) / 0.12)
    brush = _brushed(bristles, x * 0.8 + y * 0.6, y * 0.8 - x * 0.6)
    canvas = colours[(hashed(plane, salt=seed) * len(colours)).astype(np.int32)]
    canvas = 0.75 * canvas + 0.25 * rgb("#e9d8b4") + (0.11 * shading)[..., None]
    centres = [(0.34, 0.36, 0.30), (0.74, 0.66, 0.27), (0.78, 0.20, 0.17), (0.22, 0.80, 0.19), (0.52, 0.55, 0.12)]
    for number, (cx, cy, radius) in enumerate(centres):
        distance, theta = polar(x, y, (cx + rng.uniform(-0.05, 0.05), cy + rng.uniform(-0.05, 0.05)))
        rings = round(radius * 20)
        ring = np.floor(distance / radius * rings)
        turns = theta / (2 * np.pi) + rng.random() + 0.06 * (ring % 2)
        pick = (hashed(ring, np.floor(turns * 4) % 4, salt=seed * 31 + number) * len(colours)).astype(np.int32)
        inner = distance / radius * rings - ring
        disc = colours[pick] * (0.78 + 0.34 * np.where(ring % 2 == 0, inner, 1 - inner))[..., None]
        cover = smoothstep(1.0, 0.993, distance / radius)
        canvas = blend(canvas, disc, 0.95 * cover)
        brush += cover * (_brushed(bristles, 2.2 * radius * np.abs(turns % 1 - 0.5), distance) - brush)
    canvas = _arcs(rng, canvas, x, y)
    canvas = canvas * (0.80 + 0.40 * brush)[..., None] * (1 + 0.20 * relief(brush * side / 60))[..., None]
    return picture(canvas * paper(rng, side, 0.10)[..., None], size)


def _brushed(bristles: Field, along: Field, across: Field) -> Field:
    """Brush marks that run in the direction of `along`, repeated beyond 0…1."""
    side = len(bristles)
    columns, rows = (along * side).astype(np.int32) % side, (across * side).astype(np.int32) % side
    return bristles[rows, columns]


def _arcs(rng: np.random.Generator, canvas: Field, x: Field, y: Field) -> Field:
    """Lay translucent triangles, chequers, rows of dots, black arcs and lines over the planes."""
    for _ in range(4):
        corners = (rng.uniform(0.1, 0.9, 2) + rng.uniform(-0.26, 0.26, (3, 2))).tolist()
        sides = []
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
            sides.append((bx - ax) * (y - ay) - (by - ay) * (x - ax))
        inside = smoothstep(0, 0.0004, np.maximum(np.minimum.reduce(sides), -np.maximum.reduce(sides)))
        fade = 0.75 * np.clip(0.35 + (x - corners[0][0]) * 1.5 + (y - corners[0][1]) * 1.2, 0.2, 1)
        canvas = blend(canvas, ramp(fade, ["#1b3b6f", "#d7263d", "#f2b134", "#f4e3b2"]), inside * fade)
    ink, cream = np.zeros_like(x), np.zeros_like(x)
    for number in range(22):
        turn, px, py = rng.uniform(0, np.pi), rng.uniform(0.08, 0.92), rng.uniform(0.08, 0.92)
        u, v = (
            (x - px) * math.cos(turn) + (y - py) * math.sin(turn),
            (y - py) * math.cos(turn) - (x - px) * math.sin(turn),
        )
        width = rng.uniform(0.0015, 0.0055)
        if number < 9:
            distance, theta = polar(x, y, (px, py))
            span = smoothstep(0.0, 0.1, np.cos(theta - 2 * turn) - rng.uniform(-0.5, 0.4))
            ink = np.maximum(ink, smoothstep(width, width * 0.6, np.abs(distance - rng.uniform(0.08, 0.42))) * span)
        elif number < 17:
            ink = np.maximum(ink, smoothstep(width, width * 0.5, np.abs(v)) * smoothstep(0.36, 0.34, np.abs(u)))
        elif number < 20:
            inside = (np.abs(u) < 0.10) & (np.abs(v) < 0.04)
            checks = (np.floor(u / 0.020) + np.floor(v / 0.020)) % 2
            ink, cream = np.where(inside, checks, ink), np.where(inside, 1 - checks, cream)
        else:
            dots = np.hypot(u - 0.024 * np.round(u / 0.024), v - 0.024 * np.round(v / 0.024))
            cover = smoothstep(0.0078, 0.0066, dots) * ((np.abs(u) < 0.14) & (np.abs(v) < 0.06))
            ink, cream = np.where(cover > 0, 0, ink), np.maximum(cream, cover)
    return blend(blend(canvas, rgb("#f6ecd2"), cream), rgb("#14161c"), ink)
