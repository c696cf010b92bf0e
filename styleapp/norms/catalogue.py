"""Every normalization system of the project: its names, formula, paper and switches."""

from pathlib import Path

from styleapp.norms.catalogue_behaviour import BEHAVIOURS, Behaviour
from styleapp.norms.catalogue_entries import ENTRIES, Entry

__all__ = ["PAGES", "Behaviour", "Entry", "behaviour", "catalogue", "entry", "page_file"]

PAGES = "docs/norms"
"""Where the documents of the systems are, from the repository's top."""


def catalogue() -> tuple[Entry, ...]:
    """All entries: activation, weight and conditional normalizations, then training rules, optimizers and probes."""
    return ENTRIES


def entry(name: str) -> Entry:
    """One system.

    Raises:
        ValueError: no system has this name; the message lists the known ones.
    """
    for known in ENTRIES:
        if known.name == name:
            return known
    raise ValueError(f"unknown normalization {name!r}; known are {', '.join(known.name for known in ENTRIES)}")


def behaviour(name: str) -> Behaviour:
    """Which values a system takes its statistics of, and what it does in training and in evaluation.

    Raises:
        ValueError: no system has this name; the message lists the known ones.
    """
    return BEHAVIOURS[entry(name).name]


def page_file(name: str) -> Path:
    """The document of a system; it is there where the package lies in its repository."""
    return Path(__file__).resolve().parents[2] / PAGES / f"{name}.md"
