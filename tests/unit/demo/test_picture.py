from PIL import Image

from tests.demo.picture import draw
from tests.demo.recording import Recording
from tests.unit.demo.recorded import START, whole_story


def test_a_picture_shows_the_recording_and_looks_the_same_each_time(tmp_path):
    draw(whole_story(), tmp_path / "a.png", tmp_path / "a.svg")
    draw(whole_story(), tmp_path / "b.png", tmp_path / "b.svg")

    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 1200
        colours = len(picture.convert("RGB").getcolors(maxcolors=1_000_000))
    assert colours > 100
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_demo_that_was_stopped_early_has_a_picture_too(tmp_path):
    draw(Recording(started=START), tmp_path / "empty.png")

    assert (tmp_path / "empty.png").stat().st_size > 0
