"""Enhance a stream frame by frame, as on a device, keeping the state of the causal network between frames.

    codecse stream --input_device default --output_device default
    codecse stream noisy.wav enhanced.wav --report
    arecord -t raw -f S16_LE -r 48000 | codecse stream --model model.onnx --raw_rate 48k - - | aplay -f S16_LE -r 48000
    codecse stream --model exp/nac_se_lyra_v2_encoder - clean.cse --num_codebooks 16

- stands for PCM on the standard streams: 16 bits, little-endian, mono at 16 kHz unless --raw_rate and --raw_channels
say otherwise; the input may begin with the header of a wav file. Any sample rate is resampled, and each channel is
enhanced by itself (--mono: their mean). NaN and infinite samples are replaced by silence and counted. Each sample is
written as soon as no later input can change it, at most as late as the algorithmic latency says. Outputs are as long as
inputs and aligned with them. --report measures the time of every frame on one thread.

With a device, a line shows levels, load (share of the time that the network takes) and glitches (how often a device
lost samples or had none). Ctrl-C ends a stream like the end of its input, so that files are complete.

A model whose encoder enhances (--system nac_se --variant encoder, with a causal codec) also writes codes, for codecse
decode: name the output .cse.
"""

import argparse
import contextlib
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import positive, sample_rate


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse stream``."""
    parser = argparse.ArgumentParser(
        prog="codecse stream", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("input", nargs="?", help="sound file, or -")
    add("output", nargs="?", help="wav or flac to write, .cse for codes, or -")
    add(
        "--model",
        default="causal",
        help="causal model (as in codecse enhance), or a graph of codecse export_onnx (default: %(default)s, which the "
        "package carries)",
    )
    add("--input_device", metavar="NAME", help="microphone instead of an input: number, part of the name, or default")
    add("--output_device", metavar="NAME", help="loudspeaker instead of an output")
    add("--list_devices", action="store_true", help="list the devices and end")
    add("--raw_rate", type=sample_rate, default=16000, help="of raw samples on -, Hz (default: %(default)s)")
    add("--raw_channels", type=positive, default=1, help="of raw samples on - (default: %(default)s)")
    add("--mono", action="store_true", help="enhance the mean of the channels")
    add("--codec", help="folder of the model's codec, if it has moved")
    add("--num_codebooks", type=positive, help="quantise with the codec's first codebooks (default: not; codes: all)")
    add("--chunk", type=positive, help="samples per read (default: one frame)")
    add("--report", action="store_true", help="print the time per frame: p50, p95, p99, worst")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Enhance the stream and report on standard error."""
    args = _parsed(sys.argv[1:] if argv is None else argv)
    if args.list_devices:
        from espnet_codecse.live.device import list_devices

        print(list_devices())
        return
    import torch

    from espnet_codecse.codec.bitstream import SUFFIX
    from espnet_codecse.live.run import StreamOptions, to_codes, to_samples

    torch.set_num_threads(1)
    values = {key: value for key, value in vars(args).items() if key != "list_devices"}
    options = StreamOptions(source=values.pop("input"), target=values.pop("output"), **values)
    codes = options.output_device is None and Path(options.target).suffix == SUFFIX
    with contextlib.ExitStack() as stack:
        (to_codes if codes else to_samples)(options, stack)


def _parsed(argv: list[str]) -> argparse.Namespace:
    """Return the options; a device takes the place of the input or the output."""
    parser = get_parser()
    args = parser.parse_args(argv)
    if args.list_devices:
        return args
    places = [value for value in (args.input, args.output) if value is not None]
    if args.input_device is not None:
        places.insert(0, "")
    if args.output_device is not None:
        places.append("")
    if len(places) != 2:
        parser.error("give an input and an output, or --input_device, --output_device in their place")
    args.input, args.output = places
    return args


if __name__ == "__main__":
    main()
