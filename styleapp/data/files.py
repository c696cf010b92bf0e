"""Files that are written in full or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

__all__ = ["replacing", "write_whole"]


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A file to write into, which takes the target's place at the end of the block; not if the block raises.

    Several may do so at the same time: each has a temporary file of its own in the target's folder, and the last wins.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    temporary = target.parent / f".{uuid4().hex}.part"
    try:
        with temporary.open("xb") as file:  # not of `tempfile`, whose files nobody else may read
            yield file
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(target: Path, content: bytes) -> None:
    """To a temporary file in the same folder, which is made if need be, and then renamed; see :func:`replacing`.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as file:
        file.write(content)
