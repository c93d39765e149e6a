"""The page of a report in a real browser: nothing overlaps, is cut off or cannot be read, day and night, on a phone, on paper."""

import copy
import struct
from pathlib import Path

import pytest

from modelrollout.cli.html import page
from tests.pages.__main__ import PICTURES, WIDTH
from tests.pages.browser import browser
from tests.pages.story import STORIES, stored

LOOK = (Path(__file__).parent / "look.js").read_text(encoding="utf-8")
LOOKS = {
    "by day": {"width": WIDTH},
    "by night": {"width": WIDTH, "scheme": "dark"},
    "on a phone": {"width": 400},
    # What is left of A4 between the margins.
    "on paper": {"width": 703, "media": "print"},
    "on paper by night": {"width": 703, "media": "print", "scheme": "dark"},
}


def crowded():
    """A report in which everything is as long and as much as it may be."""
    values = stored("promoted")
    sixty = [
        {
            "label": f"step {number}/60",
            "weight": number,
            "mirror": number % 2 * 100,
            "at": f"2026-01-01T00:{number // 4:02}:{number % 4 * 15:02}Z",
        }
        for number in range(1, 61)
    ]
    classes = [f"class number {number}" for number in range(20)]
    confusion = [[one, other, 9 + place] for one in classes for place, other in enumerate(classes)]
    gates = stored("aborted")["gates"]
    for gate in gates:
        gate["message"] = "a rather long sentence about it " * 16
    values |= {"stages": sixty, "name": "a-name-that-is-as-long-as-a-name-can-be-" * 2, "gates": gates}
    values["candidate"] = {
        **values["candidate"],
        "images": ["registry.example.org/a/very/long/path/of/an/image@sha256:" + "0" * 64],
    }
    values["requests"] = [
        {**values["requests"][0], "by": "system:serviceaccount:" + "x" * 200, "message": "y" * 500}
    ] * 20
    features = [
        {**one, "feature": f"{one['feature']}-{number}-" + "x" * 40}
        for number in range(5)
        for one in stored("drifted")["drift"]["asked"]
    ]
    values["drift"] = {"asked": features}
    values["predictions"]["same"] = {**copy.deepcopy(values["predictions"]["same"]), "confusion": confusion}
    return values


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    place = tmp_path_factory.mktemp("pages")
    found = {**{name: stored(name) for name in STORIES}, "crowded": crowded()}
    for name, values in found.items():
        (place / f"{name}.html").write_text(page(values), encoding="utf-8")
    return {name: place / f"{name}.html" for name in found}


@pytest.fixture
async def tab(tmp_path):
    async with browser(tmp_path / "profile") as found:
        yield found


async def test_it_looks_right_everywhere(tab, pages):
    wrong = []
    for name, file in pages.items():
        for how, look in LOOKS.items():
            await tab.look(**look)
            await tab.open(file)
            wrong += [f"{name} {how}: {words}" for words in await tab.ask(LOOK)]
    # Twenty classes are wider than a sheet of paper or a card, and can be moved on a screen.
    assert [words for words in wrong if not ("crowded" in words and "are hidden" in words)] == []


async def test_night_is_dark_and_paper_never_is(tab, pages):
    light = {}
    for how, look in LOOKS.items():
        await tab.look(**look)
        await tab.open(pages["aborted"])
        colour = await tab.ask("getComputedStyle(document.body).backgroundColor")
        light[how] = colour == "rgb(255, 255, 255)"
    assert light == {how: how != "by night" for how in LOOKS}


async def test_it_asks_for_nothing_but_itself(tab, pages):
    await tab.open(pages["crowded"])
    await tab.ask("document.body.offsetHeight")
    assert tab.asked == [pages["crowded"].as_uri()]


async def test_it_prints(tab, pages):
    await tab.open(pages["aborted"])
    assert (await tab.paper()).startswith(b"%PDF-")


@pytest.mark.parametrize("name", PICTURES)
async def test_a_picture_in_the_documents_is_of_this_page(tab, pages, name):
    await tab.look(width=WIDTH)
    await tab.open(pages[name])
    now, kept = (size(picture) for picture in (await tab.picture(), PICTURES[name].read_bytes()))
    assert kept[0] == now[0]
    # Fonts are not the same everywhere.
    assert kept[1] == pytest.approx(now[1], rel=0.05), (
        "The page is another now. Make the pictures: python -m tests.pages page"
    )


def size(png):
    assert png.startswith(b"\x89PNG")
    return struct.unpack(">II", png[16:24])
