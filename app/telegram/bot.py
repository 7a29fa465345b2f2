"""The glue to Telegram: polling in, messages out. Delivery takes from the outbox, in order, and marks what is taken."""

from collections.abc import Awaitable, Callable

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.error import Conflict, RetryAfter, TelegramError
from telegram.ext import Application, CallbackQueryHandler, ContextTypes, MessageHandler, filters

from app.telegram.desk import Desk, Incoming, Reply
from core.clock import Clock
from core.log import get_logger
from core.settings import TelegramSettings
from core.store import Store, notifications

MAX_CHARACTERS = 4096
BATCH = 20
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


async def deliver(store: Store, clock: Clock, chat_ids: tuple[int, ...], send: Send) -> int:
    """Send what waits in the outbox, oldest first; returns how many messages left. Stops at the first failure."""
    with store.session() as session:
        waiting = notifications.unsent(session, BATCH)
    sent = 0
    for message in waiting:
        try:
            for chat_id in chat_ids:
                for piece in split_text(message.text):
                    await send(chat_id, piece, None)
        except TelegramError as error:
            with store.session() as session:
                notifications.count_attempt(session, message.notification_id)
            wait = error.retry_after if isinstance(error, RetryAfter) else ""
            get_logger("telegram").warning("delivery failed", error=str(error), retry_after=str(wait))
            return sent
        with store.session() as session:
            notifications.mark_sent(session, message.notification_id, clock.now())
        sent += 1
    return sent


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
        """Begin polling; messages sent while nobody listened are answered too, the dangerous ones refused as stale."""
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
        reply: Reply | None = self._desk.answer(incoming)
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
