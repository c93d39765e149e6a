"""Which Debian mirror this machine itself uses: others may be slow from here, or not reachable at all."""

import re
from collections.abc import Iterable
from pathlib import Path


def of_this_machine() -> str | None:
    """Return the mirror's address; None when this is no Debian, or its files name none."""
    apt = Path("/etc/apt")
    stanzas = [file.read_text() for file in sorted(apt.glob("sources.list.d/*.sources"))]
    lists = [file for file in (apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))) if file.exists()]
    return find(Path("/etc/os-release").read_text(), stanzas, [file.read_text() for file in lists])


def find(os_release: str, stanza_files: Iterable[str], line_files: Iterable[str]) -> str | None:
    """Return the address from which the release itself comes, not its updates or somebody else's packages."""
    values = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    if values.get("ID", "").strip('"') != "debian":
        return None
    release = values.get("VERSION_CODENAME", "").strip('"')
    for text in stanza_files:
        for stanza in re.split(r"\n\s*\n", text):
            fields = dict(line.split(":", 1) for line in stanza.splitlines() if re.match(r"[A-Za-z-]+:", line))
            if release in fields.get("Suites", "").split() and fields.get("URIs", "").split():
                return fields["URIs"].split()[0]
    for text in line_files:
        for line in text.splitlines():
            entry = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s", line)
            if entry and entry[2] == release:
                return entry[1]
    return None
