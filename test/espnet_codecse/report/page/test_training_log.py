"""Training curves from ESPnet's own lines."""

from report_tree import TRAIN_LOG

from espnet_codecse.report.page.training_log import read_curves


def test_epochs_of_both_phases_without_times(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("x\n" + "".join(TRAIN_LOG.format(epoch=epoch, loss=-epoch, valid=epoch / 2) for epoch in (1, 2)))
    curves = read_curves(log)
    assert set(curves) == {"loss", "grad_norm", "optim0_lr0"}
    assert curves["loss"] == {"train": [[1, -1.0], [2, -2.0]], "valid": [[1, 0.5], [2, 1.0]]}
    assert curves["optim0_lr0"] == {"train": [[1, 1e-4], [2, 1e-4]]}


def test_the_later_one_of_an_epoch_counts_and_what_is_no_number_is_left_out(tmp_path):
    log = tmp_path / "train.log"
    lines = [(1, "0.5"), (2, "nan"), (3, "4.0"), (3, "3.0"), (4, "1.5e-03")]
    log.write_text("".join(TRAIN_LOG.format(epoch=epoch, loss=loss, valid="inf") for epoch, loss in lines))
    assert read_curves(log)["loss"] == {"train": [[1, 0.5], [3, 3.0], [4, 0.0015]]}
    log.write_bytes(b"\xff\xfe nothing here\n")
    assert read_curves(log) == {}
