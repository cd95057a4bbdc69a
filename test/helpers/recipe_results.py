"""What a recipe that was run in small must have written."""

import re
from pathlib import Path

import numpy as np
from recipe_runs import Row, Tree

from espnet_codecse.fileio import read_scp

NUMBER = r"-?\d+\.\d+ \[-?\d+\.\d+, -?\d+\.\d+\]"


def read_results(path: Path) -> dict[str, dict[str, list[str]]]:
    """``{section: {row: cells}}`` of the first table of each section, its head as the row ``set/row``."""
    sections: dict[str, dict[str, list[str]]] = {}
    for part in path.read_text().split("\n## ")[1:]:
        table = re.search(r"(?m)(^\|.*\n)+", part)
        if table:
            cells = [line.strip("|").split("|") for line in table.group().splitlines()]
            sections[part.splitlines()[0]] = {first: rest for first, *rest in cells if not first.startswith("-")}
    return sections


def check_results(tree: Tree, row: Row, columns: list[str]) -> None:
    """Each set's noisy row, the codec's and the experiment's layers are there, with a number in every column.

    A set without references has no clean rows, and numbers in the columns of DNSMOS only. Of the systems, those on
    embeddings have two layers and the codec beside them.
    """
    sections = read_results(tree.exp / "RESULTS.md")
    layers = ("waveform",) if list((tree.exp / row.experiment).glob("waveform_*")) else ("continuous", "quantized")
    enhanced = (tree.exp / row.experiment).glob(f"{layers[0]}_*")
    test_sets = [path.name.removeprefix(f"{layers[0]}_") for path in enhanced]
    assert test_sets
    wanted = {"Unprocessed": set(), row.experiment: set()}
    codec = f"codec_{(tree.lyra if '{lyra}' in row.flags else tree.codec).name}"
    if layers != ("waveform",):
        wanted[codec] = set()
    without = []
    for test_set in test_sets:
        prefix = f"{test_set}/" if len(test_sets) > 1 else ""
        sources = ["clean", "noisy"]
        if not (tree.dump / "raw" / test_set / "spk1.scp").exists():
            sources.remove("clean")
            without.append(prefix)
        wanted["Unprocessed"].add(f"{prefix}noisy")
        if codec in wanted:
            wanted[codec] |= {f"{prefix}{source}, {layer}" for source in sources for layer in layers}
        wanted[row.experiment] |= {f"{prefix}{layer}" for layer in layers}
    for section, names in wanted.items():
        assert set(sections[section]) == names | {"set/row"}, section
        assert sections[section]["set/row"] == columns
        for name in names:
            for metric, cell in zip(columns, sections[section][name]):
                empty = any(name.startswith(prefix) for prefix in without) and not metric.startswith("DNSMOS")
                assert re.fullmatch("n/a" if empty else NUMBER, cell), f"{section}, {name}, {metric}: {cell}"


def check_embeddings(tree: Tree) -> None:
    """Mixture and every reference of training and validation have embeddings, and the training's have statistics."""
    folders = [path.parent for path in tree.dump.glob("codec/*/*/codec.yaml")]
    assert len(folders) == 2
    for folder in folders:
        raw = tree.dump / "raw" / folder.name
        count = len((raw / "wav.scp").read_text().splitlines())
        for name in ("mix", *(f"ref{path.stem[3:]}" for path in raw.glob("spk[0-9].scp"))):
            assert len((folder / f"emb_{name}.scp").read_text().splitlines()) == count > 0
    assert list(tree.exp.glob("stats_*/*/stats.npz"))


def embeddings_of(tree: Tree, name: str) -> Path:
    """Folder of a set's embeddings."""
    return tree.dump / "codec" / f"{tree.codec.name}_continuous" / name


def same_embeddings(first: Path, second: Path) -> None:
    """Two folders of embeddings hold the same matrices."""
    from espnet_codecse.embedding.ark import read_ark

    for name in ("emb_mix.scp", "emb_ref1.scp"):
        tables = read_scp(first / name), read_scp(second / name)
        assert list(tables[0]) == list(tables[1])
        for key in tables[0]:
            np.testing.assert_allclose(read_ark(tables[0][key]), read_ark(tables[1][key]), atol=1e-4)
