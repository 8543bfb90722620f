"""An emotion model as an MLflow pyfunc: audio in, a probability for each emotion out.

MLflow executes this file when such a model is saved and loaded ("models from code"), so that nothing is
pickled. Beside the code it reads the artifact `model`, the folder of the fitted model, and the `task`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from affetto.errors import AffettoError
from affetto.recommendation.listen import list_recordings, listen, screen_recordings
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.timeline import summarise_timeline, timeline_table
from affetto.recommendation.voice import VoiceEmotion
from affetto.recommendation.windows import Window

_UNTIL_THE_END = 1e9


class EmotionOfAudio(PythonModel):
    """Tells the emotion of recordings: of the speaker, or of the music, whichever the model was fitted on.

    A recording is a path, the bytes of a file of any format, or samples with their rate in Hz. `predict`
    takes one, a list of them, or a table with a row a recording and the columns `path`, `bytes` (also as
    base64, as JSON has them), or `samples` and `rate`.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the fitted model."""
        from affetto.models.estimator import load_estimator

        self._model = load_estimator(Path(context.artifacts["model"]))
        self._hears_voices = context.model_config["task"] == "voice_emotion"

    def predict(  # type: ignore[no-untyped-def]  # MLflow takes a hint of the input for a schema
        self, context: PythonModelContext, model_input, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return a row a recording: `emotion`, `p_<emotion>` of each, and `message`, why there is none.

        Parameters
        ----------
        context
            Not read.
        model_input
            Recordings, as the class says.
        params
            Not read.
        """
        rows = [row for each in recordings_of(model_input) for row in speak_of(each, self._hear)]
        columns = ["emotion", *(f"p_{name}" for name in self._model.classes_), "message"]
        return pd.DataFrame(rows, columns=columns)

    def _hear(self, path: Path) -> list[dict[str, Any]]:
        return [self._voice(path) if self._hears_voices else self._music(path)]

    def _voice(self, path: Path) -> dict[str, Any]:
        voice = self.hear_voice(path)
        probabilities = {f"p_{each.emotion}": each.probability for each in voice.emotions}
        return {"emotion": voice.emotion, **probabilities, "message": voice.message}

    def hear_voice(self, path: Path) -> VoiceEmotion:
        """Pool the windows of a recording by the speech in them, as `affetto hear` does.

        Raises
        ------
        AffettoError
            When it cannot be read, or nobody speaks in it.
        """
        parameters = RecommendParameters(voice=str(path))
        found = list_recordings(path)
        (row,) = screen_recordings(found, parameters.speech, parameters.timeline).to_dict("records")
        if row["status"] != "ok":
            raise AffettoError(str(row["message"]))
        name, windows = str(row["name"]), row["windows"]
        told = listen(self._model, {name: (path, windows)}, batch=parameters.timeline.batch)
        if name in told.failures:
            raise AffettoError(told.failures[name])
        heard = told.posteriors[name], told.novelty[name], self._model.classes_
        voice = summarise_timeline(timeline_table(name, windows, *heard, parameters), str(path), parameters)
        return voice.model_copy(update={"message": row["message"]})

    def _music(self, path: Path) -> dict[str, Any]:
        whole = Window(0.0, _UNTIL_THE_END, 0.0, (0.0, _UNTIL_THE_END))
        told = listen(self._model, {"track": (path, [whole])}, batch=1)
        if told.failures:
            raise AffettoError(told.failures["track"])
        (values,), names = told.posteriors["track"], self._model.classes_
        probabilities = {f"p_{name}": float(value) for name, value in zip(names, values, strict=True)}
        return {"emotion": names[int(np.argmax(values))], **probabilities, "message": ""}


def recordings_of(given: Any) -> list[Any]:
    """List recordings, however they are given: paths, bytes, or samples with their rate."""
    if isinstance(given, dict):
        given = pd.DataFrame({name: [value] for name, value in given.items()})
    if not isinstance(given, pd.DataFrame):
        return list(given) if isinstance(given, (list, np.ndarray)) else [given]
    for column in ("path", "bytes"):
        if column in given:
            values = given[column].tolist()
            encoded = column == "bytes"
            return [base64.b64decode(v) if encoded and isinstance(v, str) else v for v in values]
    if {"samples", "rate"} <= {*given}:
        return list(zip(given["samples"], given["rate"], strict=True))
    if len(given.columns) == 1:  # a list of values, which MLflow makes a table of
        return given.iloc[:, 0].tolist()
    raise AffettoError("A table of recordings needs the column path or bytes, or samples and rate: add it.")


def speak_of(recording: Any, answer: Callable[[Path], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the rows that answer a recording; why there are none as the `message` of a single one."""
    with _file(recording) as path:
        try:
            return answer(path)
        except AffettoError as error:
            return [{"message": str(error)}]


@contextmanager
def _file(recording: Any) -> Iterator[Path]:
    """Yield a file of a recording; what is no path goes to a temporary file, which is removed again."""
    if isinstance(recording, (str, Path)):
        yield Path(recording)
        return
    if not isinstance(recording, bytes):
        import soundfile

        samples, rate = recording
        written = io.BytesIO()
        soundfile.write(written, np.asarray(samples), int(rate), format="WAV", subtype="FLOAT")
        recording = written.getvalue()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        path.write_bytes(recording)
        yield path


set_model(EmotionOfAudio())
