"""Names of clusters, and where their files are."""

import pytest

from tests.cluster.paths import CLUSTERS, HIDDEN, Paths, cache


@pytest.mark.parametrize("name", ["a", "modelrollout", "a-1", "x" * 32])
def test_a_name_that_fits_everywhere_is_taken(name):
    assert Paths(name).state == CLUSTERS / name


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "../a", "a/b", "a b", "ü", "x" * 33, "a\n"])
def test_other_names_are_refused_with_the_rule(name):
    with pytest.raises(ValueError, match="1 to 32 of the characters"):
        Paths(name)


def test_the_longest_name_still_fits_into_the_path_of_a_socket():
    assert len(str(Paths("x" * 32).containerd_socket)) <= 107


def test_everything_a_cluster_writes_is_below_its_own_directory():
    paths = Paths("one")
    files = [
        value
        for key in vars(Paths)
        if key not in {"state", "lock", "cgroup"} and not key.startswith("_")
        for value in [getattr(paths, key)]
        if key != "name"
    ]

    assert files
    assert all(file.is_relative_to(paths.state) for file in files)


def test_a_lock_outlives_what_it_protects():
    assert not Paths("one").lock.is_relative_to(Paths("one").state)


def test_no_cluster_is_where_its_own_namespace_hides_it():
    assert not any(CLUSTERS.is_relative_to(hidden) for hidden in HIDDEN)


def test_the_cache_follows_the_users_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert cache() == tmp_path / "modelrollout"
