"""A server of files that breaks, cuts, changes and refuses as a test wants it."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """What is served, and how.

    Attributes:
        url: of the server, with a slash at its end.
        files: content by name.
        ranges: whether it answers to requests of ranges.
        break_after: bytes after which a connection breaks, for each answer to come; none: whole.
        asked: the names and ranges that were asked for.
        sent: bytes of all answers.
    """

    def __init__(self):
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.break_after: list[int] = []
        self.asked: list[tuple[str, str | None]] = []
        self.sent = 0

    def answer(self, handler):
        name, asked = handler.path.lstrip("/"), handler.headers.get("Range")
        content = self.files.get(name)
        is_head = handler.command == "HEAD"
        if not is_head:
            self.asked.append((name, asked))
        if content is None:
            handler.send_error(404)
            return
        start, stop = 0, len(content)
        if self.ranges and asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last or stop) + 1, stop)
            if start >= len(content):
                handler.send_error(416)
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        else:
            handler.send_response(200)
        if self.ranges:
            handler.send_header("Accept-Ranges", "bytes")
        handler.send_header("Content-Length", str(stop - start))
        handler.end_headers()
        if is_head:
            return
        sent = content[start:stop]
        if self.break_after:
            sent = sent[: self.break_after.pop(0)]
        self.sent += len(sent)
        handler.wfile.write(sent)
        handler.wfile.flush()
        if len(sent) < stop - start:
            handler.close_connection = True


@contextmanager
def serving():
    """A server of this machine, in a thread."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            server.answer(self)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server.url = f"http://127.0.0.1:{listening.server_port}/"
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()


def registry(*entries):
    """The text of a registry with these tables."""
    return 'kind = "cisreg registry"\nformat_version = 1\n' + "".join(entries)


def entry(name, files, kind="dataset", more="", urls=None):
    """A table of an entry whose files have this content."""
    text = f'[[{kind}]]\nname = "{name}"\nversion = "1"\ndescription = "A test."\nlicence = "CC0"\n'
    text += more
    for file, content in files.items():
        part = file.partition(".")[0]
        text += f'[[{kind}.file]]\nname = "{file}"\nsize = {len(content)}\n'
        text += f'sha256 = "{hashlib.sha256(content).hexdigest()}"\n'
        text += f"url = {(urls or {}).get(file, [file])!r}\n"
        if kind == "dataset" and len(files) > 1:
            text += f'part = "{part}"\n'
    return text
