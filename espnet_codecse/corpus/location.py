"""Where a corpus is (a variable of the recipe's db.sh, checked before anything is read) and whether it is complete."""

import os
from collections.abc import Sequence
from pathlib import Path

from espnet_codecse.errors import UserError


def corpus_root(variable: str, needed: Sequence[str], root: Path | None = None) -> Path:
    """Return the folder of a corpus that has all that is needed.

    Args:
        variable: variable of db.sh, such as ``VCTK_DEMAND``, read from the environment.
        needed: files and folders below the root; alternatives are separated by ``|``.
        root: takes the variable's place.

    Raises:
        UserError: the variable is not set, or something is missing: named are the variable, the path, and the first
            missing folder.
    """
    value = str(root) if root is not None else os.environ.get(variable, "")
    if not value:
        raise UserError(
            f"{variable}: not set; write the corpus's folder into db.sh, or set {variable} in the environment"
        )
    folder = Path(value).expanduser().absolute()
    if not folder.is_dir():
        raise UserError(f"{variable}: {folder}: no such folder; correct db.sh, or set {variable} in the environment")
    for choices in needed:
        if not any((folder / choice).exists() for choice in choices.split("|")):
            expected = " or ".join(choices.split("|"))
            raise UserError(f"{variable}: {folder}: has no {expected}; is it the corpus's top folder, and complete?")
    return folder


def check_count(where: object, number: int, published: int, what: str, advice: str, incomplete: bool = False) -> None:
    """Compare a number with the published one.

    Args:
        where: what was counted in, for the message.
        number, published: what is there, and what should be.
        what: is counted, such as ``utterances in testset``.
        advice: what to do otherwise.
        incomplete: any number will do.

    Raises:
        UserError: they differ.
    """
    if number != published and not incomplete:
        raise UserError(f"{where}: {number} {what}, {published} were published; {advice}, or pass --incomplete")
