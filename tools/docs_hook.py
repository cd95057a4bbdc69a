"""Hooks of MkDocs: pages of the repository outside of docs/, links between them, the commands' help, players.

The Markdown of this repository is written to be read in place, with links between files. Here they become links between
pages. What no page shows, such as a script, keeps its text without a link.
"""

import re
from functools import cache
from pathlib import Path

from mkdocs.structure.files import File, Files

from espnet_codecse.demo.samples import page_files, page_html

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "repository/"
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "egs2/*/README.md", "egs2/*/enh1/*.md", "egs2/*/*.md")
PAGES += ("espnet_codecse/pretrained/*/README.md", "examples/README.md")
IMAGES = ("egs2/*/enh1/*.png",)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):\s*<code>~?")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


@cache
def _outside() -> dict[str, Path]:
    """Return ``{name on the site: file}`` of what is outside of docs/."""
    found = {"index.md": ROOT / "README.md"}
    for pattern in (*PAGES, *IMAGES):
        for path in sorted(ROOT.glob(pattern)):
            if path.suffix in (".md", ".png"):
                found[PREFIX + path.relative_to(ROOT).as_posix()] = path
    return found


def on_files(files: Files, config) -> Files:
    """Add the pages."""
    for name, path in _outside().items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    files.append(File.generated(config, "commands.md", content=_commands()))
    for name, content in page_files(ROOT / "docs/samples").items():
        files.append(File.generated(config, f"samples/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page, config, files: Files) -> str:
    """Turn links between files into links between pages."""
    names = {path.resolve(): name for name, path in _outside().items()}
    names.update({path.resolve(): path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*")})
    own = page.file.src_uri
    place = {name: path for path, name in names.items()}.get(own, ROOT / "docs" / own)

    def rewritten(match: re.Match) -> str:
        mark, text, target, anchor = match.groups()
        if not target or "://" in target or target.startswith("mailto:"):
            return match.group(0)
        name = names.get((place.parent / target).resolve())
        if name is None:
            return text
        up = "../" * own.count("/")
        return f"{mark}[{text}]({up}{name}{anchor or ''})"

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(rewritten, part) for part in parts)


def on_page_content(html: str, page, config, files: Files) -> str:
    """Take the roles out of docstrings, which are written for readers of the source: ``:class:`` before a name."""
    return ROLE.sub("<code>", html)


def on_post_page(output: str, page, config) -> str:
    """Replace the page of audio samples by one with the players of the demo."""
    return page_html(page.title, page.content) if page.file.src_uri == "samples.md" else output


def _commands() -> str:
    """Return a page with the help of every command."""
    import importlib

    from espnet_codecse.bin.main import COMMANDS

    lines = ["# Commands", "", "What `codecse COMMAND --help` prints.", ""]
    for name, (module, text) in COMMANDS.items():
        parser = importlib.import_module(f"espnet_codecse.bin.{module}").get_parser()
        lines += [
            f"## {name}",
            "",
            f"{text[0].upper()}{text[1:]}.",
            "",
            "```text",
            parser.format_help().rstrip(),
            "```",
            "",
        ]
    return "\n".join(lines)
