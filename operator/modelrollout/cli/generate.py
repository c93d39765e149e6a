"""``modelrollout generate``: every file that is written from the code, so that it can never say something else.

To add one, add a line to :func:`artefacts`.
"""

import difflib
from pathlib import Path

import click

from modelrollout.api.crd import crd_yaml
from modelrollout.api.reference import reference
from modelrollout.cli.manifests import cluster_rbac, install, namespaced_rbac
from modelrollout.cli.pages import rights_page, settings_page


def artefacts(root: Path) -> dict[Path, str]:
    """Return the text of each generated file, by its path in the repository.

    Args:
        root: the repository, whose manifests become one file.
    """
    texts = {
        Path("crds/modeldeployments.yaml"): crd_yaml(),
        Path("docs/reference/modeldeployment.md"): reference(),
        Path("docs/reference/rights.md"): rights_page(),
        Path("docs/reference/settings.md"): settings_page(),
        Path("manifests/base/rbac.yaml"): cluster_rbac(),
        Path("manifests/overlays/namespaced/rbac.yaml"): namespaced_rbac(),
    }
    return {**texts, Path("manifests/install.yaml"): install(root, texts)}


def generate(check: bool, root: Path = Path()) -> int:  # noqa: FBT001  # the value of a command-line flag
    """Write every generated file; return the exit code.

    Args:
        check: write nothing; print what differs and return 1 if anything does.
        root: the repository.

    Raises:
        click.ClickException: the current directory is not the repository.
    """
    if not (root / "operator" / "modelrollout").is_dir():
        raise click.ClickException("there is no operator/modelrollout here. Run it in the repository's root directory.")
    stale = False
    for path, text in artefacts(root).items():
        target = root / path
        before = target.read_text(encoding="utf-8") if target.exists() else ""
        if before == text:
            continue
        stale = True
        if check:
            click.echo("".join(_difference(before, text, path)), nl=False)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            click.echo(f"wrote {path}")
    if check and stale:
        click.echo(
            "Generated files are not up to date. Run `modelrollout generate` and commit what it writes.", err=True
        )
        return 1
    return 0


def _difference(before: str, after: str, path: Path) -> list[str]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return list(difflib.unified_diff(old, new, f"{path} (as it is)", f"{path} (as it should be)"))
