"""Files that are replaced whole: after a kill or a power cut there is the old one or the new one, never a part."""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Yield a new file that takes the place of `path` when the block ends, and is on disk then, its folders too.

    Missing folders are made. An error in the block leaves `path` as it was; OSError is raised for one of the disk.
    """
    _make_folder(path.parent)
    # A name of its own: two processes that replace one file at a time must not write into each other's part.
    part = path.with_name(f".{path.name}-{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Replace `path` with `data`, durably. Raises OSError and leaves the old file when the disk says no."""
    with replacing(path) as file:
        file.write(data)


def replace_if_changed(path: Path, data: bytes) -> bool:
    """Replace `path` unless it holds `data` already; return whether it was written."""
    if path.is_file() and path.read_bytes() == data:
        return False
    replace_file(path, data)
    return True


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make `folder` holding `files` by name, durably. Raises OSError, and makes nothing, when it is there already.

    A kill leaves at most a hidden `.<name>-<hex>.part` beside it, which nobody reads.
    """
    _make_folder(folder.parent)
    part = folder.with_name(f".{folder.name}-{secrets.token_hex(8)}.part")
    part.mkdir()
    try:
        for name, data in files.items():
            with (part / name).open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        _sync_folder(part)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _sync_folder(folder.parent)


def _make_folder(folder: Path) -> None:
    """Make a folder and what is missing above it, each entered durably in the one that holds it."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in reversed(missing):
        _sync_folder(each.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
