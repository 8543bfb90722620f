"""Templates of the HTML pages that reports are written with."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def page_template(package: str, name: str, *filters: Callable[[str], str]) -> Template:
    """Read a template that lies beside the modules of a package; compile it once a process.

    What is put into a page is escaped, and a name that the page is not given is an error.

    Parameters
    ----------
    package, name
        Package with the template, and its file.
    filters
        Functions that the template calls by their names.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update({function.__name__: function for function in filters})
    return environment.from_string(resources.files(package).joinpath(name).read_text(encoding="utf-8"))
