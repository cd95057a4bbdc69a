"""A headless Chromium for tests, driven over its DevTools pipe: no package is needed, only the browser."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIME_LIMIT = 60  # seconds, for anything that is waited for


def find_chromium() -> str | None:
    """Path of the browser, ``CODECSE_CHROMIUM`` first; None where there is none."""
    named = os.environ.get("CODECSE_CHROMIUM")
    return named or next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """One page in a browser of its own.

    Attributes:
        problems: what the console reported as errors or warnings, and uncaught exceptions.
        downloads: folder that downloads go to.
    """

    def __init__(self, program: str, width: int = 1280, height: int = 900, options: Sequence[str] = ()):
        self._home = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self.downloads = Path(self._home.name) / "downloads"
        self.problems: list[str] = []
        command_end, self._commands = os.pipe()
        self._answers, answer_end = os.pipe()
        command = [
            program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--remote-debugging-pipe",
            f"--user-data-dir={self._home.name}/profile",
            *options,
            "about:blank",
        ]
        # The browser reads its commands from descriptor 3 and answers on 4.
        script = f'exec 3<&{command_end} 4>&{answer_end}; exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "chromium", *command],
            pass_fds=(command_end, answer_end),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_end)
        os.close(answer_end)
        self._received = b""
        self._count = 0
        self._session = ""
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(info["targetId"] for info in targets if info["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self.resize(width, height)

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
        self._home.cleanup()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result."""
        self._count += 1
        number = self._count
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        limit = time.monotonic() + TIME_LIMIT
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, limit - time.monotonic()))
            assert ready, "the browser does not answer"
            received = os.read(self._answers, 1 << 20)
            assert received, "the browser ended"
            self._received += received
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        method, told = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.problems.append(" ".join(str(value.get("value")) for value in told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")

    def open(self, place: Path | str) -> None:
        """Open a file or an address and wait until it is loaded."""
        url = place if isinstance(place, str) else place.resolve().as_uri()
        self.call("Page.navigate", url=url)
        self.wait(f"document.readyState === 'complete' && location.protocol === {json.dumps(url.split('/')[0])}")

    def evaluate(self, expression: str) -> Any:
        """Value of an expression in the page; promises are waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true, and return it."""
        limit = time.monotonic() + TIME_LIMIT
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < limit, f"never true: {expression}"
            time.sleep(0.05)
        return value

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element, as a user does."""
        place = f"document.querySelector({json.dumps(selector)})"
        assert self.evaluate(f"Boolean({place})"), f"no such element: {selector}"
        self.evaluate(f"{place}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = self.evaluate(f"{place}.getBoundingClientRect().toJSON()")
        spot = {"x": box["left"] + box["width"] / 2, "y": box["top"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **spot)

    def press(self, key: str) -> None:
        """Press a key on whatever has the focus."""
        code = {" ": "Space", "Enter": "Enter"}.get(key, f"Digit{key}" if key.isdigit() else f"Key{key.upper()}")
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        key_code = {"Enter": 13, "ArrowLeft": 37, "ArrowRight": 39}.get(key, ord(key[0].upper()))
        details = {"key": key, "code": key if len(key) > 1 else code, "windowsVirtualKeyCode": key_code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **details)
        self.call("Input.dispatchKeyEvent", type="keyUp", **details)

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """Set the size of the page in CSS pixels; ``mobile`` as a phone does."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if mobile else 1,
            mobile=mobile,
        )

    def prefer(self, scheme: str) -> None:
        """Let the system prefer ``dark`` or ``light``."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path) -> None:
        """Write what is seen as png."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
