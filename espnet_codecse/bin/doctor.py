"""``codecse doctor``: every version and device, what is missing, and what to run."""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from typing import Dict, List, NamedTuple, Optional, Tuple

from espnet_codecse import __version__

INSTALL = "tools/install.sh"


class Package(NamedTuple):
    """A package: the module that is imported, its name for pip, what it is for."""

    module: str
    distribution: str
    purpose: str


REQUIRED = (
    Package("numpy", "numpy", "arrays"),
    Package("torch", "torch", "models"),
    Package("espnet2", "espnet", "training, enhancement"),
    Package("kaldiio", "kaldiio", "embeddings on disk"),
    Package("soundfile", "soundfile", "audio files"),
    Package("soxr", "soxr", "resampling"),
    Package("yaml", "PyYAML", "configurations"),
    Package("tqdm", "tqdm", "progress"),
)
OPTIONAL = (
    Package("transformers", "transformers", "DAC and EnCodec codecs of Hugging Face"),
    Package("huggingface_hub", "huggingface_hub", "codecs and models by hub id"),
    Package("espnet_model_zoo", "espnet_model_zoo", "ESPnet-Codec models by tag, packed models"),
    Package("tflite", "tflite", "codec Lyra V2"),
    Package("pesq", "pesq", "metric PESQ"),
    Package("pystoi", "pystoi", "metrics STOI, ESTOI"),
    Package("fast_bss_eval", "fast-bss-eval", "metric SDR"),
    Package("speechmos", "speechmos", "metrics DNSMOS"),
    Package("onnxruntime", "onnxruntime", "metrics DNSMOS"),
    Package("espeakng_loader", "espeakng-loader", "synthesised speech of the mini recipe"),
    Package("pyroomacoustics", "pyroomacoustics", "simulated rooms"),
    Package("matplotlib", "matplotlib", "figures"),
    Package("submitit", "submitit", "Slurm jobs"),
    Package("pytest", "pytest", "tests"),
)


def get_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    return argparse.ArgumentParser(
        prog="codecse doctor",
        description="Name every version and device, and what is missing with the command that installs it. The exit "
        "status is 1 when something required is missing.",
    )


def version_of(package: Package) -> Optional[str]:
    """Installed version; ``source tree`` for a module without metadata; None when it cannot be found."""
    try:
        if importlib.util.find_spec(package.module) is None:
            return None
    except (ImportError, ValueError):
        return None
    try:
        return importlib.metadata.version(package.distribution)
    except importlib.metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package.module)
        where = spec.submodule_search_locations[0] if spec is not None and spec.submodule_search_locations else "?"
        return f"source tree {where}"


def problems_of(versions: Dict[str, Optional[str]]) -> List[str]:
    """Lines about what is required and missing, or present in a version that does not work.

    Args:
        versions: ``{distribution: version or None}`` of the required packages.
    """
    problems = []
    if not (3, 10) <= sys.version_info[:2] <= (3, 12):
        problems.append(f"Python {platform.python_version()}: 3.10 to 3.12 is needed; name one: PYTHON=... {INSTALL}")
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        problems.append(f"required and missing: {', '.join(missing)}; run {INSTALL}")
    numpy = (versions.get("numpy") or "0.0").split(".")
    if tuple(int(part) for part in numpy[:2]) >= (2, 4):
        problems.append(
            f"numpy {'.'.join(numpy)}: ESPnet's chunk iterator fails with 2.4 and later; run pip install 'numpy<2.4'"
        )
    return problems


def torch_lines() -> Tuple[List[str], List[str]]:
    """Import torch and return ``(lines on its build and devices, problems)``."""
    try:
        import torch
    except Exception as error:  # a broken CUDA library raises OSError, a broken build ImportError
        return [], [f"torch does not import ({error}); run {INSTALL}"]
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    lines = [f"torch build: {torch.__version__}, {build}, {torch.get_num_threads()} threads"]
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        lines.append(f"GPU {index}: {device.name}, {device.total_memory / 2**30:.0f} GiB")
    if not torch.cuda.is_available():
        lines.append("GPU: none; training and enhancement use the CPU")
    return lines, []


def _library_lines() -> Tuple[List[str], List[str]]:
    try:
        import soundfile
    except Exception as error:  # the wheel without its library raises OSError
        return [], [f"soundfile does not import ({error}); run {INSTALL}"]
    formats = [name for name in ("WAV", "FLAC", "OGG", "MP3") if name in soundfile.available_formats()]
    return [f"libsndfile: {soundfile.__libsndfile_version__}, reads {', '.join(formats)}"], []


def machine_lines() -> List[str]:
    """Cores, memory and disk."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    disk = shutil.disk_usage(".")
    return [
        f"cores: {cores}",
        f"memory: {memory:.0f} GiB",
        f"disk here: {disk.free / 2**30:.0f} GiB free of {disk.total / 2**30:.0f} GiB",
    ]


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command; returns the exit status."""
    get_parser().parse_args(argv)
    print(f"espnet_codecse: {__version__} ({os.path.dirname(os.path.dirname(os.path.dirname(__file__)))})")
    print(f"Python: {platform.python_version()} ({sys.executable}), {platform.platform()}")
    required = {package.distribution: version_of(package) for package in REQUIRED}
    problems = problems_of(required)
    for package in REQUIRED:
        print(f"{package.distribution}: {required[package.distribution] or 'MISSING'}  ({package.purpose})")
    for importable, check in (("torch", torch_lines), ("soundfile", _library_lines)):
        if required[importable] is not None:
            lines, found = check()
            problems += found
            print("\n".join(lines) if lines else f"{importable}: does not import")
    missing = []
    for package in OPTIONAL:
        version = version_of(package)
        if version is None:
            missing.append(package.distribution)
        print(f"{package.distribution}: {version or 'not installed'}  (optional: {package.purpose})")
    print("\n".join(machine_lines()))
    if missing:
        print(f"optional and missing: {', '.join(missing)}; run: python3 -m pip install {' '.join(missing)}")
    for problem in problems:
        print(f"PROBLEM: {problem}")
    print("something required is missing or broken" if problems else "everything required is there")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
