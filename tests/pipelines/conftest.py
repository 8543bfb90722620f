"""What a cross-validation leaves behind, for the steps that ask its kept models again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.evaluation.parameters import EvaluationParameters
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.experiment import cross_validate
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore

CATALOG = Path(__file__).parents[2] / "conf/base/catalog/evaluation.yml"
HERE = ExecutorParameters(n_jobs=1, progress=False)
KEPT = ExperimentParameters(keep_models=True)
Corpus = tuple[dict[str, ClipFeatures], pd.DataFrame, pd.DataFrame]
"""Features, clips and folds."""
Fitted = tuple[ResultStore, Path, dict[str, pd.DataFrame]]
"""Results, kept models, and the predictions of each model."""


@pytest.fixture(scope="module")
def kedro_project(
    request: pytest.FixtureRequest, forget_kedro: Callable[[pytest.MonkeyPatch], None]
) -> Iterator[Path]:
    """Make Kedro know this project, and forget it again."""
    with pytest.MonkeyPatch.context() as patch:
        forget_kedro(patch)
        patch.chdir(request.config.rootpath)
        bootstrap_project(request.config.rootpath)
        yield request.config.rootpath


@pytest.fixture(scope="session")
def cross_validated(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Fitted]:
    """Return a function that cross-validates models on a corpus and keeps them."""

    def fit(corpus: Corpus, models: Mapping[str, ModelSpecification]) -> Fitted:
        features, clips, folds = corpus
        root = tmp_path_factory.mktemp("fits")
        store, kept = ResultStore(root / "results"), root / "models"
        predictions = {
            name: cross_validate(
                model,
                FeatureSet({feature: features[feature] for feature in model.features}),
                clips,
                folds,
                experiment=KEPT,
                executor=HERE,
                store=store,
                models=kept,
                description=name,
            ).predictions
            for name, model in models.items()
        }
        return store, kept, predictions

    return fit


@pytest.fixture(scope="session")
def evaluation_catalog() -> Callable[..., DataCatalog]:
    """Return a function that fills the catalog of the evaluation with what a cross-validation left."""

    def fill(
        corpus: Corpus,
        fitted: Fitted,
        models: Mapping[str, ModelSpecification],
        root: Path,
        evaluation: EvaluationParameters,
        parameters: Mapping[str, Any],
    ) -> DataCatalog:
        features, clips, folds = corpus
        store, kept, predictions = fitted
        catalog = DataCatalog.from_config(
            yaml.safe_load(CATALOG.read_text().replace("${globals:data}", str(root)))
        )
        catalog["params:evaluation"] = evaluation
        catalog["params:executor"], catalog["params:voice.emotion.experiment"] = HERE, KEPT
        catalog["params:voice.corpus"] = CorpusParameters(source="demo")
        catalog["params:voice.split"] = SplitParameters(protocol="kfold")
        catalog["voice.emotion.store"], catalog["voice.emotion.fits"] = store, kept
        catalog["voice.clips"], catalog["voice.folds"] = clips, folds
        nothing = pd.DataFrame(columns=["fold", "seed", "epoch"])
        for name, model in models.items():
            catalog[f"params:voice.emotion.models.{name}"] = model
            catalog[f"voice.emotion.{name}.predictions"] = predictions[name]
            catalog[f"voice.emotion.{name}.random_predictions"] = nothing
            catalog[f"voice.emotion.{name}.histories"] = nothing
        catalog["voice.emotion.lld.attention"] = pd.DataFrame(columns=["clip_id", "times", "weights"])
        for name, feature in features.items():
            catalog[f"voice.{name}"] = feature
        for name, value in parameters.items():
            catalog[f"params:{name}"] = value
        return catalog

    return fill
