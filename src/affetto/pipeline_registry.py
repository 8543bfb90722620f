"""The pipelines that `kedro run --pipeline=NAME` knows."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from affetto.pipelines.corpora.pipeline import create_clips_pipeline as clips_pipeline
from affetto.pipelines.corpora.pipeline import create_pipeline as corpora_pipeline
from affetto.pipelines.emotion.pipeline import create_library_pipeline
from affetto.pipelines.emotion.pipeline import create_pipeline as emotion_pipeline
from affetto.pipelines.evaluation.pipeline import create_pipeline as evaluation_pipeline
from affetto.pipelines.evaluation.pipeline import create_theme_pipeline as theme_evaluation_pipeline
from affetto.pipelines.features.pipeline import create_pipeline as features_pipeline
from affetto.pipelines.hear.pipeline import create_pipeline as hear_pipeline
from affetto.pipelines.library.pipeline import create_pipeline as library_pipeline
from affetto.pipelines.model_table import (
    SIDES,
    feature_names,
    hearing_model,
    model_table,
    proposed_model,
)
from affetto.pipelines.recommend.pipeline import create_library_pipeline as playlist_library_pipeline
from affetto.pipelines.recommend.pipeline import create_pipeline as recommend_pipeline
from affetto.pipelines.robustness.pipeline import create_pipeline as robustness_pipeline
from affetto.pipelines.theme.pipeline import create_pipeline as theme_pipeline
from affetto.themes.classifiers import DISCRIMINATION_ROLES


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by name; `__default__` is all of them."""
    corpora = {side: corpora_pipeline(side) for side in SIDES}
    features = {side: features_pipeline(side, _features(side)) for side in SIDES}
    experiments = {side: emotion_pipeline(side) for side in SIDES}
    evaluation = {
        side: evaluation_pipeline(
            f"{side}_emotion",
            side,
            model_table(side),
            robustness=side == "voice",
            enrolment=side == "voice",
            highlights=side == "music",
        )
        for side in SIDES
    }
    evaluation["voice"] += robustness_pipeline("voice_emotion", "voice", model_table("voice"))
    theme_evaluation = theme_evaluation_pipeline(
        {model: {"role": role} for model, role in DISCRIMINATION_ROLES.items()}
    )
    emotion = corpora["music"] + features["music"] + experiments["music"] + create_library_pipeline()
    theme = emotion + theme_pipeline() + playlist_library_pipeline()
    voice = corpora["voice"] + features["voice"] + experiments["voice"]
    music_model = proposed_model("music")
    hear = hear_pipeline(hearing_model())
    recommend = hear + recommend_pipeline()
    return {
        "corpora": corpora["music"] + corpora["voice"],
        "features": sum(
            (clips_pipeline(side) + features_pipeline(side, feature_names(side)) for side in SIDES),
            start=Pipeline([]),
        ),
        "emotion": emotion + evaluation["music"],
        "theme": theme + evaluation["music"] + theme_evaluation,
        "voice": voice + evaluation["voice"],
        "evaluation": evaluation["music"] + evaluation["voice"] + theme_evaluation,
        "hear": hear,
        "recommend": recommend,
        "recommend_library": hear + recommend_pipeline("library.tracks", "library.mixtures"),
        "library": library_pipeline(music_model, model_table("music")[music_model].features),
        "__default__": theme
        + voice
        + evaluation["music"]
        + evaluation["voice"]
        + theme_evaluation
        + recommend,
    }


def _features(side: str) -> tuple[str, ...]:
    """Return the features that models of a side read, in the order of the table, and those of the themes."""
    named = [feature for entry in model_table(side).values() for feature in entry.features]
    return tuple(dict.fromkeys([*named, *(["mfcc", "midterm"] if side == "music" else [])]))
