"""Images for everybody else: pushed to a registry that keeps what it is given."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cluster import project

pytestmark = pytest.mark.cluster


class Registry(BaseHTTPRequestHandler):
    """As much of the OCI distribution protocol as a push needs."""

    protocol_version = "HTTP/1.1"
    blobs: dict[str, bytes]
    manifests: dict[str, bytes]

    def do_GET(self):
        self.answer(200)

    def do_HEAD(self):
        self.answer(200 if self.path.rpartition("/")[2] in self.blobs else 404)

    def do_POST(self):
        self.answer(202, Location=f"{self.path}{len(self.blobs)}")

    def do_PATCH(self):
        self.blobs[self.path] = self.body()
        self.answer(202, Location=self.path)

    def do_PUT(self):
        url = urlsplit(self.path)
        if "/manifests/" in url.path:
            self.manifests[url.path] = self.body()
        else:
            (digest,) = parse_qs(url.query)["digest"]
            self.blobs[digest] = self.blobs.pop(url.path) + self.body()
            assert digest == f"sha256:{hashlib.sha256(self.blobs[digest]).hexdigest()}"
        self.answer(201, Location=url.path)

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = bytearray()
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(data)

    def answer(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def registry():
    handler = type("ThisRegistry", (Registry,), {"blobs": {}, "manifests": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}/team", handler
        server.shutdown()
        thread.join()


def test_an_image_is_pushed_under_the_version_of_the_project(registry):
    address, kept = registry
    (image,) = project.build(["testmodel"])

    assert project.push([image], f"{address}/") == [f"{address}/modelrollout-testmodel:0.1.0"]

    manifest = json.loads(kept.manifests["/v2/team/modelrollout-testmodel/manifests/0.1.0"])
    config = json.loads(kept.blobs[manifest["config"]["digest"]])
    assert config["config"]["Entrypoint"] == ["python3", "-m", "tests.traffic.model"]
    assert {layer["digest"] for layer in manifest["layers"]} <= set(kept.blobs)
