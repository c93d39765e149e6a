"""Words and tables of a dossier's page: Markdown that also reads well on a terminal, and that nobody's text can break."""

from collections.abc import Iterable, Sequence


def table(title: str, heads: Sequence[str], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table without its empty columns; nothing for no rows."""
    found = list(rows)
    kept = [column for column in range(len(heads)) if column == 0 or any(row[column] for row in found)]
    lines = [
        [heads[column] for column in kept],
        ["---"] * len(kept),
        *([row[column] for column in kept] for row in found),
    ]
    return "\n".join([f"## {title}", "", *(f"| {' | '.join(line)} |" for line in lines)]) if found else ""


def words(text: str) -> str:
    """Return somebody's words so that they cannot break the table they stand in, nor become markup."""
    return " ".join(text.translate({ord(sign): f"\\{sign}" for sign in "\\|<>[]`*"}).split())


def code(text: str) -> str:
    """Return somebody's text as code on one line; nothing for no text."""
    plain = " ".join(str(text).replace("`", "'").replace("|", "\\|").split())
    return f"`{plain}`" if plain else ""
