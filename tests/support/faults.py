"""A proxy before an AWS stand-in that throttles, fails, dawdles, cuts off and forbids."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Kind = Literal["unlisted", "slow down", "error", "denied", "cut request", "cut response", "slow"]


@dataclass(frozen=True)
class Request:
    """What is asked for, and by what `client`; `number` counts all requests, `action` is Glue's."""

    number: int
    method: str
    path: str
    action: str
    client: str


Rule = Callable[[Request], Kind | None]
_ANSWERS = {
    "slow down": (503, "SlowDown", "Please reduce your request rate."),
    "error": (500, "InternalError", "We encountered an internal error."),
    "denied": (403, "AccessDenied", "Access Denied"),
}


class Faults:
    """Forwards to another server, but for what `rule` says of a request."""

    def __init__(self, host: str, port: int) -> None:
        self.rule: Rule = lambda _: None
        self.met: list[Kind] = []
        self._upstream = host, port
        self._count = 0
        self._lock = threading.Lock()
        self._glue = threading.Lock()

    def meet(self, method: str, path: str, action: str, client: str) -> Kind | None:
        with self._lock:
            self._count += 1
            kind = self.rule(Request(self._count, method, path, action, client))
            if kind:
                self.met.append(kind)
            return kind

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self._upstream, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def update_table(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """As Glue does it: refused where the table has another version than was asked for."""
        wanted = json.loads(body)
        with self._glue:
            if "VersionId" in wanted:
                asked = {
                    "DatabaseName": wanted["DatabaseName"],
                    "Name": wanted["TableInput"]["Name"],
                }
                reading = {**headers, "X-Amz-Target": "AWSGlue.GetTable"}
                del reading["Content-Length"]
                _, _, found = self.forward("POST", path, reading, json.dumps(asked).encode())
                if json.loads(found)["Table"]["VersionId"] != wanted["VersionId"]:
                    error = {"__type": "ConcurrentModificationException", "Message": "changed"}
                    said = json.dumps(error).encode()
                    return 400, [("Content-Type", "application/x-amz-json-1.1")], said
            return self.forward("POST", path, headers, body)


@contextmanager
def faults(host: str, port: int) -> Iterator[tuple[Faults, str]]:
    """A proxy at work, and its endpoint."""
    proxy = Faults(host, port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def handle_any(self) -> None:
            action = self.headers.get("X-Amz-Target", "")
            client = self.headers.get("User-Agent", "")
            kind = proxy.meet(self.command, self.path, action, client)
            if kind == "cut request":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            if self.headers.get("Expect") == "100-continue":
                pass  # the base class has said it
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if kind in _ANSWERS:
                status, code, text = _ANSWERS[kind]
                answer = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()
                if action:
                    answer = json.dumps({"__type": f"{code}Exception", "message": text}).encode()
                self.answer(status, [("Content-Type", "application/xml")], answer)
                return
            headers = dict(self.headers.items())
            if action == "AWSGlue.UpdateTable":
                self.answer(*proxy.update_table(self.path, headers, body))
                return
            answered = proxy.forward(self.command, self.path, headers, body)
            if kind == "unlisted" and answered[0] == 404:
                denied = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
                answered = 403, [("Content-Type", "application/xml")], denied
            self.answer(*answered, kind)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815

        def answer(
            self,
            status: int,
            headers: list[tuple[str, str]],
            body: bytes,
            kind: Kind | None = None,
        ) -> None:
            self.send_response(status)
            length = str(len(body))
            for name, value in headers:
                if name.lower() == "content-length" and self.command == "HEAD":
                    length = value
                elif name.lower() not in (
                    "content-length", "transfer-encoding", "connection", "server", "date",
                ):  # fmt: skip
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command == "HEAD":
                return
            if kind == "cut response":
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            elif kind == "slow":
                for begin in range(0, len(body), 1 << 16):
                    time.sleep(0.02)
                    self.wfile.write(body[begin : begin + (1 << 16)])
            else:
                self.wfile.write(body)
            self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
