"""Small trees of voice corpora labelled in names or a small table; how to add one: see `existing.py`."""

FILES: dict[str, dict[str, str | bytes]] = {
    "ravdess_song": {
        "Audio_Song_Actors_01-24/Actor_02/03-02-04-01-01-01-02.wav": "",
        "Audio_Song_Actors_01-24/Actor_02/03-02-04-01-01-02-02.wav": "",
        "Audio_Song_Actors_01-24/Actor_24/03-02-01-01-01-01-24.flac": "",
        "Audio_Speech_Actors_01-24/Actor_24/03-01-01-01-01-01-24.wav": "",
        "Video_Song_Actor_24/02-02-01-01-01-01-24.mp3": "",
    },
    "cremad": {
        "AudioWAV/1001_DFA_ANG_XX.wav": "",
        "AudioWAV/1001_IEO_SAD_HI.wav": "",
        "AudioWAV/1040_ITH_SAD_X.wav": "",
        "AudioMP3/1001_DFA_ANG_XX.mp3": "",
        "SentenceFilenames.csv": '"","Filename"\n"1","1001_DFA_ANG_XX"\n',
    },
    "savee": {
        "AudioData/DC/a01.wav": "",
        "AudioData/DC/sa01.wav": "",
        "AudioData/JE/su15.wav": "",
        "AudioData/Info.txt": "",
        "ALL/KL_n30.wav": "",
        "ALL/JK_d07.wav": "",
        "AudioData/dc/N02.WAV": "",
        "ALL/kl_SU04.wav": "",
    },
    "tess": {
        "TESS Toronto emotional speech set data/OAF_Fear/OAF_back_fear.wav": "",
        "TESS Toronto emotional speech set data/OAF_neutral/OA_bite_neutral.wav": "",
        "TESS Toronto emotional speech set data/YAF_pleasant_surprised/YAF_back_ps.wav": "",
        "TESS Toronto emotional speech set data/YAF_germ_Angry.WAV": "",
        "TESS Toronto emotional speech set data/yaf_dog_Disgust.wav": "",
        "TESS Toronto emotional speech set data/readme.mp3": "",
    },
    "casia": {
        "CASIA/liuchanhg/angry/201.wav": "",
        "CASIA/liuchanhg/sad/201.wav": "",
        "CASIA/ZhaoZuoxiang/angry/201.wav": "",
        "CASIA/ZhaoZuoxiang/Surprise/250.wav": "",
        "CASIA/wangzhe/NEUTRAL/301.wav": "",
        "CASIA/intro/201.wav": "",
    },
    "esd": {
        "ESD/0001/0001.txt": "0001_000351\t打远一看\t生气\n",
        "ESD/0001/Angry/train/0001_000371.wav": "",
        "ESD/0001/Angry/evaluation/0001_000351.wav": "",
        "ESD/0001/Surprise/test/0001_001431.wav": "",
        "ESD/0011/Neutral/0011_000001.wav": "",
        "ESD/0010/happy/TEST/0010_000002.wav": "",
        "ESD/0011/Neutral/0012_000001.wav": "",
    },
    "emovo": {
        "EMOVO/f1/dis-f1-b1.wav": "",
        "EMOVO/m3/gio-m3-n5.wav": "",
        "EMOVO/m3/tri-M3-l2.wav": "",
        "EMOVO/f2/NEU-F2-N1.wav": "",
        "EMOVO/documents/notes.wav": "",
    },
    "nemo": {
        "nEMO/data.tsv": "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
        "EB0_anger_1.wav\tanger\tLubię czytać.\tlubię czytać\t        EB0\tfemale\t27\n"
        "WR0_surprised_64.wav\tsurprised\t„Ród smoka”, serial.\tród smoka serial\t        WR0\tmale\t23\n"
        "WR0_fear_2.wav\tfear\tNie waśńmy się.\tnie waśńmy się\t        WR0\tmale\t23\n",
        "nEMO/samples/EB0_anger_1.wav": "",
        "nEMO/samples/WR0_surprised_64.flac": "",
        "nEMO/samples/MP0_sadness_3.wav": "",
    },
    "shemo": {
        "shemo/female/F21N05.wav": "",
        "shemo/female/F01W12.wav": "",
        "shemo/male/M21A05.wav": "",
        "shemo/male/m02h05.wav": "",
        "shemo/shemo.json": "{}",
    },
    "urdu": {
        "URDU-Dataset/Angry/SM1_F10_A010.wav": "",
        "URDU-Dataset/Happy/SF1_F10_H010.wav": "",
        "URDU-Dataset/Neutral/SM5_F72_N0100.wav": "",
        "URDU-Dataset/Sad/sm2_f1_s01.wav": "",
    },
    "ased": {
        "ASED_V1/Angry/a5-03-01-02-50.wav": "",
        "ASED_V1/Sadness/S4-01-02-01-03.wav": "",
        "ASED_V1/fear/f-01-02-01-01.wav": "",
    },
    "jl_corpus": {
        "archive/Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/male1_angry_10a_1.wav": "",
        "archive/Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/male1_angry_10a_1.txt": "",
        "archive/Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/female1_apologetic_15b_2.wav": "",
        "archive/Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/female2_excited_1a_1.wav": "",
        "archive/Male2_Sad_1b_2.wav": "",
    },
    "aesdd": {
        "Acted Emotional Speech Dynamic Database/anger/a01 (1).wav": "",
        "Acted Emotional Speech Dynamic Database/anger/a06 (5)b.wav": "",
        "Acted Emotional Speech Dynamic Database/anger/a06 (5).wav": "",
        "Acted Emotional Speech Dynamic Database/fear/f10 (01).wav": "",
    },
}
