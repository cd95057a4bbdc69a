"""The server of the demo: what it takes, gives and refuses."""

import http.client
import io
import json
import sys
import time
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
import soundfile

from espnet_codecse.bin import demo
from espnet_codecse.errors import UserError


def ask(server, method, path, body=None, **headers):
    """The status and the body; ``headers`` with _ for -."""
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=60)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, answer.headers


def send(server, content, name="noisy.wav", model="tiny", **headers):
    headers = {"X_Codecse_Key": server.key, **headers}
    return ask(server, "POST", f"/enhance?name={quote(name)}&model={model}", content, **headers)


def finished(server, number):
    for _ in range(600):
        task = json.loads(ask(server, "GET", f"/tasks/{number}")[1])
        if task["state"] in ("done", "failed"):
            return task
        time.sleep(0.05)
    raise AssertionError(task)


def sound(samples, rate=16000, form="WAV") -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=form)
    return stream.getvalue()


@pytest.mark.parametrize("form, name", [("WAV", "a b.wav"), ("FLAC", "x.FLAC"), ("OGG", "../../x.ogg")])
def test_a_recording_comes_back_with_what_the_players_need(server, voice, form, name):
    samples = np.stack([voice(22050, 0, 22050), voice(22050, 1, 22050)], axis=1)
    status, content, _ = send(server, sound(samples, 22050, form), name)
    assert status == 200
    task = finished(server, json.loads(content)["task"])
    assert task["state"] == "done" and task["share"] == pytest.approx(1, abs=0.1), task
    assert not list(server.work.folder.parent.glob("x.*"))
    (output,) = task["outputs"]
    status, content, headers = ask(server, "GET", "/tasks/0/0")
    enhanced, rate = soundfile.read(io.BytesIO(content))
    assert (status, rate, enhanced.shape) == (200, 22050, samples.shape)
    assert (
        output.endswith(f".enhanced.{name.split('.')[-1].lower()}") and "attachment" in headers["Content-Disposition"]
    )
    clip = task["clip"]
    assert [item["label"] for item in clip["sounds"]] == ["noisy", "enhanced"] and clip["seconds"] == 1.0
    assert ask(server, "GET", f"/clips/{clip['folder']}/audio.js")[1].startswith(b"receiveSound(")
    assert ask(server, "GET", f"/clips/{clip['folder']}/1.webp")[1][8:12] == b"WEBP"


def test_a_recording_that_cannot_be_read_says_why(server):
    task = finished(server, json.loads(send(server, b"no sound at all", "my notes.mp3")[1])["task"])
    assert task["state"] == "failed" and task["reason"].startswith("my notes.mp3: ") and "\n" not in task["reason"]
    assert ask(server, "GET", "/tasks/0/0")[0] == 404
    # Those after it are enhanced.
    again = json.loads(send(server, sound(np.zeros(100)), "silence.wav")[1])["task"]
    assert finished(server, again)["state"] == "done", finished(server, again)


def test_only_this_page_may_send(server):
    content = sound(np.zeros(100))
    for headers, status in (
        ({"X_Codecse_Key": "wrong"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": f"localhost:{server.server_address[1]}"}, 200),
    ):
        assert send(server, content, **headers)[0] == status
    assert ask(server, "GET", "/", Host="evil.example")[0] == 403
    assert send(server, content, model="nowhere")[:2] == (400, b"no such model; load the page again")
    assert send(server, b"")[0] == send(server, b"x", Content_Length="3000001")[0] == 413
    assert ask(server, "POST", "/other", b"x", X_Codecse_Key=server.key)[0] == 404
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "path", ["/../server.py", "/clips/task_0/../../x", "/clips/task_0/clip.json", "/tasks/9", "/x"]
)
def test_nothing_else_is_served(server, path):
    assert ask(server, "GET", path)[0] == 404


def test_the_page_and_its_files(server):
    status, content, headers = ask(server, "GET", "/")
    page = content.decode()
    assert status == 200 and server.key in page and '"models": ["tiny", "other"]' in page
    assert '"max_bytes": 3000000' in page
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    for name in ("style.css", "demo.css", "demo.js", "report.js", "state.js", "player.js", "clips.js", "theme.js"):
        assert name in page and ask(server, "GET", f"/{name}")[0] == 200


def test_the_command_refuses_what_cannot_be(server, monkeypatch):
    with pytest.raises(UserError, match=rf"--port {server.server_address[1]}: .*choose another one, or 0"):
        demo.main(["--port", str(server.server_address[1]), "--no_browser"])
    with pytest.raises(UserError, match="--model nowhere: no such folder or zip"):
        demo.main(["--model", "nowhere", "--no_browser"])
    monkeypatch.setitem(sys.modules, "matplotlib.image", None)
    with pytest.raises(UserError, match="needs matplotlib; pip install matplotlib"):
        demo.main(["--no_browser"])
