"""Names are unique, groups expand, and an unknown name lists the known ones."""

import subprocess
import sys

import pytest

from espnet_codecse.errors import UserError
from espnet_codecse.metrics.registry import family_of, known_metrics, register, select


def test_known_metrics_hold_the_contract():
    metrics = known_metrics()
    names = [metric.name for metric in metrics]
    dnsmos = {"DNSMOS_SIG", "DNSMOS_BAK", "DNSMOS_OVRL", "DNSMOS_P808"}
    assert {"SI_SDR", "SDR", "PESQ", "STOI", "ESTOI"} | dnsmos <= set(names)
    assert len(set(names)) == len(names)
    for metric in metrics:
        assert metric.range[0] < metric.range[1] and metric.description
        assert metric.higher_is_better == (metric.name not in ("LSD", "LSD_HIGH", "MCD", "DWER"))
        columns = family_of(metric.name).columns
        assert len({(column.sample_rate, column.needs_reference) for column in columns}) == 1


def test_a_group_expands_once_and_unknown_names_are_told():
    names = [metric.name for metric in select(["STOI", "DNSMOS", "DNSMOS_BAK"])]
    assert names == ["STOI", "DNSMOS_SIG", "DNSMOS_BAK", "DNSMOS_OVRL", "DNSMOS_P808"]
    with pytest.raises(UserError, match=r"unknown metric 'MOS'; known: SI_SDR, .*DNSMOS"):
        select(["MOS"])
    with pytest.raises(UserError, match="no metric given"):
        select([])


def test_a_name_cannot_be_registered_twice():
    with pytest.raises(ValueError, match="'STOI' is registered twice"):
        register()(family_of("STOI"))


def test_looking_up_metrics_imports_no_metric_package():
    code = (
        "import sys; from espnet_codecse.metrics import known_metrics; known_metrics();"
        "assert not {'torch', 'scipy', 'pesq', 'pystoi', 'onnxruntime', 'librosa', 'soundfile'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
