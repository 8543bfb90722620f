"""Registered models in MLflow: the alias `champion` moves to a model that is not worse on the same folds."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING

import pandas as pd

from affetto.evaluation.metrics import mean_score
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.uncertainty import paired, permutation_test

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RECOMMENDATION = "recommendation"
REGISTERED = {
    "voice_emotion": "affetto-voice-emotion",
    "music_emotion": "affetto-music-emotion",
    RECOMMENDATION: "affetto-recommender",
}
"""Task → name of the registered model that its proposed model is a version of."""
PREDICTIONS = "predictions.json"
"""Artifact of a run: the table of out-of-fold predictions."""
CHAMPION = "champion"
_NDCG = "ndcg_at_10"
_SHOWN = "mlflow.modelVersions"
_LOGGER = logging.getLogger(__name__)


def register(client: MlflowClient, run: Run, rules: EvaluationParameters) -> None:
    """Register the proposed model of a task, and make it the champion if it may be.

    The first version is the champion. Later ones take its place unless the paired permutation test over
    groups shows them to be worse. Where clips, protocol or folds are others than the champion's, nothing can
    be compared: it stays, and the log says so. Of the recommender no figures of single voices are kept, which
    a test would need: it takes the place of one whose nDCG@10 on the same clips is not greater.

    Parameters
    ----------
    client, run
        The store, and the finished run of the model, which holds its out-of-fold predictions.
    rules
        Level and draws of the test.
    """
    from mlflow.exceptions import MlflowException

    tags, name = run.data.tags, REGISTERED[run.data.tags["task"]]
    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name)
    known = client.search_model_versions(f"name = '{name}'")
    version = next((each for each in known if each.tags.get("fit") == tags["fit"]), None)
    if version is None:
        uri, about = tags["model_uri"], {key: tags[key] for key in ("fit", "model", "corpus", "protocol")}
        model_id = uri.removeprefix("models:/")
        version = client.create_model_version(name, uri, run.info.run_id, about, model_id=model_id)
        if _SHOWN not in client.get_logged_model(model_id).tags:  # as a server does, and a database does not
            shown = json.dumps([{"name": name, "version": version.version}])
            client.set_logged_model_tags(model_id, {_SHOWN: shown})
    champion = client.get_registered_model(name).aliases.get(CHAMPION)
    if champion == version.version:
        return
    said = f"{name} version {version.version} ({tags['model']} on {tags['corpus']})"
    if champion is not None:
        lost = _why_not(client, run, str(client.get_model_version(name, champion).run_id), rules)
        if lost:
            _LOGGER.warning(
                "%s stays version %s: %s %s. To move it by hand: MlflowClient()."
                "set_registered_model_alias('%s', '%s', '%s').",
                f"The {CHAMPION} of {name}", champion, said, lost, name, CHAMPION, version.version,
            )  # fmt: skip
            return
    client.set_registered_model_alias(name, CHAMPION, version.version)
    _LOGGER.info("%s is the %s now.", said, CHAMPION)


def _why_not(client: MlflowClient, run: Run, champion: str, rules: EvaluationParameters) -> str | None:
    """Say why a model may not take the place of the champion, whose run is named; None where it may."""
    tags, its = run.data.tags, client.get_run(champion).data.tags
    for key, what in (("data", "was tested on other clips"), ("protocol", "was tested by another protocol")):
        if tags.get(key) != its.get(key):
            return what
    if tags["task"] == RECOMMENDATION:
        new, old = (client.get_run(each).data.metrics[_NDCG] for each in (run.info.run_id, champion))
        return f"has an nDCG@10 that is {old - new:.3f} lower" if new < old else None
    ours, theirs = read_table(client, run.info.run_id), read_table(client, champion)
    keys = ["clip_id", "seed", "fold"]
    folds = [{*table[keys].itertuples(index=False, name=None)} for table in (ours, theirs)]
    if folds[0] != folds[1]:
        return "was tested on other folds or seeds"
    told = paired(ours, theirs)
    difference = mean_score(told[0]) - mean_score(told[1])
    if difference >= 0:
        return None
    p = permutation_test(*told, alpha=rules.alpha, n_permutations=rules.n_permutations, seed=rules.seed)
    if math.isnan(p):
        return f"has a UAR that is {-difference:.3f} lower, over too few groups to test that"
    return f"is worse by a UAR of {-difference:.3f} (p {p:.3f})" if p < rules.alpha else None


def read_table(client: MlflowClient, run_id: str) -> pd.DataFrame:
    """Read the out-of-fold predictions of a run; text stays text, as the speaker 03."""
    from mlflow.artifacts import load_text

    table = json.loads(load_text(f"{client.get_run(run_id).info.artifact_uri}/{PREDICTIONS}"))
    return pd.DataFrame(table["data"], columns=table["columns"])
