"""The recommender in MLflow: a voice model and a library as one registered model, with its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from affetto.evaluation.parameters import EvaluationParameters
from affetto.io.cache import fingerprint
from affetto.models.estimator import model_digest
from affetto.recommendation.evaluation import MEASURES, PROPOSED
from affetto.tracking.models import open_model, pyfunc
from affetto.tracking.registry import RECOMMENDATION, register

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run


def log_recommender(
    client: MlflowClient,
    parent: Run,
    voice: Path,
    library: Mapping[str, Any],
    figures: pd.Series,
    about: Mapping[str, str],
    parameters: Mapping[str, Any],
) -> None:
    """Log the recommender below a run, and make it the champion if it may be (`registry.register`).

    Parameters
    ----------
    client, parent
        The store, and the run that made the parts.
    voice
        Folder of the fitted voice model.
    library
        `tracks`, `mixtures` and `cards`.
    figures
        What its playlists for held-out voices reached, of the bridge of the parameters.
    about
        Tags: `corpus`, `protocol` and `data`, which tell whether two recommenders can be compared.
    parameters
        `recommend` and `taxonomy` are read; whose voice was heard is not kept.
    """
    from mlflow.entities import Metric

    about = {"task": RECOMMENDATION, "model": PROPOSED, "role": "proposed", **about}
    tags = {"mlflow.parentRunId": parent.info.run_id, **about}
    title = f"{PROPOSED} on {about['corpus']}"
    run = client.create_run(parent.info.experiment_id, tags=tags, run_name=title)
    run_id, model_id = run.info.run_id, open_model(client, run, f"{RECOMMENDATION}-{PROPOSED}", about)
    wanted = [f"{measure}{end}" for measure in MEASURES for end in ("", "_ci_low", "_ci_high")]
    linked = {} if model_id is None else {"model_id": model_id}
    points = [
        Metric(str(name), float(value), 0, 0, **linked) for name, value in figures[wanted].dropna().items()
    ]
    client.log_batch(run_id, metrics=points)
    if model_id is not None:
        config = {
            "task": "voice_emotion",
            "recommend": {**parameters["recommend"], "voice": "", "enrol": None},
            "taxonomy": {name: parameters["taxonomy"][name] for name in ("emotions", "bridges")},
        }
        config = json.loads(json.dumps(config, default=str))
        with TemporaryDirectory() as made:
            folder = Path(made)
            for name in ("tracks", "mixtures"):
                library[name].to_parquet(folder / f"{name}.parquet")
            (folder / "cards.json").write_text(json.dumps(library["cards"], default=str), "utf-8")
            parts = {"model": voice, "library": folder}
            with pyfunc(model_id, run_id, config, parts, "playlist_model.py") as saved:
                client.log_model_artifacts(model_id, str(saved))
        known = library["tracks"].astype(str).to_numpy().tolist()
        fit = fingerprint({"voice": model_digest(voice), "tracks": known, "config": config})
        for key, value in {"fit": fit, "model_uri": f"models:/{model_id}"}.items():
            client.set_tag(run_id, key, value)
        client.finalize_logged_model(model_id, "READY")
    client.set_terminated(run_id, "FINISHED")
    if model_id is not None:
        register(client, client.get_run(run_id), EvaluationParameters())
