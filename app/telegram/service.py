"""The bot as a part of the worker: started until it is up, delivering until told to stop."""

import asyncio

from telegram.error import InvalidToken, TelegramError

from app.telegram.bot import Courier, TelegramBot
from core.errors import XcrackError
from core.log import get_logger

START_AGAIN_S = 30.0


async def talk(bot: TelegramBot, courier: Courier, stop: asyncio.Event) -> None:
    """Answer and deliver until `stop`. An outage ends nothing: messages stay in the outbox. A bad token ends it."""
    log = get_logger("telegram")
    while not stop.is_set():
        try:
            await bot.start()
            break
        except InvalidToken:
            log.error("the bot's token is refused", remedy="Correct telegram.token and start the worker again")
            return
        except TelegramError as error:
            log.warning("telegram does not answer", error=str(error), wait_s=START_AGAIN_S)
            await _pause(stop, START_AGAIN_S)
    try:
        while not stop.is_set():
            await _pause(stop, await _deliver(courier))
    finally:
        await bot.stop()


async def _deliver(courier: Courier) -> float:
    try:
        return await courier.deliver()
    except XcrackError as error:
        get_logger("telegram").error("the outbox cannot be read", error=str(error))
        return START_AGAIN_S


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
