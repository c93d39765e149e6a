"""Images for the cluster on a machine that reaches package registries but no image registry.

Base images come from Debian packages, made to look like the official slim Python images; Python packages come as wheels
that were downloaded beforehand by hash; buildah then builds without any network. Everything slow is cached.

    base = images.base("3.13")                                   # "localhost/python:3.13-slim"
    wheels = images.download_wheels(Path("requirements/operator-py313.txt"), "3.13")
    images.build("operator", "localhost/operator:dev", Path("."), {"OPERATOR_BASE": base}, wheels, file=file)
    images.load(Paths("modelrollout"), file)
"""

import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import archive, lifecycle, mirror
from tests.cluster.build import digest
from tests.cluster.paths import Paths, cache
from tests.cluster.shell import ClusterError, call, environment, locked, say

_PACKAGES = "ca-certificates,netbase,tzdata,python3,python3-pip,python3-venv"

# What makes a Debian with Python look like the official image: `python` exists, pip may install into the system, and
# nothing of this machine (its name, its resolver) or of the installation remains.
_FINISH = """\
set -e
cd "$1"
ln -sf /usr/bin/python3 usr/local/bin/python3
ln -sf /usr/bin/python3 usr/local/bin/python
rm -f usr/lib/python3*/EXTERNALLY-MANAGED etc/hostname etc/resolv.conf etc/machine-id
rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/* debootstrap
rm -rf usr/share/doc/* usr/share/man/* usr/share/info/* usr/share/locale/* usr/share/lintian/*
find . -xdev -name __pycache__ -type d -prune -exec rm -rf {} +
tar --create --file "$2" --numeric-owner --sort=name --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' .
"""

# A build or an installation that is interrupted must not leave mounts or processes: give it namespaces of its own.
_ALONE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]


@dataclass(frozen=True)
class _Base:
    suite: str
    tag: str


_GLIBC_MINOR = 36
"""Of the older base image (bookworm): a wheel for a newer glibc would not load there."""

BASES = {
    "3.13": _Base("trixie", "localhost/python:3.13-slim"),
    "3.11": _Base("bookworm", "localhost/python:3.11-slim"),
}


def base(python_version: str) -> str:
    """Make sure that buildah has the base image for this Python version, and return its tag."""
    wanted = BASES[python_version]
    current = key(python_version)
    with locked(cache() / "locks" / f"base-{wanted.suite}"):
        marker = _store() / f"base-{wanted.suite}"
        if marker.exists() and marker.read_text() == current and _has(wanted.tag):
            return wanted.tag
        file = cache() / "images" / f"python-{python_version}-slim-{current}.tar"
        if not file.exists():
            _bootstrap(wanted, file)
        _buildah("pull", "--quiet", f"docker-archive:{file}")
        marker.write_text(current)
    return wanted.tag


def key(python_version: str) -> str:
    """Return a short name for what the base image of this Python version is made from."""
    wanted = BASES[python_version]
    return digest(wanted.suite, wanted.tag, _PACKAGES, _FINISH, Path(archive.__file__).read_bytes())


def build(
    target: str,
    tag: str,
    context: Path,
    build_args: Mapping[str, str],
    wheels_dir: Path | None,
    *,
    file: Path,
) -> None:
    """Build one target of the context's Dockerfile without network, and write the archive of the image.

    Base images must be there already (see `base`); nothing is pulled. During the build `wheels_dir` is mounted at
    /wheels. What is mounted is not part of buildah's layer cache: a Dockerfile must COPY the lock file before it
    installs from /wheels, so that new wheels mean a new layer.
    """
    options = ["--layers", "--network=none", "--pull=never", "--target", target, "--tag", tag]
    for name, value in build_args.items():
        options += ["--build-arg", f"{name}={value}"]
    if wheels_dir is not None:
        options += ["--volume", f"{wheels_dir.resolve()}:/wheels:ro"]
    _buildah("build", *options, str(context))
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        _save(tag, file)
    except ClusterError as error:
        if "integrity checksum" not in str(error):
            raise
        # Some machines add a certificate to every list of them that they find, also in our layers.
        say(f"a cached layer of {tag} is not as it was built any more; building all of them again")
        _buildah("build", "--no-cache", *options, str(context))
        _save(tag, file)


def _save(tag: str, file: Path) -> None:
    # buildah adds to an archive that exists, and ours have one image.
    file.unlink(missing_ok=True)
    _buildah("push", "--quiet", tag, f"docker-archive:{file}:{tag}")


def push(file: Path, tag: str, target: str) -> None:
    """Push the image of an archive to a registry; who may is up to the user's own login."""
    host = target.partition("/")[0].partition(":")[0]
    # As Docker has it: a registry on this very machine needs no certificate.
    options = ["--tls-verify=false"] if host in {"localhost", "127.0.0.1"} else []
    _buildah("pull", "--quiet", f"docker-archive:{file}")
    _buildah("push", "--quiet", *options, tag, f"docker://{target}")


def load(paths: Paths, file: Path) -> list[str]:
    """Import an archive into a running cluster; return the names of its images."""
    return lifecycle.load_image(paths, file)


def download_wheels(lock: Path, python_version: str) -> Path:
    """Download the wheels that a lock file with hashes names, for Linux and this Python version, into one directory."""
    machine = platform.machine()
    target = cache() / "wheels" / digest(lock.read_bytes(), python_version, machine)
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    say(f"downloading the wheels of {lock.name}")
    # pip takes platform names literally, so every older one that a wheel may carry must be listed.
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC_MINOR, 4, -1)]
    platforms += [f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}"]
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        download = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        download += ["--require-hashes", "--only-binary=:all:", "--requirement", str(lock)]
        download += ["--python-version", python_version, "--implementation", "cp"]
        download += [word for name in platforms for word in ("--platform", name)]
        call([*download, "--dest", Path(scratch) / "wheels"])
        (Path(scratch) / "wheels").rename(target)
    return target


def _bootstrap(wanted: _Base, file: Path) -> None:
    say(f"installing Debian {wanted.suite} for {wanted.tag} (about a minute, once)")
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        root, layer = Path(scratch) / "root", Path(scratch) / "layer.tar"
        command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", wanted.suite, str(root)]
        address = mirror.of_this_machine()
        call([*_ALONE, *command, *([address] if address else [])], env=environment(LANG="C.UTF-8"))
        call(["sh", "-c", _FINISH, "sh", root, layer])
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        archive.write(file, wanted.tag, layer, {"Env": [path, "LANG=C.UTF-8"], "Cmd": ["python3"]})


def _store() -> Path:
    directory = cache() / "buildah"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _has(tag: str) -> bool:
    try:
        _buildah("inspect", "--type", "image", "--format", "{{.FromImageID}}", tag)
    except ClusterError:
        return False
    return True


def _buildah(*words: str) -> str:
    store = _store()
    registries, policy = store / "registries.conf", store / "policy.json"
    # No registry at all, and trust in local files: not whatever this machine has configured.
    registries.write_text("unqualified-search-registries = []\n")
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
    where = ["--root", str(store / "root"), "--runroot", str(store / "run"), "--storage-driver", "overlay"]
    command, *rest = words
    trusting = ["--signature-policy", str(policy)] if command in {"build", "pull", "push"} else []
    if shutil.which("buildah", path=environment()["PATH"]) is None:
        raise ClusterError("buildah is missing: `python3 -m tests.cluster up` installs it")
    return call(
        [*_ALONE, "buildah", "--registries-conf", registries, *where, command, *trusting, *rest],
        env=environment(BUILDAH_ISOLATION="chroot", CONTAINERS_REGISTRIES_CONF=str(registries)),
    )
