"""The pipelines that `kedro run --pipeline=NAME` knows."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from affetto.pipelines.corpora.pipeline import create_clips_pipeline, create_features_pipeline
from affetto.pipelines.corpora.pipeline import create_pipeline as corpora_pipeline
from affetto.pipelines.emotion.pipeline import create_library_pipeline as annotation_pipeline
from affetto.pipelines.emotion.pipeline import create_pipeline as emotion_pipeline
from affetto.pipelines.emotion.pipeline import create_scores_pipeline as emotion_scores_pipeline
from affetto.pipelines.model_table import SIDES, current_setup
from affetto.pipelines.recommend.pipeline import (
    create_hear_pipeline,
    create_library_pipeline,
    create_playlist_pipeline,
    create_summary_pipeline,
)
from affetto.pipelines.reports.pipeline import create_pipeline as reports_pipeline
from affetto.pipelines.theme.nodes import FEATURES, OPTIONAL_FEATURES
from affetto.pipelines.theme.pipeline import create_pipeline as theme_pipeline
from affetto.pipelines.theme.pipeline import create_scores_pipeline as theme_scores_pipeline


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by name; `__default__` is all of them."""
    setup = current_setup()
    corpora, features, experiments, scores = {}, {}, {}, {}
    for side in SIDES:
        models, regressors = setup.models[side], setup.regressors[side]
        read = [feature for entry in models.values() for feature in entry.features]
        if side == "music":
            read += [*FEATURES, *(name for name in OPTIONAL_FEATURES if name in setup.features[side])]
        corpora[side] = corpora_pipeline(side)
        features[side] = create_clips_pipeline(side) + create_features_pipeline(side, setup.features[side])
        extraction = create_features_pipeline(side, list(dict.fromkeys(read)))
        experiments[side] = corpora[side] + extraction + emotion_pipeline(side, models, regressors)
        scores[side] = emotion_scores_pipeline(side, models, regressors)
    music_model = setup.proposed("music")
    entry = setup.models["music"][music_model]
    emotion = experiments["music"] + annotation_pipeline(music_model)
    theme = emotion + theme_pipeline()
    every_report = reports_pipeline("music_emotion", "theme", "voice_emotion", recommendation=True)
    hear = create_hear_pipeline(None if setup.ready_model else setup.proposed("voice"))
    recommend = hear + create_playlist_pipeline()
    tags = [name for name in OPTIONAL_FEATURES[:1] if name in setup.features["music"]]
    library_features = list(dict.fromkeys([*entry.features, *FEATURES, *tags]))
    return {
        "corpora": corpora["music"] + corpora["voice"],
        "features": features["music"] + features["voice"],
        "emotion": emotion + reports_pipeline("music_emotion"),
        "theme": theme + reports_pipeline("music_emotion", "theme"),
        "voice": experiments["voice"] + reports_pipeline("voice_emotion"),
        "evaluation": scores["music"] + scores["voice"] + theme_scores_pipeline() + every_report,
        "hear": hear + create_summary_pipeline(),
        "recommend": recommend,
        "recommend_library": hear + create_playlist_pipeline("library.library"),
        "library": create_clips_pipeline("library", kind="music")
        + create_features_pipeline("library", library_features, parameters_of="music")
        + create_library_pipeline(music_model, entry.features),
        "__default__": theme + experiments["voice"] + every_report + recommend,
    }
