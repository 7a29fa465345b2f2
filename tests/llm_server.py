"""A scripted OpenAI-compatible chat server on the loopback: one mode for each request, the last one from then on."""

import json
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Mode = str
"""`ok`, `fenced`, `think`, `blank`, `truncated`, `filtered`, `html200`, `error200`, `list200`, `broken200`, `402`,
`429`, `429_late`, `500`, `no_format`, `drip`, `reset`, `no_usage`."""


class LlmServer(ThreadingHTTPServer):
    """Answers by script. `answers` are the contents for the `ok`-like modes, in order, the last one from then on."""

    daemon_threads = True

    def __init__(self, modes: Sequence[Mode], answers: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.modes = list(modes)
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next_mode(self, request: dict[str, Any]) -> tuple[Mode, str]:
        with self._lock:
            self.requests.append(request)
            n = len(self.requests) - 1
            return self.modes[min(n, len(self.modes) - 1)], self.answers[min(n, len(self.answers) - 1)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up at its deadline is what these tests are about."""


class _Answering(BaseHTTPRequestHandler):
    server: LlmServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        mode, answer = self.server.next_mode(body)
        if mode == "drip":
            self._drip()
        elif mode == "reset":
            # Linger 0 turns the close into a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        else:
            self._reply(mode, answer, body)

    def _reply(self, mode: Mode, answer: str, body: dict[str, Any]) -> None:
        json_type = "application/json"
        if mode in ("402", "429", "429_late", "500"):
            wait = {"429": "0", "429_late": "3600"}.get(mode)
            error = json.dumps({"error": {"message": "Insufficient Balance" if mode == "402" else "busy"}})
            self._send(int(mode[:3]), json_type, error, {"retry-after": wait} if wait else {})
        elif mode == "no_format" and "response_format" in body:
            message = "This response_format type is unavailable now"
            self._send(400, json_type, json.dumps({"error": {"message": message}}))
        elif mode == "html200":
            self._send(200, "text/html", "<html><body>proxy</body></html>")
        elif mode == "error200":
            self._send(200, json_type, '{"error":{"message":"upstream failed"}}')
        elif mode == "surrogate200":
            self._send(200, json_type, '{"choices":[],"error":"\\ud800\\u001b[31m","model":"m\\ud800\\u0000"}')
        elif mode == "nested200":
            self._send(200, json_type, '{"choices":[],"more":' + "[" * 50_000 + "]" * 50_000 + "}")
        elif mode == "list200":
            self._send(200, json_type, "[]")
        elif mode == "broken200":
            self._send(200, json_type, '{"id":"x","choices":[{"message":')
        else:
            self._send(200, json_type, json.dumps(_completion(mode, answer, body)))

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        while not self.server.closing.wait(0.02):
            try:
                self.wfile.write(b"\n")
                self.wfile.flush()
            except OSError:
                return

    def _send(self, status: int, kind: str, text: str, headers: dict[str, str] | None = None) -> None:
        raw = text.encode()
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(raw)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `requests` instead."""


def _completion(mode: Mode, answer: str, body: dict[str, Any]) -> dict[str, Any]:
    content = {
        "blank": "   \n  ",
        "truncated": answer[: len(answer) // 2],
        "fenced": f"Here it is:\n```json\n{answer}\n```\n",
        "think": f"<think>maybe {{}} or not</think>\n{answer}",
    }.get(mode, answer)
    finish = {"truncated": "length", "filtered": "content_filter"}.get(mode, "stop")
    completion: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": f"{body['model']}-1017",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}],
        "usage": {
            "prompt_tokens": 1_000,
            "completion_tokens": 200,
            "total_tokens": 1_200,
            "prompt_cache_hit_tokens": 400,
            "prompt_cache_miss_tokens": 600,
        },
    }
    if mode == "no_usage":
        del completion["usage"]
    return completion


@contextmanager
def running_llm(modes: Sequence[Mode], answers: Sequence[str]) -> Iterator[LlmServer]:
    """Yield a server on a free loopback port; it is gone afterwards."""
    server = LlmServer(modes, answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
