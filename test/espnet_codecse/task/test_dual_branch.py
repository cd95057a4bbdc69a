"""The dual-branch system in ESPnet's own GAN trainer."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from tiny_dual_branch import DISCRIMINATORS, MDCT, ROFORMER, SUPERVISED, UNSUPERVISED

from espnet_codecse.corpus.data_dir import write_data_dir
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp
from espnet_codecse.task.dual_branch import DualBranchTask, training_data
from espnet_codecse.task.loading import load_trained_model
from espnet_codecse.task.training import training_options


def configuration(**changes):
    base = {
        "task": "dual_branch",
        "coder_conf": MDCT,
        "generator_conf": {"num_quantizers": 2, "roformer": {**ROFORMER, "dropout": 0.1}},
        "discriminator_conf": DISCRIMINATORS,
        "reconstruction_conf": {"mel_windows": [256], "mel_bins": [20]},
        "schedule_conf": {"adversarial_start": 2, "nets_per_step": 1},
        "model_conf": {"supervised": True, "weights": SUPERVISED},
        "crop_seconds": 0.2,
        "batch_type": "unsorted",
        "batch_size": 1,
        "num_workers": 0,
        "generator_first": True,
        "optim": "adamw",
        "optim2": "adamw",
        "optim_conf": {"lr": 1e-3},
        "optim2_conf": {"lr": 1e-3},
        "scheduler": "warmuplr",
        "scheduler2": "exponentiallr",
        "scheduler2_conf": {"gamma": 0.9},
        "scheduler_conf": {"warmup_steps": 5},
        "grad_clip": 10.0,
        "num_att_plot": 0,
        "use_tensorboard": False,
        "use_matplotlib": False,
        "keep_nbest_models": 1,
        "best_model_criterion": [["valid", "loss", "min"]],
        "seed": 3,
    }
    return {**base, **changes}


UNPAIRED = {"model_conf": {"supervised": False, "weights": UNSUPERVISED, "selection": "latest"}, "num_workers": 1}


@pytest.fixture
def data_dir(make_data_dir):
    path = make_data_dir("train", 3)
    table = dict.fromkeys(read_scp(path / "wav.scp"), "16000")
    (path / "utt2num_samples").write_text("".join(f"{key} {value}\n" for key, value in sorted(table.items())))
    # A set of mixtures: the recordings of the noise are any others.
    write_data_dir(path, {"noise1.scp": read_scp(path / "wav.scp")})
    return path


def command(folder, config, data_dir, *options):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.yaml").write_text(yaml.safe_dump(config))
    data = training_options(folder / "train.yaml", (data_dir, data_dir))
    return [
        "--config",
        str(folder / "train.yaml"),
        "--output_dir",
        str(folder / "exp"),
        "--resume",
        "true",
        "--ngpu",
        "0",
        "--log_interval",
        "1",
        *data,
        *options,
    ]


def trained(folder, config, data_dir, *options):
    DualBranchTask.main(cmd=command(folder, config, data_dir, *options))
    return torch.load(folder / "exp" / "checkpoint.pth", weights_only=False)


@pytest.mark.slow
def test_three_steps(tmp_path, data_dir):
    """Each from the checkpoint of the one before, with one utterance an epoch."""
    first = {"clean": 1.0, "adversarial_clean": 1.0, "feature_matching": 1.0, "codebook": 1.0}
    single = {**configuration()["generator_conf"], "noise_branch": False}
    steps = [
        configuration(model_conf={"supervised": True, "weights": first}, generator_conf=single),
        configuration(),
        configuration(**UNPAIRED),
    ]
    previous, options = None, ["--max_epoch", "2", "--num_iters_per_epoch", "1"]
    for number, config in enumerate(steps, 1):
        initial = [] if previous is None else ["--init_param", str(previous)]
        folder = tmp_path / str(number)
        state = trained(folder, config, data_dir, *options, *initial)
        assert state["model"]["schedule.num_steps"] == 2  # counted from zero in each training
        previous = folder / "exp" / "valid.loss.best.pth"
        assert previous.exists()
    best = torch.load(previous)
    assert previous.resolve().name == "2epoch.pth"  # without references, the latest
    # An ablation starts from the same checkpoint, and leaves an ensemble behind in it.
    weights = {name: value for name, value in UNSUPERVISED.items() if name != "adversarial_clean"}
    ablation = configuration(**{**UNPAIRED, "model_conf": {**UNPAIRED["model_conf"], "weights": weights}})
    start = ["--init_param", str(tmp_path / "2/exp/valid.loss.best.pth")]
    state = trained(tmp_path / "ablation", ablation, data_dir, *options, *start)
    assert not any("ensembles.clean" in name for name in state["model"])
    model, _args = load_trained_model(folder / "exp" / "config.yaml", previous)
    loaded = model.generator.state_dict(prefix="generator.")
    assert all(torch.equal(value, best[name]) for name, value in loaded.items())


def same_weights(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.slow
def test_kill_changes_nothing(tmp_path, data_dir):
    """A training killed within an epoch goes on from the last one's checkpoint, to the same weights."""
    config, options = configuration(**UNPAIRED), ["--max_epoch", "3", "--num_iters_per_epoch", "3"]
    whole = trained(tmp_path / "whole", config, data_dir, *options)
    cut = command(tmp_path / "cut", config, data_dir, *options)
    code = "import sys; from espnet_codecse.task.dual_branch import DualBranchTask as T; T.main(cmd=sys.argv[1:])"
    log = tmp_path / "log"
    with (
        open(log, "w") as stream,
        subprocess.Popen([sys.executable, "-c", code, *cut], stdout=stream, stderr=subprocess.STDOUT) as process,
    ):
        try:
            deadline = time.monotonic() + 300
            while "2epoch:train:1-1batch" not in log.read_text() and time.monotonic() < deadline:
                assert process.poll() is None, log.read_text()[-2000:]
                time.sleep(0.005)
        finally:
            process.send_signal(signal.SIGKILL)
    checkpoint = tmp_path / "cut" / "exp" / "checkpoint.pth"
    assert torch.load(checkpoint, weights_only=False)["reporter"]["epoch"] < 3
    resumed = trained(tmp_path / "cut", config, data_dir, *options)
    assert same_weights(whole["model"], resumed["model"])
    for one, other in zip(whole["optimizers"], resumed["optimizers"]):
        for key, state in one["state"].items():
            for name, value in state.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(other["state"][key][name]))


def test_layout_is_saved_with_the_training(tmp_path, data_dir):
    """The saved configuration builds the model without the codec that it started from."""
    config = configuration(codec="small", coder_conf={})
    args = DualBranchTask.get_parser().parse_args([*command(tmp_path, config, data_dir), "--max_epoch", "1"])
    model = DualBranchTask.build_model(args)
    assert args.coder_conf["kind"] == "mdct" and args.coder_conf["num_channels"] == 256
    args.codec = "no/such/codec"
    again = DualBranchTask.build_model(args)
    assert again.generator.state_dict().keys() == model.generator.state_dict().keys()
    args.codec, args.coder_conf = None, {}
    with pytest.raises(UserError, match="--codec: missing; give a codec for initialisation"):
        DualBranchTask.build_model(args)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"generator_conf": {"colour": 1}}, "generator_conf: .*colour"),
        ({"discriminator_conf": {"n_fft": 3}}, "discriminator_conf: .*n_fft"),
        ({"model_conf": {"weights": {}, "mood": 1}}, "model_conf: .*mood"),
        ({"model_conf": {"weights": {"x": 1}}}, "weights: 'x' is unknown"),
    ],
)
def test_unknown_settings_are_named(tmp_path, data_dir, changes, message):
    config = configuration(**{"generator_conf": {"num_quantizers": 0, "roformer": ROFORMER}, **changes})
    args = DualBranchTask.get_parser().parse_args([*command(tmp_path, config, data_dir)])
    with pytest.raises(UserError, match=message):
        DualBranchTask.build_model(args)


def test_generator_has_the_first_turn(tmp_path, data_dir):
    args = DualBranchTask.get_parser().parse_args(command(tmp_path, configuration(generator_first=False), data_dir))
    with pytest.raises(UserError, match="generator_first: false"):
        DualBranchTask.build_optimizers(args, DualBranchTask.build_model(args))


def test_dynamic_mixing(tmp_path, data_dir):
    """ESPnet's mixes anew; the segment and its references stay together."""
    mixing = {"noise_scp": str(data_dir / "noise1.scp"), "noise_db_range": "0_0", "speech_segment": 16000}
    config = configuration(preprocessor="enh", preprocessor_conf=mixing)
    args = DualBranchTask.get_parser().parse_args(command(tmp_path, config, data_dir))
    process = DualBranchTask.build_preprocess_fn(args, train=True)
    rng = np.random.default_rng(0)
    clean = 0.1 * rng.standard_normal(32000).astype(np.float32)
    np.random.seed(0)
    data = process("a", {"speech_mix": clean, "speech_ref1": clean, "noise_ref1": 0 * clean})
    # ESPnet does not bring its noise reference to the SNR: the model takes what is not speech instead.
    assert set(data) == {"speech_mix", "speech_ref1"}
    assert all(signal.shape == (3200,) for signal in data.values())
    assert np.abs(data["speech_mix"] - data["speech_ref1"]).max() > 0.01
    args.model_conf = UNPAIRED["model_conf"]
    unpaired = DualBranchTask.build_preprocess_fn(args, train=True)("a", {"speech_mix": clean, "speech_ref1": clean})
    assert set(unpaired) == {"speech_mix"}
    untouched = DualBranchTask.build_preprocess_fn(args, train=False)("a", {"speech_mix": clean})
    assert np.array_equal(untouched["speech_mix"], clean)


def entries(options, mode):
    return {options[i + 1].split(",")[1] for i, o in enumerate(options) if o == f"--{mode}_data_path_and_name_and_type"}


def test_data_of_each_step(data_dir, make_data_dir):
    supervised = training_data(configuration(), (data_dir, data_dir), {})
    assert entries(supervised, "train") == {"speech_mix", "speech_ref1", "noise_ref1"}
    assert not any("prior" in option for option in supervised)
    unpaired = training_data(configuration(**UNPAIRED), (data_dir, data_dir), {})
    assert entries(unpaired, "train") == {"speech_mix"}
    assert entries(unpaired, "valid") == {"speech_mix", "speech_ref1", "noise_ref1"}  # for the log
    assert unpaired[unpaired.index("--train_clean_prior") + 1] == str(data_dir / "spk1.scp")
    assert unpaired[unpaired.index("--valid_noise_prior") + 1] == str(data_dir / "noise1.scp")
    corpus = make_data_dir("corpus", 2)
    (corpus / "spk1.scp").unlink()
    other = training_data(configuration(**UNPAIRED), (data_dir, data_dir), {"clean_prior": (corpus, corpus)})
    assert other[other.index("--train_clean_prior") + 1] == str(corpus / "wav.scp")
    mixing = training_data(configuration(preprocessor="enh", **UNPAIRED), (data_dir, data_dir), {})
    assert entries(mixing, "train") == {"speech_mix", "speech_ref1"}  # to mix from
    without = {**UNPAIRED["model_conf"], "weights": {**UNSUPERVISED, "adversarial_noise": 0.0}}
    assert "--train_noise_prior" not in training_data(configuration(model_conf=without), (data_dir, data_dir), {})


def test_missing_priors_are_named(data_dir, make_data_dir):
    mixtures = make_data_dir("mixtures", 2)  # with spk1.scp, without noise1.scp
    with pytest.raises(UserError, match="holds neither noise1.scp nor a wav.scp of noise recordings"):
        training_data(configuration(**UNPAIRED), (data_dir, data_dir), {"noise_prior": (mixtures, mixtures)})
    (data_dir / "spk1.scp").unlink()
    with pytest.raises(UserError, match="spk1.scp: missing"):
        training_data(configuration(), (data_dir, data_dir), {})
