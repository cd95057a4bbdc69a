"""Estimate time, disk and memory of a recipe's stages 2 to 7 from the data of stage 1 and short probes.

    codecse plan --train_sets data/train data/valid --test_sets data/test --config exp/X/train.yaml --nj 2

run.sh --plan true of a recipe calls it with the recipe's settings.
"""

import argparse
import shutil
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import natural, not_negative
from espnet_codecse.metrics.registry import DEFAULT_METRICS


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse plan``."""
    parser = argparse.ArgumentParser(
        prog="codecse plan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--train_sets", type=Path, nargs=2, required=True, metavar=("TRAIN", "VALID"), help="data directories")
    add("--test_sets", type=Path, nargs="+", required=True, help="data directories")
    add("--config", type=Path, required=True, help="yaml written by codecse config")
    add("--embedding_source", choices=["stored", "on_the_fly"], default="stored", help="(default: %(default)s)")
    add("--compression", choices=["none", "3"], default="3", help="compression of the arks (default: %(default)s)")
    add("--metrics", default=DEFAULT_METRICS, help="names, separated by spaces (default: '%(default)s')")
    add("--from_hours", type=not_negative, default=0.0, help="do nothing if there is less training audio (default: 0)")
    add("--nj", type=natural, default=0, help="processes (default: as many as cores and memory allow)")
    add("--device", default="cpu", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the probes and print the plan."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.benchmark.plan import format_plan, plan_stages, read_set_size
    from espnet_codecse.codec import load_codec
    from espnet_codecse.job import default_nj
    from espnet_codecse.task.device import resolve_device
    from espnet_codecse.task.training import read_configuration

    args.device = resolve_device(args.device)
    num_jobs = args.nj or default_nj(mem_per_job=3)
    configuration = read_configuration(args.config)
    codec = load_codec(configuration["encoder_conf"]["codec"], args.device)
    train = [read_set_size(folder, codec.sample_rate) for folder in args.train_sets]
    test = [read_set_size(folder, codec.sample_rate) for folder in args.test_sets]
    if train[0].seconds < 3600 * args.from_hours:
        return
    import torch

    from espnet_codecse.benchmark.codec import codec_speed
    from espnet_codecse.benchmark.probe import PROBE_SECONDS, scoring_seconds, training_step_cost

    stored = args.embedding_source == "stored"
    mean_seconds = train[0].seconds / max(1, train[0].num_utterances)
    crop = configuration.get("crop_seconds") or mean_seconds
    if configuration.get("speech_segment"):
        crop = configuration["speech_segment"] / codec.sample_rate
    # Training uses all cores; each part of the other stages uses one.
    step = training_step_cost(configuration, args.device, stored, min(crop, max(mean_seconds, 0.5)))
    torch.set_num_threads(1)
    speed = codec_speed(codec, args.device, PROBE_SECONDS, 2)
    test_mean = sum(size.seconds for size in test) / max(1, sum(size.num_utterances for size in test))
    scoring = scoring_seconds(args.metrics.split(), codec.sample_rate) * test_mean / PROBE_SECONDS
    bytes_per_second = codec.dim * codec.sample_rate / codec.hop * (4 if args.compression == "none" else 2)
    stages = plan_stages(
        train, test, speed, step, scoring, configuration, codec.sample_rate, bytes_per_second, num_jobs, stored
    )
    print("\n".join(format_plan(stages, shutil.disk_usage(".").free)))


if __name__ == "__main__":
    main()
