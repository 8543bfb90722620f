"""Models of the hub are run from a folder; this needs the extra `hub`, which `make test` does not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affetto.errors import AffettoError
from affetto.features.encoder.extract import EncoderParameters

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SAMPLES = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)


@pytest.fixture
def wav2vec(tmp_path: Path) -> str:
    """Save a random wav2vec 2.0 of three blocks."""
    config = transformers.Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    return f"hub:{tmp_path}"


def test_blocks_of_a_transformer_are_read(wav2vec: str) -> None:
    feature = EncoderParameters(name=wav2vec, layers=(0, 2), level="frames")
    values = feature.extract(SAMPLES, 16_000)
    assert values.shape == (99, 64)
    assert feature.frame_s == 0.02
    assert len(feature.describe()["weights"]) == 64


def test_the_encoder_of_whisper_is_read_without_the_frames_of_its_padding(tmp_path: Path) -> None:
    config = transformers.WhisperConfig(
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_layers=1,
        decoder_attention_heads=4,
        decoder_ffn_dim=64,
        vocab_size=100,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    transformers.WhisperModel(config).save_pretrained(tmp_path)
    transformers.WhisperFeatureExtractor().save_pretrained(tmp_path)
    feature = EncoderParameters(name=f"hub:{tmp_path}", layers=(2,), level="frames")
    assert feature.extract(SAMPLES, 16_000).shape == (100, 32)


def test_pickled_weights_are_not_read(wav2vec: str) -> None:
    folder = Path(wav2vec.removeprefix("hub:"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises((AffettoError, ValueError), match="cannot be loaded"):
        EncoderParameters(name=wav2vec, layers=(1,)).extract(SAMPLES, 16_000)
