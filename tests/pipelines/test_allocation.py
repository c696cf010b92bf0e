"""Memory that is kept while a picture is painted."""

import sys
from pathlib import Path

import pytest
import torch

from styleapp.pipelines import allocation
from styleapp.pipelines.allocation import kept_memory

BLOCK = 2**26  # bytes, above what the C library asks the system for anew


def _faults() -> int:
    """How many pages this process has been given so far."""
    return int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[7])


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _use_blocks(count: int) -> int:
    """Pages that were needed for blocks of which never two are held at once."""
    before = _faults()
    for _ in range(count):
        torch.ones(BLOCK // 4)
    return _faults() - before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library of Linux")
def test_freed_memory_is_used_again_and_given_back() -> None:
    before = _resident()
    with kept_memory():
        assert _use_blocks(8) <= 2 * BLOCK / 4096  # anew each time it would be 8 blocks' worth of pages
    assert _resident() - before < BLOCK / 2


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "_gnu_library", lambda: None)
    with kept_memory():
        pass


def test_an_error_passes_through() -> None:
    with pytest.raises(KeyError), kept_memory():
        raise KeyError
