"""``modelrollout``, ``kubectl modelrollout`` and ``python -m modelrollout``."""

from modelrollout.cli import cli


def main() -> None:
    """Run the command line."""
    cli()


if __name__ == "__main__":
    main()
