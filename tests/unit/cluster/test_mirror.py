"""Where Debian packages come from: both formats that apt reads."""

import pytest

from tests.cluster.mirror import find

BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_CODENAME=bookworm\n'
UBUNTU = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"

STANZAS = """\
# The security updates come first here, and are not the release.
Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://mirror.example/debian http://second.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("deb http://mirror.example/debian bookworm main\n", "http://mirror.example/debian"),
        ("deb [arch=amd64] http://mirror.example/debian bookworm main\n", "http://mirror.example/debian"),
        ("deb [ arch=amd64 trusted=yes ] http://mirror.example/debian bookworm main\n", "http://mirror.example/debian"),
        ("deb\thttp://mirror.example/debian\tbookworm main contrib\n", "http://mirror.example/debian"),
        ("# deb http://off.example/debian bookworm main\n", None),
        ("deb-src http://source.example/debian bookworm main\n", None),
        ("deb http://security.example/debian-security bookworm-security main\n", None),
        ("deb http://old.example/debian bullseye main\ndeb http://new.example bookworm main\n", "http://new.example"),
        ("", None),
    ],
)
def test_lines(lines, expected):
    assert find(BOOKWORM, [], [lines]) == expected


def test_stanzas():
    assert find(BOOKWORM, [STANZAS], []) == "http://mirror.example/debian"


def test_a_release_that_no_file_names_has_no_mirror():
    assert find(BOOKWORM.replace("bookworm", "trixie"), [STANZAS], []) is None


def test_the_mirror_of_another_distribution_is_of_no_use():
    assert find(UBUNTU, [], ["deb http://mirror.example/ubuntu noble main\n"]) is None
