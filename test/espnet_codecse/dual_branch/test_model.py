"""Losses of both turns, and where their gradients go."""

import pytest
import torch
from tiny_dual_branch import SUPERVISED, UNSUPERVISED, tiny_batch, tiny_generator, tiny_model

from espnet_codecse.dual_branch.model import ensemble_names
from espnet_codecse.errors import UserError


def train_step(model, batch, optimizers=None):
    """As ESPnet's trainer: generator, then discriminators."""
    results = []
    for turn in (True, False):
        result = model(forward_generator=turn, **batch)
        result["loss"].backward()
        if optimizers is not None:
            optimizers[result["optim_idx"]].step()
            for optimizer in optimizers:
                optimizer.zero_grad()
        results.append(result)
    return results


def optimizers_of(model):
    return [
        torch.optim.AdamW(module.parameters(), lr=1e-2) if list(module.parameters()) else None
        for module in (model.generator, model.discriminators)
    ]


def changed_parts(model, batch, steps=1):
    """Return which parts a training step changes."""
    optimizers = optimizers_of(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(steps):
        train_step(model, batch, optimizers)
    parts = {
        "generator.coder.decoder": "decoder",
        "generator.branches.speech": "speech_branch",
        "generator.branches.noise": "noise_branch",
        "discriminators.ensembles.clean": "D_CS",
        "discriminators.ensembles.noise": "D_N",
        "discriminators.ensembles.noisy": "D_NS",
        "generator.quantizers.speech": "speech_quantizer",
        "generator.quantizers.noise": "noise_quantizer",
    }
    return {
        parts[prefix]
        for name, value in model.state_dict().items()
        for prefix in parts
        if name.startswith(prefix) and not torch.equal(value, before[name])
    }


def one_branch(**options):
    weights = {name: SUPERVISED[name] for name in ("clean", "adversarial_clean", "feature_matching", "codebook")}
    return tiny_model(weights, generator=tiny_generator(noise_branch=False, **options))


def test_step_1_trains_the_speech_branch():
    model = one_branch()
    assert changed_parts(model, tiny_batch()) == {"decoder", "speech_branch", "speech_quantizer", "D_CS"}


def test_step_2_trains_everything():
    everything = {"decoder", "speech_branch", "noise_branch", "speech_quantizer", "noise_quantizer"}
    assert changed_parts(tiny_model(), tiny_batch()) == everything | {"D_CS", "D_N", "D_NS"}


def test_step_3_needs_no_references():
    model = tiny_model(UNSUPERVISED, supervised=False, selection="latest")
    batch = tiny_batch(supervised=False)  # priors are shorter and longer than the input
    changed = changed_parts(model, batch)
    assert {"speech_branch", "noise_branch", "D_CS", "D_N", "D_NS"} <= changed
    # A reference that happens to be there, as in validation, changes no loss.
    torch.manual_seed(0)
    without = model(**batch)
    references = {name: value for name, value in tiny_batch().items() if "ref" in name}
    torch.manual_seed(0)
    with_references = model(**batch, **references)
    assert torch.equal(without["loss"], with_references["loss"])
    assert "noise_leakage" in with_references["stats"] and "noise_leakage" not in without["stats"]


def test_frozen_parts_stay():
    generator = tiny_generator(frozen=["decoder", "speech_branch", "speech_quantizer", "noise_quantizer"])
    model = tiny_model(generator=generator)
    assert changed_parts(model, tiny_batch(), steps=2) == {"noise_branch", "D_CS", "D_N", "D_NS"}


def test_each_loss_alone_reaches_its_branch():
    batch = tiny_batch()
    for name, reached in (
        ("adversarial_clean", {"speech"}),
        ("adversarial_noise", {"noise"}),
        ("adversarial_noisy", {"speech", "noise"}),
        ("noisy", {"speech", "noise"}),
    ):
        model = tiny_model({name: 1.0})
        model(**batch)["loss"].backward()
        branches = {
            branch
            for branch, network in model.generator.branches.items()
            if network.project.weight.grad is not None and network.project.weight.grad.abs().sum() > 0
        }
        assert branches == reached, name
        assert all(p.grad is None for p in model.discriminators.parameters())  # it is not their turn


def test_warm_up_trains_the_discriminators_alone_until_they_tell():
    schedule = {"warm_up_accuracy": 0.8, "warm_up_steps": 500}
    model, batch = tiny_model(schedule=schedule), tiny_batch()
    optimizers = optimizers_of(model)
    generator = [parameter.clone() for parameter in model.generator.parameters()]
    num_steps = 0
    while model.schedule.warming_up:
        results = train_step(model, batch, optimizers)
        assert "loss_adversarial_clean" not in results[0]["stats"]
        assert all(0 <= results[1]["stats"][f"accuracy_{name}"] <= 1 for name in ("clean", "noise", "noisy"))
        num_steps += 1
    assert 20 <= num_steps < 500
    assert float(model.schedule.accuracy.min()) / (1 - 0.95**num_steps) > 0.8
    assert all(torch.equal(a, b) for a, b in zip(generator, model.generator.parameters()))
    generator_turn, _ = train_step(model, batch, optimizers)
    assert "loss_adversarial_clean" in generator_turn["stats"]
    assert any(not torch.equal(a, b) for a, b in zip(generator, model.generator.parameters()))
    # A training without a warm-up starts from this one's weights, and one that resumes does not warm up again.
    tiny_model().load_state_dict(model.state_dict())
    resumed = tiny_model(schedule=schedule)
    resumed.load_state_dict(model.state_dict())
    assert not resumed.schedule.warming_up
    resumed.schedule.restart()
    assert resumed.schedule.warming_up


def test_warm_up_has_an_end():
    model = tiny_model(schedule={"warm_up_accuracy": 1.0, "warm_up_steps": 3})
    optimizers, batch = optimizers_of(model), tiny_batch()
    warming = []
    for _ in range(4):
        warming.append(model.schedule.warming_up)
        train_step(model, batch, optimizers)
    assert warming == [True, True, True, False]


def test_held_out_items_train_nothing():
    model, batch = tiny_model(schedule={"warm_up_accuracy": 1.0}), tiny_batch()
    size = len(batch["speech_mix"])
    gradients = []
    for scale in (1.0, 3.0):
        model.zero_grad()
        changed = {name: value.clone() for name, value in batch.items()}
        for name, value in changed.items():
            if not name.endswith("_lengths"):
                value[-1] = value[-1].roll(int(scale))  # another held-out item
        model(**changed)
        model(forward_generator=False, **changed)["loss"].backward()
        gradients.append([p.grad.clone() for p in model.discriminators.parameters()])
    assert size > 1
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other)


def test_schedule():
    model = tiny_model(schedule={"discriminator_start": 2, "adversarial_start": 3, "discriminator_interval": 2})
    batch, heard, learned = tiny_batch(), [], []
    optimizers = optimizers_of(model)
    for _ in range(6):
        before = [p.clone() for p in model.discriminators.parameters()]
        generator, _discriminator = train_step(model, batch, optimizers)
        heard.append("loss_adversarial_clean" in generator["stats"])
        learned.append(any(not torch.equal(a, b) for a, b in zip(before, model.discriminators.parameters())))
    assert heard == [False, False, False, True, True, True]
    assert learned == [False, False, True, False, True, False]
    assert int(model.schedule.num_steps) == 6
    model.eval()(**batch)
    assert int(model.schedule.num_steps) == 6


def test_some_discriminators_at_a_time():
    model = tiny_model(schedule={"nets_per_step": 1})
    torch.manual_seed(0)
    for _ in range(3):
        train_step(model, tiny_batch())
        trained = [any(p.grad is not None for p in net.parameters()) for net in model.discriminators.ensembles["clean"]]
        assert sum(trained) == 1
        assert trained == [index in model._chosen for index in range(2)]
        model.zero_grad()


@pytest.mark.parametrize("missing", ["adversarial_clean", "adversarial_noise"])
def test_ablations_have_no_such_ensemble(missing):
    weights = {**SUPERVISED, missing: 0.0}
    model = tiny_model(weights)
    assert missing.split("_")[1] not in model.discriminators.ensembles
    assert torch.isfinite(train_step(model, tiny_batch())[1]["loss"])


@pytest.mark.parametrize(
    "ablation", ["without_clean_discriminator", "without_noise_discriminator", "without_quantizers"]
)
def test_an_ablation_starts_from_the_weights_of_the_whole_model(ablation):
    weights, generator = dict(SUPERVISED), tiny_generator()
    if ablation == "without_quantizers":
        generator = tiny_generator(num_quantizers=0)
    else:
        weights[f"adversarial_{ablation.split('_')[1]}"] = 0.0
    whole, model = tiny_model(), tiny_model(weights, generator=generator)
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.add_(0.1)
    model.load_state_dict(whole.state_dict())
    expected = whole.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    with pytest.raises(RuntimeError, match="other.weight"):
        model.load_state_dict({**expected, "generator.other.weight": torch.zeros(1)})


def test_no_ensemble_at_all():
    model = tiny_model({"clean": 1.0})
    _generator, discriminator = train_step(model, tiny_batch())
    assert discriminator["loss"] == 0 and "discriminator_loss" not in discriminator["stats"]


def test_noise_is_what_is_not_speech():
    model, batch = tiny_model(), tiny_batch()
    without = {name: value for name, value in batch.items() if not name.startswith("noise_ref1")}
    torch.manual_seed(0)
    expected = train_step(model, batch)
    torch.manual_seed(0)
    model.zero_grad()
    got = train_step(model, without)
    for one, other in zip(expected, got):
        assert one["loss"].detach() == pytest.approx(float(other["loss"]), rel=1e-4)


def test_silence_is_safe():
    for supervised in (True, False):
        weights = SUPERVISED if supervised else UNSUPERVISED
        model, batch = tiny_model(weights, supervised), tiny_batch(supervised=supervised)
        batch = {name: value if name.endswith("_lengths") else 0 * value for name, value in batch.items()}
        for result in train_step(model, batch, optimizers_of(model)):
            assert torch.isfinite(result["loss"])
        assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_level_changes_nothing():
    model, batch = tiny_model(), tiny_batch()
    quiet = {name: value if name.endswith("_lengths") else 1e-3 * value for name, value in batch.items()}
    assert model(**batch)["loss"].detach() == pytest.approx(float(model(**quiet)["loss"]), rel=1e-3)


def test_micro_batches_give_the_same_gradient():
    # In float64: sums over other batches differ in float32 by more than an error of the code would, on some processors.
    batch = {
        name: value.double() if value.is_floating_point() else value for name, value in tiny_batch(batch=3).items()
    }
    gradients = []
    for size in (None, 2):
        model = tiny_model({"clean": 1.0, "noisy": 1.0, "adversarial_clean": 1.0}, micro_batch_size=size).double()
        results = train_step(model, batch)
        gradients.append(
            [p.grad.clone() for p in model.parameters() if p.grad is not None]
            + [result["stats"][key] for result in results for key in sorted(result["stats"]) if "loss" in key]
        )
    assert len(gradients[0]) == len(gradients[1])
    for whole, parts in zip(*gradients):
        assert torch.allclose(whole, parts, rtol=1e-5, atol=1e-7)


def test_balanced_gradients_have_their_shares():
    model = tiny_model({"noisy": 1.0, "adversarial_clean": 1.0, "commitment": 0.25}, balance_gradients=True)
    stats = model(**tiny_batch())["stats"]
    assert stats["gradient_noisy"] > 0 and stats["gradient_adversarial_clean"] > 0
    # A loss's scale does not matter any more, only its weight.
    gradients = []
    for scale in (1.0, 100.0):
        model = tiny_model({"noisy": 1.0, "adversarial_clean": 1.0}, balance_gradients=True)
        model.reconstruction.weights = {name: scale * w for name, w in model.reconstruction.weights.items()}
        model(**tiny_batch())["loss"].backward()
        gradients.append(model.generator.branches["speech"].project.weight.grad)
    assert torch.allclose(*gradients, rtol=1e-2, atol=1e-6)


def test_validation_loss():
    batch = tiny_batch()
    supervised = tiny_model().eval()
    with torch.no_grad():
        result, other = supervised(**batch), supervised(forward_generator=False, **batch)
    assert not any(name.startswith("loss_adversarial") for name in result["stats"])
    assert {"clean_si_sdr", "noisy_si_sdr", "noise_si_sdr", "alpha", "beta", "clean_leakage"} <= set(result["stats"])
    assert "loss" not in other["stats"]
    latest = tiny_model(UNSUPERVISED, supervised=False, selection="latest")
    unpaired = tiny_batch(supervised=False)
    values = []
    for _ in range(2):
        train_step(latest.train(), unpaired)
        with torch.no_grad():
            values.append(float(latest.eval()(**unpaired)["stats"]["loss"]))
    assert values[1] < values[0]


def test_inference_state_is_the_generator():
    model = tiny_model()
    state = model.inference_state_dict()
    assert state and all(key.startswith("generator.") for key in state)
    rest = {key for key in model.state_dict() if key not in state}
    assert rest == {key for key in model.state_dict() if key.split(".")[0] in model.TRAINING_ONLY}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"weights": {"cleen": 1.0}}, "weights: 'cleen' is unknown; known: clean, noise, noisy"),
        ({"selection": "best"}, "selection is one of reconstruction, latest"),
        ({"dtype": "float16"}, "dtype one of auto, float32, bfloat16"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(UserError, match=message):
        tiny_model(**options)


def test_noise_ensemble_needs_the_branch():
    with pytest.raises(UserError, match="adversarial_noise needs generator_conf noise_branch: true"):
        ensemble_names({"adversarial_noise": 1.0}, noise_branch=False)
