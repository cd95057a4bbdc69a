"""The notebooks, executed in small."""

import os
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.setenv("CODECSE_SMALL", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PATH", f"{Path(shutil.which('codecse')).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    nbformat.validate(notebook)
    assert not [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs], "committed with outputs"
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "egs2").symlink_to(NOTEBOOKS.parent / "egs2")
    folder = {"metadata": {"path": str(tmp_path / "notebooks")}}
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources=folder).execute()
    texts = [str(output) for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    expected = {"enhance_and_compare.ipynb": "PESQ", "train_and_share.ipynb": "set/row"}[name]
    assert any(expected in text for text in texts), texts
