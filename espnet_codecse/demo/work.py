"""The recordings that the page sent, enhanced one after the other."""

import itertools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet_codecse.audio import audio_info
from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import AbsEnhancer
from espnet_codecse.recording.one import enhance_recording
from espnet_codecse.recording.reader import reason_of
from espnet_codecse.report.page.clip import make_clip, read_clip
from espnet_codecse.report.page.versions import Version

Load = Callable[[str], AbsEnhancer]
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
LISTEN_SECONDS = 60.0  # of the beginning, for the players; the download is whole


@dataclass
class Task:
    """A recording to enhance.

    Attributes:
        number: its number, from 0.
        name: name of the file that the user chose, without a folder.
        model: name of the model.
        recording: the file as it was sent.
        state: one of :data:`WAITING`, :data:`RUNNING`, :data:`DONE`, :data:`FAILED`.
        share: how much of it is done, 0 to 1.
        reason: why it failed.
        outputs: the enhanced files.
        clip: what the page needs to play it.
    """

    number: int
    name: str
    model: str
    recording: Path
    state: str = WAITING
    share: float = 0.0
    reason: str = ""
    outputs: list[Path] = field(default_factory=list)
    clip: dict[str, Any] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """Return what the page is told."""
        names = [path.name for path in self.outputs]
        return {"state": self.state, "share": self.share, "reason": self.reason, "outputs": names, "clip": self.clip}


class Work:
    """Takes recordings, and enhances them in a thread of its own.

    Args:
        folder: folder for recordings, results and clips.
        load: returns the model of a name.
    """

    def __init__(self, folder: Path, load: Load):
        self.folder, self._load = folder, load
        self._tasks: dict[int, Task] = {}
        self._numbers = itertools.count()
        self._waiting: queue.Queue[Task] = queue.Queue()
        threading.Thread(target=self._run, daemon=True).start()

    def place(self) -> tuple[int, Path]:
        """Return the number and the new folder of the next recording."""
        number = next(self._numbers)
        folder = self.folder / f"task_{number}"
        folder.mkdir()
        return number, folder

    def add(self, task: Task) -> None:
        """Enhance a recording once those before it are done."""
        self._tasks[task.number] = task
        self._waiting.put(task)

    def find(self, number: int) -> Task | None:
        """Return the task of a number."""
        return self._tasks.get(number)

    def _run(self) -> None:
        while True:
            task = self._waiting.get()
            try:
                task.state = RUNNING
                self._enhance(task)
                task.state = DONE
            except Exception as error:  # broken recordings raise exceptions of many types
                task.reason = f"{task.name}: {reason_of(error, task.recording)}"
                task.state = FAILED

    def _enhance(self, task: Task) -> None:
        enhancer = self._load(task.model)
        num_samples, rate, _ = audio_info(task.recording)
        seconds = num_samples / rate

        def count(done: float) -> None:
            task.share = min(1.0, task.share + done / max(seconds, 1e-9))

        target = task.recording.with_name(f"{Path(task.name).stem}.enhanced{task.recording.suffix}")
        try:
            task.outputs = enhance_recording(enhancer, task.recording, target, count=count)
        except UserError:
            if target.suffix == ".wav":
                raise
            # libsndfile reads more formats than it writes.
            task.outputs = enhance_recording(enhancer, task.recording, target.with_suffix(".wav"), count=count)
        versions = [Version("noisy", None, (str(task.recording),))]
        versions += [
            Version("enhanced" if len(task.outputs) == 1 else f"speaker {number}", None, (str(path),))
            for number, path in enumerate(task.outputs, 1)
        ]
        name = f"task_{task.number}"
        make_clip(self.folder / "clips" / name, versions, LISTEN_SECONDS)
        clip = read_clip(self.folder / "clips" / name)
        for sound in clip["sounds"]:
            sound.update(label=versions[sound["version"]].label, system=None)
        cut = " (the first minute)" if clip["seconds"] < 0.99 * num_samples / rate else ""
        task.clip = {**clip, "folder": name, "set": "demo", "utterance": f"{task.name}{cut}", "speakers": 1}
        task.clip.update(where=task.model, facts=[f"{rate / 1000:g} kHz"])
