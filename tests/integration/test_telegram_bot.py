"""The bot against a server that speaks the Bot API: commands in, messages out, each once and in order."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

import pytest

from app.telegram import Courier, Desk, TelegramBot, talk
from core.clock import VirtualClock
from core.model.operations import Notification
from core.settings import Settings
from core.store import Store, notifications, requests
from tests.servers import free_port
from tests.telegram_server import TOKEN, BotApi, running_bot_api

OWNER, CHAT, OTHER_CHAT = 11, 500, 501
WAIT_S = 10.0
# The library says that this number will be a timedelta one day; both are read.
pytestmark = pytest.mark.filterwarnings("ignore:.*retry_after")


@pytest.fixture
def api() -> Iterator[BotApi]:
    with running_bot_api() as api:
        yield api


def _settings(base_url: str, chats: tuple[int, ...] = (CHAT,)) -> Settings:
    telegram = {"token": TOKEN, "allowed_ids": [OWNER], "chat_ids": chats, "base_url": base_url}
    return Settings.model_validate({"telegram": telegram})


def _talk_while(store: Store, clock: VirtualClock, settings: Settings, check: Callable[[], Awaitable[None]]) -> None:
    """Run the bot as the worker does until `check` returns."""

    async def run() -> None:
        bot = TelegramBot(settings.telegram, Desk(store, clock, settings, lambda: "nonce-1"), clock)
        stop = asyncio.Event()
        task = asyncio.create_task(talk(bot, Courier(store, clock, settings.telegram.chat_ids, bot.send), stop))
        try:
            async with asyncio.timeout(WAIT_S):
                await check()
        finally:
            stop.set()
            await task

    asyncio.run(run())


async def _next(api: BotApi) -> dict[str, str]:
    return await asyncio.to_thread(api.sent.get, True, WAIT_S)


def _leave(store: Store, clock: VirtualClock, *texts: str) -> None:
    with store.session() as session:
        for text in texts:
            notifications.add(session, Notification(f"note-{text}", "report", "info", text, clock.now(), None))


def _open_requests(store: Store) -> list[tuple[str, str]]:
    with store.session() as session:
        return [(request.kind, request.by) for request in requests.open(session)]


def test_a_halt_reaches_the_request_table_once_though_the_update_comes_twice(
    api: BotApi, store: Store, clock: VirtualClock
) -> None:
    at = int(clock.now().timestamp())

    async def check() -> None:
        api.say(1, OWNER, "/halt spread", at)
        api.say(1, OWNER, "/halt spread", at)
        assert "Stored as" in (await _next(api))["text"]
        api.say(2, 99, "/halt by a stranger", at)
        api.say(3, OWNER, "/help", at)
        texts = [(await _next(api))["text"] for _ in range(2)]
        assert "/status" in texts[-1]

    _talk_while(store, clock, _settings(api.base_url), check)
    assert _open_requests(store) == [("halt", f"telegram:{OWNER}")]


def test_a_pressed_button_confirms_once_and_is_acknowledged(api: BotApi, store: Store, clock: VirtualClock) -> None:
    async def check() -> None:
        api.say(1, OWNER, "/resume", int(clock.now().timestamp()))
        asked = await _next(api)
        assert "confirm:nonce-1" in asked["reply_markup"]
        api.press(2, OWNER, "confirm:nonce-1")
        assert "Stored as" in (await _next(api))["text"]
        api.press(3, OWNER, "confirm:nonce-1")
        assert "expired" in (await _next(api))["text"]

    _talk_while(store, clock, _settings(api.base_url), check)
    assert api.answered_buttons == ["2", "3"]
    assert _open_requests(store) == [("resume", f"telegram:{OWNER}")]


def test_reports_are_pushed_once_and_in_order(api: BotApi, store: Store, clock: VirtualClock) -> None:
    _leave(store, clock, "one", "two", "three")

    async def check() -> None:
        assert [(await _next(api))["text"] for _ in range(3)] == ["one", "two", "three"]

    _talk_while(store, clock, _settings(api.base_url), check)
    with store.session() as session:
        assert notifications.unsent(session, 9) == []
    assert api.sent.empty()


def _deliver(api: BotApi, store: Store, clock: VirtualClock, courier_chats: tuple[int, ...], times: int) -> list[float]:
    """Look into the outbox so many times, and return the wait that each asked for."""

    async def run() -> list[float]:
        settings = _settings(api.base_url)
        bot = TelegramBot(settings.telegram, Desk(store, clock, settings, lambda: "n"), clock)
        courier = Courier(store, clock, courier_chats, bot.send)
        return [await courier.deliver() for _ in range(times)]

    return asyncio.run(run())


def _drain(api: BotApi) -> list[tuple[str, str]]:
    return [(fields["chat_id"], fields["text"]) for fields in list(api.sent.queue)]


def test_a_limit_is_waited_for_as_long_as_telegram_says_and_loses_nothing(
    api: BotApi, store: Store, clock: VirtualClock
) -> None:
    _leave(store, clock, "one", "two")
    limit = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 17}}
    api.failures.append((429, limit))
    waits = _deliver(api, store, clock, (CHAT,), times=2)
    assert waits[0] == 17 and waits[1] < 17
    assert _drain(api) == [(str(CHAT), "one"), (str(CHAT), "two")]
    with store.session() as session:
        assert notifications.attempts(session, "note-one") == 1


def test_what_one_chat_has_is_not_sent_to_it_again_after_a_failure_with_another(
    api: BotApi, store: Store, clock: VirtualClock
) -> None:
    _leave(store, clock, "one")
    down = (500, {"ok": False, "error_code": 500, "description": "Internal Server Error"})

    async def run() -> None:
        settings = _settings(api.base_url)
        bot = TelegramBot(settings.telegram, Desk(store, clock, settings, lambda: "n"), clock)

        async def send(chat_id: int, text: str, button: tuple[str, str] | None) -> None:
            if chat_id == OTHER_CHAT and not api.failures and api.sent.qsize() == 1 and not failed:
                failed.append(chat_id)
                api.failures.append(down)
            await bot.send(chat_id, text, button)

        failed: list[int] = []
        courier = Courier(store, clock, (CHAT, OTHER_CHAT), send)
        await courier.deliver()
        await courier.deliver()

    asyncio.run(run())
    assert _drain(api) == [(str(CHAT), "one"), (str(OTHER_CHAT), "one")]


def test_a_chat_that_refuses_does_not_hold_up_the_others(api: BotApi, store: Store, clock: VirtualClock) -> None:
    _leave(store, clock, "one", "two")
    api.failures.append((403, {"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked"}))
    _deliver(api, store, clock, (OTHER_CHAT, CHAT), times=1)
    assert _drain(api) == [(str(CHAT), "one"), (str(OTHER_CHAT), "two"), (str(CHAT), "two")]


def test_an_outage_keeps_the_outbox_and_ends_nothing(store: Store, clock: VirtualClock) -> None:
    _leave(store, clock, "one")
    nobody = _settings(f"http://127.0.0.1:{free_port()}/bot")

    async def check() -> None:
        bot = TelegramBot(nobody.telegram, Desk(store, clock, nobody, lambda: "n"), clock)
        assert await Courier(store, clock, (CHAT,), bot.send).deliver() > 0

    _talk_while(store, clock, nobody, check)
    with store.session() as session:
        assert [waiting.text for waiting in notifications.unsent(session, 9)] == ["one"]


def test_without_a_chat_everything_stays_in_the_outbox(api: BotApi, store: Store, clock: VirtualClock) -> None:
    _leave(store, clock, "one")
    clock.advance_to(clock.now() + timedelta(hours=1))
    _deliver(api, store, clock, (), times=1)
    with store.session() as session:
        assert len(notifications.unsent(session, 9)) == 1
