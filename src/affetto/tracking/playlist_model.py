"""The recommender as an MLflow pyfunc: audio of a voice in, ranked tracks with their reasons out.

MLflow executes this file as it does `affetto.tracking.audio_model`. Beside the artifact `model` of a voice
model it reads `library`, the folder of tracks, mixtures and cards.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModelContext

from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.recommender import Recommender
from affetto.tracking.audio_model import EmotionOfAudio, recordings_of, speak_of

COLUMNS = (
    *("recording", "voice_emotion", "rank", "clip_id", "title", "path"),
    *("emotion", "score", "fit", "reasons", "message"),
)


class PlaylistOfAudio(EmotionOfAudio):
    """Answers voices, given as to `EmotionOfAudio`, with music of the library that it was logged with."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the voice model and the library."""
        super().load_context(context)
        folder, config = Path(context.artifacts["library"]), context.model_config
        cards = json.loads((folder / "cards.json").read_text("utf-8"))
        tracks, mixtures = (pd.read_parquet(folder / f"{name}.parquet") for name in ("tracks", "mixtures"))
        parameters = RecommendParameters(**config["recommend"])
        given = config["taxonomy"], self._model.classes_, parameters
        self._recommender = Recommender(tracks, mixtures, cards, *given)

    def predict(  # type: ignore[no-untyped-def]  # MLflow takes a hint of the input for a schema
        self, context: PythonModelContext, model_input, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return a row a track, in order of `rank`; one with a `message` where a voice cannot be answered.

        Parameters
        ----------
        context
            Not read.
        model_input
            Recordings; `recording` counts them from 0.
        params
            Not read.
        """
        rows = []
        for number, recording in enumerate(recordings_of(model_input)):
            for told in speak_of(recording, self._answer):
                rows.append({"recording": number, **told})
        return pd.DataFrame(rows, columns=COLUMNS)

    def _answer(self, path: Path) -> list[dict[str, Any]]:
        voice = self.hear_voice(path)
        told = {"voice_emotion": voice.emotion, "message": voice.message}
        tracks = self._recommender.recommend(voice).tracks
        return [{**track.model_dump(), **told, "reasons": " ".join(track.reasons)} for track in tracks]


set_model(PlaylistOfAudio())
