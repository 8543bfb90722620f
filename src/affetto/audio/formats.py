"""What a file is, told by its first bytes, and which extensions recordings have."""

from __future__ import annotations

import codecs


def _extensions(names: str) -> frozenset[str]:
    return frozenset(f".{name}" for name in names.split())


MIDI_EXTENSIONS = _extensions("mid midi")
AUDIO_EXTENSIONS = MIDI_EXTENSIONS | _extensions(
    """
    3ga 3gp 8svx aac ac3 aif aifc aiff amr ape au avr awb caf flac htk iff m4a m4b mka mp2 mp3 mpc nist
    oga ogg opus ra rf64 sf snd sph spx svx tta voc w64 wav wave weba webm wma wv xi
    """
)
"""Extensions of recordings. Only corpora that know their clips by name look at them: what a file holds is
decided by its content."""
OTHER_EXTENSIONS = (
    _extensions(  # texts, tables and programs
        """
        bib c cfg conf cpp css csv doc docx h htm html ini ipynb java js json jsonl log m md nfo ods odt
        pdf ps py r rst rtf sh sql srt sub tex toml tsv txt url vtt xls xlsx xml yaml yml
        """
    )
    | _extensions(  # annotations and features
        """
        ann arff beats cha cue eaf egg elan f0 jams lab lrc m3u m3u8 mlf musicxml mxl par phn pitch
        pitchtier pls textgrid trs wrd xspf
        """
    )
    | _extensions(  # pictures, and what players and systems leave behind
        "bmp db ds_store exe gif heic ico jpeg jpg lnk nra png psd sfv svg tif tiff torrent webp"
    )
    | _extensions(  # archives, checksums and arrays
        """
        7z bz2 gz h5 hdf5 joblib mat md5 npy npz parquet part pickle pkl pq pt pth rar sha1 sha256 tar
        tgz xz zip zst
        """
    )
)
"""Extensions of what lies beside recordings and is evidently none."""
HEAD_BYTES = 4096
_GIT_LFS = b"version https://git-lfs.github.com/spec/"
_BINARY = (
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"PK\x03\x04", "an archive: unpack it"),
    (b"\x1f\x8b", "an archive: unpack it"),
    (b"BZh", "an archive: unpack it"),
    (b"\xfd7zXZ", "an archive: unpack it"),
    (b"7z\xbc\xaf", "an archive: unpack it"),
    (b"Rar!", "an archive: unpack it"),
    (b"\x28\xb5\x2f\xfd", "an archive: unpack it"),
    (b"\x7fELF", "a program"),
)


def is_midi(head: bytes) -> bool:
    """Tell Standard MIDI Files, also those in the container of Windows, by how they begin."""
    return head.startswith(b"MThd") or (head.startswith(b"RIFF") and head[8:12] == b"RMID")


def what_else(head: bytes, folder: str) -> str | None:
    """Say what a file is that holds no audio.

    Parameters
    ----------
    head
        Its first `HEAD_BYTES` bytes.
    folder
        Where it lies, for the remedy.

    Returns
    -------
    str or None
        Words that go on "it is", with what to do; None where the content tells nothing.
    """
    if head.startswith(_GIT_LFS):
        return f"a Git LFS pointer, not the recording itself: run `git lfs pull` in {folder}"
    for magic, what in _BINARY:
        if head.startswith(magic):
            return what
    if head[257:262] == b"ustar":
        return "an archive: unpack it"
    text = _text(head)
    if text is None:
        return "nothing but zeros: copy or download it again" if head and not any(head) else None
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<!doctype html", "<html", "<head", "<body")):
        return "a web page, not a recording: download the file itself"
    return "text, not audio"


def _text(head: bytes) -> str | None:
    """Decode what is text: UTF-8 or, with its mark, UTF-16, without other control characters."""
    encoding = "utf-16" if head[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE} else "utf-8"
    try:
        # A character cut off at the end of the head is no mistake.
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None
    return text if all(letter >= " " or letter in "\t\r\n\f\x1b" for letter in text) else None
