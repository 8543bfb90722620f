"""What MLflow says of a run in words: notes for newcomers, and the clips of a corpus as a data set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources import SOURCES
from affetto.io.cache import fingerprint

if TYPE_CHECKING:
    from mlflow.entities import Dataset, RunData

_DIGEST = 16
_ROLES = {
    "proposed": "the proposed model, which all others are compared with",
    "ablation": "an ablation: the proposed model with something left out",
    "baseline": "a baseline: a traditional or simpler way to do the same",
    "pretrained": "a model that reads an encoder trained on other data, and stands apart",
}
_TASKS = {
    "voice_emotion": "tells the emotion of a voice",
    "music_emotion": "tells the emotion of music",
    "theme": "finds or tells themes inside the emotions of music",
    "voice_dimensions": "tells valence and arousal of a voice",
    "music_dimensions": "tells valence and arousal of music",
}
_SCORES = {
    "uar": "UAR (mean recall of the classes)",
    "theme_ami": "Agreement of themes and labels (adjusted mutual information)",
    "theme_uar": "UAR over themes",
    "ccc_valence": "Concordance (CCC) of valence",
    "ccc_arousal": "Concordance (CCC) of arousal",
}
_VERDICTS = {
    "better": "better than this one",
    "worse": "worse than this one",
    "undecided": "neither better nor worse than this one, as far as can be shown",
    "untestable": "not to be told from this one: there are too few groups for any test",
}


def describe_data(side: str, corpus: CorpusParameters, clips: pd.DataFrame) -> Dataset:
    """Describe the clips that models learn from, without a copy of them.

    Parameters
    ----------
    side
        `music` or `voice`.
    corpus
        Where they are from.
    clips
        `clip_id, content_hash, emotion, group`, of which the digest is made.
    """
    from mlflow.entities import Dataset

    columns = clips[["clip_id", "content_hash", "emotion", "group"]].astype(str)
    digest = fingerprint({"clips": columns.sort_values("clip_id").to_numpy().tolist()})[:_DIGEST]
    sources = [SOURCES[each.source] for each in (corpus, *corpus.others)]
    profile = {
        "num_rows": len(clips),
        "groups": int(clips["group"].nunique()),
        "emotions": clips["emotion"].value_counts().to_dict(),
        "licence": "; ".join(dict.fromkeys(each.licence for each in sources)),
        "citation": "\n".join(each.citation for each in sources if each.citation),
    }
    page = next((each.home_page for each in sources if each.home_page), "")
    source = {"url": page} if page else {"uri": str(corpus.root)}
    return Dataset(
        name=f"{corpus.title} ({side})",
        digest=digest,
        source_type="http" if page else "local",
        source=json.dumps(source),
        profile=json.dumps(profile, ensure_ascii=False, default=str),
    )


def repeat_command(run_params: Mapping[str, Any]) -> str:
    """Return the command line of a run of which Kedro told its hooks."""
    words = ["kedro run"]
    if run_params.get("env"):
        words.append(f"--env {run_params['env']}")
    names = run_params.get("pipeline_names") or [run_params.get("pipeline_name")]
    if any(names):
        words.append(f"--pipeline={','.join(map(str, names))}")
    given = _pairs(run_params.get("runtime_params") or {})
    if given:
        words.append(f'--params "{",".join(given)}"')
    return " ".join(words)


def _pairs(given: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name, value in given.items():
        nested = isinstance(value, Mapping) and value
        found += _pairs(value, f"{prefix}{name}.") if nested else [f"{prefix}{name}={json.dumps(value)}"]
    return found


def model_note(run: RunData, rows: pd.DataFrame, data: Dataset | None, command: str) -> str:
    """Say what a model is, how it was tested, what came out and what it is compared with.

    Parameters
    ----------
    run
        Tags, parameters and metrics of its run.
    rows
        Its rows of the comparison: one, one a dimension, or none.
    data
        What it was tested on.
    command
        What repeats the run.
    """
    tags, metrics = run.tags, run.metrics
    kind = run.params.get("estimator")
    lines = [
        f"**{tags['model']}** {_TASKS[tags['task']]}. It is {_ROLES[tags['role']]}."
        + (f" Estimator `{kind}`, features {run.params.get('features')}." if kind else "")
    ]
    clips = f"{json.loads(data.profile)['num_rows']} clips of " if data and data.profile else ""
    groups, seeds = metrics.get("n_groups"), metrics.get("n_seeds")
    over = f", {groups:.0f} groups (speakers, artists or songs)" if groups else ""
    times = f", {seeds:.0f} seed{'s' if seeds > 1 else ''}" if seeds else ""
    lines.append(f"Tested on {clips}{tags['corpus']} by the protocol `{tags['protocol']}`{over}{times}.")
    for name, title in _SCORES.items():
        if name in metrics:
            low, high = metrics.get(f"{name}_ci_low"), metrics.get(f"{name}_ci_high")
            ends = f" [{low:.3f}, {high:.3f}], 95 % interval over groups" if low is not None else ""
            lines.append(f"{title}: **{metrics[name]:.3f}**{ends}.")
    for _, row in rows.iterrows():
        if row.get("verdict") in _VERDICTS:
            of = f" in {row['dimension']}" if "dimension" in rows else ""
            p = row["p_permutation_holm"]
            test = "" if pd.isna(p) else f" (paired permutation test over groups, p {p:.3f} after Holm)"
            lines.append(f"The proposed model is {_VERDICTS[row['verdict']]}{of}{test}.")
    return "\n\n".join([*lines, f"Repeat it: `{command}`"])
