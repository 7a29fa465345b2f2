"""Log files: tails in order of time, following through growth, truncation and late files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.logs import LogLine, follow, last_lines, log_path, open_log, set_aside_when_large
from core.errors import BadInput


def _say(folder: Path, process: str, *lines: str) -> None:
    with open_log(folder, process) as log:
        for line in lines:
            log.write(line.encode() + b"\n")


def test_the_last_lines_of_all_processes_come_in_the_order_of_their_stamps(tmp_path: Path) -> None:
    _say(tmp_path, "engine", '{"timestamp": "2025-03-09T10:00:00Z"}', '{"timestamp": "2025-03-09T10:00:02Z"}', "bare")
    _say(tmp_path, "worker", '{"timestamp": "2025-03-09T10:00:01Z"}', '{"timestamp": "2025-03-09T10:00:03Z"}')
    told = [(line.process, line.at[-3:-1]) for line in last_lines(tmp_path, ("worker", "engine", "web"), 10)]
    assert told == [("engine", "00"), ("worker", "01"), ("engine", "02"), ("engine", ""), ("worker", "03")]
    assert len(last_lines(tmp_path, ("worker", "engine"), 1)) == 2
    assert last_lines(tmp_path, ("worker",), 0) == []


def test_lines_without_a_stamp_stay_beside_those_of_their_own_process(tmp_path: Path) -> None:
    _say(tmp_path, "worker", '{"timestamp": "2025-03-09T10:00:09Z"}')
    _say(tmp_path, "engine", "bare", '{"timestamp": "2025-03-09T10:00:01Z"}')
    _say(tmp_path, "web", '{"timestamp": "2025-03-09T10:00:00Z"}', "after it")
    told = [
        (line.process, line.at[-3:-1] or line.text) for line in last_lines(tmp_path, ("worker", "engine", "web"), 9)
    ]
    assert told == [("web", "00"), ("web", "after it"), ("engine", "bare"), ("engine", "01"), ("worker", "09")]


def test_a_long_file_gives_its_last_lines_whole(tmp_path: Path) -> None:
    _say(tmp_path, "engine", *[f"line {n} " + "x" * 400 for n in range(2_000)])
    assert [line.text.split()[1] for line in last_lines(tmp_path, ("engine",), 300)] == [
        str(n) for n in range(1700, 2000)
    ]


def test_no_logs_are_bad_input_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there are no logs"):
        last_lines(tmp_path, ("engine",), 5)


def test_following_survives_half_lines_truncation_and_a_file_that_comes_late(tmp_path: Path) -> None:
    _say(tmp_path, "engine", "before")

    def happenings() -> Iterator[bool]:
        with open_log(tmp_path, "engine") as log:
            log.write(b"half")
            yield False
            log.write(b" and half\n")
        yield False
        _say(tmp_path, "web", "late")
        yield False
        set_aside_when_large(tmp_path, max_bytes=10)
        _say(tmp_path, "engine", "anew")
        yield False
        yield True

    next_happening = happenings()
    told = list(follow(tmp_path, ("engine", "web"), lambda: next(next_happening)))
    assert told == [LogLine("engine", "half and half"), LogLine("web", "late"), LogLine("engine", "anew")]
    assert log_path(tmp_path, "engine").with_suffix(".log.1").read_text() == "before\nhalf and half\n"
