"""The collector's file, as kubelet changes it under its hands."""

import logging
from pathlib import Path

import pytest

from modelrollout.collector.config import CaptureFile
from modelrollout.domain.capture import CAPTURE_FILE, Capture
from tests.unit.collector.pairs import capture

ONE, OTHER = capture(), capture(candidate="newer")


def test_it_is_read_when_it_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / CAPTURE_FILE
    path.write_text(ONE.model_dump_json())
    file = CaptureFile(path)
    assert (file.changed(), file.changed()) == (ONE, None)
    path.write_text(OTHER.model_dump_json(by_alias=True) + " ")
    assert (file.changed(), file.changed()) == (OTHER, None)


def test_the_swap_of_a_link_is_seen(tmp_path: Path) -> None:
    # Both files may be of the same second and size.
    for name, said in (("..1", ONE), ("..2", OTHER.model_copy(update={"candidate": "candidatf"}))):
        (tmp_path / name).mkdir()
        (tmp_path / name / CAPTURE_FILE).write_text(said.model_dump_json())
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / CAPTURE_FILE).symlink_to(f"..data/{CAPTURE_FILE}")
    file = CaptureFile(tmp_path / CAPTURE_FILE)
    first = file.changed()
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    second = file.changed()
    assert [said and said.candidate for said in (first, second, file.changed())] == ["candidate", "candidatf", None]


@pytest.mark.parametrize(
    "said", [None, b"", b"{", b'{"stable": 5}', b'{"secret": "word"}', b"\xff\x00", b"[" * 100_000]
)
def test_a_file_that_cannot_be_used_compares_nothing_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, said: bytes | None
) -> None:
    path = tmp_path / CAPTURE_FILE
    if said is not None:
        path.write_bytes(said)
    file = CaptureFile(path)
    with caplog.at_level(logging.WARNING):
        assert [file.changed() for _ in range(3)] == [Capture(), None, None]
    (message,) = caplog.messages
    assert str(path) in message
    assert "nothing is compared" in message
    assert "word" not in message
    path.write_text(ONE.model_dump_json() + "\n")
    assert file.changed() == ONE
    path.unlink()
    assert file.changed() == Capture()
