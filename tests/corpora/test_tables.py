"""Tables as people have them: each kind of trouble is read rightly, or named in one sentence."""

from __future__ import annotations

import re
import sys

import pandas as pd
import pytest

from affetto.corpora.index import unite_spellings
from affetto.corpora.sources.table_paths import locate_files
from affetto.corpora.sources.tables import read_header, read_table, to_numbers
from affetto.errors import AffettoError

HEADER = "path,emotion,group"
RECORDINGS = {"wav/a.wav": "", "wav/b.wav": "", "wav/c d.wav": ""}


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a table and reads it."""

    def write(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path)

    return write


def workbook(path, *sheets):
    """Write an Excel workbook of one sheet for each list of rows."""
    import openpyxl

    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(path)


@pytest.mark.parametrize("end", [",", ",,", ", ", ',""'])
def test_empty_fields_behind_the_last_column_shift_nothing(read, end):
    table = read(f"{HEADER}\na.wav,anger,ann{end}\nb.wav,fear,bo{end}\n")

    assert list(table.columns) == HEADER.split(",")
    assert table["path"].tolist() == ["a.wav", "b.wav"]
    assert table["group"].tolist() == ["ann", "bo"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (f"{HEADER}\na.wav,anger,ann\nb.wav,fear,bo,x\n", 3),
        (f"{HEADER}\n\na.wav,anger,Smith, Ann\n", 3),
        (f'{HEADER}\n"a\n.wav",anger,ann\nb.wav,fear,bo,,x\n', 4),
        ("path,emotion\n1,a.wav,anger\n2,b.wav,fear\n", 2),  # the header does not name the row numbers
    ],
)
def test_a_row_longer_than_the_header_is_named_by_its_line(read, content, line):
    with pytest.raises(AffettoError, match=f"fields in line {line} .*name every column"):
        read(content)


def test_shorter_and_empty_rows_are_said_with_their_lines(corpus, caplog):
    table = f"{HEADER}\na.wav,anger,ann\n,,\n\nb.wav,fear\n , ,\nc.wav,fear,ann\n"
    clips = corpus("table", files={"t.csv": table})

    assert clips["group"].tolist() == ["ann", "table/b", "ann"]
    assert "2 rows are empty and are left out: lines 3, 6" in caplog.text
    assert (
        "1 rows are shorter than the header, and their last columns are taken as empty: line 5" in caplog.text
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_the_header_tells_the_separator(corpus, separator, name):
    rows = ["path", "title", "emotion", "group"], ["a.wav", '"So, so; yes"', "anger", "ann"]
    clips = corpus("table", files={name: "\n".join(map(separator.join, rows))})

    assert clips[["path", "title", "emotion", "group"]].to_numpy().tolist() == [
        ["a.wav", "So, so; yes", "anger", "ann"]
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_machine(read, end):
    assert read(end.join(["path;emotion", "a.wav;anger", "b.wav;fear", ""]))["emotion"].tolist() == [
        "anger",
        "fear",
    ]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
def test_what_excel_says_of_the_separator_is_no_header(read, first):
    assert read(f"{first}\r\npath;emotion\r\na.wav;anger\r\n").to_dict("list") == {
        "path": ["a.wav"],
        "emotion": ["anger"],
    }


@pytest.mark.parametrize("rows", [2, 3])
@pytest.mark.parametrize("separator", [*",;"])
def test_titles_above_the_header_are_passed_over_and_said(read, tmp_path, caplog, separator, rows):
    titles = [["My recordings, 2024"], [None], ["of the second visit"]][:rows]
    cells = [*titles, ["path", "emotion", "group"], ["a.wav", "anger", "ann"]]
    workbook(tmp_path / "t.xlsx", cells)
    lines = [separator.join(f'"{cell or ""}"' for cell in row + [""] * (3 - len(row))) for row in cells]
    for table in (
        read("\n".join(lines)),
        read(f"Recordings\n\n{HEADER}\na.wav,anger,ann\n"),
        read_table(tmp_path / "t.xlsx"),
    ):
        assert table.to_dict("list") == {"path": ["a.wav"], "emotion": ["anger"], "group": ["ann"]}
    assert caplog.text.count("passed over above its header: My recordings, 2024") == 2


@pytest.mark.parametrize("header", ["path", "number"])
def test_a_header_with_a_name_too_few_is_no_title(read, header):
    with pytest.raises(AffettoError, match="1 columns in its header, but 2 fields in line 2"):
        read(f"{header}\na.wav,anger\n")


def test_decimal_commas_are_numbers(corpus):
    table = "path;emotion;start_s;end_s\na.wav;anger;0,1;0,9\na.wav;anger;1.5;2\n"
    clips = corpus("table", files={"t.csv": table})

    assert clips["start_s"].tolist() == [0.1, 1.5]
    assert clips["end_s"].tolist() == [0.9, 2.0]
    assert to_numbers(pd.Series(["-1,5", "1.5", None, ",5", "x,1"]), errors="coerce").fillna(9).tolist() == [
        *(-1.5, 1.5, 9, 0.5, 9)
    ]
    with pytest.raises(AffettoError, match=r"written as 1.5 or 1,5 \('1,2,3' in line 2\)"):
        corpus("table", files={"t.csv": "path;start_s\na.wav;1,2,3\n"})


def test_an_open_quotation_mark_is_named_by_its_line(read):
    with pytest.raises(AffettoError, match="quotation mark in line 3 is never closed"):
        read(f'{HEADER}\na.wav,anger,ann\n"b.wav,anger,ann\nc.wav,fear,bo\n')


def test_a_workbook_is_read(corpus, tmp_path, caplog):
    rows = [
        ["path", "emotion", "group", "start_s", None],
        ["a.wav", "anger", 1, 0.5],
        [None],
        ["b.wav", "fear", 2],
    ]
    workbook(tmp_path / "t.xlsx", [], rows, [["notes"]])
    (tmp_path / "~$t.xlsx").write_bytes(b"the lock of an open workbook")
    clips = corpus("table", files={})

    assert clips[["path", "emotion", "group"]].to_numpy().tolist() == [
        ["a.wav", "anger", "1"],
        ["b.wav", "fear", "2"],
    ]
    assert clips["start_s"].fillna(-1).tolist() == [0.5, -1]
    assert "rows are empty and are left out: line 3" in caplog.text
    assert "the sheet Sheet1 is read, and not Sheet2" in caplog.text
    assert read_header(tmp_path / "t.xlsx")[:2] == ["path", "emotion"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old or a protected Excel workbook: save it as .xlsx"),
        ("t.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old or a protected Excel workbook: save it as .xlsx"),
        ("t.xlsx", b"PK\x03\x04 and no more", "it is no Excel workbook, or damaged"),
    ],
)
def test_other_workbooks_are_named(read, name, content, said):
    with pytest.raises(AffettoError, match=said) as caught:
        read(content, name)
    assert name in str(caught.value)


def test_a_workbook_without_its_package_is_one_sentence(tmp_path, monkeypatch):
    workbook(tmp_path / "t.xlsx", [["path"], ["a.wav"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(AffettoError, match=r"pip install affetto\[excel\]`, or save the table as CSV"):
        read_table(tmp_path / "t.xlsx")


@pytest.mark.parametrize(
    "written",
    [
        *(r"C:\data\wav\{}", r"d:/my data/wav/{}", r"\\server\share\wav\{}", "/home/else/corpus/wav/{}"),
        *("file:///home/else/wav/{}", "file:///C:/data/wav/{}", "file://localhost/x/wav/{}"),
        *("~/not here/wav/{}", "../else/wav/{}", "data/01_raw/wav/{}", r"WAV\{}", r"C:\DATA\Wav\{}"),
    ],
)
def test_paths_of_another_machine_are_found_by_their_ends(corpus, written):
    names = ["a.wav", "b.wav", "c%20d.wav" if "file:" in written else "c d.wav"]
    table = "path,emotion\n" + "".join(f'"{written.format(name)}",anger\n' for name in names)
    clips = corpus("table", files=RECORDINGS | {"t.csv": table})

    assert clips["path"].tolist() == sorted(RECORDINGS)


def test_what_is_cut_off_is_said(corpus, caplog):
    corpus("table", files=RECORDINGS | {"t.csv": "path\nC:\\data\\wav\\a.wav\nC:\\data\\wav\\b.wav\n"})

    assert r"names files of another machine or folder: C:\data\ is cut off" in caplog.text
    assert "voice.corpus.path_prefix" in caplog.text


@pytest.mark.parametrize("prefix", [r"C:\data\eve", "c:/data/eve/"])
def test_paths_that_end_as_nothing_here_are_named_by_their_beginning(corpus, prefix):
    files = RECORDINGS | {"t.csv": "path\nC:\\data\\eve\\x\\1.wav\nC:\\data\\eve\\y\\2.wav\n"}
    with pytest.raises(AffettoError) as caught:
        corpus("table", files=files)
    assert r"(2 begin with C:\data\eve\)" in str(caught.value)
    assert "or voice.corpus.path_prefix to the beginning of the paths" in str(caught.value)

    clips = corpus("table", files=files, path_prefix=prefix)
    assert clips["path"].tolist() == ["x/1.wav", "y/2.wav"]
    with pytest.raises(AffettoError, match="path_prefix is 'D:/', but no path of the table begins so"):
        corpus("table", files=files, path_prefix="D:/")


def test_a_file_of_the_same_name_elsewhere_is_not_taken_for_a_missing_one(tmp_path):
    for name in ("wav/a.wav", "b.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = ["/else/wav/a.wav", "/else/wav/b.wav"]

    assert locate_files(files, tmp_path, table=tmp_path / "t.csv") == ["wav/a.wav", "wav/b.wav"]


def test_a_file_that_is_there_but_not_below_the_root_is_not_another_one(tmp_path):
    for name in ("root/wav/a.wav", "other/wav/a.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    with pytest.raises(AffettoError, match="is not below"):
        locate_files([str(tmp_path / "other/wav/a.wav")], tmp_path / "root", table=tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("spellings", "n_groups"),
    [
        (["Jane", "jane", " JANE", "jane  "], 1),
        (["01", "1", "1.0", "001", "1,0"], 1),
        (["Anna Bo", "anna  bo", "ANNA BO"], 1),
        (["Zoë", "Zoe\u0308", "ZOË"], 1),
        (["1", "10", "100"], 3),
        (["1.1", "1.10", "s1", "s01"], 4),
        (["0", "00", ""], 2),
    ],
)
def test_spellings_of_a_group_are_one_and_are_named(corpus, caplog, spellings, n_groups):
    rows = "".join(f'{number}.wav,anger,"{group}"\n' for number, group in enumerate(spellings))
    clips = corpus("table", files={"t.csv": f"{HEADER}\n{rows}"})

    assert clips["group"].nunique() == n_groups
    said = [message for message in caplog.messages if "spellings of a group are united" in message]
    assert len(said) == (n_groups < len(spellings))


def test_the_commonest_spelling_stays_and_what_is_spelt_once_is_left(caplog):
    rows = pd.DataFrame(
        {"group": ["jane", "Jane", "Jane", None, "03"], "second_group": ["a", "A", "a", "b", "b"]}
    )
    united = unite_spellings(rows, "mine")

    assert united["group"].fillna("").tolist() == ["Jane", "Jane", "Jane", "", "03"]
    assert united["second_group"].tolist() == ["a", "a", "a", "b", "b"]
    assert "mine: spellings of a group are united: 'Jane' = 'jane'" in caplog.text


@pytest.mark.parametrize(
    "header",
    [
        *("path,label,speaker", "file,class,subject", "filename,emotion_label,speaker_id", "wav,Emo,Actor"),
        *("File Name,Label,Speaker ID", "audio_path,category,participant", "path,emotion,artist"),
    ],
)
def test_columns_of_other_names_are_used_and_said(corpus, caplog, header):
    clips = corpus("table", files={"t.csv": f"{header}\na.wav,anger,ann\nb.wav,fear,ann\n"})

    assert clips["path"].tolist() == ["a.wav", "b.wav"]
    assert clips["emotion"].tolist() == ["anger", "fear"]
    assert set(clips["group"]) == {"ann"}
    assert re.search(f"column .*'{header.split(',')[2]}' as 'group'", caplog.text)


def test_the_right_name_goes_before_a_like_one_and_a_code_beside_its_name(corpus):
    table = "path,file,emotion,label,speaker,speaker_id\na.wav,x,anger,3,ann,1\nb.wav,y,fear,4,bo,2\n"
    clips = corpus("table", files={"t.csv": table})

    assert clips["path"].tolist() == ["a.wav", "b.wav"]
    assert clips["emotion"].tolist() == ["anger", "fear"]
    assert clips["group"].tolist() == ["ann", "bo"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("path,emotion,speaker,artist", "'speaker', 'artist' may be it: set voice.corpus.group_column"),
        ("path,label,class,group", "'label', 'class' may be it: set voice.corpus.emotion_column"),
        ("recs,emotion,group,x", "no column 'path' .it has recs, .*set voice.corpus.path_column"),
    ],
)
def test_columns_that_may_both_be_it_or_none_are_named(corpus, header, said):
    with pytest.raises(AffettoError, match=said):
        corpus(
            "table",
            files={"t.csv": f"{header}\na.wav,anger,anger,ann\nb.wav,anger,fear,bo\nc.wav,fear,fear,ann\n"},
        )


def test_columns_that_are_not_found_are_said_with_what_is_there(corpus, caplog):
    corpus("table", files={"t.csv": "path,feeling,who\na.wav,anger,ann\n"})

    assert (
        "has no column 'emotion'; if one of feeling, who is it, set voice.corpus.emotion_column"
        in caplog.text
    )
    assert "set voice.corpus.group_column" in caplog.text


def test_bounds_of_other_names_are_seconds_or_nothing(corpus):
    clips = corpus("table", files={"t.csv": "path,start,end\na.wav,0,1.5\na.wav,2,3\n"})
    assert clips["end_s"].tolist() == [1.5, 3]
    clips = corpus("table", files={"t.csv": "path,start,end\na.wav,9:15,9:30\n"})
    assert clips["end_s"].isna().all()


@pytest.mark.parametrize("source", ["folders", "table"])
def test_files_of_one_stem_are_clips_of_one_group(corpus, caplog, source):
    files = {"angry/1.wav": "", "angry/1.mp3": "", "sad/1.wav": ""}
    table = {"t.csv": "path,emotion\nangry/1.wav,anger\nangry/1.mp3,anger\nsad/1.wav,sadness\n"}
    clips = corpus(source, files=files | (table if source == "table" else {}))

    ids = ("angry/1.mp3", "angry/1.wav", "sad/1")
    assert clips["clip_id"].tolist() == [f"{source}/{name}" for name in ids]
    assert clips["group"].tolist() == [f"{source}/{name}" for name in ("angry/1", "angry/1", "sad/1")]
    assert "2 recordings differ from another in their extension only: angry/1.mp3, angry/1.wav" in caplog.text
