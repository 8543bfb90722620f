"""Small trees of the demo, of EmoDB, RAVDESS, 4Q and EMOPIA, and of the two layouts for your own recordings.

How to add a source: put into `FILES` of one of these modules, or of a new one beside them, an entry
`name of the source → {path below the root → content}`. The content is text or bytes; recordings are empty,
because indexing opens none. In text `{0}` and `{1}` stand for two labels of the side that is tested. Where a
source needs parameters besides `root`, add an entry to `PARAMETERS` of the module. All modules of this folder
are collected by `tests/corpora/conftest.py`; the contract of `test_sources.py` then covers the source, once
its clips are written into `known_clips.csv`.
"""

FILES = {
    "demo": {
        "metadata.csv": "file,emotion,theme,group,tags,title\n"
        "a/x-1.wav,{0},jig,x,folk;dance,Take one\nb/x-1.wav,{1},,y,,\n",
        "a/x-1.wav": "",
        "b/x-1.wav": "",
    },
    "emodb": {"emodb/wav/03a01Fa.wav": "", "emodb/wav/03b10Wb.flac": "", "emodb/wav/16a02Nc.wav": ""},
    "ravdess": {
        "Audio_Speech/Actor_01/03-01-05-02-01-01-01.wav": "",
        "Audio_Speech/Actor_02/03-01-08-01-01-01-02.wav": "",
        "Audio_Song/Actor_02/03-02-05-01-01-01-02.wav": "",
    },
    "panda_4q": {
        "MER/Q3/MT01.mp3": "",
        "MER/Q2/MT02.ogg": "",
        "MER/Q1/MT03.mp3": "",
        "MER/Q4/MT04.mp3": "",
        "MER/x_annotations.csv": "Song,Quadrant\nMT01,Q3\nMT02,Q2\nMT03,Q1\n",
        "MER/x_metadata.csv": '"Song","Artist","Title","Quadrant","MoodsStrSplit","Genres","GenresStr"\n'
        '"MT01","Ann","One","Q3","Messy; Greasy",2,"Country; Pop/Rock; Folk"\n'
        '"MT02","Ann","Two","Q2","Tense",2,"Folk"\n'
        '"MT03",,"Three","Q1","",1,"Pop/Rock"\n',
    },
    "emopia": {
        "EMOPIA_1.0/midis/Q1__a_b-c_0.mid": "",
        "EMOPIA_1.0/midis/Q1__a_b-c_12.mid": "",
        "EMOPIA_1.0/midis/Q4_0vLPYiPN7qY_1.mid": "",
        "EMOPIA_1.0/split/train.csv": "fname,label\nQ1__a_b-c_0,Q1\n",
        "EMOPIA_1.0/split/test.csv": "fname,label\nQ4_0vLPYiPN7qY_1,Q4\n",
    },
    "folders": {
        "Relaxed/ann/1.wav": "",
        "Sad/bob/1.wav": "",
        "Sad/ann/2.mp3": "",
        "loose.wav": "",
        "notes.txt": "",
    },
    "table": {
        "clips.csv": "path,emotion,group,start_s,end_s,tags,split,Valence,arousal\n"
        "long.wav,{0},ann,0,1.5,a;b,Train,5,2\nlong.wav,{1},ann,1.5,,,dev,1,\nsub\\short.wav,,,,,,,,\n",
        "long.wav": "",
        "sub/short.wav": "",
    },
}
