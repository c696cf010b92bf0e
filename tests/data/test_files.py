"""In full or not at all."""

from pathlib import Path

import pytest

from styleapp.data.files import replacing, write_whole


def test_writes_and_replaces_also_in_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.bin"
    for content in (b"one", b"two"):
        write_whole(target, content)
        assert target.read_bytes() == content
    assert list(target.parent.iterdir()) == [target]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    write_whole(target, b"before")
    with pytest.raises(OSError, match="No space left"), replacing(target) as file:
        file.write(b"af")
        raise OSError(28, "No space left on device")
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"] and target.read_bytes() == b"before"


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    with replacing(target) as slow:
        slow.write(b"slow ")
        write_whole(target, b"quick")
        assert target.read_bytes() == b"quick"
        slow.write(b"but whole")
    assert target.read_bytes() == b"slow but whole"
    assert list(tmp_path.iterdir()) == [target]
