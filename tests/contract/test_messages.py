"""The golden frames in `messages/` are read by this test and by crate `bridge` (tests/contract.rs), one per kind."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from core.model.generated import KINDS
from core.settings import PROJECT_ROOT, EngineSettings
from strategies.bridge.frame import FrameError, kind_and_body, open_frame, parse_body

SECRET = b"golden secret of the contract"
GOLDEN = sorted((Path(__file__).parent / "messages").glob("*.json"))
SCHEMAS = PROJECT_ROOT / "strategies" / "schemas" / "messages"


def test_every_kind_has_one_golden_frame():
    assert {path.stem for path in GOLDEN} == set(KINDS)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_a_golden_frame_opens_and_its_message_says_the_same_again(path):
    frame = open_frame(SECRET, path.read_text())
    assert frame.kind == path.stem
    message = parse_body(frame.kind, frame.body)
    assert type(message) is KINDS[path.stem]
    kind, body = kind_and_body(message)
    assert (kind, json.loads(body)) == (path.stem, json.loads(frame.body))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_a_golden_body_keeps_its_committed_schema(path):
    schema = json.loads((SCHEMAS / path.name).read_text())
    Draft202012Validator(schema).validate(json.loads(json.loads(path.read_text())["body"]))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_a_body_with_a_missing_or_a_foreign_field_is_refused(path):
    body = json.loads(json.loads(path.read_text())["body"])
    with pytest.raises(FrameError):
        parse_body(path.stem, json.dumps(body | {"foreign": 1}))
    for name in body:
        with pytest.raises(FrameError):
            parse_body(path.stem, json.dumps({k: v for k, v in body.items() if k != name}))


def test_amounts_arrive_exactly():
    frame = open_frame(SECRET, (GOLDEN[0].parent / "equity_mark.json").read_text())
    assert parse_body(frame.kind, frame.body).equity == Decimal("9987.6543219999999999")


def test_a_message_cannot_be_changed_after_it_was_read():
    frame = open_frame(SECRET, (GOLDEN[0].parent / "reached.json").read_text())
    message = parse_body(frame.kind, frame.body)
    with pytest.raises(AttributeError):
        message.bars = 1
    assert msgspec.structs.replace(message, bars=1).bars == 1


def test_committed_schemas_and_structs_are_what_the_rust_types_say():
    binary = EngineSettings().binary
    if not binary.is_file():
        pytest.fail(f"{binary} is missing: build it with `cargo build --release` in rust_engine/")
    command = [sys.executable, "scripts/schemas.py", "--check", "--binary", str(binary)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
