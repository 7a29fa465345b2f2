"""The command line as people and programs meet it: help, exit codes, one JSON document, never a traceback."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from app.cli import COMMANDS, cli, main
from core.settings_sections import PROJECT_ROOT
from core.store import Store, proposals, verdicts
from tests.candle_factory import csv_lines, walk, write_csv
from tests.factories import proposal, verdict

Result = tuple[int, str, str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Result:
    with pytest.raises(SystemExit) as leave:
        main(arguments)
    output = capsys.readouterr()
    return int(leave.value.code or 0), output.out, output.err


def _commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.commands]
    return found


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    code, out, _ = _run(capsys, *command, "--help")
    assert code == 0 and "Usage: xcrack" in out and len(out.splitlines()) > 4


def _leaves(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _leaves(inner, (*path, name))


@pytest.mark.parametrize(("path", "command"), [pytest.param(*leaf, id=leaf[0]) for leaf in _leaves(cli, ("xcrack",))])
def test_a_command_with_something_to_say_to_it_shows_how(path: str, command: click.Command) -> None:
    """Every example of the help is one that the command takes."""
    examples = [line.strip() for line in (command.help or "").splitlines() if line.strip().startswith("xcrack ")]
    if any(param.name != "as_json" and not getattr(param, "hidden", False) for param in command.params):
        assert examples
    for example in examples:
        assert example.startswith(f"{path} ") or example == path
        words = shlex.split(example.removeprefix(path).split(" > ")[0])
        command.make_parser(click.Context(command)).parse_args(words)


def test_the_list_of_commands_loads_none_of_them() -> None:
    program = "import sys\nfrom app.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    program += "print(sorted({'flask', 'sqlalchemy', 'numpy', 'telegram', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nonsense"], 2, "No such command"),
        (["report"], 2, "there is no store"),
        (["worker"], 2, "not set up"),
        (["replay"], 2, "nothing to replay"),
        (["replay", "--from", "2025-01-01", "--to", "2025-01-02T00:00Z"], 2, "not a time with a zone"),
        (["replay", "--from", "2025-01-02T00:00Z", "--to", "2025-01-01T00:00Z"], 2, "not before"),
        (["replay", "--from", "2025-01-01T00:00Z", "--to", "2025-01-02T00:00Z"], 2, "no bars"),
        (["replay", "--bars", "none_BTCUSDT.csv"], 2, "no file"),
        (["replay", "--bars", "a_BTCUSDT.csv", "--history", "99999999"], 2, "0<=x<=36500"),
        (["replay", "--bars", "a_BTCUSDT.csv", "--days", "99999999"], 2, "1<=x<=36500"),
        (["data", "import", "none_BTCUSDT.csv"], 2, "no file"),
        (["data", "import", "none.csv"], 2, "there is no file none.csv"),
        (["demo", "--resume"], 2, "no demo to go on with"),
        (["data", "download", "--symbol", "BTC/USDT", "--since", "2140-01-01"], 2, "has not come yet"),
        (
            ["data", "make", "--out", "x", "--seed", "1", "--start-date", "0001-01-01", "--days", "1"],
            2,
            "1970 and 2200",
        ),
        (["data", "import", "a_BTCUSDT.csv", "--interval", "7x"], 2, "no candle interval"),
        (["engine", "status"], 1, "not running"),
        (["kill", "--by", "ann"], 2, "--reason"),
        (["backtest", "--strategy", "none", "--bars", "none_BTCUSDT.csv"], 2, "no strategy"),
        (["sweep", "--strategy", "sma_cross", "--bars", "a_BTCUSDT.csv", "--grid", "fast"], 2, "not a grid"),
    ],
)
def test_a_wrong_command_ends_with_its_code_and_one_clear_line(
    home: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    ended, out, err = _run(capfd, *arguments)
    assert ended == code and says in err
    assert "Traceback" not in err and out == ""


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("fast=1000000000", "outside 2 to 200"),
        ("fast=nan", "not a parameter"),
        ("fast=inf", "not a parameter"),
        ("fast", "not a parameter"),
        ("speed=3", "has no parameter 'speed'"),
        ("slow=60", "given twice"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_bounds(
    home: Path, capsys: pytest.CaptureFixture[str], pair: str, says: str
) -> None:
    given = ("--param", pair, "--param", "slow=50")
    code, _, err = _run(capsys, "backtest", "--strategy", "sma_cross", "--bars", "a_BTCUSDT.csv", *given)
    assert code == 2 and says in err


@pytest.mark.parametrize("capital", ["NaN", "-1", "0", "many", "1e400"])
def test_a_wrong_capital_is_refused(home: Path, capsys: pytest.CaptureFixture[str], capital: str) -> None:
    write_csv(home / "a_BTCUSDT.csv", csv_lines(walk(400)))
    code, _, err = _run(capsys, "backtest", "--strategy", "sma_cross", "--bars", "a_BTCUSDT.csv", "--capital", capital)
    assert code == 2 and "not a capital" in err


def test_json_is_one_document_on_stdout(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(home / "a_BTCUSDT.csv", csv_lines(walk(400)))
    code, out, _ = _run(capsys, "backtest", "--strategy", "sma_cross", "--bars", "a_BTCUSDT.csv", "--json")
    assert code == 0 and json.loads(out)["n_bars"] == 400
    code, out, _ = _run(capsys, "data", "import", "a_BTCUSDT.csv", "--json")
    assert code == 0 and json.loads(out)[0]["n_new"] == 400
    code, out, _ = _run(capsys, "doctor", "--json")
    assert {tuple(finding) for finding in json.loads(out)} == {("check", "ok", "detail", "remedy")}


def test_another_symbols_prices_are_refused_and_a_pegged_token_can_be_let_in(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a_BTCUSDT.csv", "a_WBTCUSDT.csv"):
        write_csv(home / name, csv_lines(walk(400)))
    assert _run(capsys, "data", "import", "a_BTCUSDT.csv")[0] == 0
    code, _, err = _run(capsys, "data", "import", "a_WBTCUSDT.csv")
    assert code == 2 and "holds BTCUSDT" in err
    assert _run(capsys, "data", "import", "a_WBTCUSDT.csv", "--no-identity-check")[0] == 0


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("XCRACK_WEB__COLOUR", "red", "unknown settings key 'web.colour'"),
        ("XCRACK_WEB__PORT", "abc", "'web.port' is wrong"),
        ("XCRACK_SETTINGS", "/none.yaml", "does not exist"),
    ],
)
def test_wrong_settings_are_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    code, _, err = _run(capsys, "params", "show")
    assert code == 2 and says in err


def test_a_damaged_database_is_named_without_a_traceback(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "xcrack.db").write_bytes(b"no database" * 500)
    code, _, err = _run(capsys, "report")
    assert code == 1 and "damaged" in err and "backup" in err


@pytest.mark.usefixtures("home")
def test_a_proposal_is_shown_with_what_decided_it(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with store.session() as session:
        proposals.add(session, proposal("proposal-0123456789ab", "queued"))
        verdicts.add(session, verdict("proposal-0123456789ab"))
    code, out, _ = _run(capsys, "proposals", "show", "proposal-0123456789ab")
    assert code == 0 and "screen:" in out
    code, out, _ = _run(capsys, "proposals", "list")
    assert code == 0 and "proposal-0123456789ab" in out, "an id is never broken over two lines"
    code, out, _ = _run(capsys, "proposals", "list", "--state", "refused", "--json")
    assert code == 0 and json.loads(out) == []
    code, _, err = _run(capsys, "proposals", "approve", "proposal-404")
    assert code == 2 and "proposal-404" in err


@pytest.mark.usefixtures("home", "store")
def test_a_note_tells_its_effect_and_a_wrong_one_what_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "feedback", "good work", "--tag", "good")
    assert code == 0 and "counted in the next daily analysis" in out
    code, _, err = _run(capsys, "feedback", "x", "--tag", "lovely")
    assert code == 2 and "too_late" in err


@pytest.mark.usefixtures("home", "store")
def test_a_key_is_made_listed_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "keys", "create", "ann", "--scope", "admin")
    assert code == 0 and out.startswith("xck_")
    code, listed, _ = _run(capsys, "keys", "list", "--json")
    [key] = json.loads(listed)
    assert code == 0 and key["name"] == "ann" and out.splitlines()[0] not in listed
    assert _run(capsys, "keys", "revoke", key["key_id"])[0] == 0
    assert _run(capsys, "audit", "verify", "--json")[:2] == (0, '{"audit":null,"ledger":null}\n')
