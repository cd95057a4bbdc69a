"""Which Python goes with which ESPnet, what is installed, and the command that mends what is not.

Everything here reads metadata only: neither torch nor ESPnet is imported.
"""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from espnet_codecse.errors import UserError

Version = tuple[int, ...]


@dataclass(frozen=True)
class Support:
    """One row of the support table: an ESPnet release and what it runs on.

    Attributes:
        espnet: release.
        python: first supported version of Python and the first one that is not.
        torch: the same of torch.
        excluded_torch: versions in between that this ESPnet refuses.
        numpy: first version that fails; None where none is known.
    """

    espnet: str
    python: tuple[Version, Version]
    torch: tuple[Version, Version]
    excluded_torch: tuple[str, ...] = ()
    numpy: Version | None = None

    def takes_torch(self, version: str) -> bool:
        """Whether this ESPnet works with a version of torch, such as ``2.13.0+cpu``."""
        plain = version.partition("+")[0]
        return self.torch[0] <= parse_version(plain) < self.torch[1] and plain not in self.excluded_torch


SUPPORTED = (
    # 202511 says no upper limit; what was tried is what the other one takes. Its chunk iterator turns an array of one
    # element into an int, which NumPy 2.4 refuses.
    Support("202511", ((3, 10), (3, 12)), ((2, 4), (2, 15)), numpy=(2, 4)),
    Support("202611", ((3, 12), (3, 14)), ((2, 11), (2, 15)), excluded_torch=("2.12.0", "2.12.1")),
)

# Distribution that brings a module: the extra of this package that it belongs to.
EXTRAS = {
    "espnet2": ("espnet", "espnet"),
    "espnet_model_zoo": ("espnet_model_zoo", "espnet"),
    "torchaudio": ("torchaudio", "espnet"),
    "kaldiio": ("kaldiio", "espnet"),
    "tensorboard": ("tensorboard", "espnet"),
    "fast_bss_eval": ("fast-bss-eval", "metrics"),
    "pesq": ("pesq", "metrics"),
    "pystoi": ("pystoi", "metrics"),
    "speechmos": ("speechmos", "metrics"),
    "scipy": ("scipy", "metrics"),
    "librosa": ("librosa", "metrics"),
    "torchmetrics": ("torchmetrics", "metrics"),
    "editdistance": ("editdistance", "metrics"),
    "transformers": ("transformers", "codecs"),
    "huggingface_hub": ("huggingface_hub", "codecs"),
    "tflite": ("tflite", "lyra"),
    "diffusers": ("diffusers", "diffusion"),
    "onnx": ("onnx", "onnx"),
    "onnxscript": ("onnxscript", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "espeakng_loader": ("espeakng-loader", "mini"),
    "pyroomacoustics": ("pyroomacoustics", "mini"),
    "matplotlib": ("matplotlib", "plot"),
    "submitit": ("submitit", "slurm"),
    "speechbrain": ("speechbrain", "benchmark"),
    "pytest": ("pytest", "dev"),
}
# The same of the required packages.
REQUIRED = {
    "numpy": "numpy",
    "safetensors": "safetensors",
    "soundfile": "soundfile",
    "soxr": "soxr",
    "torch": "torch",
    "tqdm": "tqdm",
    "yaml": "pyyaml",
}


def parse_version(text: str) -> Version:
    """Return the leading numbers of a version, ``(2, 13, 0)`` for ``2.13.0+cpu``."""
    numbers: list[int] = []
    for part in text.partition("+")[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def supported_pythons() -> str:
    """Return the range for messages, ``3.10 to 3.13``."""
    first, beyond = SUPPORTED[0].python[0], SUPPORTED[-1].python[1]
    return f"{first[0]}.{first[1]} to {beyond[0]}.{beyond[1] - 1}"


def support_table() -> str:
    """Return the table in one line, ``202511 (Python 3.10, 3.11), ...``."""
    rows = []
    for row in SUPPORTED:
        (major, first), (_, beyond) = row.python
        rows.append(f"{row.espnet} (Python {', '.join(f'{major}.{minor}' for minor in range(first, beyond))})")
    return ", ".join(rows)


def support_for(python: Version) -> Support | None:
    """Return the row of a Python ``(major, minor)``; None where no ESPnet is supported on it."""
    return next((row for row in SUPPORTED if row.python[0] <= python[:2] < row.python[1]), None)


def version_of(module: str, distribution: str) -> str | None:
    """Return the installed version, ``source tree FOLDER`` for a module without metadata, None for none."""
    import importlib.metadata  # here: every command imports this module, few ask for versions
    import importlib.util

    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return f"source tree {spec.submodule_search_locations[0] if spec.submodule_search_locations else '?'}"


def is_checkout() -> bool:
    """Whether this is the repository with its recipes, not an installed wheel."""
    return (Path(__file__).resolve().parents[1] / "tools" / "install.sh").is_file()


def install_command(extra: str | None = None, python: Version | None = None) -> str:
    """Return the command that installs an extra, or everything required, in the way this package was installed.

    Args:
        extra: extra of this package; None for its required packages.
        python: ``(major, minor)``; default: this one.
    """
    if is_checkout():
        return "tools/install.sh"
    name = f"'espnet_codecse[{extra}]'" if extra else "espnet_codecse"
    command = f"python3 -m pip install {name}"
    row = support_for(python or sys.version_info[:2])
    if extra == "espnet" and row is SUPPORTED[0]:
        # Its pins contradict torch's, so that pip would replace torch; see pyproject.toml.
        command += f" uv && python3 -m uv pip install --no-deps espnet=={row.espnet} ci_sdr espnet_model_zoo"
    return command


def environment_problems(python: Version, espnet: str | None, torch: str | None, numpy: str | None) -> list[str]:
    """Return a line for each thing that is outside the support table, with the command that mends it.

    Args:
        python: ``(major, minor)``.
        espnet, torch, numpy: installed versions as :func:`version_of` gives them; None for what is missing.
    """
    row = support_for(python)
    if row is None:
        shown = ".".join(map(str, python))
        mend = "PYTHON=python3.12 tools/install.sh" if is_checkout() else "install this package with one of them"
        return [f"Python {shown}: not supported; supported: {supported_pythons()}; run {mend}"]
    if espnet is None:
        return []  # what needs it says so
    problems = []
    if espnet[0].isdigit() and espnet != row.espnet:  # a source tree is its user's choice
        problems.append(
            f"espnet {espnet}: not supported on Python {python[0]}.{python[1]}; supported: {support_table()}; "
            f"run {install_command('espnet')}"
        )
    if torch is not None and not row.takes_torch(torch):
        low, high = (".".join(map(str, bound)) for bound in row.torch)
        excluded = f" without {', '.join(row.excluded_torch)}" if row.excluded_torch else ""
        problems.append(
            f"torch {torch}: espnet {row.espnet} takes {low} or later, below {high}{excluded}; "
            "run python3 -m pip install torch==2.13.0"
        )
    if numpy is not None and row.numpy is not None and parse_version(numpy) >= row.numpy:
        limit = ".".join(map(str, row.numpy))
        problems.append(
            f"numpy {numpy}: the chunk iterator of espnet {row.espnet} fails with {limit} and later; "
            f"run python3 -m pip install 'numpy<{limit}'"
        )
    return problems


def installed_problems() -> list[str]:
    """Return :func:`environment_problems` of this environment."""
    packages = (("espnet2", "espnet"), ("torch", "torch"), ("numpy", "numpy"))
    return environment_problems(sys.version_info[:2], *(version_of(*package) for package in packages))


@contextlib.contextmanager
def naming_missing_packages(purpose: str = "") -> Iterator[None]:
    """Turn the failed import of a package that is not installed into one line with the command that mends it.

    Args:
        purpose: what needs it; the message begins with it.

    Raises:
        UserError: in place of the ImportError.
    """
    try:
        yield
    except ImportError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS and module not in REQUIRED:
            raise
        reason = _why_import_failed(module)
        if reason is None:
            raise
        raise UserError(f"{purpose}: {reason}" if purpose else reason) from None


def _why_import_failed(module: str) -> str | None:
    """Return what is wrong with a package; None where it is there and its version is a supported one."""
    if module in REQUIRED:
        if version_of(module, REQUIRED[module]) is not None:
            return None
        mend = "activate the environment: . tools/activate.sh" if is_checkout() else f"run {install_command()}"
        return f"needs {REQUIRED[module]}, which this Python ({sys.executable}) does not have; {mend}"
    distribution, extra = EXTRAS[module]
    if version_of(module, distribution) is None:
        return f"needs {distribution}, which is not installed; run {install_command(extra)}"
    problems = installed_problems() if extra == "espnet" else []
    return problems[0] if problems else None
