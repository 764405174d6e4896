"""What a page needs to let people choose words of a prompt by hand: how each is written, where chosen ones are, which follows which."""

from collections.abc import Callable, Sequence

from .correspondence import check_alignable, correspond
from .prompts import Token, WordFinder, parse_words

Phrase = Callable[[str], Sequence[Token]]
"""Reads a text as the prompt itself is read."""


def names_of(text: str, finder: WordFinder, phrase: Phrase) -> list[str | None]:
    """What to write for each word of the prompt `text` so that it is found, as `text` has it; None for what cannot be chosen, as a comma."""
    names: list[str | None] = []
    places: dict[str, list[int]] = {}
    lowered, start = "".join(letter.lower()[:1] for letter in text), 0  # of the same length
    for place, word in enumerate(finder.words):
        name, at = word.text, lowered.find(word.text.lower(), start)
        if at >= 0:
            start = at + len(name)
            name = text[at:start]
        if name not in places:
            places[name] = _found(name, finder, phrase)
        names.append(name if place in places[name] else None)
    return names


def _found(name: str, finder: WordFinder, phrase: Phrase) -> list[int]:
    """Where a field that holds `name` finds it."""
    try:
        alone = [word for word, _ in parse_words(name, 1.0)] == [name]
    except ValueError:
        return []
    return finder.places(phrase(name)) if alone else []


def chosen_words(field: str, name: str, finders: Sequence[WordFinder], phrase: Phrase) -> dict[str, list[list[int]]]:
    """The places in each of the prompts of each word that `field`, the input `name`, names. Raises ValueError as the node does."""
    return {word: [finder.places(phrase(word)) for finder in finders] for word, _ in parse_words(field, 1.0, name)}


def followed_words(source: Sequence[Token], target: Sequence[Token], edit: str) -> tuple[list[list[int]], str]:
    """For each word of the target those of the source that it takes its place in the picture from, none for a new one; and the kind of edit.

    Raises ValueError for prompts that `edit` cannot serve.
    """
    check_alignable("source_text", source)
    check_alignable("target_text", target)
    correspondence, edit = correspond(source, target, edit)
    sources, targets = WordFinder(source).words, WordFinder(target).words
    follows = []
    for word in targets:
        columns = [column for column in word.columns if correspondence.follows[column]]
        rows = correspondence.mapping[:, columns].sum(1)
        follows.append([place for place, other in enumerate(sources) if rows[list(other.columns)].any()])
    return follows, edit
