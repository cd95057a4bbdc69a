"""Modules whose import waits until they are used, in processes of their own."""

import importlib.util
import subprocess
import sys

import pytest

from espnet_codecse.postponed import postpone


def run(code: str, folder) -> str:
    """Return what ``code`` prints, with ``folder`` among the places of modules."""
    setup = f"import sys; sys.path.insert(0, {str(folder)!r}); from espnet_codecse.postponed import postpone\n"
    result = subprocess.run([sys.executable, "-c", setup + code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(name="folder")
def folder_of_a_package(tmp_path):
    package = tmp_path / "slow_package"
    package.mkdir()
    (package / "__init__.py").write_text("print('run')\nfrom slow_package.part import VALUE\n")
    (package / "part.py").write_text("VALUE = 5\n")
    return tmp_path


def test_runs_when_an_attribute_is_asked_for(folder):
    code = """
import inspect
postpone("slow_package")
import slow_package
assert inspect.getframeinfo(sys._getframe()) and not hasattr(slow_package, "__file__")
print("imported")
print(slow_package.VALUE, slow_package.VALUE, sys.modules["slow_package"].__file__ is not None)
"""
    assert run(code, folder).split() == ["imported", "run", "5", "5", "True"]


def test_a_part_is_found_without_the_rest(folder):
    assert run("postpone('slow_package')\nimport slow_package.part as part; print(part.VALUE)", folder) == "5\n"


def test_a_part_waits_too(folder):
    (folder / "slow_package/__init__.py").write_text("")
    (folder / "slow_package/part.py").write_text("print('run')\nVALUE = 5\n")
    code = """
postpone("slow_package.part")
import slow_package.part
print("imported", slow_package.part.VALUE)
from slow_package.part import VALUE
import slow_package.part as part
print(VALUE, part is sys.modules["slow_package.part"], part.__file__ is not None)
"""
    assert run(code, folder).split() == ["run", "imported", "5", "5", "True", "True"]


def test_a_function_waits_for_its_call(folder):
    (folder / "slow_package/__init__.py").write_text("")
    (folder / "slow_package/part.py").write_text("print('run')\nVALUE = 5\ndef add(a, b=1): return a + b\n")
    code = """
postpone("slow_package.part", "add")
from slow_package.part import add
print("imported", add(1), add(1, b=2))
from slow_package.part import VALUE
print(VALUE)
"""
    assert run(code, folder).split() == ["run", "imported", "2", "3", "5"]


def test_what_is_imported_or_missing_stays(folder):
    assert run("import slow_package\npostpone('slow_package'); print(slow_package.__file__ is not None)", folder) == (
        "run\nTrue\n"
    )
    for name in ("no_such_package_anywhere", "no_such_package_anywhere.part"):
        postpone(name)
        assert name not in sys.modules


@pytest.mark.slow
def test_espnets_enhancement_imports_nothing_that_waits(folder):
    waiting = ("inflect", "nltk", "transformers", "numba", "fast_bss_eval.numpy")
    imports = f"import espnet_codecse, espnet2.tasks.enh\nprint(set({waiting}) & set(sys.modules))\n"
    assert run(imports, folder).splitlines()[-1:] == ["set()"]
    for module, name in (
        ("espnet2.tasks.abs_task", "create_adapter"),
        ("espnet2.train.trainer", "calculate_all_attentions"),
        ("espnet2.text.build_tokenizer", "HuggingFaceTokenizer"),
    ):  # ESPnet still has them under these names
        assert run(f"import {module} as module; print(callable(module.{name}))", folder).splitlines()[-1:] == ["True"]
    if importlib.util.find_spec("tacotron_cleaner") is not None:  # an extra of ESPnet since 202611
        cleaner = "from espnet2.text.cleaner import TextCleaner; print(TextCleaner('tacotron')('Dr. No has 3.'))"
        assert run(imports + cleaner, folder).splitlines()[-2:] == ["set()", "DOCTOR NO HAS THREE."]
