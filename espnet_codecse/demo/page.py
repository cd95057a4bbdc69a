"""Files of the page: its own, and those of the report page."""

from pathlib import Path

from espnet_codecse.report.page.write import ASSETS as REPORT_ASSETS

ASSETS = Path(__file__).resolve().parent / "assets"
PLAYERS = ("style.css", "theme.js", "dom.js", "state.js", "axes.js", "player.js", "clips.js", "keys.js")
OWN = ("demo.css", "report.js")
LIVE = ("demo.js", "record-worklet.js")  # only where a server enhances
FILES = {**{name: REPORT_ASSETS / name for name in PLAYERS}, **{name: ASSETS / name for name in OWN + LIVE}}
