import io
import json

import pytest

from core.log import configure_logging, get_logger, redact_text

SECRETS = [
    "sk-canary0123456789abcdef",
    "xck_0a1b2c3d_canary-canary-canary-canary-canary-canary-1",
    "1234567890:AAcanary_canary-canary_canary-canary12",
    "person:canary-password",
]


def logged(capsys, **event):
    configure_logging()
    get_logger("test").info("something_happened", **event)
    return json.loads(capsys.readouterr().err)


def test_an_event_is_one_json_line_with_room_level_and_utc_time(capsys):
    line = logged(capsys, n_trades=3)
    assert (line["event"], line["room"], line["level"], line["n_trades"]) == ("something_happened", "test", "info", 3)
    assert line["timestamp"].endswith("Z")


class FullDisk(io.StringIO):
    def write(self, text):
        raise OSError("No space left on device")

    def flush(self):
        raise OSError("No space left on device")


def test_a_line_that_one_stream_does_not_take_reaches_the_other_and_ends_nothing(capsys, monkeypatch):
    configure_logging(also=FullDisk())
    get_logger("test").error("the engine died")
    assert json.loads(capsys.readouterr().err)["event"] == "the engine died"
    also = io.StringIO()
    monkeypatch.setattr("sys.stderr", FullDisk())
    configure_logging(also=also)
    get_logger("test").error("the engine died")
    assert json.loads(also.getvalue())["event"] == "the engine died"


def test_quieter_events_than_the_level_are_dropped(capsys):
    configure_logging("WARNING")
    get_logger("test").info("quiet")
    get_logger("test").warning("loud")
    assert json.loads(capsys.readouterr().err)["event"] == "loud"


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_reaches_the_log_wherever_it_hides(capsys, secret):
    text = f"call to https://{secret}@host failed" if ":" in secret and "person" in secret else f"sent {secret} there"
    line = logged(
        capsys,
        message=text,
        nested={"deep": [text, (text,)]},
        error=ValueError(text),
        api_key=secret,
        bytes=text.encode(),
    )
    assert "canary" not in json.dumps(line)


@pytest.mark.parametrize("key", ["api_key", "apikey", "token", "bot_token", "password", "Authorization", "secret_key"])
def test_a_value_under_a_secret_name_is_hidden_however_it_looks(capsys, key):
    line = logged(capsys, **{key: "plain"}, settings={key: "plain"})
    assert line[key] == "[redacted]"
    assert line["settings"] == {key: "[redacted]"}


def test_a_secret_in_a_traceback_is_hidden(capsys):
    configure_logging()
    try:
        raise ValueError(f"refused {SECRETS[0]}")
    except ValueError:
        get_logger("test").exception("call_failed")
    err = capsys.readouterr().err
    assert "refused [redacted]" in err
    assert "canary" not in err


def test_ordinary_text_stays_as_it_is():
    text = "BTCUSDT closed at 12:30 with 1,234.5 USD; see https://example.org/a?b=c and run-0123456789ab"
    assert redact_text(text) == text
