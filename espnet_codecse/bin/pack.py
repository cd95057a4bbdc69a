"""Pack a trained model as a zip for espnet_model_zoo, SpeechEnhancer and codecse enhance.

    codecse pack exp/nac_se_small --output nac_se.zip --license apache-2.0 --datasets vctk --document RESULTS.md \\
        --expdir exp --test_sets test

The zip holds the weights without the optimiser's state, the configuration without local paths, the codec's identity,
the codec's weights if they are small, a model card, and codecse.yaml with the SHA-256 of every file.
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.scored_options import add_scored_options, read_outputs
from espnet_codecse.task.model_types import LAYERS


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse pack``."""
    parser = argparse.ArgumentParser(
        prog="codecse pack", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("experiment", help="experiment folder of enh.sh, the folder of one of its steps, or a pack to change")
    add("--output", type=Path, required=True, metavar="ZIP", help="pack to write")
    add("--checkpoint", default="valid.loss.best.pth", help="weights in the experiment (default: %(default)s)")
    add("--name", default="", help="name of the model in its card (default: from --output)")
    add("--codec", help="folder of the codec, if it has moved since training")
    add("--codec_limit", type=float, default=20.0, metavar="MB", help="include smaller codecs (default: %(default)s)")
    add("--layer", default="", choices=LAYERS, help="layer to decode (default: the model's first)")
    add(
        "--weights",
        default="float32",
        choices=["float32", "float16"],
        help="data type of weights (default: %(default)s)",
    )
    add("--license", default="", help="licence, such as apache-2.0 or cc-by-4.0")
    add("--datasets", nargs="+", default=[], help="training data")
    add_scored_options(parser)
    add(
        "--outputs",
        default="",
        help="folder below --expdir with the outputs whose scores the card reports (default: the experiment's)",
    )
    add(
        "--figures",
        type=_figures,
        action="append",
        default=[],
        metavar="'LABEL|DIR'",
        help="further scores; may be repeated",
    )
    add("--document", type=Path, action="append", default=[], help="file to add, such as RESULTS.md; may be repeated")
    add("--card", type=Path, help="README.md to use instead of the generated description")
    return parser


def _figures(text: str) -> tuple[str, Path]:
    label, folder = text.split("|")
    return label.strip(), Path(folder.strip())


def _scored_figures(args: argparse.Namespace) -> list[tuple[str, Path]]:
    """Return ``(label, scoring folder)`` of the mixtures and of the experiment, found in ``--expdir``."""
    from espnet_codecse.report.experiments import CLEAN, EXPERIMENT, NOISY

    folder = Path(args.experiment)
    name = args.outputs or (folder.parent.name if (folder / "config.yaml").is_file() else folder.name)
    figures = []
    for output in read_outputs(args):
        mine = output.kind == EXPERIMENT and output.experiment == name and args.layer in ("", output.layer)
        if output.target == CLEAN and (output.kind == NOISY or mine):
            label = "noisy" if output.kind == NOISY else "enhanced"
            if args.test_sets != output.test_set:
                label = f"{output.test_set}, {label}"
            figures.append((label, output.folder))
    return figures


def main(argv: list[str] | None = None) -> int:
    """Write and verify the pack."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from dataclasses import replace

    from espnet_codecse.errors import UserError
    from espnet_codecse.zoo.find import find_model
    from espnet_codecse.zoo.pack import PackOptions, pack_model

    files = find_model(args.experiment)
    # An experiment can hold several checkpoints; a pack holds one.
    if not (files.folder / "meta.yaml").is_file():
        checkpoint = files.train_config.parent / args.checkpoint
        if not checkpoint.is_file():
            raise UserError(f"{checkpoint}: no such checkpoint; train first, or name another with --checkpoint")
        files = replace(files, model_file=checkpoint)
    options = PackOptions(
        name=args.name, codec=args.codec, codec_limit_mb=args.codec_limit, layer=args.layer, weights=args.weights,
        license=args.license, datasets=args.datasets, figures=[*_scored_figures(args), *args.figures],
        documents=args.document, card=args.card,
    )  # fmt: skip
    for line in pack_model(files, args.output, options):
        print(line)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB; codecse enhance --model {args.output} uses it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
