"""A hook of the site: a link from a page to a file of the repository leads to a page that shows that file.

In the repository the same links lead to the files themselves.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
LANGUAGES = {".py": "python", ".yaml": "yaml", ".service": "ini", ".md": "markdown"}
_LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)(\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """One page more for each file that some page links to."""
    names = {name for page in list(files.documentation_pages()) for name in _linked(page)}
    for name in sorted(names):
        files.append(
            File.generated(config, f"{_page(name)}", content=_shown(name), inclusion=InclusionLevel.NOT_IN_NAV)
        )
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs calls it
    """The links of a page, to those pages."""
    here = page.file.src_uri

    def lead(found: re.Match[str]) -> str:
        name = _outside(here, found[2])
        return (
            found[0]
            if name is None
            else f"{found[1]}{posixpath.relpath(_page(name), posixpath.dirname(here))}{found[3]}"
        )

    return _LINK.sub(lead, markdown)


def _linked(page: File) -> Iterator[str]:
    for _, target, _ in _LINK.findall(page.content_string):
        if name := _outside(page.src_uri, target):
            yield name


def _outside(page: str, target: str) -> str | None:
    """The file of the repository that a link means; None when it lies in docs/, or nowhere, which mkdocs tells."""
    name = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return name if not name.startswith("docs/") and (ROOT / name).is_file() else None


def _page(name: str) -> str:
    return f"code/{name}.md"


def _shown(name: str) -> str:
    """The file as it is, in a fence that nothing in it can end."""
    path = ROOT / name
    language, fence = LANGUAGES.get(path.suffix, "text"), "~" * 12
    head = f"---\ntitle: {path.name}\nhide: [navigation, toc]\nsearch:\n  exclude: true\n---\n\n# `{name}`\n\n"
    return f'{head}{fence} {{ .{language} linenums="1" }}\n{path.read_text(encoding="utf-8")}\n{fence}\n'
