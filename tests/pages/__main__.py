"""Make the stored reports anew, the page of one of them, and the pictures in the documents.

python -m tests.pages            # plays the stories on the simulated cluster first
python -m tests.pages page       # only the page and the pictures, of the reports that are there
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from modelrollout.cli.html import page
from tests.pages.browser import browser
from tests.pages.story import REPORTS, STORIES, stored, tell

_IMAGES = Path(__file__).parents[2] / "docs" / "images"
PICTURES = {"aborted": _IMAGES / "report.png", "drifted": _IMAGES / "report-drift.png"}
KEPT = "aborted"
"""Whose page is kept as well."""
WIDTH = 1280


async def draw() -> None:
    (REPORTS / f"{KEPT}.html").write_text(page(stored(KEPT)), encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        async with browser(Path(place) / "profile") as tab:
            await tab.look(width=WIDTH)
            for name, picture in PICTURES.items():
                file = Path(place) / f"{name}.html"
                file.write_text(page(stored(name)), encoding="utf-8")
                await tab.open(file)
                picture.write_bytes(await tab.picture())


async def play() -> None:
    for name, story in STORIES.items():
        text = json.dumps(await tell(story), indent=1, ensure_ascii=False)
        (REPORTS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    if "page" not in sys.argv[1:]:
        asyncio.run(play())
    asyncio.run(draw())
