"""Worker process: loads the model and processes recordings with it."""

import sys
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any, cast

from espnet_codecse.codec import load_codec
from espnet_codecse.codec.bitstream import BitstreamReader
from espnet_codecse.codec.resolve import ESPNET_TAGS, LYRA, TRANSFORMERS_IDS, check_num_codebooks, codec_files
from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import AbsEmbeddingEnhancer, AbsEnhancer
from espnet_codecse.job.resources import keep_freed_memory, peak_memory
from espnet_codecse.recording.job import Job, Options, Outcome, Report
from espnet_codecse.recording.processors import EmbeddingProcessor, WaveformProcessor, attempt

LAYER = "continuous"  # layer to decode if a model has several: waveforms bypass the quantiser


class Worker:
    """Holds the model, which it loads with the first recording.

    Args:
        options: how to process recordings.
        done: shared double with the seconds of audio that are done, for the progress bar.
        created: ``time.monotonic()`` when the process was requested; the time until the first recording counts as
            loading. 0: the worker runs in the main process.
    """

    def __init__(self, options: Options, done: Any, created: float = 0.0):
        self.options, self._done, self._begin_loading = options, done, created
        self._counted = 0.0
        self._enhancer: AbsEnhancer | None = None

    def run(self, jobs: Sequence[Job]) -> Report:
        """Process ``jobs``; a recording that fails does not stop the others.

        Raises:
            UserError: the model or codec is unavailable.
        """
        options, self._counted = self.options, 0.0
        started, self._begin_loading = self._begin_loading or monotonic(), 0.0
        if self._enhancer is None and not (options.model is None and options.codec is None):
            self._enhancer = self._build(options.codec)
        loaded = monotonic()
        before = 0.0 if self._enhancer is None else self._enhancer.network_seconds
        outcomes = self._process(jobs)
        self._count(sum(job.seconds for job in jobs) - self._counted)  # failed recordings count as done too
        after = 0.0 if self._enhancer is None else self._enhancer.network_seconds
        return Report(outcomes, loaded - started, after - before, peak_memory())

    def _process(self, jobs: Sequence[Job]) -> list[Outcome]:
        if self.options.source == "codes":
            return [attempt(job, partial(self._from_codes, job)) for job in jobs]
        assert self._enhancer is not None  # unlike codes, waveforms name no codec, so a model or a codec was given
        if self.options.target == "codes":
            encoder = EmbeddingProcessor(cast(AbsEmbeddingEnhancer, self._enhancer), self.options, self._count)
            return [attempt(job, partial(encoder.encode, job)) for job in jobs]
        processor = WaveformProcessor(self._enhancer, self.options, self._count)
        if len(jobs) > 1:
            return processor.enhance_together(jobs)
        return [attempt(jobs[0], lambda: processor.enhance_alone(jobs[0]))]

    def _from_codes(self, job: Job) -> Outcome:
        with BitstreamReader(job.recording) as stored:
            if self.options.model is None and self.options.codec is None:
                self._enhancer = self._build(known_codec(stored))
            enhancer = cast(AbsEmbeddingEnhancer, self._enhancer)
            return EmbeddingProcessor(enhancer, self.options, self._count).process_codes(job, stored)

    def _build(self, codec: str | None) -> AbsEnhancer:
        from espnet_codecse.enh.enhancer import EmbeddingEnhancer
        from espnet_codecse.task.device import resolve_device
        from espnet_codecse.zoo.load import load_enhancer

        options = self.options
        if options.model is None:
            assert codec is not None  # given, or named by the codes
            loaded = load_codec(codec, resolve_device(options.device))
            check_num_codebooks(loaded, options.num_codebooks)
            return EmbeddingEnhancer(loaded, None, (LAYER,), options.segment_seconds)
        enhancer = load_enhancer(
            options.model,
            codec,
            options.device,
            options.dtype,
            (LAYER,),
            options.segment_seconds,
            **dict(options.model_options),
        )
        if "codes" in (options.source, options.target):
            if not isinstance(enhancer, AbsEmbeddingEnhancer):
                raise UserError(f"--model {options.model}: works on waveforms; leave out --from codes and --to codes")
            if options.source == "codes" and not enhancer.enhances_codes:
                raise UserError(
                    f"--model {options.model}: enhances while it encodes, and codes are encoded already; leave out "
                    "--from codes"
                )
            if options.target == "codes" and enhancer.predicts_codes:
                raise UserError(
                    f"--model {options.model}: its codes are decoded and cannot be written; leave out --to codes"
                )
            check_num_codebooks(enhancer.codec, options.num_codebooks)
            if enhancer.restore_level or enhancer.needs_level:
                print(
                    f"{options.model}: does not keep the level of recordings; it is restored for waveforms only",
                    file=sys.stderr,
                )
        return enhancer

    def _count(self, seconds: float) -> None:
        self._counted += seconds
        with self._done.get_lock():
            self._done.value += seconds


def known_codec(stored: BitstreamReader) -> str:
    """Return the codec that a file of codes names, if it is on this machine or known to the package.

    Raises:
        UserError: it is neither; a file must not be able to trigger arbitrary downloads.
    """
    name = stored.header.codec
    known = (LYRA, *TRANSFORMERS_IDS, *TRANSFORMERS_IDS.values(), *ESPNET_TAGS)
    if codec_files(name) or name in known:
        return name
    raise UserError(f"{stored.path}: made with the codec '{name}', which is unavailable; pass --codec with its folder")


_worker: Worker | None = None


def start_worker(options: Options, done: Any, created: float) -> None:
    """Create the worker of this process; see :class:`Worker`."""
    global _worker
    keep_freed_memory()
    _worker = Worker(options, done, created)


def run_unit(jobs: Sequence[Job]) -> Report:
    """Run ``jobs`` with the worker of this process."""
    assert _worker is not None  # start_worker runs first
    return _worker.run(jobs)
