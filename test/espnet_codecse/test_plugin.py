"""What changes for ESPnet when this package is imported before it."""

import subprocess
import sys

CODE = """
import espnet_codecse
from espnet2.fileio.read_text import read_2columns_text
from espnet2.samplers.build_batch_sampler import build_batch_sampler
from typeguard import TypeCheckError
import users

def checked(function, *arguments):
    try:
        function(*arguments)
    except TypeCheckError:
        return True
    except Exception:
        return False

print(checked(read_2columns_text, 1), checked(build_batch_sampler, 1, 2, 3, 4), checked(users.double, "2"))
"""


def test_typeguard_checks_what_a_user_can_set_and_other_packages(tmp_path):
    (tmp_path / "users.py").write_text("import typeguard\n\n@typeguard.typechecked\ndef double(x: int): return 2 * x\n")
    command = [sys.executable, "-W", "ignore", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{CODE}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["False", "True", "True"], result.stderr
