"""Export a model of the system ssl_gcrn as an ONNX graph of one frame, whose state is passed in and out.

    codecse export_onnx exp/ssl_gcrn_small --output model.onnx
    codecse export_onnx exp/ssl_gcrn_small --output model_int8.onnx --int8

codecse stream --model model.onnx runs it. With --int8 the matrices are 8-bit integers; score the outputs with codecse
score to see the loss of quality.
"""

import argparse
import sys
from pathlib import Path


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse export_onnx``."""
    parser = argparse.ArgumentParser(
        prog="codecse export_onnx", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", help="model, as for codecse enhance --model")
    add("--output", type=Path, required=True, help="graph to write, .onnx")
    add("--int8", action="store_true", help="quantise matrices to 8-bit integers")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Write the graph."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    import tempfile

    from espnet_codecse.errors import UserError

    if args.output.suffix != ".onnx":
        raise UserError(f"--output {args.output}: must end in .onnx")
    from espnet_codecse.causal.enhancer import GCRNEnhancer
    from espnet_codecse.causal.onnx import export_onnx, quantize_onnx
    from espnet_codecse.zoo.load import load_enhancer

    enhancer = load_enhancer(args.model, device="cpu", dtype="float32")
    if not isinstance(enhancer, GCRNEnhancer):
        raise UserError(f"{args.model}: not a causal model; only models of the system ssl_gcrn can be exported")
    if not args.int8:
        export_onnx(enhancer.network, enhancer.compression, args.output)
    else:
        with tempfile.TemporaryDirectory(prefix="codecse_onnx.") as folder:
            export_onnx(enhancer.network, enhancer.compression, Path(folder) / "float32.onnx")
            quantize_onnx(Path(folder) / "float32.onnx", args.output)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
