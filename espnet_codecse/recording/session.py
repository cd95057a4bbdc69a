"""One run of ``codecse enhance``, ``encode`` or ``decode`` over many recordings, with its report."""

import multiprocessing
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

from espnet_codecse.codec.bitstream import SUFFIX
from espnet_codecse.job.pool import map_unordered
from espnet_codecse.job.resources import default_nj, free_memory, num_cores, peak_memory, visible_gpus
from espnet_codecse.recording.find import check_outputs, find_recordings
from espnet_codecse.recording.folder import FAILED, OutputFolder, output_folder
from espnet_codecse.recording.formats import SUFFIXES
from espnet_codecse.recording.job import Job, Options, Outcome, Report
from espnet_codecse.recording.listener import group_notices
from espnet_codecse.recording.make_jobs import make_jobs, make_units
from espnet_codecse.recording.work import run_unit, start_worker

SECONDS_A_PROCESS = 240.0  # of audio; with less, starting another process costs more time than it saves
GB_A_SECOND = 0.025  # of memory per padded second of a batch, several times what the packaged model takes


@dataclass
class Session:
    """Options of a run.

    Attributes:
        verb: verb of the report, as in "9 enhanced".
        options: how to process each recording.
        settings: identities of model and codec, on which the outputs depend besides ``options``.
        choice: value of ``--format``.
        residual: also write what was removed.
        num_speakers: outputs per recording.
        num_jobs: processes; 0: one per core, if memory allows and each has several minutes of audio to process.
        batch_seconds: padded seconds per batch.
        quiet: print nothing but failures.
    """

    verb: str
    options: Options
    settings: dict[str, Any] = field(default_factory=dict)
    choice: str | None = None
    residual: bool = False
    num_speakers: int = 1
    num_jobs: int = 0
    batch_seconds: float = 60.0
    quiet: bool = False

    def run(self, arguments: Sequence[str], output: Path) -> int:
        """Process the recordings that ``arguments`` name, and report.

        Returns:
            The exit status: 1 if a recording failed.

        Raises:
            UserError: bad arguments, detected before any work, or the model is unavailable.
        """
        started = perf_counter()
        suffixes = (SUFFIX,) if self.options.source == "codes" else SUFFIXES
        recordings = find_recordings(arguments, suffixes, output)
        jobs, failed = make_jobs(recordings, output, self.options, self.choice, self.residual, self.num_speakers)
        check_outputs(
            [(job.recording, file) for job in jobs for file in job.files], [found.path for found in recordings]
        )
        with output_folder(output, self._identity()) as folder:
            folder.remove_temporary([file for job in jobs for file in job.files])
            todo = [job for job in jobs if not folder.is_done(job)]
            report = self._work(todo, folder)
            failed += [outcome for outcome in report.outcomes if outcome.error is not None]
            folder.write_failures([(outcome.recording, outcome.error) for outcome in failed])
            self._print(report, todo, len(jobs) - len(todo), failed, perf_counter() - started, folder)
        return 1 if failed else 0

    def _identity(self) -> dict[str, Any]:
        options = self.options
        # Recorded only if given, so that outputs of earlier versions count as done.
        codebooks = {} if options.num_codebooks is None else {"num_codebooks": options.num_codebooks}
        return {
            "from": options.source,
            "to": options.target,
            "mono": options.mono,
            "mix": options.mix,
            "dtype": options.dtype,
            "segment_seconds": options.segment_seconds,
            "format": self.choice,
            "residual": self.residual,
            **codebooks,
            **self.settings,
            **{f"model_option {name}": value for name, value in options.model_options},
        }

    def _work(self, jobs: Sequence[Job], folder: OutputFolder) -> Report:
        total = Report()
        if not jobs:
            return total
        by_recording = {job.recording: job for job in jobs}
        units = make_units(jobs, self.options, self._batch_seconds(self._num_processes(jobs, len(jobs))))
        done = multiprocessing.get_context("spawn").Value("d", 0.0)
        num_jobs = self._num_processes(jobs, len(units))
        with _progress(sum(job.seconds for job in jobs), done, self.verb, self.quiet):
            threads, arguments = max(1, num_cores() // num_jobs), (self.options, done, monotonic())
            reports = map_unordered(run_unit, units, num_jobs, threads, start_worker, arguments)
            for report in reports:
                total.outcomes += report.outcomes
                folder.add_done([by_recording[item.recording] for item in report.outcomes if item.error is None])
                total.load_seconds = max(total.load_seconds, report.load_seconds)
                total.network_seconds += report.network_seconds
                total.peak_memory = max(total.peak_memory, report.peak_memory)
            total.num_processes = num_jobs
        return total

    @property
    def _on_cpu(self) -> bool:
        return self.options.device == "cpu" or (self.options.device == "auto" and not visible_gpus())

    def _batch_seconds(self, num_processes: int) -> float:
        """Return the padded seconds per batch for which the memory suffices."""
        if not self._on_cpu:
            return self.batch_seconds
        return min(self.batch_seconds, free_memory() / 2 / num_processes / GB_A_SECOND)

    def _num_processes(self, jobs: Sequence[Job], num_units: int) -> int:
        chosen = self.num_jobs
        if not chosen:
            # Processes that share a GPU slow each other down, and each takes seconds to start.
            by_length = int(sum(job.seconds for job in jobs) // SECONDS_A_PROCESS)
            chosen = max(1, min(default_nj(mem_per_job=1.5), by_length)) if self._on_cpu else 1
        return min(chosen, num_units)

    def _print(
        self,
        report: Report,
        jobs: Sequence[Job],
        skipped: int,
        failed: Sequence[Outcome],
        elapsed: float,
        folder: OutputFolder,
    ) -> None:
        succeeded = [outcome for outcome in report.outcomes if outcome.error is None]
        seconds = sum(outcome.seconds for outcome in succeeded)
        for outcome in failed[:10]:
            print(f"{outcome.recording}: {outcome.error}", file=sys.stderr)
        if self.quiet:
            return
        for job in jobs:
            if job.form is not None and job.form.is_fallback:
                print(f"{job.recording}: its format cannot be written; {job.outputs[0].name} is {job.form.subtype} wav")
        for outcome in succeeded:
            if outcome.num_limited:
                print(f"{outcome.recording}: {outcome.num_limited} samples beyond full scale were limited")
        done = {outcome.recording for outcome in succeeded}
        lost = Counter(name for job in jobs if job.recording in done for name in job.carried.not_kept)
        if lost:
            counts = (f"{name} ({count} file{'s' * (count > 1)})" for name, count in sorted(lost.items()))
            print(f"not kept from the recordings: {', '.join(counts)}")
        for line in group_notices((str(outcome.recording), outcome.notices) for outcome in succeeded):
            print(line)
        parts = [f"{len(succeeded)} {self.verb}", f"{skipped} skipped (already done)", f"{len(failed)} failed"]
        print(f"{len(succeeded) + skipped + len(failed)} files: {', '.join(parts)}", end="")
        print(f" (all in {folder.folder / FAILED})" if failed else "")
        if not succeeded:
            return
        alone = ""
        if report.network_seconds:
            alone = f" (network alone {report.network_seconds / seconds:.4f})"
        memory = max(report.peak_memory, peak_memory()) / 1e6
        elapsed -= report.load_seconds
        print(
            f"{seconds:.1f} s of audio in {elapsed:.1f} s, real-time factor {elapsed / seconds:.4f}{alone}, "
            f"after {report.load_seconds:.1f} s to load; "
            f"peak memory {memory:.0f} MB"
            + (f" in each of {report.num_processes} processes" if report.num_processes > 1 else "")
        )


@contextmanager
def _progress(seconds: float, done: Any, verb: str, quiet: bool) -> Iterator[None]:
    """On a terminal, unless ``quiet``, show a bar with the seconds done and the real-time factor."""
    from tqdm import tqdm

    with tqdm(
        total=round(seconds, 1),
        desc=verb,
        unit="s",
        disable=quiet or None,
        bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}{postfix}]",
    ) as bar:
        started, finished = perf_counter(), threading.Event()

        def follow() -> None:
            while not finished.wait(0.5):
                show()

        def show() -> None:
            value = min(done.value, seconds)
            if value > 0:
                bar.set_postfix_str(f"real-time factor {(perf_counter() - started) / value:.4f}", refresh=False)
            bar.n = value
            bar.refresh()

        thread = threading.Thread(target=follow, daemon=True)
        if not bar.disable:
            thread.start()
        try:
            yield
        finally:
            finished.set()
            if not bar.disable:
                thread.join()
                show()
