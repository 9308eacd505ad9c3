"""`spiko` and `kubectl spiko`. Each command is a module of `commands/`, imported only when it is called."""

import sys


def main() -> None:
    """Run the command line; a missing module is reported with the command that installs it."""
    try:
        from spiko_cli.program import program
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"spiko: the module {error.name} is missing; install it with: pip install 'spiko[cli]'"
        ) from error
    except KeyboardInterrupt:
        print("spiko: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    program()
