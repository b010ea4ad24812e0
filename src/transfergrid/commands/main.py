"""The command `transfergrid`: what surrounds a run of Snakemake."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.faults import failure
from transfergrid.runtime.program import collect_rarely

COMMANDS: dict[str, str] = {
    "init": "Write a study of a folder, a table or an .npz file, with the reason of each guess.",
    "data": "Show what the data sets of a study hold, with a sheet of films of each class.",
    "plan": "Show what is done, what is stale and why, and what the rest will cost.",
    "doctor": "Check everything that a run needs, before any GPU time is spent.",
    "leaks": "List images that look like one that a network should not have learned.",
    "watch": "Watch a run: jobs at work, the whole grid, time left.",
    "snapshot": "Make tables and a report from the cells that are finished so far.",
    "index": "Write a page over all studies in results/, with what each has found first.",
    "predict": "Give the probabilities of a trained cell's ensemble for films.",
    "export": "Write tables, figures and trainings in the forms of papers and other tools.",
    "archive": "Put a finished study into one folder, in the forms that repositories take.",
    "weights": "Show what a weight file is and how it would be read, before a study exists.",
    "prune": "List what no study names any more, and remove it if asked to.",
}
"""What each subcommand is for; the module with its name is imported when it is needed."""


def command_line(
    names: Collection[str],
) -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """Return the parser, and that of each subcommand; the options are there of those in `names`.

    Importing every subcommand would slow each of them.
    """
    parser = argparse.ArgumentParser(
        prog="transfergrid",
        description="What surrounds a run of Snakemake; snakemake itself does the work.",
    )
    adding = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    subparsers = {}
    for name, purpose in COMMANDS.items():
        subparsers[name] = adding.add_parser(name, help=purpose, description=purpose)
        if name in names:
            module = importlib.import_module(f"transfergrid.commands.{name}")
            module.add_arguments(subparsers[name])
            subparsers[name].set_defaults(run=module.run)
    return parser, subparsers


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status; 1 with one sentence for a user's mistake."""
    collect_rarely()
    words = list(sys.argv[1:] if argv is None else argv)
    parser, _ = command_line(words)
    try:
        arguments = parser.parse_args(words)
        return int(arguments.run(arguments))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone; Python's own flush at exit would also complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        told = _in_the_way(error) or failure(error)
        if told is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        return 1


def _in_the_way(error: OSError) -> str | None:
    """Return a sentence where a folder cannot be made because its name is a file's."""
    if not isinstance(error, FileExistsError | NotADirectoryError) or not error.filename:
        return None
    place = Path(os.fsdecode(error.filename))
    for path in (place, *place.parents):
        if path.is_file():
            return f"{path} is a file, and a folder would have to be there; name another place."
    return None


if __name__ == "__main__":
    raise SystemExit(main())
