"""What the audit says of a corpus: known corpora in figures, words, pictures and page."""

from __future__ import annotations

import html.parser
import json

import numpy as np
import pandas as pd
import pytest

from affetto.corpora.audit_report import (
    LISTED,
    log_summary,
    notes_of,
    render_audit,
    summarise_audit,
    warnings_of,
)
from affetto.corpora.parameters import AuditParameters

AUDIT = AuditParameters()


def table(n=40, **columns):
    """A tidy corpus: four groups, two emotions, all clips alike; `columns` changes it."""
    rows = {
        "clip_id": [f"c/{index:03d}" for index in range(n)],
        "corpus": "c",
        "side": "voice",
        "path": [f"{index:03d}.wav" for index in range(n)],
        "emotion": ["anger", "sadness"] * (n // 2),
        "group": [f"g{index // 2 % 4}" for index in range(n)],
        "second_group": None,
        "duration_s": 2.0,
        "sample_rate_hz": 16_000,
        "channels": 1,
        "peak_dbfs": -6.0,
        "clipped_share": 0.0,
        "content_hash": [f"{index:032x}" for index in range(n)],
        "note": "",
        "take": [f"c/{index:03d}" for index in range(n)],
    }
    return pd.DataFrame(rows).assign(**columns)


def rejected_table(*reasons):
    rows = [(f"c/bad{index}", "c", f"bad{index}.wav", reason) for index, reason in enumerate(reasons)]
    return pd.DataFrame(rows, columns=["clip_id", "corpus", "path", "reason"]).astype("str")


def summarise(clips, rejected=None, audit=AUDIT):
    return summarise_audit(clips, rejected_table() if rejected is None else rejected, audit)


def changed(clips, column, changes):
    values = clips[column].tolist()
    for row, value in changes.items():
        values[row] = value
    return clips.assign(**{column: values})


def equal(clips, *rows):
    """Give rows the content, and so the take, of the first of them."""
    for column in ("content_hash", "take"):
        clips = changed(clips, column, dict.fromkeys(rows, clips[column].iloc[rows[0]]))
    return clips


def test_a_tidy_corpus_has_nothing_to_look_at():
    summary = summarise(table())

    assert json.loads(json.dumps(summary)) == summary
    assert summary["hours"] == pytest.approx(80 / 3600, abs=1e-4)
    assert summary["emotions"] == {"anger": 20, "sadness": 20}
    assert summary["balance"] == {"commonest": "anger", "share": 0.5, "imbalance": 1.0}
    assert (summary["groups"], summary["groups_of_one"], summary["largest_group_share"]) == (4, 0, 0.25)
    assert summary["groups_by_emotion"] == {"anger": 4, "sadness": 4}
    assert summary["sample_rates_hz"] == {"16000": 40}
    assert warnings_of(summary) == notes_of(summary) == []


@pytest.mark.parametrize(
    ("column", "changes", "name", "words"),
    [
        ("duration_s", {3: 9.0, 1: 0.4}, "duration_outliers", "longer or shorter"),
        ("peak_dbfs", {3: -27.0, 1: -30.0}, "level_outliers", "usual level"),
        ("clipped_share", {3: 0.002, 1: 0.05}, "clipped", "clipped for more"),
    ],
)
def test_clips_that_differ_are_named_and_counted(column, changes, name, words):
    summary = summarise(changed(table(), column, changes))

    assert summary[name] == ["c/001", "c/003"]
    assert summary[f"n_{name}"] == 2
    (note,) = notes_of(summary)
    assert note.startswith("clips ")
    assert words in note
    assert note.endswith(": 2")


def test_duplicates_and_conflicting_labels():
    clips = equal(equal(table(), 4, 6), 10, 11)
    summary = summarise(clips)

    assert summary["duplicates"] == [["c/004", "c/006"], ["c/010", "c/011"]]
    assert summary["conflicting_labels"] == [["c/010", "c/011"]]
    assert warnings_of(summary) == ["the same recording under different emotions: c/010, c/011"]
    unlabelled = changed(clips, "emotion", {11: None})
    assert summarise(unlabelled)["conflicting_labels"] == []


def test_copies_that_sound_alike_are_listed_beside_equal_content():
    clips = changed(
        equal(table(), 4, 6), "take", {4: "c/002", 6: "c/002", 2: "c/002", 3: "c/003", 5: "c/003"}
    )
    summary = summarise(clips)

    assert summary["duplicates"] == [["c/004", "c/006"]]
    assert summary["copies"] == [["c/002", "c/004", "c/006"], ["c/003", "c/005"]]
    assert summary["conflicting_labels"] == []
    assert summarise(changed(clips, "emotion", {3: "fear"}))["conflicting_labels"] == [["c/003", "c/005"]]


def test_overlapping_segments_of_a_file_are_no_copies():
    clips = changed(table(), "path", {2: "long.wav", 3: "long.wav"})
    clips = changed(clips, "take", {3: "c/002"})

    assert notes_of(summarise(clips)) == warnings_of(summarise(clips)) == []


def test_groups_of_one_and_groups_of_one_emotion():
    alone = summarise(table(group=[f"c/{index:03d}" for index in range(40)]))
    assert (alone["groups_of_one"], alone["without_group"]) == (40, 40)
    assert warnings_of(alone)[0].startswith(
        "40 clips have no group, and each recording of them is one of its own, so"
    )
    assert "voice.corpus.group_pattern" in warnings_of(alone)[0]
    named = summarise(table(group=[f"g{index}" for index in range(40)]))
    assert (named["groups_of_one"], named["without_group"]) == (40, 0)
    assert warnings_of(named) == []
    # Some only: one united with its duplicate, a part of a file; one without a label is no matter.
    some = changed(table(), "group", {0: "c/000", 1: "c/000", 2: "c/long/file"})
    some = changed(changed(some, "path", {2: "long/file.wav"}), "emotion", {0: None})
    assert summarise(some)["without_group"] == 2
    assert warnings_of(summarise(some))[0].startswith("2 clips have no group")

    parted = summarise(table(group=np.where(np.arange(40) % 2, "sad", "angry")))
    assert [warning.split(" are ")[0] for warning in warnings_of(parted)] == [
        "all clips of anger",
        "all clips of sadness",
    ]

    large = summarise(table(group=["g"] * 30 + ["h"] * 10))
    assert warnings_of(large) == ["75% of the clips are of one group, g: no split can balance that"]


def test_imbalance_is_a_warning():
    summary = summarise(table(emotion=["anger"] * 36 + ["sadness"] * 4))

    assert summary["balance"] == {"commonest": "anger", "share": 0.9, "imbalance": 9.0}
    assert warnings_of(summary)[0].startswith("anger has 9 times the clips of the rarest emotion")


def test_a_corpus_without_labels_is_summed_up_too():
    summary = summarise(table(emotion=pd.Series([None] * 40, dtype="str")))

    assert summary["emotions"] == {"unlabelled": 40}
    assert summary["balance"] == {"commonest": None, "share": None, "imbalance": None}
    assert warnings_of(summary) == []


def test_the_log_says_size_warnings_and_notes(caplog):
    caplog.set_level("INFO", "affetto")
    rejected = rejected_table("too quiet: a", "too quiet: b", "unreadable: c")

    log_summary(summarise(changed(table(), "duration_s", {1: 9.0}), rejected))

    assert "c: 40 clips, 0.02 h, 4 groups; 20 anger, 20 sadness" in caplog.text
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "c: rejected 2 too quiet, 1 unreadable"
    ]
    assert "c: clips far longer or shorter than the others: 1" in caplog.text


class Page(html.parser.HTMLParser):
    """Tags, text and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.addresses = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in {"src", "href"}]

    def handle_data(self, data):
        self.text += data


HOSTILE = "c/<script>alert('x')</script>\n{{ 7 * 7 }}"


def test_the_page_names_what_was_found_and_runs_nothing():
    clips = changed(table(), "duration_s", {1: 9.0})
    clips = changed(clips, "clip_id", {1: HOSTILE})
    clips = changed(clips, "group", {1: HOSTILE})
    clips = equal(clips, 4, 7)
    clips = changed(clips, "take", {8: "c/008", 9: "c/008"})
    reasons = ["too quiet: its peak is -70 dBFS"] * (LISTED + 3) + ["unreadable: <b>bold</b>"]

    page = Page(render_audit(summarise(clips, rejected_table(*reasons)), clips, rejected_table(*reasons)))

    assert not {"script", "b", "img", "link"} & set(page.tags)
    assert page.addresses == []
    assert page.tags.count("span") > 120  # the bars of three histograms
    for words in [
        "54 clips were rejected",
        r"c/<script>alert('x')</script>\n{{ 7 * 7 }}",
        "too quiet (53)",
        "… and 3 more",
        "unreadable: <b>bold</b>",
        "c/004 = c/007",
        "c/008 = c/009",
        "copies that sound alike",
        "The same recording under different emotions: c/004, c/007.",
        "The same recording under different emotions: c/008, c/009.",
        "anger",
        "16000",
    ]:
        assert words in page.text
