"""The bot: pushes reports and alerts, answers commands of people on the allow-list. Knows no strategy."""

from app.telegram.bot import Courier, TelegramBot
from app.telegram.desk import Desk, Incoming, Reply
from app.telegram.service import talk

__all__ = ["Courier", "Desk", "Incoming", "Reply", "TelegramBot", "talk"]
