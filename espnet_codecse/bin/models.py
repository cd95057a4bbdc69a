"""List the trained models at hand, and show their cards.

    codecse models                # those of the package, and those in the caches
    codecse models --hub          # also ask the hub
    codecse models show nac_se    # the card: data, figures, limits, licence

The names are what --model of codecse enhance takes. Figures are those of the pack: of the mixtures, then enhanced.
"""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from espnet_codecse.errors import UserError

FIGURES = ("PESQ", "STOI", "SI_SDR", "DNSMOS_OVRL")


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse models``."""
    parser = argparse.ArgumentParser(
        prog="codecse models", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", nargs="?", choices=["list", "show"], default="list", help="default: %(default)s")
    parser.add_argument("name", nargs="?", help="model whose card to show")
    parser.add_argument("--hub", action="store_true", help="ask the Hugging Face hub for packs by their tag")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Print the list or a card."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    if (args.action == "show") != (args.name is not None):
        raise UserError("codecse models show NAME prints a card; codecse models lists the names")
    print(_card(args.name) if args.action == "show" else "\n".join(_lines(args.hub)))
    return 0


def _lines(hub: bool) -> list[str]:
    from espnet_codecse.zoo.catalogue import cached, carried, on_hub

    lines = []
    for entry in [*carried(), *cached()]:
        lines += [f"{entry.name}  ({entry.place})", f"    {_summary(entry.manifest)}"]
        figures = _figures(entry.manifest.get("figures"))
        lines += [f"    {figures}"] if figures else []
    if hub:
        known = {line.split("  ")[0].split("@")[0] for line in lines}
        lines += [f"{name}  (on the hub)" for name in on_hub() if name not in known]
    return lines


def _summary(manifest: Mapping[str, Any]) -> str:
    """Return task, network, codec, sample rate, size and licence on one line."""
    speakers = manifest.get("num_spk") or 1
    codec = manifest.get("codec") or {}
    rate = codec.get("sample_rate", 16000)
    parts = [f"separation of {speakers} speakers" if speakers > 1 else "enhancement"]
    parts += [str(manifest.get("separator") or manifest.get("task")), f"codec {codec['name']}" if codec else "no codec"]
    size = sum(entry["bytes"] for entry in manifest["files"].values()) / 1e6
    parts += [f"{rate / 1000:g} kHz", f"{(manifest.get('num_parameters') or 0) / 1e6:.2f} M parameters, {size:.1f} MB"]
    return ", ".join([*parts, f"licence {manifest.get('license') or 'unknown'}"])


def _figures(figures: Any) -> str:
    if not isinstance(figures, Mapping):
        return ""
    noisy, enhanced = (figures.get(name) or {} for name in ("noisy", "enhanced"))
    shown = []
    for metric in FIGURES:
        if metric in enhanced:
            before = f"{noisy[metric]:.2f} -> " if metric in noisy else ""
            shown.append(f"{metric} {before}{enhanced[metric]:.2f}")
    return ", ".join(shown)


def _card(name: str) -> str:
    from espnet_codecse.zoo.find import find_model

    files = find_model(name)
    path = files.folder / "README.md"
    if not path.is_file():
        raise UserError(f"{name}: has no card; packs written by codecse pack have one")
    return path.read_text("utf-8").rstrip()


if __name__ == "__main__":
    sys.exit(main())
