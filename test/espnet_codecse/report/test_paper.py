"""Published rows: their order, their source, and what is refused."""

import pytest

from espnet_codecse.errors import UserError
from espnet_codecse.report.paper import paper_lines, read_paper

GOOD = """
tables:
-   title: A system
    source: "table 2 of a paper"
    note: quoted
    rows:
    -   {row: noisy, DNSMOS_OVRL: 2.48, SI_SDR: 9.07}
    -   {row: a|b, UTMOS: 3.9, SI_SDR: 18.0}
"""


def test_columns_in_the_order_of_our_own_tables(tmp_path):
    path = tmp_path / "paper.yaml"
    path.write_text(GOOD)
    lines = paper_lines(read_paper(path))
    assert lines[:3] == ["## Published", "", "### A system"]
    assert "Source: table 2 of a paper" in lines and "quoted" in lines
    assert "|row|SI_SDR|DNSMOS_OVRL|UTMOS|" in lines
    assert "|noisy|9.07|2.48||" in lines and "|a\\|b|18.0||3.9|" in lines


@pytest.mark.parametrize(
    "text, reason",
    [
        (GOOD.replace("    source: ", "    sauce: "), "table 1 has no 'source'"),
        (GOOD.replace("row: noisy", "name: noisy"), "a row has no 'row'"),
        ("tables: []", "holds no 'tables'"),
        ("tables: [", "not valid yaml"),
        ("!!python/object/apply:os.system ['true']", "not valid yaml .could not determine a constructor"),
    ],
)
def test_wrong_files_are_one_line(tmp_path, text, reason):
    path = tmp_path / "paper.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=reason) as error:
        read_paper(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
