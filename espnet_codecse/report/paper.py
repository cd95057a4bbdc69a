"""Published rows for comparison with a recipe's results, from ``paper.yaml``:

tables:
-   title: "LatentSE (2502.16240)"
    source: "table of ..., quoted by ..."
    note: "DNSMOS as the authors ran it"          # optional
    rows:
    -   {row: noisy, DNSMOS_SIG: 3.39, DNSMOS_BAK: 2.62, DNSMOS_OVRL: 2.48}
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet_codecse.documents import read_yaml
from espnet_codecse.errors import UserError
from espnet_codecse.report.scores import METRIC_ORDER


def read_paper(path: Path) -> list[dict[str, Any]]:
    """Return the tables of ``paper.yaml``: ``{"title", "source", "note", "rows": [{"row": label, metric: value}]}``.

    Raises:
        UserError: the file is not valid yaml, or a table has no title, source or rows.
    """
    tables = read_yaml(path, "correct the file").get("tables")
    if not isinstance(tables, list) or not tables:
        raise UserError(f"{path}: holds no 'tables'; see espnet_codecse/report/paper.py")
    for number, table in enumerate(tables, 1):
        for key in ("title", "source", "rows"):
            if not isinstance(table, dict) or not table.get(key):
                raise UserError(f"{path}: table {number} has no '{key}'; every published figure needs its source")
        for row in table["rows"]:
            if not isinstance(row, dict) or not row.get("row"):
                raise UserError(f"{path}: table {number}: a row has no 'row', the label of its system")
    return tables


def paper_lines(tables: Sequence[dict[str, Any]]) -> list[str]:
    """Return the section of RESULTS.md with ``tables`` as published, without intervals."""
    lines = ["## Published", ""]
    for table in tables:
        found = {name for row in table["rows"] for name in row if name != "row"}
        columns = [name for name in METRIC_ORDER if name in found] + sorted(found - set(METRIC_ORDER))
        lines += [f"### {table['title']}", "", f"Source: {table['source']}", ""]
        if table.get("note"):
            lines += [str(table["note"]), ""]
        cells = [["row", *columns], ["---"] * (len(columns) + 1)]
        cells += [[str(row["row"]), *(str(row.get(name, "")) for name in columns)] for row in table["rows"]]
        lines += ["|" + "|".join(cell.replace("|", "\\|") for cell in row) + "|" for row in cells] + [""]
    return lines
