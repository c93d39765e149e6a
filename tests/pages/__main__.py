"""Make the stored reports anew, the page of one of them, and its picture in the documents.

python -m tests.pages            # plays the stories on the simulated cluster first
python -m tests.pages page       # only the page and its picture, of the reports that are there
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from modelrollout.cli.html import page
from tests.pages.browser import browser
from tests.pages.story import REPORTS, STORIES, stored, tell

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "report.png"
SHOWN = "aborted"
WIDTH = 1280


async def draw() -> None:
    file = REPORTS / f"{SHOWN}.html"
    file.write_text(page(stored(SHOWN)), encoding="utf-8")
    with tempfile.TemporaryDirectory() as profile:
        async with browser(Path(profile)) as tab:
            await tab.look(width=WIDTH)
            await tab.open(file)
            PICTURE.write_bytes(await tab.picture())


async def play() -> None:
    for name, story in STORIES.items():
        text = json.dumps(await tell(story), indent=1, ensure_ascii=False)
        (REPORTS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    if "page" not in sys.argv[1:]:
        asyncio.run(play())
    asyncio.run(draw())
