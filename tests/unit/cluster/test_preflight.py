"""Can this machine run a cluster? Judged on machines that nobody has at hand."""

from dataclasses import replace

import pytest

from tests.cluster import preflight
from tests.cluster.preflight import GIB, Facts

GOOD = Facts(disk_free=50 * GIB, memory=16 * GIB)


def test_a_machine_that_has_everything_has_no_problem():
    assert preflight.problems(GOOD) == []
    assert preflight.missing_packages(GOOD) == []


@pytest.mark.parametrize(
    ("change", "complaint", "remedy"),
    [
        ({"linux": False}, "not Linux", "Linux virtual machine"),
        ({"python": (3, 10)}, "Python 3.10 is too old", "Python 3.11 or newer"),
        ({"root": False}, "not root", "run the same command as root"),
        ({"go": None}, "no Go compiler", "install Go 1.24 or newer"),
        ({"go": (1, 19)}, "Go 1.19 is too old", "install Go 1.24 or newer"),
        ({"missing": ("ctr", "runc"), "apt": False}, "ctr, runc", "Debian packages containerd runc"),
        ({"cgroup_version": 0}, "no cgroups", "mount cgroup2"),
        ({"cgroup_writable": False}, "read-only", "start it privileged"),
        ({"overlay": False}, "no overlayfs", "modprobe overlay"),
        ({"bridge_filter": False}, "bridged packets", "modprobe br_netfilter"),
        ({"disk_free": 3 * GIB, "disk_where": "/somewhere"}, "3.0 GiB free at /somewhere", "10.0 GiB are needed"),
        ({"memory": 2 * GIB}, "2.0 GiB of memory", "at least 4.0 GiB"),
        ({"hidden": ("the cache (/run/x)",)}, "the cache (/run/x) is below one of /run", "set XDG_CACHE_HOME"),
    ],
)
def test_each_problem_is_one_sentence_with_its_remedy(change, complaint, remedy):
    (sentence,) = preflight.problems(replace(GOOD, **change))

    assert complaint in sentence
    assert remedy in sentence


def test_all_problems_are_told_at_once():
    assert len(preflight.problems(replace(GOOD, root=False, go=None, overlay=False, memory=GIB))) == 4


def test_a_compiler_is_not_needed_once_the_programs_are_in_the_cache():
    assert preflight.problems(replace(GOOD, go=None, programs_built=True)) == []
    assert preflight.problems(replace(GOOD, go=(1, 19), programs_built=True)) == []


def test_a_machine_sold_with_four_gigabytes_is_large_enough():
    # The kernel keeps some of it.
    assert preflight.problems(replace(GOOD, memory=int(3.8 * GIB))) == []


def test_missing_programs_are_no_problem_where_they_can_be_installed():
    bare = replace(GOOD, missing=("containerd", "ctr", "runc", "nft", "/usr/lib/cni/bridge"))

    assert preflight.problems(bare) == []
    assert preflight.missing_packages(bare) == ["containerd", "containernetworking-plugins", "nftables", "runc"]


def test_a_failing_check_names_the_packages_that_will_be_installed(monkeypatch):
    monkeypatch.setattr(preflight, "gather", lambda: replace(GOOD, root=False, missing=("buildah", "runc")))

    with pytest.raises(preflight.ClusterError) as error:
        preflight.check()

    assert "run the same command as root" in str(error.value)
    assert "packages will then be installed: buildah runc" in str(error.value)
