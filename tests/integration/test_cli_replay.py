"""A stretch of an installation's own time, once more."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.cli import main
from core.clock import SystemClock
from core.settings import Settings
from market.bars import BarArchive
from market.candles import MINUTE_MS
from market.synthetic import demo_market, write_market

START = datetime(2025, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.skipif(not Settings().engine.binary.is_file(), reason="the engine is not built: make engine")


def _iso(day: int, hour: int) -> str:
    return f"{START + timedelta(days=day, hours=hour):%Y-%m-%dT%H:%MZ}"


def _replay(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leave:
        main(["replay", *arguments])
    output = capfd.readouterr()
    return int(leave.value.code or 0), output.out, output.err


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    write_market(BarArchive(tmp_path / "bars", SystemClock()), demo_market(7, START, 40))
    return tmp_path


def test_a_window_runs_again_and_gives_the_same_signals_and_trades(
    installation: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    window = ("--symbols", "SOLUSDT", "--from", _iso(30, 0), "--to", _iso(30, 20), "--instance", "momentum-1")
    code, out, _ = _replay(capfd, *window, "--json")
    first = json.loads(out)
    assert code == 0 and first["instances"] == ["momentum-1"] and first["symbols"] == ["SOLUSDT"]
    assert first["signals"] and {signal["instance_id"] for signal in first["signals"]} == {"momentum-1"}
    times = [datetime.fromisoformat(signal["at"]) for signal in first["signals"]]
    assert all(START + timedelta(days=30) <= at <= START + timedelta(days=30, hours=20) for at in times)
    assert _replay(capfd, *window, "--json")[1] == out
    assert (installation / "replay" / "xcrack.db").is_file() and not (installation / "xcrack.db").exists()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (("--instance", "momentum-9"), "no instance momentum-9"),
        (("--symbols", "DOGEUSDT"), "no bars of DOGEUSDT"),
        (("--to", "2031-01-01T00:00Z"), "not within the bars"),
        (("--bars", "a_BTCUSDT.csv"), "do not go with --bars"),
    ],
)
def test_a_window_that_cannot_be_shown_is_refused(
    installation: Path, capfd: pytest.CaptureFixture[str], changed: tuple[str, ...], says: str
) -> None:
    code, out, err = _replay(capfd, "--from", _iso(30, 0), "--to", _iso(30, 2), *changed)
    assert code == 2 and says in err and out == ""
    assert BarArchive(installation / "bars", SystemClock(), 15 * MINUTE_MS).symbols()


def test_the_installation_itself_is_never_emptied_for_a_replay(
    installation: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, _, err = _replay(capfd, "--from", _iso(30, 0), "--to", _iso(30, 2), "--home", str(installation))
    assert code == 2 and "installation itself" in err
    assert (installation / "bars").is_dir()
