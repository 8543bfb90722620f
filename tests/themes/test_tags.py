import numpy as np
import pytest

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures
from affetto.features.encoder.extract import EncoderParameters
from affetto.features.encoder.musicnn import TAGS
from affetto.themes.tags import join_tags, predict_tags


def feature(levels, layers=(3,), level="frames"):
    """Two patches of a clip each, in which tags have these probabilities."""
    parameters = EncoderParameters(name="musicnn-msd", layers=layers, level=level)
    rows = np.zeros((len(levels), len(TAGS)))
    for row, given in zip(rows, levels, strict=True):
        for tag, value in given.items():
            row[TAGS.index(tag)] = value
    kind = 2 if level == "frames" else 1
    arrays = [np.tile(row, (kind, 1)) if kind > 1 else [np.concatenate([row, 9 - row])] for row in rows]
    ids = [f"c/{i}" for i in range(len(rows))]
    return ClipFeatures.from_arrays("tags", ids, arrays, parameters=parameters.describe())


@pytest.mark.parametrize("level", ["frames", "statistics"])
def test_tags_are_words_that_people_use(level):
    """Synonyms are one tag, and an opinion such as *beautiful* is none."""
    loud = {"beautiful": 0.9, "female vocalists": 0.8, "female vocalist": 0.7, "Mellow": 0.6, "House": 0.5}
    quiet = {"rnb": 0.3, "acoustic": 0.2, "folk": 0.15, "rock": 0.09}  # the last is too unlikely to be one
    found = predict_tags(feature([loud, quiet], level=level))
    assert found["c/0"] == ["female voice", "mellow", "house"]
    assert found["c/1"] == ["R&B", "acoustic", "folk"]
    many = feature([dict.fromkeys(TAGS, 0.5)], level=level)
    assert len(predict_tags(many)["c/0"]) == 5
    assert join_tags(found["c/1"]) == "R&B · acoustic · folk"


def test_another_feature_is_refused_in_a_sentence():
    with pytest.raises(AffettoError, match=r"must have the name musicnn-msd and the layers \[3\]"):
        predict_tags(feature([{}], layers=(2,)))
