"""``codecse doctor``: list versions, devices and missing packages, and the commands that install them."""

import argparse
import os
import platform
import shutil
import sys
from typing import NamedTuple

from espnet_codecse import __version__
from espnet_codecse.installation import install_command, installed_problems, is_checkout, support_table, version_of
from espnet_codecse.job.resources import num_cores


class Package(NamedTuple):
    """A package: its module, its name for pip, its purpose, and the extra that installs it."""

    module: str
    distribution: str
    purpose: str
    extra: str | None = None


REQUIRED = (
    Package("numpy", "numpy", "arrays"),
    Package("torch", "torch", "models"),
    Package("soundfile", "soundfile", "audio files"),
    Package("soxr", "soxr", "resampling"),
    Package("yaml", "PyYAML", "configurations"),
    Package("safetensors", "safetensors", "codec weights"),
    Package("tqdm", "tqdm", "progress"),
)
# The recipes need these: they train with ESPnet.
TRAINING = (
    Package("espnet2", "espnet", "training", "espnet"),
    Package("torchaudio", "torchaudio", "imported by ESPnet", "espnet"),
    Package("kaldiio", "kaldiio", "embeddings on disk", "espnet"),
    Package("fast_bss_eval", "fast-bss-eval", "ESPnet's SI-SNR and SDR, metric SDR", "espnet"),
    Package("tensorboard", "tensorboard", "training curves", "espnet"),
)
OPTIONAL = (
    Package("espnet_model_zoo", "espnet_model_zoo", "ESPnet-Codec models by tag", "espnet"),
    Package("transformers", "transformers", "DAC and EnCodec codecs of Hugging Face", "codecs"),
    Package("huggingface_hub", "huggingface_hub", "codecs and models by hub id", "codecs"),
    Package("tflite", "tflite", "codec Lyra V2", "lyra"),
    Package("pesq", "pesq", "metric PESQ", "metrics"),
    Package("pystoi", "pystoi", "metrics STOI, ESTOI", "metrics"),
    Package("speechmos", "speechmos", "metrics DNSMOS", "metrics"),
    Package("onnxruntime", "onnxruntime", "metrics DNSMOS", "metrics"),
    Package("diffusers", "diffusers", "the system fuse", "diffusion"),
    Package("onnxscript", "onnxscript", "export to ONNX", "onnx"),
    Package("espeakng_loader", "espeakng-loader", "synthesised speech of the mini recipe", "mini"),
    Package("pyroomacoustics", "pyroomacoustics", "simulated rooms", "mini"),
    Package("matplotlib", "matplotlib", "figures", "plot"),
    Package("submitit", "submitit", "Slurm jobs", "slurm"),
    Package("pytest", "pytest", "tests", "dev"),
)


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    return argparse.ArgumentParser(
        prog="codecse doctor",
        description="List every version and device, and each missing package with the command that installs it. The "
        "exit status is 1 if something required is missing.",
    )


def torch_lines() -> tuple[list[str], list[str]]:
    """Import torch and return ``(lines about its build and devices, problems)``."""
    try:
        import torch
    except Exception as error:  # a broken CUDA library raises OSError, a broken build ImportError
        return [], [f"torch cannot be imported ({error}); run {install_command()}"]
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    lines = [f"torch build: {torch.__version__}, {build}, {torch.get_num_threads()} threads"]
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        lines.append(f"GPU {index}: {device.name}, {device.total_memory / 2**30:.0f} GiB")
    if not torch.cuda.is_available():
        lines.append("GPU: none; training and enhancement use the CPU")
    return lines, []


def _library_lines() -> tuple[list[str], list[str]]:
    try:
        import soundfile
    except Exception as error:  # the wheel without its library raises OSError
        return [], [f"soundfile cannot be imported ({error}); run {install_command()}"]
    formats = [name for name in ("WAV", "FLAC", "OGG", "MP3") if name in soundfile.available_formats()]
    return [f"libsndfile: {soundfile.__libsndfile_version__}, reads {', '.join(formats)}"], []


def machine_lines() -> list[str]:
    """Return lines about cores, memory and disk."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    disk = shutil.disk_usage(".")
    return [
        f"cores: {num_cores()}",
        f"memory: {memory:.0f} GiB",
        f"disk here: {disk.free / 2**30:.0f} GiB free of {disk.total / 2**30:.0f} GiB",
    ]


def _print_packages(packages: tuple[Package, ...], note: str) -> list[Package]:
    """Print one line per package, and return the missing ones."""
    missing = []
    for package in packages:
        version = version_of(package.module, package.distribution)
        if version is None:
            missing.append(package)
        print(f"{package.distribution}: {version or 'MISSING'}  ({note}{package.purpose})")
    return missing


def _commands(missing: list[Package]) -> str:
    """Return the commands that install the missing packages, one per extra."""
    extras = dict.fromkeys(package.extra for package in missing)
    return "; ".join(dict.fromkeys(install_command(extra) for extra in extras))


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    get_parser().parse_args(argv)
    installed_as = "repository" if is_checkout() else "installed package"
    print(
        f"espnet_codecse: {__version__} ({installed_as}, {os.path.dirname(os.path.dirname(os.path.dirname(__file__)))})"
    )
    print(f"Python: {platform.python_version()} ({sys.executable}), {platform.platform()}")
    print(f"supported ESPnet: {support_table()}")
    missing = _print_packages(REQUIRED, "")
    problems = installed_problems()
    if missing:
        names = ", ".join(package.distribution for package in missing)
        problems.append(f"required and missing: {names}; run {install_command()}")
    for importable, check in (("torch", torch_lines), ("soundfile", _library_lines)):
        if importable not in {package.module for package in missing}:
            lines, found = check()
            problems += found
            print("\n".join(lines) if lines else f"{importable}: cannot be imported")
    untrained = _print_packages(TRAINING, "training and recipes: ")
    if untrained:
        names = ", ".join(package.distribution for package in untrained)
        line = f"training and recipes: missing {names}; run {_commands(untrained)}"
        # A repository exists to run the recipes; an installed package enhances without these packages.
        if is_checkout():
            problems.append(line)
        else:
            print(line)
    optional = _print_packages(OPTIONAL, "optional: ")
    print("\n".join(machine_lines()))
    if optional:
        names = ", ".join(package.distribution for package in optional)
        print(f"optional and missing: {names}; run {_commands(optional)}")
    for problem in problems:
        print(f"PROBLEM: {problem}")
    print("something required is missing or broken" if problems else "everything required is installed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
