"""What a GPU needs of a training step, without one: the host waits for nothing, and autocast changes losses little."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from gpu_steps import collated
from tiny_codecs import save_lyra, save_mdct
from tiny_configurations import build, tiny_configurations
from tiny_features import save_beats, save_wav2vec2

from espnet_codecse.bin.main import main
from espnet_codecse.errors import UserError
from espnet_codecse.host_value import HostValue
from espnet_codecse.length_mask import on_host
from espnet_codecse.task.collation import HostLengths
from espnet_codecse.task.device import check_sync_debug
from espnet_codecse.task.sync_debug import SyncDebug

ROOT = Path(__file__).resolve().parents[3]
NAMES = [
    "TEMPLATE/nac_se/1_enhance",
    "TEMPLATE/nac_se/1_enhance/loss/both",
    "TEMPLATE/nac_se/1_enhance/loss/waveform",
    "TEMPLATE/nac_se/1_enhance/variant/codes",
    "TEMPLATE/nac_se/1_enhance/variant/encoder",
    "TEMPLATE/codecformer/1_separate",
    "TEMPLATE/codecformer_el/1_separate",
    "mini/nac_se/1_enhance/loss/pesq",
    "mini/nac_se/1_enhance/variant/packed",
    "mini/codecformer/1_separate",
    "mini/dual_branch/1_speech_branch",
    "mini/dual_branch/1_speech_branch/variant/warm_up",
    "mini/dual_branch/2_two_branches",
    "mini/dual_branch/3_unsupervised/variant/with_quantizers",
    "TEMPLATE/dual_branch/2_two_branches/variant/scratch",
    "TEMPLATE/fuse/1_vae",
    "TEMPLATE/fuse/2_diffusion",
    "TEMPLATE/fuse/2_diffusion/variant/codec_guidance",
    "TEMPLATE/dpcrn/1_enhance",
    "TEMPLATE/ssl_gcrn/1_enhance/variant/distill_clean",
    "TEMPLATE/ssl_gcrn_pretrained/2_enhance",
    "TEMPLATE/conv_tasnet/1_enhance",
]
STORED = "/stored"

# Waits that are left: (system, operation, file, function), each with the reason. "" stands for all systems.
PERMUTATIONS = "ESPnet copies a list of the permutations of speakers to the device"
CENTRE = "ESPnet's short-time transform masks padded frames by a mask that it makes on the host"
INVERSE = "PyTorch checks in istft that its windows cover every sample"
DAC_DROPOUT = "transformers copies the random numbers of codebooks to the device"
FILTERBANK = "torchaudio copies constants of BEATs' filterbank, and ESPnet its bias of positions, to the device"
OWN_MODEL = "the model is ESPnet's own"
WARM_UP = "the accuracies decide whether the warm-up ends, and are read only in it"
ALLOWED = {
    ("codecformer", "to_gpu", "espnet2/enh/loss/wrappers/pit_solver.py", "forward"): PERMUTATIONS,
    ("codecformer_el", "to_gpu", "espnet2/enh/loss/wrappers/pit_solver.py", "forward"): PERMUTATIONS,
    ("dpcrn", "to_gpu", "espnet/nets/pytorch_backend/nets_utils.py", "_make_pad_mask"): CENTRE,
    ("ssl_gcrn", "to_gpu", "espnet/nets/pytorch_backend/nets_utils.py", "_make_pad_mask"): CENTRE,
    ("ssl_gcrn_pretrained", "to_gpu", "espnet/nets/pytorch_backend/nets_utils.py", "_make_pad_mask"): CENTRE,
    ("dpcrn", "equal", "espnet2/layers/stft.py", "inverse"): INVERSE,
    ("ssl_gcrn", "equal", "espnet2/layers/stft.py", "inverse"): INVERSE,
    ("ssl_gcrn_pretrained", "equal", "espnet2/layers/stft.py", "inverse"): INVERSE,
    ("dual_branch", "to_gpu", "transformers/models/dac/modeling_dac.py", "forward"): DAC_DROPOUT,
    ("dual_branch", "_local_scalar_dense", "espnet_codecse/dual_branch/adversaries.py", "observe"): WARM_UP,
    ("fuse", "to_gpu", "torchaudio/compliance/kaldi.py", "_get_epsilon"): FILTERBANK,
    ("fuse", "to_gpu", "torchaudio/compliance/kaldi.py", "_get_log_energy"): FILTERBANK,
    ("fuse", "to_gpu", "torchaudio/compliance/kaldi.py", "fbank"): FILTERBANK,
    ("fuse", "to_gpu", "espnet2/asr/encoder/beats_encoder.py", "compute_bias"): FILTERBANK,
    ("fuse", "to_gpu", "espnet2/beats/encoder.py", "compute_bias"): FILTERBANK,
}
OF_ESPNETS_MODELS = {"conv_tasnet"}  # OWN_MODEL: nothing of them is ours


@pytest.fixture(scope="module", name="configurations")
def tiny_ones(tmp_path_factory):
    """The configurations of :data:`NAMES` at a size for tests."""
    folder = tmp_path_factory.mktemp("tiny")
    found = tiny_configurations(
        str(save_mdct(folder / "codec")),
        str(save_lyra(folder / "lyra")),
        save_beats(folder / "beats.pt").removeprefix("beats:"),
        save_wav2vec2(folder / "wav2vec2").removeprefix("transformers:"),
    )
    return {name: found[name] for name in NAMES}


def run_helper(*words: str) -> str:
    helpers = ROOT / "test/helpers"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{helpers}", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, env=environment, timeout=900
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_the_pretended_gpu_sees_every_wait():
    code = """
import torch
from pretend_gpu import NAME, PretendGPU

lstm = torch.nn.LSTM(4, 4)
with PretendGPU() as gpu:
    values = torch.tensor([[1.0, -2.0, 3.0, 0.5]], requires_grad=True)
    expected = lstm(values)[0].square().sum()
    expected_gradients = torch.autograd.grad(expected, [values, *lstm.parameters()])
    lstm.to(NAME)
    moved = values.detach().to(NAME).requires_grad_()
    gpu.waits.clear()
    loss = lstm(moved)[0].square().sum()
    gradients = torch.autograd.grad(loss, [moved, *lstm.parameters()])
    torch.optim.Adam([moved]).step()
    moved.detach()[:, 0].add_(1)
    torch.arange(3, device=NAME) < torch.tensor([2]).to(NAME, non_blocking=True)
    assert gpu.waits == [], gpu.waits
    seen = []
    for wait in (
        lambda: moved[moved > 0], lambda: bool(moved.any()), lambda: float(moved.sum()), lambda: moved.tolist(),
        lambda: moved.cpu(), lambda: torch.tensor([1], device=NAME), lambda: torch.ones(2).to(NAME),
        lambda: moved.nonzero(), lambda: int(moved[0, 0]), lambda: moved.detach()[:, torch.tensor([1])],
    ):
        gpu.waits.clear()
        wait()
        seen.append(gpu.waits[0].kind if gpu.waits else "none")
    print(seen)
    for own, other in zip((loss, *gradients), (expected, *expected_gradients)):
        torch.testing.assert_close(own.detach().cpu(), other.detach())
    try:
        moved + torch.ones(1, 4)
    except RuntimeError as error:
        print(error)
"""
    seen, error = run_helper("-c", code).splitlines()[-2:]
    expected = ["index_by_mask", *["_local_scalar_dense"] * 2, "tolist", "to_cpu", "to_gpu", "to_gpu", "nonzero"]
    assert json.loads(seen.replace("'", '"')) == [*expected, "_local_scalar_dense", "to_gpu"]
    assert "on the GPU and on the CPU" in error


@pytest.mark.slow
def test_the_host_waits_for_nothing_in_a_step(configurations, tmp_path):
    first = "TEMPLATE/nac_se/1_enhance"
    given = {**configurations, first + STORED: configurations[first]}
    (tmp_path / "configurations.json").write_text(json.dumps(given))
    output = run_helper(str(ROOT / "test/helpers/gpu_steps.py"), str(tmp_path / "configurations.json"))
    waits = json.loads(output.splitlines()[-1])
    assert waits.keys() == given.keys()
    found = {
        (name.split("/")[1], kind, file.replace("espnet2/legacy/", "espnet/"), function)  # where 202611 has it
        for name, items in waits.items()
        for kind, file, function in items
    }
    assert {item for item in found if item not in ALLOWED and item[0] not in OF_ESPNETS_MODELS} == set()
    assert {ALLOWED[item] for item in found if item in ALLOWED} == set(ALLOWED.values())  # each is still there
    assert {name for name, items in waits.items() if "warm_up" in name and items}
    assert not any("observe" in item for name, items in waits.items() if "warm_up" not in name for item in items)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name.split("/")[1] not in OF_ESPNETS_MODELS])
def test_autocast_changes_losses_little(configurations, name):
    task, args, model = build(configurations[name])
    turns = [{"forward_generator": turn} for turn in (True, False)] if task.num_optimizers == 2 else [{}]
    batch = collated(configurations[name], task, args, model)
    losses = []
    for enabled in (False, True):
        torch.manual_seed(1)
        if hasattr(model, "schedule"):
            model.schedule.restart()
        for turn in turns:
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                result = model(**turn, **batch)
            loss, stats = (result["loss"], result["stats"]) if isinstance(result, dict) else result[:2]
            # In bfloat16, a sum of thousands of terms would be off.
            assert loss.dtype == torch.float32
            assert {value.dtype for value in stats.values() if value.is_floating_point()} <= {torch.float32}
            if loss.requires_grad:
                model.zero_grad()
                loss.backward()
                # On so short a signal, oneDNN leaves gradients of a dilated convolution in bfloat16 unset now and then.
                weights = {
                    name: w for name, w in model.named_parameters() if not (enabled and "discriminators" in name)
                }
                assert all(weight.grad is None or weight.grad.isfinite().all() for weight in weights.values())
            losses.append(loss.item())
    exact, rounded = losses[: len(turns)], losses[len(turns) :]
    assert rounded == pytest.approx(exact, rel=0.03, abs=0.03)


def test_lengths_on_the_host():
    def collate(items):
        return ["a"], {"speech": torch.zeros(2, 5), "speech_lengths": torch.tensor([5, 3])}

    names, batch = HostLengths(collate)([])
    assert names == ["a"] and batch["speech_host_lengths"] == [5, 3]
    assert on_host(batch, "speech").tolist() == [5, 3]
    assert on_host({"speech": batch["speech"], "speech_lengths": torch.tensor([4, 4])}, "speech").tolist() == [4, 4]
    assert on_host({"speech": batch["speech"]}, "speech").tolist() == [5, 5]


def test_batches_can_be_pinned(monkeypatch):
    from torch.utils.data._utils.pin_memory import pin_memory

    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor, *_: pinned.append(tensor) or tensor)
    batch = {"speech": torch.zeros(2, 5), "speech_lengths": torch.tensor([5, 3])}
    names, given = pin_memory(HostLengths(lambda items: (["a", "b"], batch))([]))
    assert names == ["a", "b"] and given["speech_host_lengths"] == [5, 3] and len(pinned) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["TEMPLATE/nac_se/1_enhance", "mini/dual_branch/2_two_branches"])
def test_fused_optimisers(configurations, name):
    fused = {"lr": 0.001, "fused": True}
    given = {"optim": "adam", "optim_conf": fused, "optim2": "adam", "optim2_conf": fused}
    if "dual_branch" not in name:
        given = {"optim": "adam", "optim_conf": fused}
    task, args, model = build({**configurations[name], **given})
    for optimizer in task.build_optimizers(args, model):
        assert optimizer.defaults["fused"]


def test_a_counter_is_read_again_after_others_changed_it():
    count, known = torch.tensor(3), HostValue()
    assert known.read(count) == 3
    known.add(count, 2)
    assert known.read(count) == int(count) == 5
    count.copy_(torch.tensor(9))  # as loading a checkpoint does
    assert known.read(count) == 9 and known.read(torch.tensor(1)) == 1


def test_waits_are_reported_within_our_code_only():
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    modes: list[str] = []

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, values):
            modes.append("forward")
            loss = self.layer(values).sum()
            loss.register_hook(lambda gradient: modes.append("backward"))
            return loss, {}, 1

    model = Model()
    SyncDebug("error", modes.append).attach(model, [optimizer])
    for _ in range(2):
        modes.clear()
        loss = model(torch.ones(1, 2))[0]
        loss /= 1  # as ESPnet's trainer does
        modes.append("read")
        loss.backward()
        modes.append("read")
        optimizer.step()
    # Of the second step; the first one is not watched.
    expected = ["error", "forward", "default", "read", "backward", "error", "default", "read", "error", "default"]
    assert modes == expected
    model.eval()
    modes.clear()
    model(torch.ones(1, 2))
    assert "error" not in modes


def test_sync_debug_needs_a_gpu(tmp_path, capsys):
    check_sync_debug("none", [])
    check_sync_debug("warn", ["--ngpu", "1"])
    with pytest.raises(UserError, match="--sync_debug error: needs a GPU"):
        check_sync_debug("error", ["--ngpu", "1", "--ngpu", "0"])
    with pytest.raises(SystemExit):
        main(["train", "--sync_debug", "maybe"])
    assert "'none', 'warn', 'error'" in capsys.readouterr().err
