"""Tables for people and JSON for machines."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from affetto.errors import one_line

_Decorator = Callable[[Callable[..., None]], Callable[..., None]]
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
ENV = click.option("--env", "-e", help="Kedro environment; without it, that of KEDRO_ENV, else base.")
VOICE_MODEL = click.option(
    "--model", help="Model that `affetto train` made; without it, the ready voice model."
)
FROM_LIBRARY = click.option(
    "--library", "from_library", is_flag=True, help="Choose from the music that `affetto library` described."
)
SIDE = click.option("--side", type=click.Choice(["music", "voice"]), help="Side of the project.")


def with_options(*options: _Decorator) -> _Decorator:
    """Return what gives a command arguments and options that others have, too, in this order."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def examples(*commands: str) -> str:
    """Write examples of a command as the end of its help, where lines stay lines."""
    lines = "\n".join(f"  {command}" for command in commands)
    return f"\b\nExamples:\n{lines}"


def echo_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def echo_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = ()
) -> None:
    """Print a table: cells are folded to the width of a terminal, in a pipe every row is one line.

    Parameters
    ----------
    header
        Name of each column; a header of empty names is left out.
    rows
        Cells of each row; None is an empty cell.
    numbers
        Columns aligned to the right.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False, emoji=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(header))
    for name in header:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else one_line(str(cell)) for cell in row))
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def size_text(n_bytes: int) -> str:
    """Write a number of bytes with a unit."""
    return str(tqdm.format_sizeof(n_bytes, suffix="B"))
