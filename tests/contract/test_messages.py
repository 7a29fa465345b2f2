"""The golden messages in `messages/` are read by this test and by crate `bridge` (tests/contract.rs), one per kind."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from core.model.generated import KINDS
from core.settings_sections import PROJECT_ROOT, EngineSettings
from strategies.bridge.frame import FrameError
from strategies.bridge.packet import Codec, kind_and_body, parse_body

GOLDEN = sorted((Path(__file__).parent / "messages").glob("*.json"))
SCHEMAS = PROJECT_ROOT / "strategies" / "schemas" / "messages"


def golden(path: Path) -> tuple[str, str]:
    """Return the kind and the body of a golden message."""
    found = json.loads(path.read_text())
    return found["kind"], json.dumps(found["body"])


def test_every_kind_has_one_golden_message():
    assert {path.stem for path in GOLDEN} == set(KINDS)


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_a_golden_message_says_the_same_again_in_both_encodings(path, encoding):
    kind, body = golden(path)
    assert kind == path.stem
    message = parse_body(kind, body)
    assert type(message) is KINDS[kind]
    assert json.loads(kind_and_body(message)[1]) == json.loads(body)
    codec = Codec(encoding)
    item = codec.stored_item(1, kind, body)
    assert codec.parse(item) == message
    assert json.loads(codec.text(codec.item(1, message))) == json.loads(body)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_a_golden_body_keeps_its_committed_schema(path):
    schema = json.loads((SCHEMAS / path.name).read_text())
    Draft202012Validator(schema).validate(json.loads(golden(path)[1]))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_a_body_with_a_missing_or_a_foreign_field_is_refused(path):
    body = json.loads(golden(path)[1])
    with pytest.raises(FrameError):
        parse_body(path.stem, json.dumps(body | {"foreign": 1}))
    for name in body:
        with pytest.raises(FrameError):
            parse_body(path.stem, json.dumps({k: v for k, v in body.items() if k != name}))


def test_amounts_arrive_exactly():
    message = parse_body(*golden(GOLDEN[0].parent / "equity_mark.json"))
    assert message.equity == Decimal("9987.6543219999999999")


def test_a_message_cannot_be_changed_after_it_was_read():
    message = parse_body(*golden(GOLDEN[0].parent / "reached.json"))
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
