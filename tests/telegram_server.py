"""A loopback server that speaks as much of the Bot API as the bot uses."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

TOKEN = "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
BOT = {"id": 123456789, "is_bot": True, "first_name": "xCrack", "username": "xcrack_bot"}


class BotApi:
    """What people send goes in with `say` and `press`; what the bot sends comes out of `sent`."""

    def __init__(self) -> None:
        self.sent: queue.Queue[dict[str, str]] = queue.Queue()
        self.failures: list[tuple[int, dict[str, Any]]] = []
        """Answers to the next sendMessage calls instead of success: HTTP status and body."""
        self.answered_buttons: list[str] = []
        self.base_url = ""
        self._updates: queue.Queue[dict[str, Any]] = queue.Queue()

    def say(self, update_id: int, user_id: int, text: str, at: int) -> None:
        message = {"message_id": update_id, "date": at, "chat": {"id": user_id, "type": "private"}, "text": text}
        message["from"] = {"id": user_id, "is_bot": False, "first_name": "A"}
        self._updates.put({"update_id": update_id, "message": message})

    def press(self, update_id: int, user_id: int, data: str) -> None:
        person = {"id": user_id, "is_bot": False, "first_name": "A"}
        message = {"message_id": 1, "date": 1, "chat": {"id": user_id, "type": "private"}, "text": "?"}
        query = {"id": str(update_id), "from": person, "chat_instance": "1", "data": data, "message": message}
        self._updates.put({"update_id": update_id, "callback_query": query})

    def answer(self, method: str, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Return HTTP status and body of one call."""
        if method == "getMe":
            return _ok(BOT)
        if method == "getUpdates":
            return _ok(self._next_updates())
        if method == "answerCallbackQuery":
            self.answered_buttons.append(fields["callback_query_id"])
        if method == "sendMessage":
            if self.failures:
                return self.failures.pop(0)
            self.sent.put(fields)
            chat = {"id": int(fields["chat_id"]), "type": "private"}
            return _ok({"message_id": 1, "date": 1, "chat": chat, "text": fields["text"]})
        return _ok(True)

    def _next_updates(self) -> list[dict[str, Any]]:
        try:
            return [self._updates.get(timeout=0.1)]
        except queue.Empty:
            return []


@contextmanager
def running_bot_api() -> Iterator[BotApi]:
    """Yield a Bot API on a free loopback port."""
    api = BotApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            fields = {name: values[0] for name, values in parse_qs(body).items()}
            status, answer = api.answer(self.path.rpartition("/")[2], fields)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    api.base_url = f"http://127.0.0.1:{server.server_port}/bot"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()


def _ok(result: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"ok": True, "result": result}
