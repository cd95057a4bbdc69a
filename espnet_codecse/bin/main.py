"""The ``codecse`` command line: ``codecse COMMAND ...``; ``codecse --help`` lists the commands.

Each command is one module of this folder with ``get_parser()`` and ``main(argv)``. It is imported only when it is
called, so that ``codecse --help`` starts immediately.
"""

import importlib
import io
import os
import signal
import sys

from espnet_codecse import __version__
from espnet_codecse.errors import UserError, did_you_mean
from espnet_codecse.installation import naming_missing_packages
from espnet_codecse.job.lifeline import follow_recipe
from espnet_codecse.job.resources import limit_threads, too_many_open_files

COMMANDS = {
    "enhance": ("enhance", "enhance recordings: files, folders, globs or a pipe"),
    "stream": ("stream", "enhance a stream frame by frame, as on a device"),
    "demo": ("demo", "open a page that enhances recordings, on this machine"),
    "models": ("models", "list trained models, or show the card of one"),
    "encode": ("encode", "encode recordings to files of codes"),
    "decode": ("decode", "decode files of codes to recordings"),
    "completion": ("completion", "print a script for the shell's completion"),
    "doctor": ("doctor", "list versions, devices and missing packages"),
    "check": ("check", "check the settings of a run before its first stage"),
    "prepare_mini": ("prepare_mini", "make a corpus from any recordings, or synthesise one"),
    "prepare_dns": ("prepare_dns", "write data directories of the DNS-Challenge"),
    "prepare_urgent": ("prepare_urgent", "write data directories of the URGENT 2024 challenge"),
    "prepare_vctk_demand": ("prepare_vctk_demand", "write data directories of VoiceBank-DEMAND"),
    "prepare_wsj0_2mix": ("prepare_wsj0_2mix", "write data directories of WSJ0-2mix"),
    "prepare_wsj0_chime3": ("prepare_wsj0_chime3", "write data directories of WSJ0-CHiME3"),
    "data_dir": ("data_dir", "validate or fix a data directory"),
    "format": ("format_data", "check a data directory and convert it to one sample rate"),
    "extract": ("extract", "write codec embeddings of a data directory to arks"),
    "extract_latents": ("extract_latents", "write VAE latents or guidance features of a data directory to arks"),
    "embedding_stats": ("embedding_stats", "write mean and deviation of embeddings, and ESPnet's shape files"),
    "config": ("config", "write the training configuration of a system's step"),
    "train": ("train", "train one step of a system with ESPnet's trainer"),
    "infer": ("infer", "enhance a data directory, or pass it through the codec alone"),
    "score": ("score", "score speech against references: SI-SDR, PESQ, STOI, DNSMOS, ..."),
    "score_outputs": ("score_outputs", "score all outputs of an experiment, the mixtures and the codec alone"),
    "results": ("results", "write RESULTS.md from all scores"),
    "report": ("report", "write the report page: tables, audio, spectrograms"),
    "sweep": ("sweep", "draw scores against the number of DDIM steps"),
    "spectrogram": ("spectrogram", "draw noisy / enhanced / clean spectrograms"),
    "init_codec": ("init_codec", "initialise the small codec from speech"),
    "train_high_band": ("train_high_band", "train the network for the band above 8 kHz"),
    "train_codec": ("train_codec", "train a codec with ESPnet's codec task"),
    "benchmark": ("benchmark", "measure time, memory and multiplications of codecs and models"),
    "plan": ("plan", "estimate time, disk and memory of a recipe's stages"),
    "pack": ("pack", "pack a trained model as a zip in the model zoo's layout"),
    "verify": ("verify", "check the hashes, weights and codec of packs, and run them"),
    "export_onnx": ("export_onnx", "export a causal model as an ONNX graph"),
    "publish": ("publish", "upload a pack to the Hugging Face hub"),
    "pack_codec": ("pack_codec", "write a trained small codec to a folder for --codec"),
}

TOO_MANY_OPEN_FILES = (
    "too many open files; raise the limit with 'ulimit -n 4096', or use fewer processes (--nj, --jobs, --num_workers)"
)


def _usage() -> str:
    lines = ["usage: codecse COMMAND [options]", "", "commands:"]
    lines += [f"  {name:<21}{text}" for name, (_, text) in COMMANDS.items()]
    lines += ["", "codecse COMMAND --help describes one command; codecse --version prints the version."]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status; bad input gives one line on stderr and status 1."""
    argv = sys.argv[1:] if argv is None else argv
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text
    try:
        status = _run(argv)
        sys.stdout.flush()
        return status
    except UserError as error:
        print(f"codecse {argv[0]}: {error}", file=sys.stderr)
        return 1
    except (OSError, RuntimeError) as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the rest is written at exit
            return 128 + signal.SIGPIPE
        if not too_many_open_files(error):
            raise
        print(f"codecse {argv[0]}: {TOO_MANY_OPEN_FILES}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"codecse {argv[0]}: interrupted; run the same command again to resume", file=sys.stderr)
        return 130


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage())
        return 0 if argv else 2
    if argv[0] == "--version":
        print(__version__)
        return 0
    if argv[0] not in COMMANDS:
        near = did_you_mean(argv[0], COMMANDS)
        print(f"codecse: unknown command '{argv[0]}'{near}; known: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    # By default, OpenMP's threads spin for milliseconds while they wait for each other, and block processes that need
    # the cores. Not to spin at all would cost a tenth of the time on an idle machine; a few microseconds do not. The
    # variable is read when torch is loaded.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    limit_threads()
    follow_recipe()
    with naming_missing_packages():
        module = importlib.import_module(f"espnet_codecse.bin.{COMMANDS[argv[0]][0]}")
        return module.main(argv[1:]) or 0


if __name__ == "__main__":
    sys.exit(main())
