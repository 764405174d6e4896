"""What is said about a training picture: a noun phrase in several phrasings, with or without the drawing style's name."""

from host import prepare_host

PLAIN = ("{a}", "{a}", "{name}", "{a} emoji", "an emoji of {a}", "a photo of {a}", "a picture of {a}", "a drawing of {a}")
STYLED = (
    "{caption}, {style} style",
    "{caption}, {style} style",
    "{caption} in {style} style",
    "{caption} {style}",
    "{style} style, {caption}",
)


def with_article(name, uncounted):
    if name in uncounted:
        return name
    return f"an {name}" if name[0] in "aeio" else f"a {name}"


def phrasings(names, style, uncounted):
    """(captions without a style, captions that name it) of a picture; the second list is empty for a nameless style."""
    plain = [template.format(a=with_article(name, uncounted), name=name) for name in names for template in PLAIN]
    styled = [template.format(caption=caption, style=style) for caption in plain for template in STYLED] if style else []
    return plain, styled


def pick(phrases, empty_share, styled_share, rng):
    """A random caption of a picture, the empty prompt in `empty_share` of the draws."""
    chance = rng.random()
    if chance < empty_share:
        return ""
    plain, styled = phrases
    choices = styled if styled and rng.random() < styled_share else plain
    return choices[rng.integers(len(choices))]


def tokenise(captions):
    """Caption -> its 77 token ids, from the host's own SD1 tokenizer."""
    prepare_host()
    import comfy.sd1_clip

    tokenizer = comfy.sd1_clip.SD1Tokenizer().clip_l
    return {caption: [token for token, _ in tokenizer.tokenize_with_weights(caption)[0]] for caption in captions}
