"""Export a model of the system ssl_gcrn as an ONNX graph of one frame, with its state as inputs and outputs.

    codecse export_onnx exp/ssl_gcrn_small --output model.onnx
    codecse export_onnx exp/ssl_gcrn_small --output model_int8.onnx --int8

codecse stream --model model.onnx runs it. With --int8 the matrices are 8-bit integers; what that costs in quality is
for codecse score to say.
"""

import argparse
import sys
from pathlib import Path
from typing import Any


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse export_onnx``."""
    parser = argparse.ArgumentParser(
        prog="codecse export_onnx", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", help="as in codecse enhance --model")
    add("--output", type=Path, required=True, help="graph to write, .onnx")
    add("--int8", action="store_true", help="with matrices of 8-bit integers")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Write the graph."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    import tempfile

    from espnet_codecse.errors import UserError

    if args.output.suffix != ".onnx":
        raise UserError(f"--output {args.output}: end it in .onnx")
    from espnet_codecse.ssl.onnx import export_onnx, quantize_onnx
    from espnet_codecse.zoo.enhancer import load_enhancer

    enhancer: Any = load_enhancer(args.model, device="cpu", dtype="float32")
    if not hasattr(enhancer, "stream"):
        raise UserError(f"{args.model}: no causal network; only models of the system ssl_gcrn are exported")
    if not args.int8:
        export_onnx(enhancer.network, enhancer.compression, args.output)
    else:
        with tempfile.TemporaryDirectory(prefix="codecse_onnx.") as folder:
            export_onnx(enhancer.network, enhancer.compression, Path(folder) / "float32.onnx")
            quantize_onnx(Path(folder) / "float32.onnx", args.output)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
