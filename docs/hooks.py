"""MkDocs hook: the documents of the whole repository as one site, at their paths, with the files that they link to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PATTERNS = ("*.md", "docs/*.md", "formats/*.md", "weights/*.md", "weights/log/*.md", "tests/data/*.md")
LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files below `docs_dir` by the documents of the repository; keep those that themes and plugins add.

    Args:
        files: Files that MkDocs found.
        config: Configuration of the site.

    Returns:
        Documents, and the files that they link to, each at its path in the repository.
    """
    pages = {page for pattern in PATTERNS for page in ROOT.glob(pattern)}
    linked = {target for page in pages for target in _linked_files(page)}
    kept = [file for file in files if not Path(file.abs_src_path or "").is_relative_to(ROOT / "docs")]
    own = [
        File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
        for path in sorted(pages | linked)
    ]
    return Files([*kept, *own])


def _linked_files(page: Path) -> Iterator[Path]:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve()
        if path.is_file() and path.is_relative_to(ROOT):
            yield path
