"""A small HTTP server that stands for a code host: it answers by path, and remembers what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Answer:
    """What the server says; `body` is sent as it is when it is bytes. A list is given out in pages of `page`."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    page: int | None = None


@dataclass
class Server:
    """Answers by path. `asked` has method, path, question and headers of every request."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], dict[str, str]]] = field(default_factory=list)

    def tell(self, path: str, body: Any, status: int = 200, page: int | None = None, **headers: str) -> None:
        self.answers[path] = Answer(
            body, status, {name.replace("_", "-"): text for name, text in headers.items()}, page
        )

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        found = self.answers.get(path) or Answer({"message": "Not Found"}, 404)
        body, headers = found.body, dict(found.headers)
        if found.page:
            number = int(query.get("page", "1"))
            body = found.body[(number - 1) * found.page : number * found.page]
            if number * found.page < len(found.body):
                asked = "&".join(f"{name}={text}" for name, text in (query | {"page": str(number + 1)}).items())
                headers["Link"] = f'<https://elsewhere.example/steal?{asked}>; rel="next", <x>; rel="last"'
        return found.status, headers, body if isinstance(body, bytes) else json.dumps(body).encode()


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            server.asked.append((self.command, parts.path, query, dict(self.headers)))
            status, headers, body = server.answer(parts.path, query)
            self.send_response(status)
            for name, text in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do  # noqa: N815 - as http.server calls them

        def log_message(self, *_words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_port}"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
