"""Make jobs from recordings: read headers, choose output names and formats, before any processing."""

from collections.abc import Sequence
from pathlib import Path

from espnet_codecse.audio import check_readable, open_audio
from espnet_codecse.codec.bitstream import SUFFIX, BitstreamReader
from espnet_codecse.errors import UserError
from espnet_codecse.identity import file_state
from espnet_codecse.inference.batching import LEAST_SECONDS, group_by_length
from espnet_codecse.recording.carried import Carried, carried_by
from espnet_codecse.recording.find import Recording
from espnet_codecse.recording.formats import choose_format, suffix_of
from espnet_codecse.recording.job import Job, Options, Outcome
from espnet_codecse.recording.reader import reason_of


def make_jobs(
    recordings: Sequence[Recording],
    output: Path,
    options: Options,
    choice: str | None = None,
    residual: bool = False,
    num_speakers: int = 1,
) -> tuple[list[Job], list[Outcome]]:
    """Return the jobs, and the failures of recordings with bad headers and of folders that cannot be searched.

    Args:
        recordings: files to read.
        output: output folder.
        options: how to process them.
        choice: value of ``--format``.
        residual: also write what was removed.
        num_speakers: outputs per recording; with several, their names end in ``.spk1``, ``.spk2``, ...
    """
    jobs, failed = [], []
    for recording in recordings:
        if recording.error:
            failed.append(Outcome(recording.path, 0.0, recording.error))
            continue
        try:
            jobs.append(make_job(recording, output, options, choice, residual, num_speakers))
        except Exception as error:  # header parsers raise exceptions of many types
            failed.append(Outcome(recording.path, 0.0, reason_of(error, recording.path)))
    return jobs, failed


def make_job(
    recording: Recording, output: Path, options: Options, choice: str | None, residual: bool, num_speakers: int
) -> Job:
    """Return the job of one recording.

    Raises:
        UserError: the header is not readable, the recording is empty, or it cannot be written as ``choice``.
    """
    path = recording.path
    check_readable(path)
    state = file_state(path)
    carried = Carried()
    if options.source == "codes":
        with BitstreamReader(path) as stored:
            header = stored.header
        num_samples, rate, num_channels = header.source_num_samples, header.source_rate, header.num_channels
        name, subtype = header.source_format, header.source_subtype
        suffix = suffix_of(name, subtype)
    else:
        with open_audio(path) as file:
            num_samples, rate = file.num_samples, file.rate
            num_channels = 1 if options.mono else file.num_channels
            name, subtype, suffix = file.format, file.subtype, path.suffix
            carried = carried_by(file, options.mono)
    if num_samples <= 0:
        raise UserError(f"{path}: holds no samples")
    form = None
    if options.target == "codes":
        suffix, carried = SUFFIX, Carried()
    else:
        form = choose_format(name, subtype, suffix, rate, num_channels, num_samples, choice)
        suffix = form.suffix
        carried = carried.into(form, rate, num_channels)
    place = output / recording.relative
    speakers = [""] if num_speakers == 1 else [f".spk{index + 1}" for index in range(num_speakers)]
    return Job(
        recording=path,
        outputs=tuple(place.with_name(f"{place.stem}{speaker}{suffix}") for speaker in speakers),
        residual=place.with_name(f"{place.stem}.residual{suffix}") if residual else None,
        form=form,
        seconds=num_samples / rate,
        num_channels=num_channels,
        carried=carried,
        state=state,
    )


def make_units(jobs: Sequence[Job], options: Options, batch_seconds: float) -> list[list[Job]]:
    """Group short recordings of similar length; the longest come first, so that memory peaks early.

    Args:
        jobs: the jobs.
        options: how to process them; recordings from or to codes are processed one by one.
        batch_seconds: padded seconds of all channels in a group; each counts as ``LEAST_SECONDS`` at least.
    """
    if options.source == options.target == "wave":
        # Each channel is one item of the batch.
        weight = {job: max(job.seconds, LEAST_SECONDS) * job.num_channels for job in jobs}
        order = sorted(jobs, key=lambda job: (-weight[job], str(job.recording)))
        short = [job for job in order if job.seconds <= options.segment_seconds]
        long = [[job] for job in order if job.seconds > options.segment_seconds]
        return long + group_by_length(short, weight, batch_seconds, float("inf"))
    return [[job] for job in sorted(jobs, key=lambda job: (-job.seconds, str(job.recording)))]
