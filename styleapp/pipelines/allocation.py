"""Memory of pictures on Linux: kept while one is painted, and given back afterwards if it is much."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["kept_memory"]

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # names of settings in malloc.h
NEVER, AS_USUAL, KEPT = 2**30, 2**25, 2**28


@contextmanager
def kept_memory(needed: float) -> Iterator[None]:
    """Within the block, memory that is freed is used again, and up to 256 MiB of it afterwards, too.

    The C library of Linux asks the system anew for large blocks, and gives back what is free at the end of its heap:
    all of that is then cleared page by page, for features of a 2048×2048 picture a third of the time. Elsewhere this
    does nothing, and little in threads that a program starts, whose memory is in smaller parts.

    Args:
        needed: bytes about; where they are more than 256 MiB, all free memory goes back to the system at the end.
    """
    library = _gnu_library()
    if library is None:
        yield
        return
    library.mallopt(MMAP_THRESHOLD, NEVER)
    library.mallopt(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        library.mallopt(MMAP_THRESHOLD, AS_USUAL)
        library.mallopt(TRIM_THRESHOLD, KEPT)
        if needed > KEPT:
            library.malloc_trim(0)


@cache
def _gnu_library() -> ctypes.CDLL | None:
    if os.name != "posix":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
