"""What MLflow keeps of the theme models, and the table that the report shows."""

from __future__ import annotations

from functools import partial, update_wrapper

import pandas as pd
from kedro.pipeline import Node, Pipeline

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.datasets.mlflow_run import ModelRun
from affetto.evaluation.parameters import EvaluationParameters
from affetto.pipelines.theme.nodes import DISCOVERY_MODELS, MODELS
from affetto.themes.classifiers import DISCRIMINATION_ROLES
from affetto.themes.clustering import DISCOVERY_ROLES
from affetto.themes.comparison import compare_discovery
from affetto.themes.parameters import ThemeParameters

ROLES = {**DISCRIMINATION_ROLES, **DISCOVERY_ROLES}


def discrimination_models() -> dict[str, dict[str, str]]:
    """Return the models of theme classification with their roles."""
    return {model: {"role": role} for model, role in DISCRIMINATION_ROLES.items()}


def tabulate_discovery(
    discovery: dict[str, dict[str, float]], evaluation: EvaluationParameters, *assignments: pd.DataFrame
) -> pd.DataFrame:
    """Make one row a discovery model: `model, role`, its measures, and the tests of the proposed one."""
    measured = pd.DataFrame(
        [{"model": model, "role": ROLES[model], **discovery.get(model, {})} for model in DISCOVERY_MODELS]
    )
    tables = dict(zip(DISCOVERY_MODELS, assignments, strict=True))
    proposed = next(model for model in DISCOVERY_MODELS if ROLES[model] == "proposed")
    return measured.merge(compare_discovery(tables, proposed, evaluation), on="model")


def track_theme_model(
    theme: ThemeParameters,
    corpus: CorpusParameters,
    split: SplitParameters,
    metrics: dict[str, float],
    *,
    name: str,
) -> ModelRun:
    """Collect what MLflow keeps of a theme model."""
    return ModelRun(
        name=name,
        tags={
            "task": "theme",
            "model": name,
            "role": ROLES[name],
            "corpus": corpus.title,
            "protocol": split.title,
        },
        parameters=theme.model_dump(mode="json"),
        metrics=metrics,
    )


def create_tracking_pipeline() -> Pipeline:
    """Build one tracking node a theme model, and the table of discovery."""
    return Pipeline(
        [
            Node(
                tabulate_discovery,
                inputs=[
                    "music.theme.discovery",
                    "params:evaluation",
                    *(f"music.theme.{model}.assignments" for model in DISCOVERY_MODELS),
                ],
                outputs="music.theme.discovery_table",
                name="tabulate_discovery",
                namespace="music.theme",
            ),
            *map(_track, MODELS),
        ]
    )


def _track(model: str) -> Node:
    return Node(
        update_wrapper(partial(track_theme_model, name=model), track_theme_model),
        inputs={
            "theme": "params:music.theme",
            "corpus": "params:music.corpus",
            "split": "params:music.split",
            "metrics": f"music.theme.{model}.metrics",
        },
        outputs=f"music.theme.{model}.tracking",
        name=f"track_{model}",
        namespace="music.theme",
    )
