"""What is said about a scene. A caption is a list of (words, thing): the number of the thing that the words name, None for all others."""

from scenes import backgrounds

RELATIONS = {
    "alone": ("{0}",),
    "left": (
        "{0} to the left of {1}",
        "{0} to the left of {1}",
        "{1} to the right of {0}",
        "{1} to the right of {0}",
        "{0} left of {1}",
        "{1} right of {0}",
        "{0} on the left and {1} on the right",
        "on the left {0}, on the right {1}",
        "{0} beside {1}",
        "{1} next to {0}",
        "{0} and {1}",
    ),
    "above": ("{0} above {1}", "{0} above {1}", "{1} below {0}", "{0} over {1}", "{0} at the top and {1} at the bottom"),
    "on": ("{0} on {1}", "{0} on top of {1}", "{0} sitting on {1}"),
    "under": ("{0} under {1}", "{0} under {1}", "{0} beneath {1}"),
    "wearing": ("{0} wearing {1}", "{0} wearing {1}", "{0} with {1} on its head"),
    "row": ("{0}, {1} and {2}", "{0}, {1} and {2} in a row"),
    "crowd": ("{0} to the left of {1}, with {2} above", "{0} and {1} with {2} above", "{2} above {0} and {1}"),
}
"""The first phrasing of each place is the plain one."""
FRAMES = ("{}", "{}", "{}", "{}", "a picture of {}", "a drawing of {}")
FRAMES_ALONE = ("{}", "{}", "{}", "a picture of {}", "a drawing of {}", "a photo of {}", "an emoji of {}", "{} emoji")
STYLED = ("{}, {style} style", "{}, {style} style", "{} in {style} style", "{style} style, {}")


def noun(name, colour, uncounted):
    words = f"{colour} {name}" if colour else name
    return words if name in uncounted else f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def fill(template, parts):
    """The pieces (words, thing) of a template whose {0}, {1} stand for the parts."""
    pieces, rest = [], template
    while "{" in rest:
        before, _, rest = rest.partition("{")
        number, _, rest = rest.partition("}")
        pieces += [(before, None), (parts[int(number)], int(number))]
    return [(words, thing) for words, thing in [*pieces, (rest, None)] if words]


def around(pieces, template, **words):
    """The pieces within a template that has one {}."""
    before, _, after = template.partition("{}")
    both = [(part.format(**words), None) for part in (before, after)]
    return [piece for piece in (both[0], *pieces, both[1]) if piece[0]]


def caption(plan, names, uncounted, rng=None, styled=False):
    """The pieces of a caption of `plan`: the plain phrasing, or a random one.

    names: thing -> the noun phrases it goes by, the first one canonical.
    """

    def choose(options):
        return options[rng.integers(len(options))] if rng is not None else options[0]

    parts = [noun(choose(names[thing.name]), thing.colour, uncounted) for thing in plan.things]
    pieces = fill(choose(RELATIONS[plan.place]), parts)
    kind, colour = backgrounds.kinds(plan.background)
    if kind != "white" or (rng is not None and rng.random() < 0.1):
        words = choose(backgrounds.WORDS[kind]).format(colour=colour).replace("a orange", "an orange")
        first = rng is not None and rng.random() < 0.15
        pieces = [(f"{words}, ", None), *pieces] if first else [*pieces, (f" {words}", None)]
    elif rng is not None:
        pieces = around(pieces, choose(FRAMES_ALONE if plan.place == "alone" else FRAMES))
    return around(pieces, choose(STYLED), style=plan.style) if styled else pieces


def text(pieces):
    return "".join(words for words, _ in pieces)


def vocabulary(names, styles):
    """All words that captions can have, sorted; punctuation apart."""
    phrases = [*FRAMES, *FRAMES_ALONE, *STYLED, *styles, *backgrounds.PLAIN, "a an"]
    phrases += [phrase for options in (*RELATIONS.values(), *backgrounds.WORDS.values()) for phrase in options]
    phrases += [name for several in names.values() for name in several]
    words = set()
    for phrase in phrases:
        words |= set(split(phrase.replace("{style}", " ").replace("{colour}", " ").replace("{", " ").replace("}", " ")))
    return sorted(word for word in words if not word.isdigit())


def split(words):
    """Words and commas of a text, as CLIP's tokenizer separates them."""
    return words.replace(",", " , ").split()
