"""How the bytes of a text file become characters, where it does not say: by what it looks like, and by its language.

`charset-normalizer` tells scripts apart well, but not languages in Latin script: French and Polish have the same bytes
for different letters. These are told apart by the letters that each language has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import charset_normalizer

DEFAULT = "cp1252"  # what most older files are in
SAMPLE = 64 << 10  # bytes that are looked at: of the lines that are not plain ASCII, which say nothing
FITS = 0.97  # of the letters beyond ASCII are the language's own: names from elsewhere are the rest
MAX_SHARE = 0.7  # of a short Latin text's letters are beyond ASCII; of another script's, all
_ESCAPES = (b"\x1b$B", b"\x1b$@", b"\x1b(J")  # ISO-2022-JP, which is ASCII otherwise

_WEST, _MIDDLE = ("cp1252", "iso8859_15"), ("cp1250", "iso8859_2")
# Letters beyond ASCII of languages in Latin script, and what their files are in.
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
_SAME = {"nb": "no", "nn": "no", "bs": "hr", "sr": "hr", "gl": "pt", "eu": "es", "mo": "ro"}  # written alike
_CYRILLIC = ("cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic")
# What files of languages in other scripts are in, the usual first.
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
_MARKS = frozenset("«»“”„‘’‚‹›…–—·•°§©®™♪ €£\u00a0\u00ad¿¡")  # in texts of any language


def decode(data: bytes, language: str = "") -> str:
    """The text of a file. `language`: a tag of RFC 5646, where something says in what language it may be.

    Bytes that mean nothing become U+FFFD. Nothing here raises.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    head = data[:1000]
    if len(head) > 3 and head.count(0) > len(head) // 4:  # every other byte of Latin text in UTF-16
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
    """What bytes that are no Unicode are in, as Python calls it."""
    sample = _telling(data)
    known = language.partition("-")[0].lower()
    if known in _OTHERS and (found := _detected(sample, _OTHERS[known])):
        return found
    hinted = _SAME.get(known, known)
    if hinted in _LATIN and (found := _by_letters(sample, [hinted])):
        return found
    return _by_letters(sample, _LATIN) or _detected(sample, None) or DEFAULT


def _telling(data: bytes) -> bytes:
    """The lines that are not plain ASCII, whole ones as far as SAMPLE goes."""
    found = b"\n".join(line for line in data[: 16 * SAMPLE].split(b"\n") if not line.isascii())
    return found if len(found) <= SAMPLE else found[:SAMPLE].rpartition(b"\n")[0] or found[:SAMPLE]


def _by_letters(sample: bytes, languages: Iterable[str]) -> str | None:
    """The first encoding in which the text has the letters of one of the languages; None when it has not."""
    best, found = 0.0, None
    tried: dict[str, str | None] = {}
    for language in languages:
        letters, encodings = _LATIN[language]
        own = set(letters + letters.upper())
        for name in encodings:
            text = tried.setdefault(name, _strictly(sample, name))
            fit = _fit(text, own) if text is not None else 0.0
            if fit > best:
                best, found = fit, name
    return found if best >= FITS else None


def _fit(text: str, own: set[str]) -> float:
    """The part of what is beyond ASCII that is of these letters; nothing for text in another script."""
    text = _MARKUP.sub("", text)
    beyond = [letter for letter in text if not letter.isascii() and letter not in _MARKS]
    if not beyond:
        return 1.0
    plain = sum(letter.isascii() and letter.isalpha() for letter in text)
    if len(beyond) > MAX_SHARE * (len(beyond) + plain):
        return 0.0
    return sum(letter in own for letter in beyond) / len(beyond)


def _detected(sample: bytes, among: tuple[str, ...] | None) -> str | None:
    """By charset-normalizer; of those given, the first that fits where it does not know."""
    match = charset_normalizer.from_bytes(sample, cp_isolation=list(among) if among else None).best()
    if match is not None and match.encoding != "ascii":
        return str(match.encoding)
    return next((name for name in among or () if _strictly(sample, name) is not None), None)


def _strictly(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeDecodeError, LookupError):
        return None
