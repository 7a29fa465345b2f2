"""The glue to Telegram: polling in, messages out. Delivery takes from the outbox, in order, and marks what is taken."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.error import BadRequest, Conflict, Forbidden, RetryAfter, TelegramError
from telegram.ext import Application, CallbackQueryHandler, ContextTypes, MessageHandler, filters

from app.telegram.desk import Desk, Incoming, Reply
from core.clock import Clock
from core.log import get_logger
from core.model.operations import Notification
from core.settings_sections import TelegramSettings
from core.store import Store, notifications

MAX_CHARACTERS = 4096
BATCH = 20
PAUSE_S = 3.0
"""Between two looks into the outbox."""
Send = Callable[[int, str, tuple[str, str] | None], Awaitable[None]]


def split_text(text: str, limit: int = MAX_CHARACTERS) -> list[str]:
    """Return the text in pieces Telegram takes, cut at line ends where there are some."""
    pieces: list[str] = []
    while len(text) > limit:
        cut = text.rfind("\n", 1, limit)
        cut = limit if cut <= 0 else cut
        pieces.append(text[:cut])
        text = text[cut:].lstrip("\n")
    return [*pieces, text] if text else pieces


@dataclass(slots=True)
class Courier:
    """Takes what waits in the outbox to every chat, in order. What was sent before a failure is not sent again."""

    store: Store
    clock: Clock
    chat_ids: tuple[int, ...]
    send: Send
    parts_sent: dict[str, int] = field(default_factory=dict)
    """Of messages that are under way."""

    async def deliver(self) -> float:
        """Send what waits, oldest first, until the first failure; returns how many seconds to wait before the next try.

        Without a chat everything stays in the outbox.
        """
        if not self.chat_ids:
            return PAUSE_S
        for message in await asyncio.to_thread(self._waiting):
            try:
                await self._send_rest(message)
            except TelegramError as error:
                await asyncio.to_thread(self._note_failure, message, error)
                return _seconds_to_wait(error)
            await asyncio.to_thread(self._note_success, message)
        return PAUSE_S

    async def _send_rest(self, message: Notification) -> None:
        parts = [(chat_id, piece) for chat_id in self.chat_ids for piece in split_text(message.text)]
        for n in range(self.parts_sent.get(message.notification_id, 0), len(parts)):
            chat_id, piece = parts[n]
            try:
                await self.send(chat_id, piece, None)
            except (BadRequest, Forbidden) as error:
                # This chat will never take it; the others and the messages after it must not wait for that.
                get_logger("telegram").error("chat refuses", chat_id=chat_id, error=str(error))
            self.parts_sent[message.notification_id] = n + 1

    def _waiting(self) -> list[Notification]:
        with self.store.session() as session:
            return notifications.unsent(session, BATCH)

    def _note_success(self, message: Notification) -> None:
        with self.store.session() as session:
            notifications.mark_sent(session, message.notification_id, self.clock.now())
        self.parts_sent.pop(message.notification_id, None)

    def _note_failure(self, message: Notification, error: TelegramError) -> None:
        with self.store.session() as session:
            notifications.count_attempt(session, message.notification_id)
        get_logger("telegram").warning("delivery failed", error=str(error), wait_s=_seconds_to_wait(error))


def _seconds_to_wait(error: TelegramError) -> float:
    if not isinstance(error, RetryAfter):
        return PAUSE_S
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)


class TelegramBot:
    """Polls and answers. Started by the worker alone; when another poller holds the token, this one leaves."""

    def __init__(self, settings: TelegramSettings, desk: Desk, clock: Clock) -> None:
        self._settings = settings
        self._desk = desk
        self._clock = clock
        builder = Application.builder().token(settings.token.get_secret_value()).base_url(settings.base_url)
        self._application = builder.build()
        self._application.add_handler(CallbackQueryHandler(self._on_button))
        self._application.add_handler(MessageHandler(filters.TEXT, self._on_text))
        self._application.add_error_handler(self._on_error)

    async def start(self) -> None:
        """Begin polling; messages sent while nobody listened are answered too, the dangerous ones refused as stale.

        Raises TelegramError where Telegram does not answer or refuses the token; it may be called again then.
        """
        await self._application.initialize()
        await self._application.start()
        assert self._application.updater is not None
        await self._application.updater.start_polling(drop_pending_updates=False)

    async def stop(self) -> None:
        """End polling."""
        if self._application.updater is not None and self._application.updater.running:
            await self._application.updater.stop()
        if self._application.running:
            await self._application.stop()
        await self._application.shutdown()

    async def send(self, chat_id: int, text: str, button: tuple[str, str] | None) -> None:
        """Send plain text, never parsed as markup."""
        markup = None
        if button is not None:
            markup = InlineKeyboardMarkup([[InlineKeyboardButton(button[0], callback_data=button[1])]])
        await self._application.bot.send_message(chat_id, text, reply_markup=markup, disable_notification=False)

    async def _on_text(self, update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        message = update.message
        if message is None or message.from_user is None or message.forward_origin is not None:
            return  # edited and forwarded commands are not commands
        incoming = Incoming(update.update_id, message.from_user.id, message.chat_id, message.text or "", message.date)
        await self._reply(incoming)

    async def _on_button(self, update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        query = update.callback_query
        if query is None or query.message is None:
            return
        await query.answer()
        chat_id = query.message.chat.id
        await self._reply(
            Incoming(update.update_id, query.from_user.id, chat_id, query.data or "", self._clock.now(), is_button=True)
        )

    async def _reply(self, incoming: Incoming) -> None:
        reply: Reply | None = await asyncio.to_thread(self._desk.answer, incoming)
        if reply is None:
            return
        pieces = split_text(reply.text)
        for n, piece in enumerate(pieces, start=1):
            await self.send(incoming.chat_id, piece, reply.button if n == len(pieces) else None)

    async def _on_error(self, _: object, context: ContextTypes.DEFAULT_TYPE) -> None:
        error = context.error
        get_logger("telegram").warning("telegram error", error=str(error))
        if isinstance(error, Conflict) and self._application.updater is not None:
            await self._application.updater.stop()
