"""What the commands share: JSON, tables and progress, each on its own stream."""

import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Advance", "print_json", "print_notes", "print_table", "progress", "write_text"]

PATIENCE = 2.0  # seconds until a progress bar appears

Advance = Callable[[float], None]
"""Called with what was done since the last call, in units of the bar's total."""


def print_json(document: Any) -> None:
    """One JSON document on standard output; NaN and infinity, which JSON lacks, are refused."""
    print(json.dumps(document, indent=2, allow_nan=False))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Rows of equal length with aligned columns on standard output: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        print("  ".join(cells).rstrip())


def print_notes(notes: Sequence[str]) -> None:
    """Notes on standard error, each once and in one line, with how often it was given."""
    for note in dict.fromkeys(notes):
        times = f" ({notes.count(note)} times)" if notes.count(note) > 1 else ""
        print(f"styleapp: {' '.join(note.split())}{times}", file=sys.stderr)


@contextmanager
def progress(total: float, unit: str) -> Iterator[Advance]:
    """A progress bar on standard error that shows up only if the work takes longer than two seconds.

    Its clock goes on between two steps: one large picture can take longer than many small ones.
    """
    from tqdm import tqdm

    done = threading.Event()
    style = "{desc}{percentage:3.0f}%|{bar}| {n:.1f}/{total:g} {unit} [{elapsed}<{remaining}]"
    live = sys.stderr.isatty()
    bar = tqdm(
        total=total, unit=unit, file=sys.stderr, delay=PATIENCE, leave=not live, bar_format=style,
        mininterval=0.1 if live else 5.0, dynamic_ncols=live,
    )  # fmt: skip

    def tick() -> None:
        if done.wait(PATIENCE):
            return
        bar.delay = 0  # from now on close() has something to end
        bar.refresh()
        while not done.wait(1.0 if live else 30.0):
            bar.refresh()

    def advance(amount: float) -> None:
        bar.update(amount)

    clock = threading.Thread(target=tick, daemon=True)
    clock.start()
    try:
        yield advance
    finally:
        done.set()
        clock.join()
        bar.close()


def write_text(path: str, text: str) -> None:
    """Writes a text file in full or not at all.

    Raises:
        ValueError: it cannot be written.
    """
    from styleapp.data.files import write_whole

    try:
        write_whole(Path(path), text.encode())
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror or error}") from error
