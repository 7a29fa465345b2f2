"""Replaced files: whole or as before, on disk with every folder above them, and not written for nothing."""

import os
from pathlib import Path
from stat import S_ISDIR

import pytest

from core.durable import replace_file, replace_if_changed, replacing


def _synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, int]]:
    """Return a list that fills with (is a folder, inode) of everything that is brought to disk."""
    synced: list[tuple[bool, int]] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        facts = os.fstat(descriptor)
        synced.append((S_ISDIR(facts.st_mode), facts.st_ino))
        real(descriptor)

    monkeypatch.setattr("core.durable.os.fsync", note)
    return synced


def test_a_file_and_every_folder_that_was_made_for_it_are_brought_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = _synced(monkeypatch)
    path = tmp_path / "new" / "newer" / "file.json"
    replace_file(path, b"one")
    assert path.read_bytes() == b"one"
    folders = [(True, each.stat().st_ino) for each in (tmp_path, tmp_path / "new", path.parent)]
    assert synced == [*folders[:2], (False, path.stat().st_ino), folders[2]]


def test_an_error_on_the_way_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    replace_file(path, b"old")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"half of the n")
        raise RuntimeError("the writer fails")

    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("core.durable.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file.json"]


def test_two_writers_of_one_file_leave_one_of_them_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    with replacing(path) as first:
        first.write(b"first")
        replace_file(path, b"second, and longer")
        first.write(b" and last")
    assert path.read_bytes() == b"first and last" and os.listdir(tmp_path) == ["file.json"]


def test_what_has_not_changed_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    assert replace_if_changed(path, b"one")
    inode, synced = path.stat().st_ino, _synced(monkeypatch)
    assert not replace_if_changed(path, b"one")
    assert (path.stat().st_ino, synced) == (inode, [])
    assert replace_if_changed(path, b"two") and path.read_bytes() == b"two"


def test_a_replaced_file_has_the_mode_that_the_user_asks_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "file.json", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file.json").stat().st_mode & 0o777 == 0o640
