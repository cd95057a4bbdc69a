"""Print a script that lets a shell complete commands, options and their values.

eval "$(codecse completion bash)"                     # in ~/.bashrc
codecse completion zsh > "${fpath[1]}/_codecse"       # once
"""

import argparse
import importlib
import sys

from espnet_codecse.errors import UserError

SHELLS = ("bash", "zsh", "tcsh")


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse completion``."""
    parser = argparse.ArgumentParser(
        prog="codecse completion", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shell", choices=SHELLS, help="shell to complete in")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Print the script."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    try:
        import shtab
    except ImportError:
        raise UserError("codecse completion: needs shtab; pip install shtab") from None
    print(shtab.complete(_whole_parser(), shell=args.shell))
    return 0


def _whole_parser() -> argparse.ArgumentParser:
    """Return one parser of all commands."""
    from espnet_codecse.bin.main import COMMANDS

    parser = argparse.ArgumentParser(prog="codecse")
    commands = parser.add_subparsers()
    for name, (module, text) in COMMANDS.items():
        own = importlib.import_module(f"espnet_codecse.bin.{module}").get_parser()
        commands.add_parser(name, parents=[own], add_help=False, help=text, description=text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
