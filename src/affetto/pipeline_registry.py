"""The pipelines that `kedro run --pipeline=NAME` knows."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from affetto.pipelines.corpora.pipeline import create_clips_pipeline as clips_pipeline
from affetto.pipelines.corpora.pipeline import create_pipeline as corpora_pipeline
from affetto.pipelines.emotion.pipeline import create_library_pipeline
from affetto.pipelines.emotion.pipeline import create_pipeline as emotion_pipeline
from affetto.pipelines.emotion.pipeline import create_scores_pipeline as emotion_scores_pipeline
from affetto.pipelines.features.pipeline import create_pipeline as features_pipeline
from affetto.pipelines.hear.pipeline import create_pipeline as hear_pipeline
from affetto.pipelines.hear.pipeline import create_summary_pipeline as hear_summary_pipeline
from affetto.pipelines.library.pipeline import create_pipeline as library_pipeline
from affetto.pipelines.model_table import (
    SIDES,
    feature_names,
    hearing_model,
    model_table,
    proposed_model,
)
from affetto.pipelines.recommend.pipeline import create_pipeline as recommend_pipeline
from affetto.pipelines.reports.pipeline import create_pipeline as reports_pipeline
from affetto.pipelines.theme.nodes import FEATURES
from affetto.pipelines.theme.pipeline import create_pipeline as theme_pipeline
from affetto.pipelines.theme.pipeline import create_scores_pipeline as theme_scores_pipeline


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by name; `__default__` is all of them."""
    corpora = {side: corpora_pipeline(side) for side in SIDES}
    experiments = {
        side: corpora[side] + features_pipeline(side, _features(side)) + emotion_pipeline(side)
        for side in SIDES
    }
    every_report = reports_pipeline("music_emotion", "theme", "voice_emotion")
    emotion = experiments["music"] + create_library_pipeline()
    theme = emotion + theme_pipeline()
    voice = experiments["voice"]
    music_model = proposed_model("music")
    hear = hear_pipeline(hearing_model())
    recommend = hear + recommend_pipeline()
    return {
        "corpora": corpora["music"] + corpora["voice"],
        "features": sum(
            (clips_pipeline(side) + features_pipeline(side, feature_names(side)) for side in SIDES),
            start=Pipeline([]),
        ),
        "emotion": emotion + reports_pipeline("music_emotion"),
        "theme": theme + reports_pipeline("music_emotion", "theme"),
        "voice": voice + reports_pipeline("voice_emotion"),
        "evaluation": emotion_scores_pipeline("music")
        + emotion_scores_pipeline("voice")
        + theme_scores_pipeline()
        + every_report,
        "hear": hear + hear_summary_pipeline(),
        "recommend": recommend,
        "recommend_library": hear + recommend_pipeline("library.library"),
        "library": library_pipeline(music_model, model_table("music")[music_model].features),
        "__default__": theme + voice + every_report + recommend,
    }


def _features(side: str) -> tuple[str, ...]:
    """Return the features that models of a side read, in the order of the table, and those of the themes."""
    named = [feature for entry in model_table(side).values() for feature in entry.features]
    return tuple(dict.fromkeys([*named, *(FEATURES if side == "music" else [])]))
