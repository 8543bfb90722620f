"""`affetto export`: a fitted model as a file for TensorFlow Lite (LiteRT)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from affetto.commands.guard import one_sentence, project

if TYPE_CHECKING:
    from affetto.models.base import Estimator


@click.command()
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, help="File, NAME.tflite.")
@click.option("--env", "-e", help="Kedro environment whose proposed voice model is meant without MODEL.")
def export(model: Path | None, target: Path, env: str | None) -> None:
    """Convert a fitted model for TensorFlow Lite, with a description of its inputs beside it.

    MODEL is the folder of a model, such as data/06_models/voice/crnn_lld; by default that of the proposed
    voice model of the project.
    """
    from affetto.models.export import check_path, export_model
    from affetto.models.quiet import quiet_stderr

    with one_sentence():
        check_path(target)
        with quiet_stderr():
            found = _proposed(env) if model is None else _load(model)
        exported = export_model(found, target.absolute())
        features = ", ".join(found.features)
    click.echo(f"{target}: {found.name}, {exported.n_bytes / 1e6:.2f} MB, {found.n_parameters:,} parameters")
    click.echo(f"{target.with_suffix('.json')}: inputs ({features}), classes and preprocessing")
    click.echo(f"Largest difference from the model on random clips: {exported.difference:.1e}")


def _load(folder: Path) -> Estimator:
    from affetto.models.registry import load_estimator

    return load_estimator(folder)


def _proposed(env: str | None) -> Estimator:
    """Load the proposed voice model of the project around the current folder."""
    from kedro.framework.session import KedroSession

    from affetto.pipelines.model_table import proposed_model, use_parameters

    with project():
        session: KedroSession = KedroSession.create(env=env)
        with session:
            context = session.load_context()
            use_parameters(context.config_loader["parameters"])
            name = f"voice.emotion.{proposed_model('voice')}.model"
            return _load(context.catalog.load(name))
