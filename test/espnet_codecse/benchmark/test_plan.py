"""What a recipe's stages will take."""

import pytest
import yaml
from tiny_codecs import save_mdct

from espnet_codecse.benchmark.codec import CodecSpeed
from espnet_codecse.benchmark.plan import SetSize, format_plan, plan_stages, read_set_size
from espnet_codecse.benchmark.probe import StepCost
from espnet_codecse.bin.plan import main
from espnet_codecse.errors import UserError


def plan(stored=True, at_rate=True, num_jobs=2):
    train = [SetSize(1000, 3600.0, 2, at_rate), SetSize(100, 360.0, 2, at_rate)]
    return plan_stages(
        train,
        [SetSize(50, 180.0, 2, at_rate)],
        CodecSpeed(0.1, 0.05, 0.2, 1e8),
        StepCost(0.5, 1e9),
        0.25,
        {"max_epoch": 10, "batch_size": 8},
        16000,
        25600.0,
        num_jobs,
        stored,
    )


def test_arithmetic_of_stages():
    stages = {item.stage: item for item in plan()}
    assert list(stages) == [2, 3, 4, 5, 6, 7]
    assert stages[3].seconds == pytest.approx(2 * 3960 * 0.1 / 2)
    assert stages[3].disk_bytes == pytest.approx(2 * 3960 * 25600)
    assert stages[5].seconds == pytest.approx(10 * 125 * 0.5)
    # mixture, clean reference and the system's mixture are encoded; each of the three is decoded from both layers
    assert stages[6].seconds == pytest.approx((3 * 180 * 0.1 + 6 * 180 * 0.2) / 2)
    assert stages[7].seconds == pytest.approx(7 * 50 * 0.25 / 2)
    assert stages[2].disk_bytes == 0 < {item.stage: item for item in plan(at_rate=False)}[2].disk_bytes


def test_on_the_fly_there_is_nothing_to_store():
    assert [item.stage for item in plan(stored=False)] == [2, 5, 6, 7]


def test_too_little_disk_is_told():
    lines = format_plan(plan(), free_bytes=1e6)
    assert lines[-1].startswith("not enough disk: 1 MB free; --embedding_source on_the_fly")
    assert lines[-2].startswith("total") and "10 min" in lines[4]


def test_sizes_come_from_the_tables(make_data_dir):
    folder = make_data_dir("train", 4)
    assert read_set_size(folder, 16000) == SetSize(4, pytest.approx(4.0), 2, True)
    assert not read_set_size(folder, 24000).at_rate
    (folder / "wav.scp").write_text((folder / "wav.scp").read_text() + "zz /no/such.wav\n")
    assert read_set_size(folder, 16000) == SetSize(5, pytest.approx(4.0), 2, True)  # left to stage 2
    with pytest.raises(UserError, match="run stage 1 first"):
        read_set_size(folder / "none", 16000)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["stored", "on_the_fly"])
def test_the_command_probes_the_real_network(make_data_dir, tmp_path, capsys, source):
    save_mdct(tmp_path / "codec")
    train, valid, test = (make_data_dir(name, 3) for name in ("train", "valid", "test"))
    conf = {"codec": str(tmp_path / "codec")}
    criterion = {"name": "embedding_mse", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}
    separator = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "normalize": "utterance"}
    configuration = {
        "encoder": "codec",
        "encoder_conf": conf,
        "decoder": "codec",
        "decoder_conf": dict(conf),
        "separator": "nac_se",
        "separator_conf": separator,
        "criterions": [criterion],
        "batch_size": 2,
        "max_epoch": 3,
    }
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(configuration))
    arguments = ["--train_sets", str(train), str(valid), "--test_sets", str(test), "--nj", "1"]
    arguments += ["--config", str(tmp_path / "train.yaml"), "--embedding_source", source, "--metrics", "SI_SDR"]
    main([*arguments, "--from_hours", "1"])
    assert capsys.readouterr().out == ""
    main(arguments)
    lines = capsys.readouterr().out.splitlines()
    assert ("3  embeddings" in "".join(lines)) == (source == "stored")
    assert lines[-1].startswith("total") and all(line.rstrip().endswith("B") for line in lines[1:])
