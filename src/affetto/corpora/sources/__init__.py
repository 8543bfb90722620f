"""The corpora that Affetto can read; a new one is a declaration in a module, and an entry here."""

from affetto.corpora.sources import databases, music_ratings, music_tags, own, speech, speech_tables
from affetto.corpora.sources.source import Source

__all__ = ["SOURCES", "Source"]

_VOICE = (
    *(speech.EMODB, speech.RAVDESS, speech.RAVDESS_SONG, speech.CREMAD, speech.SAVEE, speech.TESS),
    *(speech.CASIA, speech.ESD, speech.EMOVO, speech_tables.NEMO, speech.SHEMO, speech.URDU, speech.ASED),
    *(speech.JL_CORPUS, speech.AESDD),
    *(speech_tables.IEMOCAP, speech_tables.MELD, speech_tables.MSP_PODCAST),
)
_MUSIC = (
    *(music_tags.PANDA_4Q, music_tags.EMOPIA),
    *(music_ratings.VGMIDI, music_ratings.DEAM, music_ratings.PMEMO),
    *(music_tags.EMOTIFY, music_tags.MTG_JAMENDO, music_tags.GTZAN),
    *(music_tags.SOUNDTRACKS, music_tags.CAL500),
)
_OWN = (own.FOLDERS, own.TABLE, own.LIBRARY, databases.AUDB, databases.MIRDATA)

SOURCES: dict[str, Source] = {source.name: source for source in (own.DEMO, *_VOICE, *_MUSIC, *_OWN)}
