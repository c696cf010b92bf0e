"""Memory that is kept while a picture is painted."""

import ctypes

import pytest
import torch

from styleapp.pipelines import allocation
from styleapp.pipelines.allocation import kept_memory

BLOCK = 2**26  # bytes, above what the C library asks the system for anew


class _Information(ctypes.Structure):
    """``struct mallinfo2`` of malloc.h; ``hblks`` counts blocks that were asked for on their own."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks")),
        *((name, ctypes.c_size_t) for name in ("fsmblks", "uordblks", "fordblks", "keepcost")),
    ]


def _blocks_of_their_own() -> int:
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        pytest.skip("only the C library of newer Linux systems tells")
    library.mallinfo2.restype = _Information
    return library.mallinfo2().hblks


def _more_for_one_tensor() -> int:
    before = _blocks_of_their_own()
    tensor = torch.empty(BLOCK // 4)
    more = _blocks_of_their_own() - before
    del tensor
    return more


def test_large_blocks_are_of_the_common_heap_within_the_block_only() -> None:
    _blocks_of_their_own()
    with kept_memory():
        assert _more_for_one_tensor() == 0
    assert _more_for_one_tensor() == 1


def test_an_error_passes_through_and_all_is_as_before() -> None:
    _blocks_of_their_own()
    with pytest.raises(KeyError), kept_memory():
        raise KeyError
    assert _more_for_one_tensor() == 1


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "_gnu_library", lambda: None)
    with kept_memory():
        torch.empty(BLOCK // 4)
