"""Speech corpora whose names tell everything: each is declared by the pattern of its names.

What the brackets of a pattern are called is what they tell: the `label`, the `group` (the speaker) and, where
there is one, the `second_group` (the sentence).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from affetto.corpora.sources.files import index_names, without_copies
from affetto.corpora.sources.source import Download, Expected, Source, cited

_FREE = "none stated; given out freely for research"


def _speech(name: str, pattern: str, *, what: str, expected: Expected, **declared: Any) -> Source:
    """Declare a corpus: how `index_names` reads it, and what `Source` says of it."""
    reader = {key: declared.pop(key) for key in ("folders", "more", "choose") if key in declared}
    index = partial(index_names, pattern=pattern, what=what, labels=tuple(expected.labels), **reader)
    return Source(name=name, sides=("voice",), index=index, expected=expected, **declared)


def _upper(found: Mapping[str, str]) -> dict[str, Any]:
    return {"group": found["group"].upper()}


_WOMEN_OF_EMODB = {"08", "09", "13", "14", "16"}
EMODB = _speech(
    "emodb",
    # 03a01Fa.wav is speaker 03, text a01, emotion F, version a.
    r"(?P<group>\d\d)(?P<second_group>[a-z]\d\d)(?P<label>[A-Z])[a-z]?",
    what="EmoDB",
    more=lambda found: {"tags": ["female" if found["group"] in _WOMEN_OF_EMODB else "male"]},
    title="Berlin Database of Emotional Speech (EmoDB)",
    licence="CC0-1.0 (its card in audb)",
    citation=cited("burkhardt2005emodb"),
    home_page="http://emodb.bilderbar.info",
    group_rule="the speaker: first two characters of the name",
    second_group_rule="the text: characters 3 to 5 of the name",
    speech="acted German speech",
    layout="wav/03a01Fa.wav",
    expected=Expected(535, 10, {"W": 127, "L": 81, "E": 46, "A": 69, "F": 71, "T": 62, "N": 79}),
)


def _sex_of_ravdess(actor: str) -> list[str]:
    return ["male" if int(actor) % 2 else "female"]


def _ravdess(name: str, channel: str, part: str, *, expected: Expected, download: Download) -> Source:
    """Declare a vocal channel of RAVDESS.

    The seven numbers are modality (03: audio only), vocal channel (01: speech, 02: song), emotion, intensity,
    statement, repetition, actor.
    """
    intensities = {"01": ["normal intensity"], "02": ["strong intensity"]}
    return _speech(
        name,
        rf"03-{channel}-(?P<label>\d\d)-(?P<intensity>\d\d)-(?P<second_group>\d\d)-\d\d-(?P<group>\d\d)",
        what=f"RAVDESS {part}",
        more=lambda found: {
            "tags": [*_sex_of_ravdess(found["group"]), *intensities.get(found["intensity"], [])]
        },
        choose=without_copies,
        title=f"Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), {part}",
        licence="CC BY-NC-SA 4.0",
        citation=cited("livingstone2018ravdess"),
        home_page="https://zenodo.org/records/1188976",
        labels="ravdess",
        group_rule="the actor: last number of the name",
        second_group_rule="the statement: fifth number of the name",
        people_of="ravdess",
        speech=f"acted English {part}",
        layout=f"Actor_01/03-{channel}-05-01-01-01-01.wav",
        expected=expected,
        downloads=(download,),
    )


RAVDESS = _ravdess(
    "ravdess",
    "01",
    "speech",
    expected=Expected(1440, 24, {"01": 96, **{f"{emotion:02}": 192 for emotion in range(2, 9)}}),
    download=Download(
        "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
        "md5:bc696df654c87fed845eb13823edef8a",
    ),
)
RAVDESS_SONG = _ravdess(
    "ravdess_song",
    "02",
    "song",
    # Actor 18 sings nothing, and nobody sings disgust or surprise.
    expected=Expected(1012, 23, {"01": 92, **{f"{emotion:02}": 184 for emotion in range(2, 7)}}),
    download=Download(
        "https://zenodo.org/records/1188976/files/Audio_Song_Actors_01-24.zip",
        "md5:5411230427d67a21e18aa4d466e6d1b9",
    ),
)


def _tags_of_cremad(found: Mapping[str, str]) -> dict[str, Any]:
    levels = {"LO": "low", "MD": "medium", "HI": "high"}
    level = levels.get(found["intensity"])
    return {"tags": [f"sentence {found['second_group']}", *([f"{level} intensity"] if level else [])]}


def _without_mp3s(named: pd.DataFrame, **_: object) -> pd.DataFrame:
    """Leave out the MP3s that the raters of CREMA-D heard, which lie beside the WAVs of the same names."""
    paths = named["path"].str.lower()
    waves = named.loc[paths.str.endswith(".wav"), "stem"]
    return named[~(paths.str.endswith(".mp3") & named["stem"].isin(waves))]


CREMAD = _speech(
    "cremad",
    # 1001_DFA_ANG_XX.wav is actor 1001, sentence DFA, emotion ANG, no intensity; one is 1040_ITH_SAD_X.
    r"(?P<group>\d{4})_(?P<second_group>[A-Z]{3})_(?P<label>[A-Z]{3})_(?P<intensity>LO|MD|HI|XX?)",
    what="CREMA-D",
    more=_tags_of_cremad,
    choose=_without_mp3s,
    title="Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D)",
    licence="Open Database License 1.0, contents under the Database Contents License 1.0",
    citation=cited("cao2014cremad"),
    home_page="https://github.com/CheyneyComputerScience/CREMA-D",
    group_rule="the actor: first four characters of the name",
    second_group_rule="the sentence: three letters behind the actor",
    speech="acted English speech",
    layout="AudioWAV/1001_DFA_ANG_XX.wav",
    expected=Expected(7442, 91, {**dict.fromkeys(("ANG", "DIS", "FEA", "HAP", "SAD"), 1271), "NEU": 1087}),
)

SAVEE = _speech(
    "savee",
    # AudioData/DC/a01.wav, or DC_a01.wav, is speaker DC, anger, sentence 1.
    r"(?i)(?:.*/)?(?P<group>DC|JE|JK|KL)[/_](?P<utterance>(?P<label>sa|su|[adfhn])\d\d)",
    what="SAVEE",
    folders=1,
    more=lambda found: _upper(found) | {"stem": f"{found['group'].upper()}_{found['utterance'].lower()}"},
    title="Surrey Audio-Visual Expressed Emotion database (SAVEE)",
    licence="research only, after registration; may not be passed on",
    citation=cited("haq2010savee"),
    home_page="http://kahlan.eps.surrey.ac.uk/savee/",
    group_rule="the speaker: the folder, or the first two characters of the name",
    speech="acted English speech",
    layout="AudioData/DC/a01.wav, or DC_a01.wav",
    expected=Expected(480, 4, {**dict.fromkeys(("a", "d", "f", "h", "sa", "su"), 60), "n": 120}),
)

TESS = _speech(
    "tess",
    # OAF_back_fear.wav is the older speaker, the word "back", fear; ps is pleasant surprise. One clip is
    # OA_bite_neutral. Folders vary in case and spelling (YAF_pleasant_surprised) and are not read.
    r"(?i)(?P<group>OAF?|YAF)_(?P<second_group>[a-z]+)_(?P<label>angry|disgust|fear|happy|neutral|ps|sad)",
    what="TESS",
    choose=without_copies,
    more=lambda found: {
        "group": "OAF" if found["group"].upper() == "OA" else found["group"].upper(),
        "second_group": found["second_group"].lower(),
    },
    title="Toronto emotional speech set (TESS)",
    licence="CC BY-NC-ND 4.0",
    citation=cited("pichorafuller2020tess"),
    home_page="https://tspace.library.utoronto.ca/handle/1807/24487",
    group_rule="the speaker: OAF (older) or YAF (younger), before the first underscore of the name",
    second_group_rule="the word: second part of the name",
    speech="acted English speech",
    layout="OAF_Fear/OAF_back_fear.wav; the folders do not matter",
    expected=Expected(
        2800, 2, dict.fromkeys(("angry", "disgust", "fear", "happy", "neutral", "ps", "sad"), 400)
    ),
    downloads=(
        Download(  # as PaddleSpeech and Paddle state it; TSpace gives the clips out one by one
            "https://bj.bcebos.com/paddleaudio/datasets/TESS_Toronto_emotional_speech_set.zip",
            "md5:1465311b24d1de704c4c63e4ccc470c7",
        ),
    ),
)

_CASIA = ("angry", "fear", "happy", "neutral", "sad", "surprise")
CASIA = _speech(
    "casia",
    rf"(?i)(?P<group>[^/]+)/(?P<label>{'|'.join(_CASIA)})/(?P<second_group>\d+)",
    what="CASIA",
    folders=2,
    more=lambda found: {
        "stem": f"{found['group']}/{found['label'].lower()}/{found['second_group']}",
        "tags": [f"text {found['second_group']}"],
    },
    title="CASIA Mandarin emotional speech corpus, the part of 1,200 clips",
    licence="research, from ChineseLDC; the part of 1,200 clips is passed on freely",
    citation=cited("tao2008design"),
    home_page="http://www.chineseldc.org/resource_info.php?rid=76",
    group_rule="the speaker: the folder around the emotion's",
    second_group_rule="the text: the number that is the name",
    speech="acted Mandarin speech",
    layout="<speaker>/<emotion>/201.wav",
    expected=Expected(1200, 4, dict.fromkeys(_CASIA, 200)),
)

_ESD = ("Angry", "Happy", "Neutral", "Sad", "Surprise")
_PARTS = {"train": "train", "evaluation": "validation", "test": "test"}
_LAST_MANDARIN_SPEAKER = 10
ESD = _speech(
    "esd",
    # 0001/Angry/0001_000351.wav is speaker 0001, angry; parts of the split may be folders in between.
    rf"(?i)(?:[^/]*/)?(?P<group>\d{{4}})/(?P<label>{'|'.join(_ESD)})/"
    rf"(?:(?P<part>{'|'.join(_PARTS)})/)?(?P=group)_\d{{6}}",
    what="ESD",
    folders=3,
    more=lambda found: {
        "official_split": _PARTS.get((found["part"] or "").lower()),
        "tags": ["Mandarin" if int(found["group"]) <= _LAST_MANDARIN_SPEAKER else "English"],
    },
    title="Emotional Speech Database (ESD), Mandarin and English",
    licence="research only, on request",
    citation=cited("zhou2021seen"),
    home_page="https://hltsingapore.github.io/ESD/",
    group_rule="the speaker: first four characters of the name",
    speech="acted English and Mandarin speech",
    layout="0001/Angry/0001_000351.wav, or 0001/Angry/train/0001_000351.wav",
    official_split="the folders train, evaluation and test, where they are; every speaker is in each",
    expected=Expected(35_000, 20, dict.fromkeys(_ESD, 7000)),
)

_EMOVO = ("dis", "gio", "neu", "pau", "rab", "sor", "tri")
EMOVO = _speech(
    "emovo",
    # dis-f1-b1.wav is disgust, actress 1, sentence b1; the codes are Italian.
    rf"(?i)(?P<label>{'|'.join(_EMOVO)})-(?P<group>[fm]\d)-(?P<second_group>[a-z]\d)",
    what="EMOVO",
    more=lambda found: {
        "group": found["group"].lower(),
        "second_group": found["second_group"].lower(),
        "tags": [f"sentence {found['second_group'].lower()}"],
    },
    title="EMOVO: an Italian emotional speech database",
    licence=_FREE,
    citation=cited("costantini2014emovo"),
    home_page="http://voice.fub.it/activities/corpora/emovo/index.html",
    group_rule="the actor: second part of the name",
    second_group_rule="the sentence: last part of the name",
    speech="acted Italian speech",
    layout="f1/dis-f1-b1.wav",
    expected=Expected(588, 6, dict.fromkeys(_EMOVO, 84)),
)

SHEMO = _speech(
    "shemo",
    # F21N05.wav is woman 21, neutral, her utterance 5.
    r"(?i)(?P<group>[FM]\d\d)(?P<label>[AFHNSW])\d+",
    what="ShEMO",
    more=_upper,
    title="Sharif Emotional Speech Database (ShEMO)",
    licence="free of charge for academic purposes",
    citation=cited("nezami2019shemo"),
    home_page="https://github.com/mansourehk/ShEMO",
    group_rule="the speaker: first three characters of the name",
    speech="Persian speech of radio plays",
    layout="female/F21N05.wav",
    expected=Expected(3000, 87, {"A": 1059, "F": 38, "H": 201, "N": 1028, "S": 449, "W": 225}),
)

URDU = _speech(
    "urdu",
    # SM1_F10_A010.wav is man 1, his file 10, anger.
    r"(?i)(?P<group>S[FM]\d+)_F\d+_(?P<label>[AHNS])\d+",
    what="URDU",
    more=_upper,
    title="URDU: spontaneous emotional speech of Urdu talk shows",
    licence=_FREE,
    citation=cited("latif2018cross"),
    home_page="https://github.com/siddiquelatif/urdu-dataset",
    group_rule="the speaker: first part of the name",
    speech="spontaneous Urdu speech of talk shows",
    layout="Angry/SM1_F10_A010.wav",
    # The publication speaks of 38 speakers; the names of its 400 files tell 29 apart.
    expected=Expected(400, 29, dict.fromkeys("AHNS", 100)),
)

_SEXES = {"01": ["female"], "02": ["male"]}
ASED = _speech(
    "ased",
    # a5-03-01-02-50.wav is anger (folder 5), sentence 3, repetition 1, male, speaker 50; one clip has a
    # capital S.
    r"(?i)(?P<label>[afhns])\d?-\d\d-\d\d-(?P<sex>\d\d)-(?P<group>\d\d)",
    what="ASED",
    more=lambda found: {"tags": _SEXES.get(found["sex"], [])},
    title="Amharic Speech Emotion Dataset (ASED), version 1",
    licence=_FREE,
    citation=cited("retta2023ased"),
    home_page="https://github.com/Ethio2021/ASED_V1",
    group_rule="the speaker: last number of the name",
    speech="acted Amharic speech",
    layout="Angry/a5-03-01-02-50.wav; the folders do not matter",
    expected=Expected(2474, 65, {"a": 486, "f": 510, "h": 486, "n": 522, "s": 470}),
)

_PRIMARY = ("angry", "excited", "happy", "neutral", "sad")
_SECONDARY = ("anxious", "apologetic", "assertive", "concerned", "encouraging")
JL_CORPUS = _speech(
    "jl_corpus",
    # male1_angry_10a_1.wav is man 1, angry, sentence 10a, session 1.
    rf"(?i)(?P<group>(?:fe)?male\d)_(?P<label>{'|'.join(_PRIMARY + _SECONDARY)})_\d+[ab]_\d",
    what="JL-Corpus",
    more=lambda found: {"group": found["group"].lower(), "tags": [found["label"].lower()]},
    title="JL-Corpus: emotional speech for interaction with robots",
    licence="CC0-1.0 (its page at Kaggle)",
    citation=cited("james2018jl"),
    home_page="https://www.kaggle.com/datasets/tli725/jl-corpus",
    group_rule="the speaker: first part of the name",
    speech="acted New Zealand English speech",
    layout="Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/male1_angry_10a_1.wav",
    expected=Expected(2400, 4, dict.fromkeys(_PRIMARY + _SECONDARY, 240)),
)

AESDD = _speech(
    "aesdd",
    # a01 (1).wav is anger, utterance 1, speaker 1; a letter behind tells takes apart.
    r"(?i)(?P<label>[adfhs])\d\d ?\((?P<group>\d+)\)[a-z]?",
    what="AESDD",
    more=lambda found: {"group": str(int(found["group"]))},  # some names write (01)
    title="Acted Emotional Speech Dynamic Database (AESDD)",
    licence=_FREE,
    citation=cited("vryzas2018speech"),
    home_page="http://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition/",
    group_rule="the speaker: the number in brackets",
    speech="acted Greek speech",
    layout="anger/a01 (1).wav; the folders do not matter",
    # It grows by intention: these are the files that EmoBox (2024) lists, of six actors.
    expected=Expected(604, 6, {"a": 121, "d": 122, "f": 120, "h": 119, "s": 122}),
)
