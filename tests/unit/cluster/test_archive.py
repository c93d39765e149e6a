"""An image archive without a build tool."""

import hashlib
import io
import json
import tarfile

from tests.cluster import archive


def make_layer(file):
    with tarfile.open(file, mode="w") as tar:
        archive.add(tar, "hello", b"hello", 0o755)
    return file


def test_the_layer_is_named_by_its_digest_and_the_image_by_its_tag(tmp_path):
    layer = make_layer(tmp_path / "layer.tar")

    archive.write(tmp_path / "image.tar", "localhost/hello:1", layer, {"Entrypoint": ["/hello"]})

    with tarfile.open(tmp_path / "image.tar") as tar:
        (manifest,) = json.load(tar.extractfile("manifest.json"))
        config = json.load(tar.extractfile(manifest["Config"]))
        content = tar.extractfile(manifest["Layers"][0]).read()
    assert manifest["RepoTags"] == ["localhost/hello:1"]
    assert config["config"] == {"Entrypoint": ["/hello"]}
    assert config["architecture"] == archive.architecture()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(content).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert tar.extractfile("hello").read() == b"hello"


def test_the_same_input_gives_the_same_layer(tmp_path):
    one, two = make_layer(tmp_path / "one.tar"), make_layer(tmp_path / "two.tar")

    assert one.read_bytes() == two.read_bytes()


def test_nothing_unfinished_is_left_beside_the_archive(tmp_path):
    archive.write(tmp_path / "images" / "image.tar", "localhost/hello:1", make_layer(tmp_path / "layer.tar"), {})

    assert [file.name for file in (tmp_path / "images").iterdir()] == ["image.tar"]
