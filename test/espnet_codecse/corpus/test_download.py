"""Downloads from a server on this machine: resumed, checked, refused."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from espnet_codecse.corpus.download import download
from espnet_codecse.errors import UserError

CONTENT = bytes(range(256)) * 4096


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT; ``/cut`` ends early, ``/plain`` knows no ranges."""

    requests: ClassVar[list] = []

    def do_GET(self):
        start = 0
        asked = self.headers.get("Range")
        Handler.requests.append((self.path, asked))
        if self.path == "/missing":
            self.send_error(404, "Not Found")
            return
        if asked and self.path != "/plain":
            start = int(asked[len("bytes=") : -1])
            if start >= len(CONTENT):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        rest = CONTENT[start:]
        self.wfile.write(rest[: len(rest) // 2] if self.path == "/cut" else rest)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    Handler.requests.clear()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()


def test_whole_and_not_again(server, tmp_path):
    path = tmp_path / "a" / "x.zip"
    download(f"{server}/x", path, hashlib.sha256(CONTENT).hexdigest())
    assert path.read_bytes() == CONTENT and not path.with_name("x.zip.part").exists()
    download(f"{server}/x", path)
    assert len(Handler.requests) == 1


def test_goes_on_where_it_stopped(server, tmp_path):
    path = tmp_path / "x.zip"
    with pytest.raises(UserError, match="stopped at .* bytes; run the command again to resume"):
        download(f"{server}/cut", path)
    have = path.with_name("x.zip.part").stat().st_size
    assert 0 < have < len(CONTENT) and not path.exists()
    download(f"{server}/x", path)
    assert path.read_bytes() == CONTENT
    assert Handler.requests[-1] == ("/x", f"bytes={have}-")


def test_server_without_ranges_and_complete_part(server, tmp_path):
    for name in ("plain", "x"):
        path = tmp_path / f"{name}.zip"
        path.with_name(f"{name}.zip.part").write_bytes(CONTENT if name == "x" else CONTENT[:1000])
        download(f"{server}/{name}", path)
        assert path.read_bytes() == CONTENT


def test_refusals_are_one_line(server, tmp_path):
    with pytest.raises(UserError, match="the server answers 404 Not Found; download it by hand"):
        download(f"{server}/missing", tmp_path / "x.zip")
    with pytest.raises(UserError, match="its SHA-256 is not the expected one; removed"):
        download(f"{server}/x", tmp_path / "x.zip", "0" * 64)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="cannot be reached"):
        download("http://127.0.0.1:9/x", tmp_path / "x.zip")
