"""Export a causal model as an ONNX graph of one frame, whose state is passed in and out.

    codecse export_onnx exp/ssl_gcrn_small --output model.onnx
    codecse export_onnx exp/ssl_gcrn_small --output model_int8.onnx --int8
    codecse export_onnx exp/nac_se_lyra_v2_encoder --output encoder.onnx

codecse stream --model model.onnx runs it. Of a denoising encoder (--system nac_se --variant encoder), the graph is the
encoder; quantiser and decoder are the codec's own. With --int8 the matrices of networks on spectra are 8-bit integers;
score the outputs with codecse score to see the loss of quality.
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
    add("--codec", help="folder of the model's codec, if it has moved")
    add("--int8", action="store_true", help="quantise matrices to 8-bit integers")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Write the graph."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    import tempfile

    from espnet_codecse.errors import UserError

    if args.output.suffix != ".onnx":
        raise UserError(f"--output {args.output}: must end in .onnx")
    from espnet_codecse.causal.enhancer import CausalEnhancer
    from espnet_codecse.causal.onnx import export_onnx, quantize_onnx
    from espnet_codecse.enh.enhancer import EmbeddingEnhancer
    from espnet_codecse.enh.streaming import export_encoder
    from espnet_codecse.zoo.load import load_enhancer

    enhancer = load_enhancer(args.model, args.codec, device="cpu", dtype="float32")
    if isinstance(enhancer, EmbeddingEnhancer) and not enhancer.enhances_codes:
        if args.int8:
            raise UserError("--int8: only matrices and LSTMs can be quantised; a denoising encoder has convolutions")
        export_encoder(enhancer.codec, args.output)
    elif not isinstance(enhancer, CausalEnhancer):
        raise UserError(
            f"{args.model}: not causal; models of dpcrn and ssl_gcrn, and denoising encoders of causal codecs, can be "
            "exported"
        )
    elif not args.int8:
        export_onnx(enhancer.network, enhancer.settings, args.output)
    else:
        with tempfile.TemporaryDirectory(prefix="codecse_onnx.") as folder:
            export_onnx(enhancer.network, enhancer.settings, Path(folder) / "float32.onnx")
            quantize_onnx(Path(folder) / "float32.onnx", args.output)
    line = f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB"
    if isinstance(enhancer, CausalEnhancer):
        line += f", {enhancer.sample_rate} Hz, hop {enhancer.settings.hop}, window {enhancer.settings.window_size}"
    print(line)


if __name__ == "__main__":
    main()
