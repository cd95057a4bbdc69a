"""Open a page on this machine that enhances recordings: drop a file or record, and hear before and after.

    codecse demo
    codecse demo --port 8080 --model exp/nac_se_small

Recordings stay on this machine: the page is served to the loopback interface only, and what it received is removed when
the command ends (Ctrl-C). The models of the package are offered; --model adds others.
"""

import argparse
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from espnet_codecse.bin.numbers import natural, positive


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse demo``."""
    parser = argparse.ArgumentParser(
        prog="codecse demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--port", type=natural, default=7860, help="TCP port; 0: any free one (default: %(default)s)")
    add("--model", action="append", default=[], help="another model, as for codecse enhance; may be repeated")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add("--max_mb", type=positive, default=500, help="largest recording that is taken, MB (default: %(default)s)")
    add("--no_browser", action="store_true", help="do not open a browser")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Serve the page until Ctrl-C."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    import webbrowser

    from espnet_codecse.demo.server import DemoServer
    from espnet_codecse.errors import UserError
    from espnet_codecse.task.device import check_device
    from espnet_codecse.zoo.catalogue import carried
    from espnet_codecse.zoo.find import find_model
    from espnet_codecse.zoo.load import load_enhancer

    check_device(args.device)
    try:
        import matplotlib.image  # noqa: F401  draws the spectrograms
    except ImportError:
        raise UserError("codecse demo: needs matplotlib; pip install matplotlib") from None
    for name in args.model:
        find_model(name)
    models = [*args.model, *(entry.name for entry in carried() if entry.name not in args.model)]

    @lru_cache(maxsize=2)
    def load(name: str):
        return load_enhancer(name, device=args.device)

    with tempfile.TemporaryDirectory(prefix="codecse_demo.") as folder:
        try:
            server = DemoServer(args.port, Path(folder), models, load, args.max_mb * 1_000_000)
        except OSError as error:
            raise UserError(f"--port {args.port}: {error.strerror}; choose another one, or 0") from None
        with server:
            print(f"{server.address}  (Ctrl-C ends it)", file=sys.stderr, flush=True)
            if not args.no_browser:
                webbrowser.open(server.address)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print("\ndemo: ended; its recordings are removed", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
