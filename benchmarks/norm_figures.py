"""Draws the figures of docs/norms again: ``python -m benchmarks.norm_figures``."""

import argparse
from pathlib import Path

from styleapp.lab.figures import FIGURES


def write_figures(folder: Path) -> list[Path]:
    """One SVG file a figure; files that are as they should be are left alone. Gives those that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, figure in FIGURES.items():
        path, text = folder / f"{name}.svg", figure().svg()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", default="docs/norms/figures", help="folder (default %(default)s)")
    options = parser.parse_args()
    changed = write_figures(Path(options.output))
    print(*changed, f"{len(FIGURES)} figures, {len(changed)} changed", sep="\n")


if __name__ == "__main__":
    main()
