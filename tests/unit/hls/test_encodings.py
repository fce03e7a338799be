"""Text files in what people had before Unicode: read as they were written, whatever their name says of the language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.hls import webvtt
from mam.hls.encodings import decode

# (language, sentences in it, what such files are in)
TEXTS = (
    ("ru", ("Ты куда идёшь?", "Я не знаю, что тебе сказать.", "Подожди меня, пожалуйста, я скоро вернусь домой."),
     ("cp1251", "koi8_r", "cp866", "iso8859_5")),
    ("uk", ("Привіт, як твої справи?", "Їжте, будь ласка, і пийте.", "Я нічого не розумію в цій історії."),
     ("cp1251", "koi8_u")),
    ("bg", ("Къде отиваш сега?", "Не мога да повярвам, че това се случва.", "Остани тук, моля те."), ("cp1251",)),
    ("pl", ("Gdzie idziesz?", "Proszę, poczekaj na mnie chwilę.", "Żółć, źdźbło i gęś są łatwe."),
     ("cp1250", "iso8859_2")),
    ("cs", ("Kam jdeš?", "Počkej na mě chvíli, prosím tě.", "Příliš žluťoučký kůň úpěl ďábelské ódy."),
     ("cp1250", "iso8859_2")),
    ("hu", ("Hová mész?", "Várj egy kicsit, kérlek.", "Árvíztűrő tükörfúrógép, őszintén szólva."),
     ("cp1250", "iso8859_2")),
    ("ro", ("Unde te duci?", "Aşteaptă puţin, te rog, fată.", "Înţelege că ţara aşteaptă."), ("cp1250", "iso8859_2")),
    ("hr", ("Kamo ideš?", "Pričekaj me malo, molim te.", "Što će biti sa žutim cvijećem i đacima?"), ("cp1250",)),
    ("de", ("Wohin gehst du?", "Warte bitte einen Augenblick für mich.", "Schöne Grüße, mein Fräulein."), ("cp1252",)),
    ("fr", ("Où vas-tu ?", "Attends-moi, s'il te plaît, un été.", "Ça a été très difficile, garçon."),
     ("cp1252", "iso8859_15")),
    ("es", ("¿Adónde vas?", "Espérame un momento, señor.", "Mañana será otro día, ¡qué lástima!"), ("cp1252",)),
    ("pt", ("Aonde você vai?", "Não sei o que dizer, irmão.", "As ações são difíceis."), ("cp1252",)),
    ("sv", ("Vart är du på väg?", "Vänta på mig, är du snäll.", "Åh, jag förstår ingenting."), ("cp1252",)),
    ("tr", ("Nereye gidiyorsun?", "Beni biraz bekle, lütfen.", "Şimdi ağaçların altında ışık yok, çocuğum."),
     ("cp1254", "iso8859_9")),
    ("lt", ("Kur tu eini?", "Palauk manęs truputį, prašau.", "Žąsys ir žuvys čia nėra įdomios."), ("cp1257",)),
    ("el", ("Πού πηγαίνεις;", "Περίμενέ με λίγο, σε παρακαλώ.", "Δεν καταλαβαίνω τίποτα."), ("cp1253", "iso8859_7")),
    ("he", ("לאן אתה הולך?", "חכה לי רגע בבקשה.", "אני לא מבין כלום."), ("cp1255",)),
    ("ar", ("إلى أين تذهب؟", "انتظرني قليلا من فضلك.", "لا أفهم شيئا."), ("cp1256",)),
    ("ja", ("どこへ行くの？", "ちょっと待ってください。", "私は何もわかりません。"),
     ("shift_jis", "euc_jp", "iso2022_jp")),
    ("zh", ("你要去哪里？", "请等我一下。", "我什么都不明白。"), ("gb18030",)),
    ("zh-TW", ("你要去哪裡？", "請等我一下。", "我什麼都不明白。"), ("big5",)),
    ("ko", ("어디 가세요?", "잠깐만 기다려 주세요.", "나는 아무것도 이해하지 못해요."), ("cp949",)),
    ("th", ("คุณจะไปไหน?", "รอฉันสักครู่นะ", "ฉันไม่เข้าใจอะไรเลย"), ("cp874",)),
)  # fmt: skip
CASES = [(language, lines, encoding) for language, lines, encodings in TEXTS for encoding in encodings]


def subtitles(lines: tuple[str, ...] | list[str]) -> str:
    return "\n".join(
        f"{number}\n00:00:{number:02},000 --> 00:00:{number:02},900\n{line}\n" for number, line in enumerate(lines, 1)
    )


@pytest.mark.parametrize(("language", "lines", "encoding"), CASES, ids=[f"{case[0]}-{case[2]}" for case in CASES])
@pytest.mark.parametrize("hint", ["named", "not named", "said to be English"])
def test_subtitles_are_read_as_they_were_written(
    language: str, lines: tuple[str, ...], encoding: str, hint: str
) -> None:
    said = {"named": language, "not named": "", "said to be English": "en"}[hint]
    cues = webvtt.parse(subtitles(lines).encode(encoding), language=said)
    assert [cue.text for cue in cues] == list(lines)


@given(
    case=st.sampled_from(CASES),
    lines=st.integers(1, 40),
    seed=st.randoms(use_true_random=False),
    ascii_between=st.booleans(),
)
def test_the_order_and_the_number_of_lines_make_no_difference(
    case: tuple[str, tuple[str, ...], str], lines: int, seed: object, ascii_between: bool
) -> None:
    language, sentences, encoding = case
    text = [*sentences, *(seed.choice(sentences) for _ in range(lines))]  # type: ignore[attr-defined]
    if ascii_between:
        text = [line for each in text for line in (each, "- OK, no problem.")]
    data = subtitles(text).encode(encoding)
    assert decode(data, language) == subtitles(text)


@given(st.binary(max_size=400), st.sampled_from(["", "en", "ru", "pl", "ja", "xx", "zh-TW"]))
def test_any_bytes_become_some_text(data: bytes, language: str) -> None:
    assert isinstance(decode(data, language), str)


@given(st.text(max_size=200))
def test_unicode_is_unicode(text: str) -> None:
    data = text.encode("utf-8", "replace")
    assert decode(data, "ru") == data.decode("utf-8-sig") or b"\0" in data or b"\x1b" in data
