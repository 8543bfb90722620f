"""The demo voice corpus: neutral sentences spoken by eSpeak NG voices with emotional prosody.

The rules follow published ones for synthesizers: joy has a mean pitch 50 % higher, twice the pitch range
and 30 % more speed, fear a mean pitch 150 % higher, 20 % more range, 30 % more speed and falsetto voice
(Burkhardt and Sendlmeier, *Verification of acoustical correlates of emotional speech using
formant-synthesis*, ISCA Workshop on Speech and Emotion, 2000); anger is faster, louder by 6 dB, wider in
pitch and tense (Murray and Arnott, Speech Communication 16, 1995); sadness is slower, softer, lower,
flatter and breathy (Cahn, Journal of the American Voice I/O Society 8, 1990; the rules of Emofilt:
Burkhardt, Interspeech 2005). eSpeak's pitch setting ends an octave above a voice, so fear stops there.
Each utterance carries its emotion to a random degree, and speakers differ in habits, so that emotions
overlap.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affetto.corpora.demo.signal import add_room_noise, clip_generator, set_level, tilt_spectrum, write_clip
from affetto.corpora.demo.speech import PITCH_OCTAVE, Utterance, speak


@dataclass(frozen=True)
class Prosody:
    """How an utterance differs from the speaker's neutral one.

    Attributes
    ----------
    rate_octaves
        Speed, log2: 1 is twice as fast.
    pitch_st
        Mean pitch, semitones.
    range_octaves
        Pitch range, log2.
    level_db
        Level, dB.
    tension
        Tilt of the spectrum, dB an octave: above 0 tense, below breathy.
    """

    rate_octaves: float
    pitch_st: float
    range_octaves: float
    level_db: float
    tension: float


RULES: dict[str, Prosody] = {
    "anger": Prosody(0.30, 2.0, 0.7, 6.0, 2.8),
    "fear": Prosody(0.38, 10.0, 0.25, -1.0, -1.5),
    "happiness": Prosody(0.30, 6.5, 1.0, 2.5, 0.5),
    "neutral": Prosody(0.0, 0.0, 0.0, 0.0, 0.0),
    "sadness": Prosody(-0.35, -2.5, -0.9, -5.0, -2.0),
}
"""Emotion → prosody at full degree."""

DEGREE = (0.7, 1.0)
"""Bounds of the degree to which an utterance carries its emotion."""

SPREAD = Prosody(0.07, 0.9, 0.2, 1.5, 0.4)
"""Standard deviation between utterances of one speaker and emotion."""

SPEAKER_SPREAD = Prosody(0.06, 0.5, 0.12, 1.5, 0.3)
"""Standard deviation of speakers' habits."""


@dataclass(frozen=True)
class Speaker:
    """A voice of eSpeak NG that serves as a speaker.

    Attributes
    ----------
    name, voice
        Name in the corpus; language and variant of eSpeak NG.
    pitch_st
        Offset from the variant's own pitch, semitones.
    tags
        Sex and accent.
    """

    name: str
    voice: str
    pitch_st: float
    tags: tuple[str, ...]


SPEAKERS: tuple[Speaker, ...] = (
    Speaker("alan", "en+m1", -1.0, ("male", "british")),
    Speaker("bruce", "en-gb-scotland+m3", 0.0, ("male", "scottish")),
    Speaker("carl", "en-us+m4", -2.0, ("male", "american")),
    Speaker("dwight", "en-us-nyc+m7", 1.0, ("male", "new york")),
    Speaker("edith", "en+f1", -1.0, ("female", "british")),
    Speaker("fiona", "en-gb-scotland+f2", 0.0, ("female", "scottish")),
    Speaker("grace", "en-us+f3", 0.5, ("female", "american")),
    Speaker("hazel", "en-029+f4", -1.0, ("female", "caribbean")),
)
"""The speakers to learn from."""

HELD_OUT_SPEAKERS: tuple[Speaker, ...] = (
    Speaker("ivor", "en-gb-x-rp+m2", 0.0, ("male", "received")),
    Speaker("jane", "en-us+f5", -1.0, ("female", "american")),
)
"""Speakers no model has heard, for recommendations."""

SENTENCES: tuple[str, ...] = (
    "The cloth is lying on the fridge.",
    "She will hand it in on Wednesday.",
    "We are meeting at the station.",
    "It will be ready in seven hours.",
)
"""Sentences without emotional content, in the manner of EmoDB."""

_NEUTRAL_RATE, _NEUTRAL_RANGE, _MIDDLE_LEVEL_DBFS = 170, 45, -26.0
_NOISE_DBFS = (-64.0, -56.0)


def build_demo_voice(
    folder: Path,
    *,
    seed: int = 0,
    speakers: Sequence[Speaker] = SPEAKERS,
    sentences: Sequence[str] = SENTENCES,
) -> list[dict[str, str]]:
    """Write every speaker's sentences in every emotion as WAV files, and tell what each is.

    Parameters
    ----------
    folder
        Where to; files are ``<speaker>/<emotion>-<sentence>.wav``, 22.05 kHz, mono, 16 bit, 1 to 3 s.
    seed
        Seed of the variation between speakers and utterances.
    speakers, sentences
        Who says what.

    Returns
    -------
    list[dict[str, str]]
        A row a file: file, emotion, theme (empty), group (the speaker), tags, title.
    """
    return [row for speaker in speakers for row in _build_speaker(folder, speaker, sentences, seed)]


def voice_recipe() -> str:
    """Tell all that shapes the corpus beside its seed, for the stamp.

    Returns
    -------
    str
        Text that changes with speakers, sentences and rules.
    """
    levels = (_NEUTRAL_RATE, _NEUTRAL_RANGE, _MIDDLE_LEVEL_DBFS, _NOISE_DBFS)
    return repr((RULES, DEGREE, SPREAD, SPEAKER_SPREAD, SPEAKERS, HELD_OUT_SPEAKERS, SENTENCES, levels))


def draw_prosody(emotion: str, habits: Prosody, generator: np.random.Generator) -> Prosody:
    """Draw the prosody of one utterance: the rule to some degree, the speaker's habits, chance.

    Parameters
    ----------
    emotion
        A key of ``RULES``.
    habits
        The speaker's deviations.
    generator
        Source of the degree and of chance.

    Returns
    -------
    Prosody
        One utterance's prosody.
    """
    rule = np.array(astuple(RULES[emotion])) * generator.uniform(*DEGREE)
    chance = np.array(astuple(SPREAD)) * generator.standard_normal(len(rule))
    return Prosody(*(rule + np.array(astuple(habits)) + chance).tolist())


def _build_speaker(
    folder: Path, speaker: Speaker, sentences: Sequence[str], seed: int
) -> list[dict[str, str]]:
    own = clip_generator(seed, speaker.name)
    habits = Prosody(*(np.array(astuple(SPEAKER_SPREAD)) * own.standard_normal(5)).tolist())
    plan = [(emotion, index) for emotion in RULES for index in range(len(sentences))]
    files = [f"{speaker.name}/{emotion}-{index + 1}.wav" for emotion, index in plan]
    generators = [clip_generator(seed, file) for file in files]
    prosodies = [
        draw_prosody(emotion, habits, generator)
        for (emotion, _), generator in zip(plan, generators, strict=True)
    ]
    spoken = speak(
        [
            _utterance(speaker, sentences[index], prosody)
            for (_, index), prosody in zip(plan, prosodies, strict=True)
        ]
    )
    for file, samples, prosody, generator in zip(files, spoken, prosodies, generators, strict=True):
        write_clip(folder / file, _record(samples, prosody, generator))
    return [
        {
            "file": file,
            "emotion": emotion,
            "theme": "",
            "group": speaker.name,
            "tags": ";".join(speaker.tags),
            "title": sentences[index],
        }
        for file, (emotion, index) in zip(files, plan, strict=True)
    ]


def _utterance(speaker: Speaker, sentence: str, prosody: Prosody) -> Utterance:
    pitch = 50 + PITCH_OCTAVE / 12 * (speaker.pitch_st + prosody.pitch_st)
    return Utterance(
        speaker.voice,
        sentence,
        rate=int(np.clip(round(_NEUTRAL_RATE * 2**prosody.rate_octaves), 80, 400)),
        pitch=int(np.clip(round(pitch), 0, 99)),
        pitch_range=int(np.clip(round(_NEUTRAL_RANGE * 2**prosody.range_octaves), 0, 99)),
    )


def _record(
    samples: NDArray[np.float32], prosody: Prosody, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Give the voice its tension and level, and add the room."""
    tense = tilt_spectrum(samples, prosody.tension)
    return add_room_noise(
        set_level(tense, _MIDDLE_LEVEL_DBFS + prosody.level_db), generator.uniform(*_NOISE_DBFS), generator
    )
