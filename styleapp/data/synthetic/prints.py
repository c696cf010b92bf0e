"""Sample styles that are printed: woodcut, wave print, halftone."""

from __future__ import annotations

import numpy as np
from PIL import Image

from styleapp.data.synthetic.fields import (
    OVERSAMPLING,
    Field,
    blend,
    coordinates,
    hashed,
    noise,
    paper,
    picture,
    polar,
    ramp,
    rgb,
    ridge,
    smoothstep,
    triangle,
)


def _carve(phase: Field, tone: Field) -> Field:
    """Ink (1) or bare paper (0): lines a unit of `phase` apart, thinner where `tone` (0 black, 1 white) is lighter."""
    return smoothstep(-0.10, 0.10, triangle(phase) - tone)


def _pine(x: Field, y: Field, foot: tuple[float, float], height: float) -> Field:
    """A pine's silhouette: above 0 inside, with its `height` in picture sides."""
    up = (foot[1] - y) / height
    tier = up * 6
    reach = height * 0.30 * (1.02 - up) * (1.25 - 0.75 * (tier - np.floor(tier)))
    crown = np.where((up > 0.10) & (up < 1.0), reach - np.abs(x - foot[0]), -1.0)
    trunk = np.where((up > -0.3) & (up <= 0.12), 0.025 * height - np.abs(x - foot[0]), -1.0)
    return np.maximum(crown, trunk)


def woodcut(size: int, seed: int) -> Image.Image:
    """Mountains, a lake and pines cut into wood: black lines that swell with the tone, and a red sun."""
    rng = np.random.default_rng(seed)
    side = size * OVERSAMPLING
    x, y = coordinates(side)
    hand = 0.55 * (noise(rng, side, 7, 3) - 0.5)  # an unsteady hand, in units of one line
    sun = (rng.uniform(0.55, 0.72), rng.uniform(0.20, 0.27))
    distance, theta = polar(x, y, sun)
    rays = smoothstep(-0.5, 0.5, np.cos(theta * 18) + 0.7 * hand)
    sky = np.clip(0.98 - 0.85 * distance + 0.42 * (rays - 0.5), 0.10, 0.97)
    ink = _carve(distance * 46 + hand, sky)
    accent = np.zeros_like(x)
    disc = smoothstep(0.118, 0.115, distance)
    ink, accent = (
        ink * (1 - disc),
        disc * (1 - _carve(y * 52 + 1.5 * hand, np.clip(1.04 - (y - sun[1]) * 5, 0.45, 0.99)) * 0.9),
    )
    for level, (top, height, pitch) in enumerate([(0.46, 0.24, 58), (0.56, 0.17, 48)]):
        line = top + height * (0.5 - ridge(rng, side, 2 + level, 4, 0.42))
        below = y - line
        reach = side // 40
        smooth = np.convolve(np.pad(line, reach, mode="edge"), np.ones(2 * reach + 1) / (2 * reach + 1), mode="valid")
        lean = np.clip(np.gradient(smooth) * side * 2, -1, 1)
        wander = x + 1.1 * np.clip(below, 0, 0.3) * (noise(rng, side, (6, 9), 3) - 0.42)  # ridges run down crookedly
        spread = lean[np.clip(wander * side, 0, side - 1).astype(np.int32)]
        lit = smoothstep(-0.1, 0.1, spread)
        slant = np.where(spread > 0, x * 0.75 + y * 0.66, x * 0.75 - y * 0.66)
        tone = np.clip(0.20 + 0.58 * lit + 0.9 * (below - 0.02) * (1 - level * 0.5), 0.04, 0.92)
        face = _carve(slant * pitch + hand, tone)
        face = np.maximum(face, smoothstep(0.006, 0.004, np.abs(below)))
        inside = smoothstep(-0.001, 0.001, below)
        ink, accent = ink + inside * (face - ink), accent * (1 - inside)
    shore = 0.655 + 0.012 * np.sin(x * 9)
    gleam = np.exp(-(((x - sun[0]) / (0.05 + 0.35 * np.clip(y - shore, 0, 1))) ** 2))
    water = np.clip(0.30 + 0.75 * gleam + 0.5 * (noise(rng, side, (6, 40), 2) - 0.5) - 0.25 * (y - shore), 0.05, 0.97)
    lake = _carve(y * 56 + 0.5 * np.sin(x * 26 + hand * 9) + hand, water)
    inside = smoothstep(-0.001, 0.001, y - shore)
    ink = ink + inside * (lake - ink)
    glint = inside * (1 - lake) * (np.abs(x - sun[0] + 0.08 * (noise(rng, side, (4, 56)) - 0.5)) < 0.075)
    ink, accent = ink * (1 - glint), accent + glint * (1 - accent)
    return _print_woodcut(rng, ink, accent, side, size)


def _print_woodcut(rng: np.random.Generator, ink: Field, accent: Field, side: int, size: int) -> Image.Image:
    """Add the bank and the pines in front, then print black and accent on paper with worn ink and wood grain."""
    x, y = coordinates(side)
    hand = 0.6 * (noise(rng, side, 8, 2) - 0.5)
    bank = y - (0.87 + 0.07 * (0.5 - ridge(rng, side, 3, 3)) - 0.10 * np.abs(2 * x[0] - 1) ** 2)
    tufts = _carve(
        x * 44 + 7 * np.sin(y * 6) * (x - 0.5) + hand, np.clip(0.16 + 0.5 * noise(rng, side, (14, 6), 2), 0, 0.7)
    )
    inside = smoothstep(-0.001, 0.001, bank)
    ink, accent = ink + inside * (tufts - ink), accent * (1 - inside)
    for foot, base, height in [(0.10, 0.93, 0.66), (0.235, 0.97, 0.46), (0.90, 0.95, 0.52), (0.79, 0.98, 0.30)]:
        foot += rng.uniform(-0.03, 0.03)
        ragged = 0.014 * (noise(rng, side, (60, 60)) - 0.5)
        shape = _pine(x + ragged, y, (foot, base), height * rng.uniform(0.92, 1.08))
        cuts = _carve((y - 0.55 * np.abs(x - foot)) * 60 + hand, np.clip(0.05 + (x - foot) * 6, 0.02, 0.55))
        rim = smoothstep(-0.0065, -0.004, shape)
        solid = smoothstep(0.0, 0.001, shape)
        ink = ink * (1 - rim) + rim * solid * cuts
        accent = accent * (1 - rim)
    grain = noise(rng, side, (5, 130), 2)
    worn = 1 - 0.20 * smoothstep(0.62, 0.95, grain) - 0.22 * smoothstep(0.62, 0.9, noise(rng, side, 120, 2))
    sheet = rgb("#f1e6cd") * paper(rng, side, 0.10)[..., None]
    sheet = blend(sheet, rgb("#c8412b"), accent * worn)
    return picture(blend(sheet, rgb("#1a1614"), np.clip(ink, 0, 1) * worn), size)


def wave_print(size: int, seed: int) -> Image.Image:
    """Rolling waves as rows of curling bands with foam, in indigo and cream, before a far mountain and a banded sky."""
    rng = np.random.default_rng(seed)
    side = size * OVERSAMPLING
    x, y = coordinates(side)
    ink = rgb("#15233f")
    drift = 0.02 * np.sin(x * 9 + seed % 7) + 0.03 * (noise(rng, side, (3, 4)) - 0.5)
    bands = np.floor((y + drift) * 24)
    tone = np.clip(0.02 + bands / 13 + 0.10 * (hashed(bands, salt=seed) - 0.5), 0, 1)
    sheet = ramp(tone, ["#1f4f87", "#5b93ae", "#b9cdbf", "#f0e2be", "#f3d3a4", "#eeb48c"])
    sheet = blend(sheet, ink, 0.55 * smoothstep(0.12, 0.04, triangle((y + drift) * 24)))
    sun, _ = polar(x, y, (rng.uniform(0.68, 0.82), rng.uniform(0.16, 0.21)))
    sheet = blend(sheet, ramp((y - 0.08) * 4.5, ["#b8321f", "#d9573a", "#ee9a62"]), smoothstep(0.104, 0.102, sun))
    sheet = blend(sheet, ink, smoothstep(0.0035, 0.0018, np.abs(sun - 0.103)))
    peak = rng.uniform(0.30, 0.50)
    slope = y - 0.22 - 0.34 * np.abs(x - peak) ** 0.8
    snow = 0.075 + 0.030 * triangle(x * 21) + 0.02 * np.sin(x * 47)
    face = ramp((slope - snow) * 4.5, ["#2f6a9c", "#6f9fb0", "#c9d3bd"])
    face = blend(face, rgb("#f7efd9"), (slope < snow).astype(np.float32))
    strokes = smoothstep(0.20, 0.08, triangle((x - peak) * 24 / (0.4 + 4 * np.maximum(slope, 0.02)))) * (
        slope > snow * 0.45
    )
    face = blend(face, ink, 0.6 * strokes)
    sheet = blend(sheet, face, smoothstep(0.0, 0.001, slope))
    sheet = blend(sheet, ink, smoothstep(0.0035, 0.0018, np.abs(slope) * 0.8))
    rows = 9
    for row in range(rows):
        near = row / (rows - 1)
        radius = 0.050 + 0.125 * near**1.2
        spacing = radius * 1.45
        start = rng.uniform(-0.5, 0.5) * spacing
        for cx in np.arange(start, 1 + spacing, spacing).tolist():
            swell = rng.uniform(0.85, 1.25)
            cy = 0.50 + 0.58 * near**1.1 + rng.uniform(-0.03, 0.03) - 0.25 * radius * (swell - 1)
            _curl(sheet, x, y, (cx + rng.uniform(-0.1, 0.1) * radius, cy), radius * swell, rng)
    woodgrain = noise(rng, side, (4, 120), 2)
    sheet = sheet * (0.94 + 0.12 * woodgrain)[..., None]
    return picture(sheet * paper(rng, side, 0.09)[..., None], size)


def _curl(
    sheet: Field, x: Field, y: Field, centre: tuple[float, float], radius: float, rng: np.random.Generator
) -> None:
    """Lay one round wave on the sheet, in place: a foam rim with scallops, then bands that wind to its centre."""
    side = len(x)
    cx, cy = centre
    handed, turn, pale = rng.choice([-1.0, 1.0]), rng.uniform(0, 1), rng.integers(3)
    rows = slice(max(0, int((cy - radius * 1.1) * side)), max(0, min(side, int((cy + radius * 1.1) * side))))
    columns = slice(max(0, int((cx - radius * 1.1) * side)), max(0, min(side, int((cx + radius * 1.1) * side))))
    distance, theta = polar(x[rows, columns], y[rows, columns], (cx, cy))
    if distance.size == 0:
        return
    ink, cream = rgb("#15233f"), rgb("#f5ecd4")
    count = int(np.clip(radius / 0.0175, 4, 9))
    wind = distance / radius * count + float(handed) * theta / (2 * np.pi) + turn
    ring = np.floor(wind)
    scale = ramp(np.clip(ring / count, 0, 1), ["#13305f", "#1d4a85", "#2f6fa6", "#6fa7b8", "#b4d0c4"])
    light = ((ring + pale) % 3 == 0)[..., None]
    fill = np.where(light, cream, scale)
    fill = blend(fill, ink, smoothstep(0.22, 0.10, triangle(wind)))
    lobes = max(9, round(radius * 150))
    scallop = np.abs(np.sin(theta * lobes / 2 + turn * 6))
    foam = distance / radius - (0.86 - 0.075 * scallop)
    fill = blend(fill, np.broadcast_to(cream, fill.shape), smoothstep(0.0, 0.01, foam))
    width = 0.0030 / radius
    fill = blend(fill, ink, smoothstep(width, width * 0.6, np.abs(foam)))
    bubble = smoothstep(width * 2.4, width * 1.8, np.hypot(distance / radius - 0.935, 0.30 * (1 - scallop)))
    fill = blend(fill, rgb("#5b93ae"), bubble)
    fill = blend(fill, ink, smoothstep(1 - width * 1.2, 1 - width * 0.8, distance / radius))
    sheet[rows, columns] = blend(sheet[rows, columns], fill, smoothstep(1.002, 0.998, distance / radius))


def _dots(x: Field, y: Field, turn: float, pitch: float, tone: Field) -> Field:
    """A halftone screen: cover 0…1 of dots on a grid turned by `turn`, their area following `tone` (0 none, 1 full)."""
    u = (x * np.cos(turn) + y * np.sin(turn)) / pitch
    v = (y * np.cos(turn) - x * np.sin(turn)) / pitch
    distance = np.hypot(u - np.floor(u) - 0.5, v - np.floor(v) - 0.5)
    radius = 0.72 * np.sqrt(np.clip(tone, 0, 1))
    return smoothstep(0.06, -0.06, distance - radius)


def halftone(size: int, seed: int) -> Image.Image:
    """A comic-book burst over clouds and waves: flat inks, halftone dots, thick outlines, colours out of register."""
    rng = np.random.default_rng(seed)
    side = size * OVERSAMPLING
    x, y = coordinates(side)
    centre = (rng.uniform(0.42, 0.58), rng.uniform(0.40, 0.48))
    distance, theta = polar(x, y, centre)
    rays = np.cos(theta * 14 + rng.uniform(0, 6)) > 0
    sheet = np.where(rays[..., None], rgb("#f7d23e"), rgb("#f9efd6"))
    screen = _dots(x, y, 0.4, 0.0185, np.clip(distance * 1.05 - 0.12, 0, 0.8))
    sheet = blend(sheet, np.where(rays[..., None], rgb("#ee5a3a"), rgb("#35a3d1")), screen)
    ink = np.zeros_like(x)
    spikes = 17
    stars = [(0.335, "#e0312f", "#8f1634"), (0.255, "#f98c1d", "#e0312f")]
    stars += [(0.175, "#ffe14d", "#f98c1d"), (0.095, "#fff9e6", "#f7d23e")]
    for scale, flat, dots in stars:
        turn = theta / (2 * np.pi) * spikes + rng.random()
        uneven = 0.72 + 0.5 * hashed(np.floor(turn) % spikes, salt=seed + int(scale * 1000))
        reach = scale * (0.70 + 0.55 * triangle(turn) * uneven)
        inside = smoothstep(0.001, -0.001, distance - reach)
        tone = np.clip((distance / reach - 0.35) * 1.1, 0, 0.75)
        sheet = blend(
            sheet, blend(np.broadcast_to(rgb(flat), sheet.shape), rgb(dots), _dots(x, y, 1.3, 0.0165, tone)), inside
        )
        ink = np.maximum(ink * (1 - inside), smoothstep(0.0062, 0.0048, np.abs(distance - reach)))
    sheet, ink = _clouds_and_waves(rng, sheet, ink, x, y)
    down, left = side // 200, side // 160
    slipped = np.pad(sheet, ((down, 0), (0, left), (0, 0)), mode="edge")[:side, left:]
    worn = 1 - 0.35 * smoothstep(0.66, 0.92, noise(rng, side, 110, 2))
    printed = blend(slipped, rgb("#14121a"), ink * worn)
    return picture(printed * (rgb("#fff6e4") * paper(rng, side, 0.08)[..., None]), size)


def _clouds_and_waves(rng: np.random.Generator, sheet: Field, ink: Field, x: Field, y: Field) -> tuple[Field, Field]:
    """Lay clouds in the corners and waves below, outlined and dotted; returns the colours and the black ink."""
    for cx, cy, spread in [(0.10, 0.16, 0.9), (0.92, 0.12, 1.0), (0.96, 0.62, 0.8), (0.03, 0.66, 0.85)]:
        shape = np.full_like(x, -1.0)
        for _ in range(7):
            puff = rng.uniform(0.05, 0.085) * spread
            px, py = cx + rng.uniform(-0.13, 0.13) * spread, cy + rng.uniform(-0.05, 0.05) * spread
            shape = np.maximum(shape, puff - np.hypot(x - px, y - py))
        inside = smoothstep(-0.001, 0.001, shape)
        tone = np.clip((y - cy + 0.02) * 5.5 / spread, 0, 0.62)
        cloud = blend(np.broadcast_to(rgb("#fdf8ea"), sheet.shape), rgb("#4aa3cf"), _dots(x, y, 0.8, 0.0165, tone))
        sheet = blend(sheet, cloud, inside)
        ink = np.maximum(ink * (1 - inside), smoothstep(0.0068, 0.0052, np.abs(shape)))
    colours = [("#3fb8c4", "#1d5fa8"), ("#2b86c5", "#173a7a"), ("#1f4fa0", "#f9efd6")]
    for level, (flat, dots) in enumerate(colours):
        phase = x * (5 - level) + rng.random()
        top = 0.76 + 0.095 * level - 0.055 * np.abs(np.sin(np.pi * phase)) ** 1.5
        inside = smoothstep(-0.001, 0.001, y - top)
        tone = np.clip((y - top) * (7 if level < 2 else 3.5), 0, 0.6)
        stripe = smoothstep(0.012, 0.010, np.abs(y - top - 0.03))
        wave = blend(np.broadcast_to(rgb(flat), sheet.shape), rgb(dots), _dots(x, y, 0.2, 0.0175, tone))
        wave = blend(wave, rgb("#fdf8ea"), stripe * (1 - level * 0.2))
        sheet = blend(sheet, wave, inside)
        ink = np.maximum(ink * (1 - inside), smoothstep(0.0068, 0.0052, np.abs(y - top)))
    return sheet, ink
