"""The bot: pushes reports and alerts, answers commands of people on the allow-list. Knows no strategy."""

from app.telegram.bot import TelegramBot, deliver
from app.telegram.desk import Desk, Incoming, Reply

__all__ = ["Desk", "Incoming", "Reply", "TelegramBot", "deliver"]
