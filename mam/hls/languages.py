"""Languages of renditions: RFC 5646 tags for LANGUAGE of EXT-X-MEDIA (RFC 8216 section 4.3.4.1)."""

from __future__ import annotations

import re

# ISO 639-1; ISO 639-2/T, /B where it differs, and withdrawn codes; English name.
_TABLE = """
aa aar Afar|ab abk Abkhazian|ae ave Avestan|af afr Afrikaans|ak aka Akan|am amh Amharic|an arg Aragonese|ar ara Arabic
as asm Assamese|av ava Avaric|ay aym Aymara|az aze Azerbaijani|ba bak Bashkir|be bel Belarusian|bg bul Bulgarian
bi bis Bislama|bm bam Bambara|bn ben Bengali|bo bod/tib Tibetan|br bre Breton|bs bos Bosnian|ca cat Catalan
ce che Chechen|ch cha Chamorro|co cos Corsican|cr cre Cree|cs ces/cze Czech|cu chu Church Slavic|cv chv Chuvash
cy cym/wel Welsh|da dan Danish|de deu/ger German|dv div Dhivehi|dz dzo Dzongkha|ee ewe Ewe|el ell/gre Greek
en eng English|eo epo Esperanto|es spa Spanish|et est Estonian|eu eus/baq Basque|fa fas/per Persian|ff ful Fulah
fi fin Finnish|fj fij Fijian|fo fao Faroese|fr fra/fre French|fy fry Western Frisian|ga gle Irish
gd gla Scottish Gaelic|gl glg Galician|gn grn Guarani|gu guj Gujarati|gv glv Manx|ha hau Hausa|he heb/iw Hebrew
hi hin Hindi|ho hmo Hiri Motu|hr hrv Croatian|ht hat Haitian Creole|hu hun Hungarian|hy hye/arm Armenian|hz her Herero
ia ina Interlingua|id ind/in Indonesian|ie ile Interlingue|ig ibo Igbo|ii iii Sichuan Yi|ik ipk Inupiaq|io ido Ido
is isl/ice Icelandic|it ita Italian|iu iku Inuktitut|ja jpn Japanese|jv jav Javanese|ka kat/geo Georgian|kg kon Kongo
ki kik Kikuyu|kj kua Kuanyama|kk kaz Kazakh|kl kal Greenlandic|km khm Khmer|kn kan Kannada|ko kor Korean|kr kau Kanuri
ks kas Kashmiri|ku kur Kurdish|kv kom Komi|kw cor Cornish|ky kir Kyrgyz|la lat Latin|lb ltz Luxembourgish|lg lug Ganda
li lim Limburgish|ln lin Lingala|lo lao Lao|lt lit Lithuanian|lu lub Luba-Katanga|lv lav Latvian|mg mlg Malagasy
mh mah Marshallese|mi mri/mao Māori|mk mkd/mac Macedonian|ml mal Malayalam|mn mon Mongolian|mr mar Marathi
ms msa/may Malay|mt mlt Maltese|my mya/bur Burmese|na nau Nauru|nb nob Norwegian Bokmål|nd nde North Ndebele
ne nep Nepali|ng ndo Ndonga|nl nld/dut Dutch|nn nno Norwegian Nynorsk|no nor Norwegian|nr nbl South Ndebele
nv nav Navajo|ny nya Nyanja|oc oci Occitan|oj oji Ojibwa|om orm Oromo|or ori Odia|os oss Ossetian|pa pan Punjabi
pi pli Pali|pl pol Polish|ps pus Pashto|pt por Portuguese|qu que Quechua|rm roh Romansh|rn run Rundi
ro ron/rum/mol/mo Romanian|ru rus Russian|rw kin Kinyarwanda|sa san Sanskrit|sc srd Sardinian|sd snd Sindhi
se sme Northern Sami|sg sag Sango|si sin Sinhala|sk slk/slo Slovak|sl slv Slovenian|sm smo Samoan|sn sna Shona
so som Somali|sq sqi/alb Albanian|sh hbs Serbo-Croatian|sr srp Serbian|ss ssw Swati|st sot Southern Sotho
su sun Sundanese|sv swe Swedish|sw swa Swahili|ta tam Tamil|te tel Telugu|tg tgk Tajik|th tha Thai|ti tir Tigrinya
tk tuk Turkmen|tl tgl Tagalog|tn tsn Tswana|to ton Tongan|tr tur Turkish|ts tso Tsonga|tt tat Tatar|tw twi Twi
ty tah Tahitian|ug uig Uyghur|uk ukr Ukrainian|ur urd Urdu|uz uzb Uzbek|ve ven Venda|vi vie Vietnamese|vo vol Volapük
wa wln Walloon|wo wol Wolof|xh xho Xhosa|yi yid/ji Yiddish|yo yor Yoruba|za zha Zhuang|zh zho/chi Chinese|zu zul Zulu
"""
_ROWS = [row.split(" ", 2) for row in _TABLE.strip().replace("\n", "|").split("|")]
_SHORTEST = {code: short for short, codes, _ in _ROWS for code in codes.split("/")}
_NAMES = {short: name for short, _, name in _ROWS} | {
    "ast": "Asturian", "ceb": "Cebuano", "cmn": "Mandarin Chinese", "fil": "Filipino", "gsw": "Swiss German",
    "haw": "Hawaiian", "hmn": "Hmong", "mul": "Multiple languages", "nds": "Low German", "sco": "Scots",
    "yue": "Cantonese", "zxx": "No speech",
}  # fmt: skip
_UNKNOWN = frozenset({"", "und", "mis"})  # Undetermined, or a language without a code.
# The languages on the left are varieties of those on the right, and satisfy requests for them.
_OF = {"nb": "no", "nn": "no", "cmn": "zh", "yue": "zh", "arb": "ar", "pes": "fa", "prs": "fa", "zsm": "ms"}

# langtag and privateuse of section 2.1. Registered languages have two or three letters: "english" is no tag.
_TAG = re.compile(
    r"""(?: [a-z]{2,3} (?:-[a-z]{3}){0,3}  # language, extlang
            (?:-[a-z]{4})?                 # script
            (?:-(?:[a-z]{2}|[0-9]{3}))?    # region
            (?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*      # variants
            (?:-[a-wy-z0-9](?:-[a-z0-9]{2,8})+)*          # extensions
            (?:-x(?:-[a-z0-9]{1,8})+)?
        |   x(?:-[a-z0-9]{1,8})+ )""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def check(tag: str) -> bool:
    """Whether a text has the form of an RFC 5646 tag; its parts need not be registered."""
    return _TAG.fullmatch(tag) is not None


def tag(label: str) -> str:
    """The RFC 5646 tag of a file's language label: `eng` is en, `ger` and `deu` are de, `en_US` is en-US.

    '' for `und` and for other texts. Codes of ISO 639-2 become the shorter ones of ISO 639-1 where those exist, as RFC
    5646 section 2.2.1 demands.
    """
    parts = label.strip().replace("_", "-").split("-")
    parts[0] = _SHORTEST.get(parts[0].lower(), parts[0])
    joined = "-".join(parts)
    if parts[0].lower() in _UNKNOWN or not check(joined):
        return ""
    return _cased(joined.lower().split("-"))


def tag_of_a_word(word: str) -> str:
    """The language tag of a part of a file's name; '' for a word that only has the form of a tag: `v2`, `raw`."""
    result = tag(word)
    return result if result.partition("-")[0] in _NAMES else ""


def matches(wanted: str, available: str) -> bool:
    """Whether a track in the language `available` satisfies `wanted`: en-GB and eng satisfy en, en does not satisfy
    en-GB.

    RFC 4647's extended filtering (section 3.3.2): zh-TW finds zh-Hant-TW. An unknown language satisfies nothing.
    """
    first, *wanted_subtags = tag(wanted).lower().split("-")
    language, *subtags = tag(available).lower().split("-")
    if not first or first not in (language, _OF.get(language)):
        return False
    remaining = iter(subtags)
    return all(subtag in remaining for subtag in wanted_subtags)


def display(tag_: str) -> str:
    """An English name for NAME of EXT-X-MEDIA: German, Portuguese (BR); the tag itself where there is none."""
    language_tag = tag(tag_)
    language, _, region = language_tag.partition("-")
    name = _NAMES.get(language)
    if name is None:
        return language_tag or "Unknown"
    return f"{name} ({region})" if region else name


def _cased(parts: list[str]) -> str:
    """The case of section 2.1.1: en, Hant, GB; subtags after a single letter, which begins an extension, are kept."""
    result = parts[:1]
    for part in parts[1:]:
        if len(result[-1]) == 1 or any(len(previous) == 1 for previous in result):
            result.append(part)
        elif len(part) == 2:
            result.append(part.upper())
        else:
            result.append(part.capitalize() if len(part) == 4 and part.isalpha() else part)
    return "-".join(result)
