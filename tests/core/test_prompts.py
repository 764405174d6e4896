"""Words and their tokens, and how the tokens of two prompts correspond."""

import time
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magicmix_core.correspondence import MOST_ALIGNED, Correspondence, check_alignable, correspond
from magicmix_core.prompts import MOST_NAMED, Token, WordFinder, parse_words, words_of

LENGTH = 16


def tokens_of(text: str, length: int = LENGTH) -> list[Token]:
    """A toy tokenizer: `|` parts a word's tokens, begin and end are tokens of their own, padding fills chunks of `length`."""
    words = [word.split("|") for word in text.split()]
    chunks: list[list[Token]] = []
    room = 0
    for number, word in enumerate(words or [[]]):
        for part in word or [None]:
            if room == 0:
                chunks.append([Token("<s>", "", None, 1.0, len(chunks))])
                room = length - 2
            if part is not None:
                chunks[-1].append(Token(part, part, number, 1.0, len(chunks) - 1))
                room -= 1
    return [token for n, chunk in enumerate(chunks) for token in chunk + [Token("</s>", "", None, 1.0, n)] * (length - len(chunk))]


def columns_of(text: str, phrase: str) -> list[int]:
    return WordFinder(tokens_of(text)).find(tokens_of(phrase), phrase.replace("|", ""), "words")


def swap_of(source: str, target: str) -> Correspondence:
    return correspond(tokens_of(source), tokens_of(target), "swap")[0]


def kind_of(source: str, target: str) -> str:
    return correspond(tokens_of(source), tokens_of(target))[1]


def test_columns_count_the_begin_token():
    assert columns_of("a tiger", "tiger") == [2]


def test_a_word_is_found_wherever_it_occurs():
    assert columns_of("cat and cat", "cat") == [1, 3]


def test_a_word_of_several_tokens_and_a_phrase_of_several_words_are_found():
    assert columns_of("a cor|gi machine", "cor|gi") == [2, 3]
    assert columns_of("a coffee ma|chine here", "coffee ma|chine") == [2, 3, 4]


def test_a_part_of_a_word_is_not_the_word():
    with pytest.raises(ValueError, match="'gi' is not a word of the prompt; its words are: a, corgi"):
        columns_of("a cor|gi", "gi")


def test_words_of_the_second_chunk_are_found_and_one_over_the_edge_too():
    text = " ".join(f"w{n}" for n in range(13)) + " ti|ger"
    columns = columns_of(text, "ti|ger")
    assert columns == [14, 17]  # its first token ends the first chunk, its second follows the second's begin


def test_words_are_parsed_with_and_without_a_number():
    assert parse_words("tiger:1.5, stripes : -0.5\nembedding:style, cat", 2.0) == [
        ("tiger", 1.5),
        ("stripes", -0.5),
        ("embedding:style", 2.0),
        ("cat", 2.0),
    ]
    assert parse_words("embedding:style:0.5", 2.0) == [("embedding:style", 0.5)]
    assert parse_words(" , ", 2.0) == []
    with pytest.raises(ValueError, match="got ':2'"):
        parse_words("cat, :2", 1.0)


def test_too_many_words_are_refused():
    names = ", ".join(f"w{n}" for n in range(MOST_NAMED))
    assert len(parse_words(names, 1.0)) == MOST_NAMED
    with pytest.raises(ValueError, match="word_steps must be at most 1000 words, got 1001"):
        parse_words(f"{names}, cat", 1.0, "word_steps")


def test_a_word_that_is_not_there_lists_a_long_prompt_in_part():
    prompt = tokens_of(" ".join(f"w{n}" for n in range(103)), 77)
    with pytest.raises(ValueError, match="w98, w99 and 3 more$"):
        WordFinder(prompt).find(tokens_of("cat"), "cat", "words")


def test_equal_prompts_correspond_column_by_column():
    tokens = tokens_of("a cat on grass")
    for edit in ("swap", "refine"):
        same, _ = correspond(tokens, tokens, edit)
        assert torch.equal(same.mapping, torch.eye(LENGTH, dtype=torch.float64))
        assert same.follows.all()


def test_a_swap_of_equal_token_counts_is_the_identity():
    swap = swap_of("a cat on grass", "a dog on grass")
    assert torch.equal(swap.mapping, torch.eye(LENGTH, dtype=torch.float64))


def test_a_swap_of_unequal_token_counts_shares_out_and_moves_the_rest():
    """cat (column 2) to cor|gi (2 and 3); on (3) to 4, grass (4) to 5, end (5) to 6."""
    mapping = swap_of("a cat on grass", "a cor|gi on grass").mapping
    assert mapping[2].nonzero().flatten().tolist() == [2, 3] and mapping[2, 2] == 0.5
    assert [int(mapping[column].argmax()) for column in (0, 1, 3, 4, 5)] == [0, 1, 4, 5, 6]


def test_several_words_are_swapped_one_for_one():
    mapping = swap_of("a cat on grass", "a cor|gi under grass").mapping
    assert mapping[3].nonzero().flatten().tolist() == [4]


def test_a_swap_of_prompts_that_differ_in_more_is_refused():
    with pytest.raises(ValueError, match="edit must be refine .* 'red'"):
        swap_of("a cat", "a red cat")
    assert kind_of("a cat", "a red cat") == "refine"
    assert kind_of("a cat", "a cor|gi") == "swap"


def test_refinement_keeps_shared_words_and_leaves_new_ones_to_themselves():
    refined, _ = correspond(tokens_of("a cat on grass"), tokens_of("a red fur|ry cat on grass"), "refine")
    assert refined.follows[:8].tolist() == [1, 1, 0, 0, 0, 1, 1, 1]
    assert [int(refined.mapping[:, column].argmax()) for column in (0, 1, 5, 6, 7, 8)] == [0, 1, 2, 3, 4, 5]
    assert refined.mapping[:, 2:5].sum() == 0


@pytest.mark.parametrize("edit", ["swap", "refine"])
@pytest.mark.parametrize(("source", "target"), [("a cat", "a cor|gi"), ("a cor|gi", "a cat"), ("a cat", "a cat")])
def test_padding_corresponds_at_its_own_place_and_the_end_to_the_end(source, target, edit):
    mapping = correspond(tokens_of(source), tokens_of(target), edit)[0].mapping
    s_end, t_end = (1 + max(words_of(tokens_of(text))[-1].columns) for text in (source, target))
    assert mapping[s_end].nonzero().flatten().tolist() == [t_end]
    for column in range(s_end + 1, LENGTH):
        assert mapping[column].nonzero().flatten().tolist() == [max(column, t_end)]


def test_tokens_of_a_template_correspond_in_their_order():
    behind = [Token(name, name, None, 1.0, 0) for name in ("<end>", "<line>", "<answer>")]
    source, target = (tokens_of(text)[: text.count(" ") + 2] + behind for text in ("a cat", "a red cat"))
    mapping = correspond(source, target)[0].mapping
    assert [int(mapping[column].argmax()) for column in (3, 4, 5)] == [4, 5, 6]


VOCABULARY = st.sampled_from(["a", "cat", "cor|gi", "red", "on", "straw|ber|ry"])
PROMPTS = st.lists(VOCABULARY, min_size=1, max_size=20).map(" ".join)


@given(PROMPTS, PROMPTS)
def test_a_swap_loses_no_attention(first, second):
    source, target = tokens_of(first), tokens_of(second)
    correspondence, edit = correspond(source, target)
    if edit == "swap":
        torch.testing.assert_close(correspondence.mapping.sum(1), torch.ones(len(source), dtype=torch.float64))


@given(PROMPTS, PROMPTS)
def test_refinement_follows_only_equal_tokens_and_in_order(first, second):
    source, target = tokens_of(first), tokens_of(second)
    refined, _ = correspond(source, target, "refine")
    columns = [column for word in words_of(target) for column in word.columns if refined.follows[column]]
    places = [int(refined.mapping[:, column].argmax()) for column in columns]
    assert places == sorted(set(places))
    assert [source[place].key for place in places] == [target[column].key for column in columns]


@given(st.lists(st.sampled_from("abc"), max_size=30), st.lists(st.sampled_from("abc"), max_size=3))
def test_a_phrase_is_found_wherever_its_words_follow_each_other(words, phrase):
    found = WordFinder(tokens_of(" ".join(words), 64)).occurrences(tokens_of(" ".join(phrase)))
    starts = [n for n in range(len(words)) if phrase and words[n : n + len(phrase)] == phrase]
    assert found == sorted({1 + start + n for start in starts for n in range(len(phrase))})


@pytest.mark.parametrize("edit", ["auto", "refine"])
@pytest.mark.parametrize("words", [["cat"], ["a", "b"], [str(n) for n in range(MOST_ALIGNED)]], ids=["one word", "two", "all different"])
def test_the_longest_prompts_correspond_in_seconds(edit, words):
    source = tokens_of(" ".join(words[n % len(words)] for n in range(MOST_ALIGNED)), 77)
    target = tokens_of(" ".join(words[n % len(words)] if n % 3 else f"new{n}" for n in range(MOST_ALIGNED)), 77)
    start = time.process_time()
    correspond(source, target, edit)
    assert time.process_time() - start < 5  # it was minutes


def test_a_longer_prompt_is_refused_by_its_name():
    check_alignable("target_text", tokens_of("a " * MOST_ALIGNED))
    with pytest.raises(ValueError, match="target_text must have at most 4000 tokens to be compared with another prompt, got 4001"):
        check_alignable("target_text", tokens_of("a " * (MOST_ALIGNED + 1)))


class TestSeveralEncoders:
    """A prompt that two text encoders have read: what one has made of it stands behind what the other has."""

    @staticmethod
    def read(*texts: str) -> list[Token]:
        made: list[Token] = []
        for number, text in enumerate(texts):
            words = 1 + max((token.word for token in made if token.word is not None), default=-1)
            chunks = made[-1].chunk + 1 if made else 0
            for token in tokens_of(text):
                word = None if token.word is None else token.word + words
                made.append(replace(token, key=(number, token.key), word=word, chunk=token.chunk + chunks, encoder=number))
        return made

    @pytest.mark.parametrize("edit", ["swap", "refine", "auto"])
    @pytest.mark.parametrize("target", ["red li|on", "lion", "a lion"])
    def test_each_encoders_words_correspond_to_its_own(self, target, edit):
        source, alone = "dog", correspond(tokens_of("dog"), tokens_of(target), edit)
        both, chosen = correspond(self.read(source, source), self.read(target, target), edit)
        assert torch.equal(both.mapping, torch.block_diag(*[alone[0].mapping] * 2)) and chosen == alone[1]
        assert torch.equal(both.follows, alone[0].follows.repeat(2))

    def test_a_swap_must_be_one_in_each_of_them(self):
        assert correspond(self.read("a dog", "a dog"), self.read("a lion", "here a dog"))[1] == "refine"
        with pytest.raises(ValueError, match="edit must be refine for these texts: only one of them has 'here'"):
            correspond(self.read("a dog", "a dog"), self.read("a lion", "here a dog"), "swap")


def test_a_text_without_padding_corresponds_to_one_with_it():
    source = tokens_of("a dog")
    target = [token for token in tokens_of("a red dog") if token.word is not None]
    refined, _ = correspond(source, target)
    assert refined.mapping[[1, 2], [0, 2]].tolist() == [1, 1] and refined.mapping.sum() == 2
