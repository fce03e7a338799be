"""Decodes text files without a known encoding, by their content and language.

`charset-normalizer` distinguishes scripts well, but not languages in Latin script: French and Polish use the same bytes
for different letters. Those are distinguished by the letters of each language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import charset_normalizer

DEFAULT = "cp1252"  # Most older files have this encoding.
SAMPLE = 64 << 10  # This many bytes are examined, of lines that are not plain ASCII.
FITS = 0.97  # This part of the letters beyond ASCII must be the language's own: foreign names have others.
MAX_SHARE = 0.7  # At most this part of a Latin text's letters is beyond ASCII; in other scripts all are.
_ESCAPES = (b"\x1b$B", b"\x1b$@", b"\x1b(J")  # ISO-2022-JP, which is ASCII apart from these.

_WEST, _MIDDLE = ("cp1252", "iso8859_15"), ("cp1250", "iso8859_2")
# Letters beyond ASCII of languages in Latin script, and the encodings of their files.
_LATIN: dict[str, tuple[str, tuple[str, ...]]] = {
    "en": ("áàâäçéèêëíïñóôöúüœæ", _WEST),
    "fr": ("àâæçéèêëîïôœùûüÿ", _WEST),
    "de": ("äöüßéàè", _WEST),
    "es": ("áéíñóúü¿¡ºª", _WEST),
    "pt": ("áâãàçéêíóôõúüºª", _WEST),
    "it": ("àèéìíîòóùúºª", _WEST),
    "ca": ("àçéèíïóòúü·", _WEST),
    "nl": ("áéëïóöüèêíú", _WEST),
    "da": ("æøåéö", _WEST),
    "no": ("æøåéòôêà", _WEST),
    "sv": ("åäöéàü", _WEST),
    "fi": ("äöåšž", _WEST),
    "is": ("áðéíóúýþæö", _WEST),
    "pl": ("ąćęłńóśźż", _MIDDLE),
    "cs": ("áčďéěíňóřšťúůýž", _MIDDLE),
    "sk": ("áäčďéíĺľňóôŕšťúýž", _MIDDLE),
    "hu": ("áéíóöőúüű", _MIDDLE),
    "ro": ("ăâîşţșț", (*_MIDDLE, "iso8859_16")),
    "hr": ("čćđšž", _MIDDLE),
    "sl": ("čšžćđ", _MIDDLE),
    "sq": ("ëç", _MIDDLE),
    "tr": ("çğıİöşüâîû", ("cp1254", "iso8859_9")),
    "az": ("çğıİöşüə", ("cp1254",)),
    "et": ("äöõüšž", ("cp1257", "iso8859_13", "cp1252")),
    "lv": ("āčēģīķļņšūž", ("cp1257", "iso8859_13")),
    "lt": ("ąčęėįšųūž", ("cp1257", "iso8859_13")),
}
_SAME = {
    "nb": "no",
    "nn": "no",
    "bs": "hr",
    "sr": "hr",
    "gl": "pt",
    "eu": "es",
    "mo": "ro",
}  # These languages have the same letters.
_CYRILLIC = ("cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic")
# The encodings of files in other scripts, the usual one first.
_OTHERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ru", "bg", "mk", "sr", "be", "kk", "mn"), _CYRILLIC),
    "uk": ("cp1251", "koi8_u", "cp1125", "iso8859_5"),
    "el": ("cp1253", "iso8859_7"),
    "he": ("cp1255", "iso8859_8"),
    **dict.fromkeys(("ar", "fa", "ur"), ("cp1256", "iso8859_6")),
    "ja": ("cp932", "euc_jp"),
    "zh": ("gb18030", "big5hkscs", "big5"),
    "ko": ("cp949",),
    "th": ("cp874", "tis_620"),
    "vi": ("cp1258",),
}
_MARKUP = re.compile(r"<[^<>\n]*>|\{[^{}\n]*\}")
_MARKS = frozenset("«»“”„‘’‚‹›…–—·•°§©®™♪ €£\u00a0\u00ad¿¡")  # These occur in any language.


def decode(data: bytes, language: str = "") -> str:
    """The text of a file. `language`: an RFC 5646 tag, where there is a hint of its language.

    Invalid bytes become U+FFFD. Nothing here raises.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    head = data[:1000]
    if len(head) > 3 and head.count(0) > len(head) // 4:  # in UTF-16 every other byte of Latin text is zero
        return data.decode("utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le", "replace")
    if data.startswith(b"\xef\xbb\xbf"):
        return data.decode("utf-8-sig", "replace")
    if any(escape in data for escape in _ESCAPES) and (text := _strictly(data, "iso2022_jp")) is not None:
        return text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(encoding(data, language), "replace")


def encoding(data: bytes, language: str = "") -> str:
    """Python's name of the encoding of bytes that are not Unicode."""
    sample = _sample(data)
    primary = language.partition("-")[0].lower()
    if primary in _OTHERS and (name := _detected(sample, _OTHERS[primary])):
        return name
    spelling = _SAME.get(primary, primary)
    if spelling in _LATIN and (name := _by_letters(sample, [spelling])):
        return name
    return _by_letters(sample, _LATIN) or _detected(sample, None) or DEFAULT


def _sample(data: bytes) -> bytes:
    """The lines that are not plain ASCII, up to SAMPLE bytes, without a partial line."""
    lines = b"\n".join(line for line in data[: 16 * SAMPLE].split(b"\n") if not line.isascii())
    return lines if len(lines) <= SAMPLE else lines[:SAMPLE].rpartition(b"\n")[0] or lines[:SAMPLE]


def _by_letters(sample: bytes, languages: Iterable[str]) -> str | None:
    """The encoding in which the text best fits the letters of one of the languages; None when none fits."""
    best, best_name = 0.0, None
    texts: dict[str, str | None] = {}
    for language in languages:
        letters, encodings = _LATIN[language]
        own = set(letters + letters.upper())
        for name in encodings:
            text = texts.setdefault(name, _strictly(sample, name))
            score = _fit(text, own) if text is not None else 0.0
            if score > best:
                best, best_name = score, name
    return best_name if best >= FITS else None


def _fit(text: str, own: set[str]) -> float:
    """The part of the letters beyond ASCII that are in `own`; 0 for text in another script."""
    text = _MARKUP.sub("", text)
    beyond = [letter for letter in text if not letter.isascii() and letter not in _MARKS]
    if not beyond:
        return 1.0
    plain = sum(letter.isascii() and letter.isalpha() for letter in text)
    if len(beyond) > MAX_SHARE * (len(beyond) + plain):
        return 0.0
    return sum(letter in own for letter in beyond) / len(beyond)


def _detected(sample: bytes, among: tuple[str, ...] | None) -> str | None:
    """The encoding by charset-normalizer; where it finds none, the first of `among` that decodes the sample."""
    match = charset_normalizer.from_bytes(sample, cp_isolation=list(among) if among else None).best()
    if match is not None and match.encoding != "ascii":
        return str(match.encoding)
    return next((name for name in among or () if _strictly(sample, name) is not None), None)


def _strictly(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeDecodeError, LookupError):
        return None
