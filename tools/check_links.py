"""Look for links of a built site that lead nowhere: python tools/check_links.py build/site."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page, and the names within it that links may lead to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.names: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links and names of a tag."""
        for key, value in attrs:
            if key == "id" or (tag == "a" and key == "name"):
                self.names.add(value or "")
            elif key in ("href", "src") and value:
                self.links.add(value)


def dead_links(site: Path) -> list[str]:
    """Return a line for each link between pages that leads nowhere."""
    pages = {
        path.resolve(): Page(path)
        for path in site.rglob("*.html")
        if "_static" not in path.parts  # templates of the theme
    }
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
            name = unquote(parts.fragment)
            exists = target.exists()
            if exists and name and target in pages:
                exists = name in pages[target].names
            if not exists:
                dead.append(f"{path.relative_to(site.resolve())}: {link}")
    return sorted(dead)


def main() -> int:
    """Print dead links; 1 if there are any."""
    site = Path(sys.argv[1])
    dead = dead_links(site)
    print(*dead, sep="\n", end="\n" if dead else "")
    if dead:
        print(f"{len(dead)} links lead nowhere")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
