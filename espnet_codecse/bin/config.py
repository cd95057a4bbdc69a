"""Write the training configuration of a system's step, or list its steps or layers.

codecse config --system nac_se --list_steps
codecse config --system nac_se --step 1_enhance --codec small --loss post --output exp/train.yaml
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import positive

TEMPLATE = Path(__file__).resolve().parents[1] / "recipe_conf"  # a link to the papers' settings in egs2/TEMPLATE


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse config``."""
    parser = argparse.ArgumentParser(
        prog="codecse config", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--system", required=True, help="system, a folder of the template's conf")
    add("--template_conf", type=Path, default=TEMPLATE, help="the papers' configurations")
    add("--recipe_conf", type=Path, default=Path("conf"), help="the recipe's differences (default: %(default)s)")
    add("--list_steps", action="store_true", help="print the steps in order and stop")
    add("--list_layers", action="store_true", help="print the layers that the system's models decode, and stop")
    add(
        "--list_level_options",
        action="store_true",
        help="print the options of codecse extract that give embeddings the level of the step's training, and stop",
    )
    add("--step", help="step to write the configuration of")
    add("--codec", default="small", help="name or folder (default: %(default)s)")
    add("--size", help="size of the network (default: the step's own)")
    add("--variant", default="", help="variants of the system, separated by commas and merged in order")
    add("--loss", help="loss (default: the step's own)")
    add("--num_spk", type=positive, help="speakers in a mixture (default: the system's)")
    add("--embedding_source", choices=["stored", "on_the_fly"], help="refuse a system that cannot be trained so")
    add("--output", type=Path, help="yaml to write (default: standard output)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Print or write the configuration."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    import yaml

    from espnet_codecse.errors import UserError
    from espnet_codecse.fileio import atomic_path
    from espnet_codecse.task.configuration import (
        build_configuration,
        check_embedding_source,
        check_unchanged,
        level_rule,
        system_steps,
    )
    from espnet_codecse.task.model_types import model_type_of

    if args.list_steps:
        print("\n".join(system_steps(args.template_conf, args.system)))
        return
    if args.list_layers:
        step = system_steps(args.template_conf, args.system)[-1]
        configuration = build_configuration(
            args.template_conf, args.recipe_conf, args.system, step, args.codec, None, None, args.num_spk
        )
        print(*model_type_of(configuration).layers)
        return
    if args.step is None:
        raise UserError("--step is missing; --list_steps lists the steps")
    if args.num_spk is not None and args.num_spk < 1:
        raise UserError(f"--num_spk {args.num_spk}: a mixture has at least one speaker")
    configuration = build_configuration(
        args.template_conf,
        args.recipe_conf,
        args.system,
        args.step,
        args.codec,
        args.size,
        args.loss,
        args.num_spk,
        [variant for variant in args.variant.split(",") if variant],
    )
    check_embedding_source(configuration, args.embedding_source == "stored")
    levels = level_rule(configuration)
    if args.list_level_options:
        print(*(levels.options() if levels else ()))
        return
    text = yaml.safe_dump(configuration, sort_keys=False)
    if args.output is None:
        print(text, end="")
        return
    check_unchanged(args.output, configuration)
    with atomic_path(args.output) as temporary:
        temporary.write_text(text)


if __name__ == "__main__":
    main()
