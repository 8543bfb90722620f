import errno
import logging

import pytest
from kedro.io import DatasetError
from kedro.pipeline import Node, Pipeline
from kedro.validation.exceptions import ParameterValidationError
from kedro_datasets.json import JSONDataset
from pydantic import ValidationError

from affetto.cli.messages import ExplainedErrorsFilter, explain
from affetto.corpora.parameters import CorpusParameters
from affetto.errors import AffettoError

REPORT = """Parameter validation failed:
- Parameter 'recommend': Failed to instantiate R for parameter 'recommend': 2 validation errors for R
topp
  Extra inputs are not permitted [type=extra_forbidden, input_value=3, input_type=int]
    For further information visit https://errors.pydantic.dev/2.13/v/extra_forbidden
speech.range_db
  Input should be greater than 0 [type=greater_than, input_value=-1.0, input_type=float]
    For further information visit https://errors.pydantic.dev/2.13/v/greater_than
- Parameter 'executor': value is None but type is not Optional"""


def test_parameters_that_contradict_each_other_are_named_by_their_group():
    with pytest.raises(ValidationError) as caught:
        CorpusParameters.model_validate({"segment_hop_s": 2.0})
    text = (
        f"- Parameter 'voice.corpus': Failed to instantiate it for parameter 'voice.corpus': {caught.value}"
    )
    assert explain(ParameterValidationError(text)) == (
        "Mend the parameters: voice.corpus: segment_hop_s needs segment_s."
    )


def test_parameters_are_named_in_full():
    said = explain(ParameterValidationError(REPORT))
    assert "recommend.topp: there is no such parameter (given: 3)" in said
    assert "recommend.speech.range_db: Input should be greater than 0 (given: -1.0)" in said
    assert "executor: value is None" in said
    assert "https" not in said


def test_the_path_of_a_damaged_file_is_the_path(tmp_path):
    file = tmp_path / "voice" / "x.json"
    file.parent.mkdir()
    file.write_text('{"half')
    with pytest.raises(DatasetError) as caught:
        JSONDataset(filepath=str(file)).load()
    assert explain(caught.value).startswith(f"{file} is damaged")
    file.unlink()
    with pytest.raises(DatasetError) as caught:
        JSONDataset(filepath=str(file)).load()
    assert explain(caught.value).startswith(f"{file} is not there yet: run `kedro run --pipeline=voice`")


def test_what_kedro_says_of_pipelines_and_nodes_is_told():
    for told in (
        "Failed to find the pipeline named 'voic'. Did you mean one of these instead? voice",
        "Pipeline does not contain nodes with the following namespaces: ['vioce']",
    ):
        assert explain(ValueError(told)) == told
    pipeline = Pipeline([Node(len, "x", "y", tags="a")])
    for filters, told in (({"tags": ["b"]}, "contains no nodes"), ({"to_nodes": ["z"]}, "nodes named ['z']")):
        with pytest.raises(ValueError, match="nodes") as caught:
            pipeline.filter(**filters)
        assert told in explain(caught.value)


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), KeyError("x"), FileNotFoundError(errno.ENOENT, "x"), DatasetError("other")]
)
def test_bugs_are_not_explained(error):
    assert explain(error) is None


def test_the_log_is_quiet_only_about_what_is_explained():
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "Node failed", (), None)
    keep = ExplainedErrorsFilter().filter
    assert keep(record)
    for error, kept in ((AffettoError("Do this."), False), (ValueError("a bug"), True)):
        try:
            raise error
        except type(error):
            assert bool(keep(record)) is kept
