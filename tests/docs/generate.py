"""Write the pages that are made from the code: `make docs`. test_pages.py fails where one is out of date."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.docs import api_page, cli_page, s3_page, settings_page

ROOT = Path(__file__).parents[2]

# The page's path → what makes its whole text.
PAGES: dict[str, Callable[[], str]] = {
    "docs/api.md": api_page.text,
    "docs/cli.md": cli_page.text,
    "docs/s3.md": s3_page.text,
    "docs/settings.md": settings_page.text,
}


def main() -> None:
    for name, make in PAGES.items():
        (ROOT / name).write_text(make())
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
