"""What the processes of an installation say, kept in `<home>/logs/`, one file a process, and followed together."""

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput

MAX_LOG_BYTES = 64 * 1024**2
"""A file that grew beyond this is set aside as `<name>.log.1`, over the one before."""
PROCESSES = ("supervisor", "worker", "engine", "web")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that one process said."""

    process: str
    text: str

    @property
    def at(self) -> str:
        """The line's own time stamp, ISO 8601; empty where it is no JSON or has none."""
        try:
            fields = json.loads(self.text)
        except ValueError:
            return ""
        stamp = fields.get("timestamp") or fields.get("at") if isinstance(fields, dict) else None
        return stamp if isinstance(stamp, str) else ""


def log_path(folder: Path, process: str) -> Path:
    """Return the file of one process."""
    return folder / f"{process}.log"


def open_log(folder: Path, process: str) -> io.FileIO:
    """Open the file of a process for appending; the caller hands it to the process and closes it."""
    folder.mkdir(parents=True, exist_ok=True)
    return io.FileIO(os.open(log_path(folder, process), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), "w")


def set_aside_when_large(folder: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Copy files that grew too large and empty them: their writers append, so they go on at the start."""
    for path in sorted(folder.glob("*.log")):
        if path.stat().st_size > max_bytes:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)


def last_lines(folder: Path, processes: Sequence[str], n: int) -> list[LogLine]:
    """Return the last `n` lines of each process, all in the order of their time stamps.

    Raises BadInput when there are no logs yet, or for a process that has none.
    """
    paths = _existing(folder, processes)
    stamped = []
    for name, path in paths:
        said = [LogLine(name, text) for text in _tail(path, n)]
        # A line without a stamp belongs to the one before it, which the stable sort keeps; the first to the next.
        stamp = next((line.at for line in said if line.at), "")
        for line in said:
            stamp = line.at or stamp
            stamped.append((stamp, line))
    return [line for _, line in sorted(stamped, key=lambda pair: pair[0])]


def follow(folder: Path, processes: Sequence[str], wait: Callable[[], bool]) -> Iterator[LogLine]:
    """Yield each line said from now on, until `wait` returns True; it is called when nothing is new.

    A file that was set aside is read on from its start, and one that comes into being is followed too.
    """
    _existing(folder, processes)
    offsets = {name: _size(log_path(folder, name)) for name in processes}
    rest = dict.fromkeys(processes, b"")
    while True:
        silent = True
        for name in processes:
            path = log_path(folder, name)
            size = _size(path)
            if size < offsets[name]:
                offsets[name], rest[name] = 0, b""
            if size > offsets[name]:
                silent = False
                with path.open("rb") as file:
                    file.seek(offsets[name])
                    read = file.read(size - offsets[name])
                offsets[name] += len(read)
                *lines, rest[name] = (rest[name] + read).split(b"\n")
                yield from (LogLine(name, line.decode(errors="replace")) for line in lines)
        if silent and wait():
            return


def _existing(folder: Path, processes: Sequence[str]) -> list[tuple[str, Path]]:
    paths = [(name, log_path(folder, name)) for name in processes]
    there = [(name, path) for name, path in paths if path.is_file()]
    if not there:
        raise BadInput(f"there are no logs in {folder}", "Run `xcrack up`, which writes them, or set XCRACK_HOME")
    return there


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _tail(path: Path, n: int) -> list[str]:
    """Return the last `n` lines, reading from the end in growing steps."""
    size = _size(path)
    step = 64 * 1024
    with path.open("rb") as file:
        while True:
            begin = max(0, size - step)
            file.seek(begin)
            lines = file.read(size - begin).splitlines()
            if begin == 0 or len(lines) > n:
                return [line.decode(errors="replace") for line in lines[-n:]] if n else []
            step *= 4
