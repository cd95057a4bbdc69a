"""A hub on this machine: the calls that huggingface_hub makes to create, fill, list and download a repository."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN, USER = "hf_right", "me"


class Hub:
    """Repositories in memory; only ``TOKEN`` may write, and only below ``USER``.

    Attributes:
        repos: ``{id: {path: content}}``.
        calls: ``(method, path)`` in the order they came.
        listed: what the list of models says of each: ``id`` and ``tags``.
        url: for ``HF_ENDPOINT``.
    """

    def __init__(self):
        self.repos: dict[str, dict[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []
        self.listed: list[dict] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def revision(self, repo: str) -> str:
        """The commit of a repository: a hash of its files."""
        return hashlib.sha1(repr(sorted(self.repos[repo].items())).encode()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args) -> None:
        pass

    def _answer(self, status: int, document=None, content: bytes = b"", headers=()) -> None:
        body = json.dumps(document).encode() if document is not None else content
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _start(self) -> tuple[str, bytes]:
        path = unquote(urlsplit(self.path).path)
        self.hub.calls.append((self.command, path))
        return path, self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _may_write(self, user: str) -> bool:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            message = "Invalid credentials in Authorization header"
            self._answer(401, {"error": message}, headers=[("X-Error-Message", message)])
            return False
        if user != USER:
            self._answer(403, {"error": f'You don\'t have the rights to create a model under the namespace "{user}"'})
            return False
        return True

    def do_POST(self) -> None:
        path, body = self._start()
        if path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            wrong = "license: wrong" in json.loads(body)["content"]
            errors = [{"message": '"license" must be one of a list'}] if wrong else []
            self._answer(400 if wrong else 200, {"errors": errors, "warnings": []})
        elif "/preupload/" in path:
            self._preupload(json.loads(body))
        elif path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            for entry in objects:
                entry["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{entry['oid']}"}}
            self._answer(200, {"transfer": "basic", "objects": objects})
        elif "/commit/" in path:
            repo = path.removeprefix("/api/models/").split("/commit/")[0]
            if self._may_write(repo.split("/")[0]):
                self._commit(repo, [json.loads(line) for line in body.splitlines()])
        else:
            self._answer(404, {"error": path})

    def do_PUT(self) -> None:
        path, body = self._start()
        self.hub.blobs[path.removeprefix("/lfs/")] = body
        self._answer(200, {})

    def _create(self, request) -> None:
        repo = f"{request['organization']}/{request['name']}"
        if not self._may_write(request["organization"]):
            return
        if repo in self.hub.repos:
            self._answer(409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{repo}"})
            return
        self.hub.repos[repo] = {".gitattributes": b""}
        self._answer(200, {"url": f"{self.hub.url}/{repo}"})

    def _preupload(self, request) -> None:
        modes = [
            {
                "path": entry["path"],
                "uploadMode": "lfs" if entry["path"].endswith((".pth", ".safetensors")) else "regular",
                "shouldIgnore": False,
            }
            for entry in request["files"]
        ]
        self._answer(200, {"files": modes})

    def _commit(self, repo: str, lines) -> None:
        files = self.hub.repos[repo]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commit = self.hub.revision(repo)
        self._answer(200, {"commitUrl": f"{self.hub.url}/{repo}/commit/{commit}", "commitOid": commit})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, _ = self._start()
        if path == "/api/models":
            wanted = set(parse_qs(urlsplit(self.path).query).get("filter", []))
            self._answer(200, [entry for entry in self.hub.listed if wanted <= set(entry["tags"])])
            return
        for repo, files in self.hub.repos.items():
            if path.startswith(f"/api/models/{repo}/tree/"):
                self._answer(200, [
                    {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for name, content in files.items()
                ])  # fmt: skip
                return
            if path.startswith(f"/api/models/{repo}"):
                siblings = [{"rfilename": name} for name in files]
                self._answer(200, {"id": repo, "sha": self.hub.revision(repo), "siblings": siblings})
                return
            name = path.removeprefix(f"/{repo}/resolve/").partition("/")[2]
            if path.startswith(f"/{repo}/resolve/") and name in files:
                content = files[name]
                headers = [("X-Repo-Commit", self.hub.revision(repo)), ("ETag", hashlib.sha256(content).hexdigest())]
                self._answer(200, content=content, headers=headers)
                return
        self._answer(404, {"error": "Repository not found"}, headers=[("X-Error-Code", "RepoNotFound")])
