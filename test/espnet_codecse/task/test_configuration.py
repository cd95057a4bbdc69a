"""Merging a recipe's differences over the papers' configurations."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from espnet_codecse.errors import UserError
from espnet_codecse.task.configuration import (
    build_configuration,
    check_unchanged,
    merge,
    needs_waveform_reference,
    system_steps,
)

TEMPLATE = Path(__file__).resolve().parents[3] / "egs2" / "TEMPLATE" / "enh1" / "conf"
VALUES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def confs(tmp_path):
    """A template with two systems and a recipe; a function writes their files."""

    def write(name: str, **content) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(yaml.safe_dump(content))

    write("template/one/1_first.yaml", separator="x", separator_conf={"a": 1, "b": 2}, criterions=[1, 2], max_epoch=9)
    write("template/one/2_second.yaml", separator="y")
    write("template/one/size/big.yaml", separator_conf={"a": 10})
    write("template/one/loss/post.yaml", criterions=[3])
    write("template/two/1_only.yaml", separator="z")
    write("recipe/one/1_first.yaml", separator_conf={"b": 20})
    return tmp_path, write


def build(tmp_path, system="one", step="1_first", size=None, loss=None, variants=()):
    folders = (tmp_path / "template", tmp_path / "recipe")
    return build_configuration(*folders, system, step, "small", size, loss, variants=variants)


def test_recipe_over_template(confs):
    configuration = build(confs[0], size="big", loss="post")
    assert configuration["separator_conf"] == {"a": 10, "b": 20}
    assert configuration["criterions"] == [3]
    assert configuration["max_epoch"] == 9
    assert configuration["encoder_conf"] == configuration["decoder_conf"] == {"codec": "small"}


def test_recipe_may_add_sizes_and_override_them(confs):
    tmp_path, write = confs
    write("recipe/one/size/huge.yaml", separator_conf={"a": 1000})
    write("recipe/one/size/big.yaml", separator_conf={"b": 200})
    assert build(tmp_path, size="huge")["separator_conf"] == {"a": 1000, "b": 20}
    assert build(tmp_path, size="big")["separator_conf"] == {"a": 10, "b": 200}


def test_variants_in_order_between_size_and_loss(confs):
    tmp_path, write = confs
    write("template/one/variant/wide.yaml", separator_conf={"a": 50}, criterions=[7])
    write("recipe/one/variant/wide.yaml", separator_conf={"b": 60})
    write("recipe/one/variant/narrow.yaml", separator_conf={"a": 5})
    configuration = build(tmp_path, size="big", loss="post", variants=["wide", "narrow"])
    assert configuration["separator_conf"] == {"a": 5, "b": 60} and configuration["criterions"] == [3]
    assert build(tmp_path, variants=["narrow", "wide"])["separator_conf"] == {"a": 50, "b": 60}
    assert build(tmp_path, variants=["wide"])["criterions"] == [7]
    with pytest.raises(UserError, match="--variant wise: unknown for one; known: narrow, wide"):
        build(tmp_path, variants=["wide", "wise"])


def test_experiments_with_old_names_resume(tmp_path):
    criterion = {"name": "pesq", "wrapper": "fixed_order"}
    before = {"criterions": [{**criterion, "name": "perceptual_disturbance"}, {"name": "snr"}]}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump({**before, "coder_conf": {"kind": "hybrid"}}))
    (tmp_path / "checkpoint.pth").touch()
    now = {"criterions": [criterion, {"name": "snr"}], "coder_conf": {"kind": "mdct"}}
    check_unchanged(tmp_path / "train.yaml", now)
    with pytest.raises(UserError, match="trained with another criterions"):
        check_unchanged(tmp_path / "train.yaml", {**now, "criterions": [criterion]})


def test_another_class_drops_the_old_ones_options():
    base = {"scheduler": "plateau", "scheduler_conf": {"factor": 0.5}, "optim": "adam", "optim_conf": {"lr": 1}}
    assert merge(base, {"scheduler": "warmuplr"}) == {"scheduler": "warmuplr", "optim": "adam", "optim_conf": {"lr": 1}}
    merged = merge(base, {"scheduler": "warmuplr", "scheduler_conf": {"steps": 3}})
    assert merged["scheduler_conf"] == {"steps": 3}
    assert merge(base, {"scheduler": "plateau", "scheduler_conf": {"patience": 1}})["scheduler_conf"] == {
        "factor": 0.5,
        "patience": 1,
    }


@pytest.mark.slow
@given(VALUES, VALUES)
def test_merging_keeps_its_inputs_and_is_idempotent(base, override):
    before = yaml.safe_dump([base, override])
    merged = merge(base, override)
    assert merge(merged, override) == merged
    assert merge({}, override) == override
    assert yaml.safe_dump([base, override]) == before


def test_unknown_names_list_the_known(confs):
    tmp_path, _write = confs
    for system in ("three", ""):
        with pytest.raises(UserError, match="known systems: one, two"):
            build(tmp_path, system=system)
    with pytest.raises(UserError, match="--size tiny: unknown for one; known: big"):
        build(tmp_path, size="tiny")
    with pytest.raises(UserError, match="--loss pre: unknown for one; known: post"):
        build(tmp_path, loss="pre")
    with pytest.raises(UserError, match="no step '3_third'"):
        build(tmp_path, step="3_third")
    assert system_steps(tmp_path / "template", "one") == ["1_first", "2_second"]


def test_damaged_files(confs):
    tmp_path, _ = confs
    file = tmp_path / "recipe" / "one" / "1_first.yaml"
    file.write_text("a: [1,\n")
    with pytest.raises(UserError, match="1_first.yaml: not valid yaml") as caught:
        build(tmp_path)
    assert "\n" not in str(caught.value)
    file.write_text("# nothing set\n")
    with pytest.raises(UserError, match="holds no 'key: value' lines"):
        build(tmp_path)


@pytest.mark.parametrize("loss, waveform", [("pre", False), ("post", False), ("both", False), ("waveform", True)])
def test_the_templates_losses(tmp_path, loss, waveform):
    configuration = build_configuration(TEMPLATE, tmp_path, "nac_se", "1_enhance", "small", None, loss)
    assert needs_waveform_reference(configuration) == waveform
    assert len(configuration["criterions"]) == (2 if loss == "both" else 1)


@pytest.mark.parametrize("num_spk", [1, 2, 3])
@pytest.mark.parametrize("system", ["nac_se", "codecformer", "codecformer_el"])
def test_the_number_of_speakers_alone_makes_a_system_separate(tmp_path, system, num_spk):
    step = system_steps(TEMPLATE, system)[0]
    loss = "both" if system == "nac_se" else None
    configuration = build_configuration(TEMPLATE, tmp_path, system, step, "small", None, loss, num_spk)
    assert configuration["separator_conf"]["num_spk"] == num_spk
    wrappers = [item["wrapper"] for item in configuration["criterions"]]
    if system == "nac_se":
        assert wrappers == 2 * (["fixed_order"] if num_spk == 1 else ["pit"])
        if num_spk > 1:
            # The second loss takes the first one's order.
            orders = [item["wrapper_conf"]["independent_perm"] for item in configuration["criterions"]]
            assert orders == [True, False]
    else:
        assert wrappers == [{"codecformer": "pit_threshold", "codecformer_el": "pit"}[system]]
    assert configuration["separator_conf"]["activation"] == "auto"
