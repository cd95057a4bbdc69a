"""The server of the page: its own files, recordings in, results out. It answers this machine only."""

import json
import re
import secrets
import shutil
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, quote, unquote, urlsplit

from espnet_codecse.demo.page import ASSETS, FILES
from espnet_codecse.demo.work import DONE, Load, Task, Work

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".webp": "image/webp"}
BLOCK = 1 << 16  # bytes
HEADER = "X-Codecse-Key"


class DemoServer(ThreadingHTTPServer):
    """Serves the page on the loopback interface.

    Args:
        port: TCP port; 0: a free one.
        folder: folder for recordings and results.
        models: names that the page offers.
        load: returns the model of a name.
        max_bytes: largest recording that is taken.

    Attributes:
        address: of the page.
        key: what requests that change anything must carry. Other pages in the same browser do not know it.
    """

    daemon_threads = True

    def __init__(self, port: int, folder: Path, models: Sequence[str], load: Load, max_bytes: int):
        super().__init__(("127.0.0.1", port), _Handler)
        self.models, self.max_bytes, self.key = list(models), max_bytes, secrets.token_urlsafe(16)
        self.work = Work(folder, load)
        self.address = f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: DemoServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        """Print nothing."""

    @property
    def _path(self) -> str:
        return unquote(urlsplit(self.path).path)

    def _is_local(self) -> bool:
        """Whether the browser meant this server: another name for the address could be that of a foreign page."""
        port = self.server.server_address[1]
        return self.headers.get("Host") in (f"127.0.0.1:{port}", f"localhost:{port}")

    def do_GET(self) -> None:
        """Answer with a file of the page, the state of a task, or its result."""
        if not self._is_local():
            return self._refuse(403, "another host")
        if self._path == "/":
            page = (ASSETS / "index.html").read_text("utf-8")
            values = {"key": self.server.key, "models": self.server.models, "max_bytes": self.server.max_bytes}
            settings = json.dumps(values).replace("<", "\\u003c")
            return self._send(page.replace("{{settings}}", settings).encode(), TYPES[".html"])
        name = self._path.removeprefix("/")
        if asset := FILES.get(name):
            return self._send(asset.read_bytes(), TYPES[asset.suffix])
        if found := re.fullmatch(r"clips/task_(\d+)/(audio\.js|\d+\.webp)", name):
            path = self.server.work.folder / name
            return self._file(path, TYPES[Path(found.group(2)).suffix])
        if found := re.fullmatch(r"tasks/(\d+)(?:/(\d+))?", name):
            return self._task(int(found.group(1)), found.group(2))
        return self._refuse(404, "no such page")

    def _task(self, number: int, output: str | None) -> None:
        task = self.server.work.find(number)
        if task is None:
            return self._refuse(404, "no such recording")
        if output is None:
            return self._send(json.dumps(task.described()).encode(), "application/json")
        if task.state != DONE or int(output) >= len(task.outputs):
            return self._refuse(404, "no such result")
        return self._file(task.outputs[int(output)], "application/octet-stream", attached=True)

    def do_POST(self) -> None:
        """Take a recording: the body, with its name and the model in the query."""
        size = int(self.headers.get("Content-Length") or 0)
        refused = self._reason_to_refuse(size)
        if refused:
            self.close_connection = True  # the body was not read
            return self._refuse(*refused)
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        name = Path(query.get("name", "").replace("\\", "/")).name or "recording.wav"
        number, folder = self.server.work.place()
        suffix = Path(name).suffix.lower()
        recording = folder / f"recording{suffix if re.fullmatch(r'[.][a-z0-9]{1,5}', suffix) else '.wav'}"
        with open(recording, "wb") as target:
            _copy(self.rfile, target, size)
        self.server.work.add(Task(number, name, query.get("model", ""), recording))
        return self._send(json.dumps({"task": number}).encode(), "application/json")

    def _reason_to_refuse(self, size: int) -> tuple[int, str] | None:
        query = parse_qs(urlsplit(self.path).query)
        if not self._is_local() or not secrets.compare_digest(self.headers.get(HEADER, ""), self.server.key):
            return 403, "not from this page; load it again"
        if self._path != "/enhance":
            return 404, "no such page"
        if query.get("model", [""])[0] not in self.server.models:
            return 400, "no such model; load the page again"
        if not 0 < size <= self.server.max_bytes:
            return 413, f"larger than {self.server.max_bytes / 1e6:.0f} MB; use codecse enhance"
        if shutil.disk_usage(self.server.work.folder).free < 4 * size:
            return 507, "the disk is full"
        return None

    def _file(self, path: Path, kind: str, attached: bool = False) -> None:
        if not path.is_file():
            return self._refuse(404, "no such file")
        self.send_response(200)
        self._headers(kind, path.stat().st_size)
        if attached:
            self.send_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(path.name)}")
        self.end_headers()
        with open(path, "rb") as source:
            shutil.copyfileobj(source, self.wfile)

    def _send(self, content: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self._headers(kind, len(content))
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, status: int, reason: str) -> None:
        self._send(reason.encode(), "text/plain; charset=utf-8", status)

    def _headers(self, kind: str, size: int) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header(
            "Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
        )


def _copy(source: BufferedIOBase, target: BinaryIO, size: int) -> None:
    while size > 0 and (block := source.read(min(size, BLOCK))):
        target.write(block)
        size -= len(block)
