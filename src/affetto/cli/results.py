"""`affetto results` and `affetto compare`: the figures of a run, and two models tested against each other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affetto.cli.output import ENV, JSON, echo_json, examples
from affetto.cli.project import project, project_catalog, read_configuration
from affetto.cli.trained import environment
from affetto.errors import AffettoError
from affetto.evaluation.wording import TASKS
from affetto.tracking.registry import read_table
from affetto.tracking.store import TrackingSettings, refusal, use_store

if TYPE_CHECKING:
    import pandas as pd

_TASKS = (*TASKS, "recommendation")


@click.command(
    epilog=examples(
        "affetto results                      # of `kedro run`",
        "affetto results voice_emotion --env benchmark",
        "affetto results --model mine --json  # of `affetto train … --name mine`",
    )
)
@click.argument("task", required=False, type=click.Choice(_TASKS))
@click.option("--model", help="Model that `affetto train` made.")
@ENV
@JSON
def results(task: str | None, model: str | None, env: str | None, as_json: bool) -> None:
    """Show the figures of every model that was run, with intervals and tests."""
    from affetto.evaluation.wording import comparison_text

    with project():
        chosen = environment(model, env)
    with project_catalog(chosen) as catalog:
        names = _TASKS if task is None else (task,)
        tables = {
            name: catalog.load(f"{name}.tables")["comparison"]
            for name in names
            if catalog[f"{name}.tables"].exists()
        }
    if not tables:
        raise AffettoError("There are no results yet: make them with `kedro run`, or name another --env.")
    if as_json:
        echo_json({name: _records(table) for name, table in tables.items()})
        return
    click.echo("\n\n".join(comparison_text(table, name) for name, table in tables.items()))


@click.command(
    epilog=examples(
        "affetto compare crnn_lld functionals_svm",
        "affetto compare crnn_lld@benchmark before/predictions.parquet --fail-if-worse",
    )
)
@click.argument("new")
@click.argument("old")
@click.option("--side", type=click.Choice(["music", "voice"]), default="voice", show_default=True)
@click.option("--fail-if-worse", is_flag=True, help="End with 1 where the test shows NEW to be worse.")
@ENV
@JSON
@click.pass_context
def compare(
    context: click.Context,
    new: str,
    old: str,
    side: str,
    fail_if_worse: bool,
    env: str | None,
    as_json: bool,
) -> None:
    """Test the model NEW against the model OLD on the clips that both predicted, swapping whole groups.

    Each is a model of the table, perhaps of another environment (MODEL@ENV), a folder or a file of
    out-of-fold predictions (Parquet or CSV), or the identifier of its run in MLflow.
    """
    from affetto.evaluation.comparison import compare as test_all
    from affetto.evaluation.parameters import EvaluationParameters
    from affetto.evaluation.uncertainty import paired
    from affetto.evaluation.wording import sentences_on_tests

    names = (new, old) if new != old else (f"{new} (new)", f"{old} (old)")
    tables = paired(*(_predictions(word, side, env) for word in (new, old)))
    table = test_all(
        dict(zip(names, tables, strict=True)),
        dict(zip(names, ("proposed", "baseline"), strict=True)),
        protocol="as predicted",
        corpus="as predicted",
        task=f"{side}_emotion",
        parameters=EvaluationParameters(),
    )
    if as_json:
        echo_json(_records(table))
    else:
        n_clips, n_groups = (int(table[name].iloc[0]) for name in ("n_clips", "n_groups"))
        click.echo(f"{n_clips} clips of {n_groups} groups that both predicted.")
        click.echo("\n".join(sentences_on_tests(table)))
    context.exit(int(fail_if_worse and table["verdict"].iloc[1] == "worse"))


def _predictions(word: str, side: str, env: str | None) -> pd.DataFrame:
    """Read the out-of-fold predictions that a word of the command line names."""
    path = Path(word)
    if path.is_dir():
        path = next(path.glob("predictions.*"), path / "predictions.parquet")
    if path.suffix in {".parquet", ".csv"}:
        return _read(path)
    if re.fullmatch("[0-9a-f]{32}", word):
        return _of_run(word)
    name, _, other = word.partition("@")
    with project_catalog(other or env) as catalog:
        results = catalog[f"{side}.emotion.{name}.results"]
        if not results.exists():
            raise AffettoError(
                f"There are no predictions of {word}: `kedro run` makes those of the models of an "
                "environment; else give a file of predictions, or MODEL@ENV."
            )
        found: pd.DataFrame = results.load()["predictions"]
        return found


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise AffettoError(f"There is no file {path}.")
    if path.suffix == ".csv":
        return pd.read_csv(path, dtype={"clip_id": "str", "group": "str", "label": "str"})
    return pd.read_parquet(path)


def _of_run(run_id: str) -> pd.DataFrame:
    """Read what a run of MLflow keeps, in the store of the environment variable or of the project."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    with project() as root:
        uri = TrackingSettings.model_validate(read_configuration(None)["tracking"]).uri(root)
        use_store(uri)
        try:
            return read_table(MlflowClient(uri), run_id)
        except (MlflowException, OSError) as error:
            raise refusal(error, uri) from None


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON values; what is missing is null."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return rows
