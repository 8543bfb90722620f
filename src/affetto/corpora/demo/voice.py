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

import json
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affetto.corpora.demo.signal import (
    add_room_noise,
    clip_generator,
    set_level,
    tilt_spectrum,
    write_clip,
)
from affetto.errors import AffettoError

TIME_LIMIT_S = 120
Utterance = tuple[str, str, int, int, int, int]
"""What eSpeak NG shall say, and how."""


def speak(utterances: Sequence[Utterance]) -> list[NDArray[np.float32]]:
    """Speak a list of utterances in a fresh process, which makes them the same on every run.

    Parameters
    ----------
    utterances
        What to say, in order: the voice (language and variant, such as ``en-us+f3``), the sentence, words a
        minute (80 to 450), volume (0 to 200), pitch and pitch range (0 to 99), of which 100, 50 and 50 are
        the voice's own. The samples of one may depend on those before it in the list.

    Returns
    -------
    list[NDArray[np.float32]]
        Mono samples [n] in [-1, 1] at 22,050 Hz, one array an utterance.

    Raises
    ------
    AffettoError
        eSpeak NG cannot be started or refuses an utterance.
    """
    script = Path(__file__).with_name("espeak.py")
    request = json.dumps(utterances).encode()
    # -P: the script's folder must not come before the standard library in the path.
    command = [sys.executable, "-P", str(script)]
    try:
        done = subprocess.run(  # noqa: S603  (a fixed command: this interpreter and a file of this package)
            command, input=request, capture_output=True, timeout=TIME_LIMIT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise AffettoError(f"speech synthesis failed: {reason}; reinstall espeakng-loader.") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AffettoError(f"speech synthesis did not run ({error}); try again.") from error
    spoken, data = [], done.stdout
    while data:
        (length,), data = struct.unpack_from("<I", data), data[4:]
        spoken.append(np.frombuffer(data[:length], dtype=np.int16).astype(np.float32) / np.float32(32768))
        data = data[length:]
    return spoken


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

PLACES = {
    "anger": (-0.6, 0.7),
    "fear": (-0.6, 0.6),
    "happiness": (0.8, 0.5),
    "neutral": (0.0, 0.0),
    "sadness": (-0.7, -0.5),
}
"""Emotion → valence and arousal at full degree: its side of Russell's circumplex (1980), sizes ours."""

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
        A row a file: file, emotion, theme (empty), group (the speaker), tags, title, valence,
        arousal.
    """
    return [row for speaker in speakers for row in _build_speaker(folder, speaker, sentences, seed)]


def voice_recipe() -> str:
    """Tell all that shapes the corpus beside its seed, for the stamp."""
    levels = (_NEUTRAL_RATE, _NEUTRAL_RANGE, _MIDDLE_LEVEL_DBFS, _NOISE_DBFS)
    rules = (RULES, PLACES, DEGREE, SPREAD, SPEAKER_SPREAD)
    return repr((*rules, SPEAKERS, HELD_OUT_SPEAKERS, SENTENCES, levels))


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
    """
    rule = np.array(astuple(RULES[emotion])) * generator.uniform(*DEGREE)
    chance = np.array(astuple(SPREAD)) * generator.standard_normal(len(rule))
    return Prosody(*(rule + np.array(astuple(habits)) + chance).tolist())


def ratings_of(emotion: str, prosody: Prosody) -> dict[str, str]:
    """Tell valence and arousal of an utterance, as text: those of its emotion times the degree that is heard.

    The degree is how far the prosody, in units of its spread, lies from neutral towards the rule.
    """
    rule, drawn = (np.array(astuple(each)) / astuple(SPREAD) for each in (RULES[emotion], prosody))
    degree = np.clip(drawn @ rule / (rule @ rule), 0, 1.2) if rule.any() else 0.0
    valence, arousal = (f"{degree * place:.3f}" for place in PLACES[emotion])
    return {"valence": valence, "arousal": arousal}


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
    utterances = [
        (
            speaker.voice,
            sentences[index],
            int(np.clip(round(_NEUTRAL_RATE * 2**prosody.rate_octaves), 80, 400)),
            100,
            # eSpeak's setting: 50 is the voice's own pitch, 0 an octave below.
            int(np.clip(round(50 + 50 / 12 * (speaker.pitch_st + prosody.pitch_st)), 0, 99)),
            int(np.clip(round(_NEUTRAL_RANGE * 2**prosody.range_octaves), 0, 99)),
        )
        for (_, index), prosody in zip(plan, prosodies, strict=True)
    ]
    for file, samples, prosody, generator in zip(
        files, speak(utterances), prosodies, generators, strict=True
    ):
        tense = tilt_spectrum(samples, prosody.tension)
        loud = set_level(tense, _MIDDLE_LEVEL_DBFS + prosody.level_db)
        write_clip(folder / file, add_room_noise(loud, generator.uniform(*_NOISE_DBFS), generator))
    return [
        {
            "file": file,
            "emotion": emotion,
            "theme": "",
            "group": speaker.name,
            "tags": ";".join(speaker.tags),
            "title": sentences[index],
            **ratings_of(emotion, prosody),
        }
        for file, (emotion, index), prosody in zip(files, plan, prosodies, strict=True)
    ]
