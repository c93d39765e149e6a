"""A cluster of its own comes, is killed, comes back and goes, and the machine is as it was.

The tests build on one another, in this order, because every start takes seconds. They run on the cgroup version that the
machine has; of version 2 nothing is claimed until they have passed on a machine that has it.
"""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cluster import api, cgroups, machine, project
from tests.cluster.paths import REPOSITORY, Paths
from tests.cluster.shell import environment

pytestmark = pytest.mark.cluster

PATHS = Paths("lifecycle")


def command_line(*words):
    command = [sys.executable, "-m", "tests.cluster", "--name", PATHS.name, *words]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def before():
    """The machine without our cluster; afterwards it is removed, whatever happened."""
    # Modules that the kernel loads at the first start bring settings with them.
    assert command_line("down").returncode == 0
    yield machine.look(PATHS)
    command_line("down")


@pytest.fixture(scope="module")
def cluster(before):
    return api.ensure_up(PATHS.name)


def test_up_twice_is_up_once(cluster):
    init, states = cgroups.init(PATHS.cgroup), cluster.component_states()

    again = command_line("up")

    assert again.returncode == 0, again.stderr
    assert f"{PATHS.name} is up" in again.stderr
    assert cgroups.init(PATHS.cgroup) == init
    assert cluster.component_states() == states


def test_a_usable_cluster_says_so(cluster):
    status = command_line("status")

    assert status.returncode == 0
    assert "lifecycle: ready" in status.stdout
    assert cluster.get("node", "node0")["status"]["nodeInfo"]["kubeletVersion"] == "v1.34.4"


def test_the_forwarder_reaches_the_api_server_from_the_host(cluster):
    tls = ssl.create_default_context(cafile=str(PATHS.pki / "ca.crt"))
    # What Python does by itself from version 3.13 on.
    tls.verify_flags |= ssl.VERIFY_X509_STRICT
    tls.load_cert_chain(PATHS.pki / "admin.crt", PATHS.pki / "admin.key")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))

    with opener.open(f"https://127.0.0.1:{cluster.port}/version", timeout=5) as answer:
        assert json.load(answer)["gitVersion"] == "v1.34.4"


def test_a_forward_reaches_a_service(cluster):
    with cluster.forward({"dns": "10.96.0.10:53"}) as forward:
        connection = socket.create_connection(("127.0.0.1", forward.ports["dns"]), timeout=5)
        with connection:
            # Over TCP a query has its length in front: the address of kubernetes.default.svc.cluster.local.
            name = b"".join(bytes([len(part)]) + part for part in b"kubernetes default svc cluster local".split())
            query = b"\x12\x34\x01\x00\x00\x01" + bytes(6) + name + b"\x00\x00\x01\x00\x01"
            connection.sendall(len(query).to_bytes(2, "big") + query)
            answer = connection.recv(4096)

    assert answer.endswith(socket.inet_aton("10.96.0.1"))


REACHES = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2)
except OSError:
    sys.exit(1)
"""


def test_there_is_no_route_out(cluster):
    addresses = ["127.0.0.1", *host_addresses()]
    with socket.create_server(("", 0)) as listener:
        port = str(listener.getsockname()[1])
        for address in addresses:
            words = [sys.executable, "-c", REACHES, address, port]
            from_host, from_cluster = subprocess.run(words, check=False), cluster.run(words)
            assert (from_host.returncode, from_cluster.returncode) == (0, 1), address


def host_addresses():
    output = subprocess.check_output(["ip", "-json", "-4", "address"], env=environment())
    found = [entry["local"] for link in json.loads(output) for entry in link["addr_info"]]
    return [address for address in found if not address.startswith("127.")]


def test_an_image_is_loaded_once_and_again_when_its_tag_names_something_else(cluster):
    tag = project.tag("testmodel")
    assert project.ensure_images(cluster, ["testmodel"]) == [tag]
    assert project.ensure_images(cluster, ["testmodel"]) == []
    content = cluster.image_id(tag)

    ctr = ["ctr", "--address", PATHS.containerd_socket, "--namespace", "k8s.io"]
    subprocess.run([*ctr, "images", "tag", "--force", "localhost/coredns:1", tag], check=True, env=environment())
    assert cluster.image_id(tag) != content

    assert project.ensure_images(cluster, ["testmodel"]) == [tag]
    assert cluster.image_id(tag) == content


def test_the_machines_own_settings_stay_as_they_are_while_it_runs(cluster, before):
    now = machine.look(PATHS)

    assert {name: now.sysctls.get(name) for name in before.sysctls} == before.sysctls
    assert now.mounts == before.mounts
    assert now.devices == before.devices
    assert now.firewall == before.firewall


def test_a_killed_cluster_is_cleared_by_the_next_up(cluster):
    # A program inside keeps the namespaces alive when everything else is gone.
    with cluster.popen(["sleep", "600"]) as guest:
        wait_until(lambda: network(guest.pid) != network("self"))
        left = machine.own(PATHS)
        os.kill(cgroups.init(PATHS.cgroup), signal.SIGKILL)
        wait_until(lambda: cgroups.init(PATHS.cgroup) is None)
        assert "down, with leftovers" in command_line("status").stdout
        assert guest.poll() is None

        again = api.ensure_up(PATHS.name)

        assert guest.wait(5) == -signal.SIGKILL
    assert machine.alive(left) == machine.NOTHING
    assert again.missing() == ""
    assert again.kubectl("get", "pods", "--all-namespaces", "--output", "name").count("pod/coredns-") == 1


def network(process):
    return Path(f"/proc/{process}/ns/net").readlink()


def wait_until(test):
    deadline = time.monotonic() + 10
    while not test():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_down_leaves_nothing_behind(cluster, before):
    cluster = api.find(PATHS.name)
    # Whatever is open at the moment must not outlive the cluster either.
    with cluster.forward({"api": "127.0.0.1:6443"}), cluster.popen(["sleep", "600"]) as guest:
        wait_until(lambda: network(guest.pid) != network("self"))
        running = machine.own(PATHS)
        assert len(running.processes) > 10
        assert len(running.namespaces) > 3

        assert command_line("down").returncode == 0

    assert machine.alive(running) == machine.NOTHING
    after = machine.look(PATHS)
    # A kernel module that came with the first start brought settings, and stays.
    assert {name: after.sysctls.get(name) for name in before.sysctls} == before.sysctls
    assert (after.mounts, after.cgroups, after.devices) == (before.mounts, before.cgroups, before.devices)
    assert (after.firewall, after.files) == (before.firewall, before.files)


def test_down_without_a_cluster_is_no_mistake():
    done = command_line("down")

    assert done.returncode == 0
    assert "was not there" in done.stderr


UNPREPARED = """
mount --bind /dev/null "$(command -v debootstrap)"
mount --bind /dev/null "$(command -v runc)"
exec unshare --user "$@"
"""


def test_a_machine_that_cannot_is_told_within_two_seconds_what_to_do(tmp_path):
    """In a namespace where we are not root, two programs are missing, and there is no compiler."""
    words = ["unshare", "--mount", "sh", "-ec", UNPREPARED, "sh", sys.executable, "-m", "tests.cluster", "up"]
    empty = environment(PATH="/usr/sbin:/usr/bin:/sbin:/bin", XDG_CACHE_HOME=str(tmp_path))
    start = time.monotonic()

    done = subprocess.run(words, cwd=REPOSITORY, env=empty, capture_output=True, text=True, check=False)

    assert time.monotonic() - start < 2
    assert done.returncode == 1
    assert "- not root: namespaces, mounts and cgroups need it; run the same command as root" in done.stderr
    assert "- no Go compiler: install Go" in done.stderr
    assert "These Debian packages will then be installed: debootstrap runc" in done.stderr
    assert not any(tmp_path.iterdir())
