"""Every recipe and system from stage 1 to RESULTS.md in small, and a second run that does nothing anew."""

import re
import shutil

import pytest
import yaml
from corpus_trees import BUILDERS
from recipe_results import check_embeddings, check_results, read_results
from recipe_runs import ROOT, ROWS, run

TEMPLATE = ROOT / "egs2/TEMPLATE/enh1"
RECIPES = sorted(path for path in ROOT.glob("egs2/*/enh1") if path != TEMPLATE)
SYSTEMS = sorted({path.parent.name for path in TEMPLATE.glob("conf/*/[0-9]_*.yaml")})


def test_every_recipe_and_system_is_listed():
    listed = {(row.recipe, row.system) for row in ROWS}
    assert {("mini", system) for system in SYSTEMS} <= listed
    assert {recipe for recipe, _ in listed} - {"mini"} <= set(BUILDERS)
    assert {recipe.parent.name for recipe in RECIPES} == {recipe for recipe, _ in listed}
    assert {system for _, system in listed} <= set(SYSTEMS)
    assert len({row.experiment for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_recipe_is_thin_and_inside_the_repository(recipe):
    assert len((recipe / "run.sh").read_text().splitlines()) <= 50
    for name in ("enh.sh", "path.sh", "cmd.sh", "db.sh"):
        assert (recipe / name).is_symlink() and (recipe / name).resolve() == TEMPLATE / name
    for path in recipe.rglob("*"):
        if path.is_symlink():
            assert path.exists() and path.resolve().is_relative_to(ROOT)
    for conf in recipe.glob("conf/**/*.yaml"):
        system = conf.relative_to(recipe / "conf").parts[0]
        assert system in SYSTEMS, f"{conf}: of no system"
        assert isinstance(yaml.safe_load(conf.read_text()), dict), f"{conf}: no settings"
        if conf.parent.name == system:
            assert (TEMPLATE / "conf" / system / conf.name).is_file(), f"{conf}: merged over nothing"


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.recipe}-{row.system}-{row.experiment}")
def test_recipe_runs_to_results(row, tree, tmp_path):
    if row != ROWS[0]:
        tree = tree._replace(exp=tmp_path / "exp")
        if row.recipe in BUILDERS:
            corpus = BUILDERS[row.recipe](tmp_path / "corpus")
            tree = tree._replace(data=tmp_path / "data", dump=tmp_path / "dump", corpus=corpus)
        elif "--num_spk" in row.flags or "--local_data_opts" in row.flags:  # other mixtures than the shared ones
            tree = tree._replace(data=tmp_path / "data", dump=tmp_path / "dump")
        result = run(row.script, *tree.options(row))
        assert result.returncode == 0, result.stdout
        for number in range(1, row.last_stage + 1):
            assert f"Stage {number}: " in result.stdout
    if row.last_stage < 7:
        check_embeddings(tree)
        return
    names = re.search(r"--metrics '([^']*)'", row.flags).group(1)
    dnsmos = "DNSMOS_SIG DNSMOS_BAK DNSMOS_OVRL DNSMOS_P808"
    check_results(tree, row, names.replace("DNSMOS", dnsmos).split())
    assert list((tree.exp / row.experiment).glob("1_*/valid.loss.best.pth"))
    results = (tree.exp / "RESULTS.md").read_text()
    took = r"/config\.yaml\. \d[\d.]* ?[KM]? trainable parameters, \d+ steps in \d+ (s|min), .+, \d+ threads?\n"
    assert re.search(rf"\nConfiguration: .*/{row.experiment}/1_\w+{took}", results)
    if "--test_snrs" in row.flags:
        assert "\n## By SNR of the mixture\n\n|metric|set/row|-10 dB|5 dB|\n" in results


@pytest.mark.slow
def test_second_run_does_nothing_anew_and_says_so(tree):
    files = [path for folder in (tree.data, tree.dump, tree.exp) for path in folder.rglob("*") if not path.is_symlink()]
    kinds = (".wav", ".flac", ".ark", ".pth", ".npz")
    products = [path for path in files if path.suffix in kinds or path.name == ".done"]
    assert len(products) > 50
    before = {path: path.lstat().st_mtime_ns for path in products}
    scores = {path: path.read_text() for path in tree.exp.rglob("scores.jsonl")}
    results = read_results(tree.exp / "RESULTS.md")
    result = run(ROWS[0].script, *tree.options(ROWS[0]))
    assert result.returncode == 0, result.stdout
    assert {path: path.lstat().st_mtime_ns for path in products} == before
    assert {path: path.read_text() for path in tree.exp.rglob("scores.jsonl")} == scores
    assert read_results(tree.exp / "RESULTS.md") == results
    stages = re.split(r"\(enh\.sh:\d+:main\) Stage (\d+): ", result.stdout)[1:]
    assert [int(number) for number in stages[::2]][:9] == list(range(1, 10))
    for number, text in zip(stages[::2], stages[1::2]):
        assert re.search("skipped|already reached", text), f"stage {number} does not tell what it skipped:\n{text}"


def test_small_codec_loads():
    from espnet_codecse.codec import load_codec
    from espnet_codecse.codec.resolve import PRETRAINED

    codec = load_codec("small")
    assert (codec.sample_rate, codec.hop, codec.dim) == (16000, 320, 256)
    assert sum(value.numel() for value in codec.state_dict().values()) <= 4_000_000  # codebooks are buffers
    assert sum(path.stat().st_size for path in (PRETRAINED / "small_codec").iterdir()) <= 15_000_000


@pytest.mark.slow
def test_results_of_a_set_that_an_earlier_experiment_lacks(tree, tmp_path):
    own = tree._replace(exp=tmp_path / "exp")
    first = own.exp / ROWS[0].experiment
    shutil.copytree(tree.exp / first.name, first)
    shutil.copytree(next(first.glob("1_*")), own.exp / "second" / next(first.glob("1_*")).name)
    row = ROWS[0]._replace(experiment="second")
    result = run(row.script, *own.options(row), *["--stage", "6", "--stop_stage", "7", "--test_sets", "valid"])
    assert result.returncode == 0, result.stdout
    check_results(own, row, read_results(own.exp / "RESULTS.md")["second"]["set/row"])
    assert first.name not in (own.exp / "RESULTS.md").read_text()
