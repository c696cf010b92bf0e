"""Memory that is kept while a picture is painted."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from styleapp.pipelines import allocation
from styleapp.pipelines.allocation import kept_memory

PROGRAM = """
import ctypes
from styleapp.pipelines.allocation import kept_memory

class Information(ctypes.Structure):  # struct mallinfo2: the fourth counts blocks that were asked for on their own
    _fields_ = [(f"value{index}", ctypes.c_size_t) for index in range(10)]

library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
library.mallinfo2.restype = Information

def more():
    before = library.mallinfo2().value3
    block = library.malloc(2**26)
    found = library.mallinfo2().value3 - before
    library.free(block)
    return found

with kept_memory(0):
    inside = more()
kept = more()
try:
    with kept_memory(2**30):
        raise KeyError
except KeyError:
    print(inside, kept, more())
"""


def test_large_blocks_are_of_the_common_heap_within_the_block_only() -> None:
    """In a process of its own: in a long one something may lie in the way of the heap, which then cannot grow."""
    if allocation._gnu_library() is None or not hasattr(allocation._gnu_library(), "mallinfo2"):
        pytest.skip("only the C library of newer Linux systems tells")
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["0", "0", "1"]


def test_an_error_passes_through() -> None:
    with pytest.raises(KeyError), kept_memory(0):
        raise KeyError


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "_gnu_library", lambda: None)
    with kept_memory(0):
        pass


@pytest.mark.parametrize(("needed", "given_back"), [(2**20, False), (2**30, True)])
def test_only_much_memory_is_given_back_at_once(needed: int, given_back: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    library = SimpleNamespace(mallopt=lambda name, value: None, malloc_trim=asked.append)
    monkeypatch.setattr(allocation, "_gnu_library", lambda: library)
    with kept_memory(needed):
        assert asked == []
    assert (asked == [0]) is given_back
