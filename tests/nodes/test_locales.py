"""What each language says of the nodes: all of it, of nothing else, and true to the English."""

import json
import re
from collections import Counter, defaultdict

import pytest
from english_texts import LOCALES, english_texts

TRANSLATIONS = sorted(folder.name for folder in LOCALES.iterdir() if folder.name != "en")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
IDENTIFIER = re.compile(r"\b(?:\w+_\w+|nu|cfg)\b", re.ASCII)  # ASCII: a word may touch the Chinese or Korean around it
EXAMPLE = re.compile(r"\w+:-?\d+(?:[.:]\d+)*", re.ASCII)  # tiger:1.5, 0:1:5
SUFFIX = " (MagicMix)"

Place = tuple[str, ...]


def read(language: str) -> dict:
    return json.loads((LOCALES / language / "nodeDefs.json").read_text(encoding="utf-8"))


def by_place(texts: dict, above: Place = ()) -> dict[Place, str]:
    """{("MagicMixKSampler", "inputs", "nu", "tooltip"): the text there, ...}"""
    places = {}
    for key, value in texts.items():
        places |= by_place(value, (*above, key)) if isinstance(value, dict) else {(*above, key): value}
    return places


def is_sentence(place: Place) -> bool:
    return place[-1] in ("tooltip", "description")


@pytest.fixture(scope="module")
def english(schemas):
    return by_place(english_texts(schemas))


@pytest.fixture(scope="module", params=TRANSLATIONS)
def translation(request):
    return by_place(read(request.param))


@pytest.fixture(scope="module")
def sentences(english, translation):
    """(place, English, translation) of each tooltip and description that is translated."""
    return [(place, english[place], translation[place]) for place in english if is_sentence(place) and place in translation]


def test_the_english_file_says_what_the_nodes_say(schemas):
    assert read("en") == english_texts(schemas), "run `make locales`, then translate what changed"


def test_chinese_japanese_and_korean_are_there():
    assert {"zh", "ja", "ko"} <= set(TRANSLATIONS)


def test_every_text_is_translated_and_nothing_else(english, translation):
    assert {"missing": english.keys() - translation.keys(), "of nothing": translation.keys() - english.keys()} == {
        "missing": set(),
        "of nothing": set(),
    }


def test_no_text_is_empty(translation):
    assert not [place for place, text in translation.items() if not text.strip()]


def test_sentences_are_translated_and_end_as_sentences(sentences):
    assert not [place for place, said, translated in sentences if translated == said or not translated.endswith((".", "。"))]


def test_every_number_and_example_is_kept(sentences):
    def lost(said: str, translated: str) -> Counter:
        return sum((Counter(form.findall(said)) - Counter(form.findall(translated)) for form in (NUMBER, EXAMPLE)), Counter())

    assert not {place: lost(said, translated) for place, said, translated in sentences if lost(said, translated)}


def test_inputs_and_settings_are_named_as_the_translated_node_shows_them(sentences, translation):
    """cross_steps by its translated label, ddim_uniform as it is."""
    missing = []
    for place, said, translated in sentences:
        for identifier in set(IDENTIFIER.findall(said)):
            shown = translation.get((place[0], "inputs", identifier, "name"), identifier)
            if shown not in translated:
                missing.append((place, shown))
    assert not missing


def test_choices_are_named_as_they_are_stored(sentences, schemas):
    """The page shows a combo's options, which saved graphs hold, untranslated."""
    options = {
        (node_id, "inputs", entry.id, "tooltip"): [str(option) for option in getattr(entry, "options", None) or ()]
        for node_id, schema in schemas.items()
        for entry in schema.inputs
    }
    for place, said, translated in sentences:
        for option in options.get(place, ()):
            if re.search(rf"\b{option}\b", said):
                assert re.search(rf"\b{option}\b", translated, re.ASCII), (place, option)


def test_nodes_are_called_by_their_translated_names(sentences, english, translation):
    places = [place for place in english.keys() & translation.keys() if place[-1] == "display_name"]
    names = {english[place].removesuffix(SUFFIX): translation[place].removesuffix(SUFFIX) for place in places}
    wrong = [(place, name) for place, said, translated in sentences for name in names if name in said and names[name] not in translated]
    assert not wrong


def test_the_same_english_is_translated_the_same_way(english, translation):
    translations = defaultdict(set)
    for place in english.keys() & translation.keys():
        translations[english[place]].add(translation[place])
    assert not {said: ways for said, ways in translations.items() if len(ways) > 1}


def test_no_text_holds_what_the_page_reads_as_syntax(english, translation):
    """vue-i18n takes braces, @, | and $ for placeholders, links and plurals."""
    assert not [text for text in (*english.values(), *translation.values()) if set(text) & set("{}@|$")]
