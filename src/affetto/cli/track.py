"""`affetto track`: what the last run made and MLflow lacks is uploaded."""

from __future__ import annotations

import click
import kedro.framework.project as framework

from affetto.cli.output import ENV, examples
from affetto.cli.project import project_catalog
from affetto.tracking.hook import TrackingHook


@click.command(epilog=examples("affetto track", "affetto track --env benchmark"))
@ENV
@click.option(
    "--address", is_flag=True, help="Only print the address of the page Models, which `make ui` serves."
)
def track(env: str | None, address: bool) -> None:
    """Upload to MLflow what the last run made and it lacks, as after a server that died midway.

    Figures, predictions and models are read from the files of the environment; nothing is fitted again.
    """
    with project_catalog(env) as catalog:
        hook = next(each for each in framework.settings.HOOKS if isinstance(each, TrackingHook))
        if address:
            click.echo(hook.find_page())
            return
        n_models = hook.upload(catalog)
        click.echo(f"Uploaded {n_models} models." if n_models else "MLflow has everything already.")
