"""Files that are written in full or not at all."""

from pathlib import Path

__all__ = ["write_whole"]


def write_whole(target: Path, content: bytes) -> None:
    """To a temporary file in the same folder, which is made if need be, and then renamed.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    temporary = target.with_name(f".{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.write_bytes(content)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
