"""The two addresses that the pack's part of the page asks: small, typed, and quick to refuse."""

import httpx
import pytest


def ask(url, address, **options):
    return httpx.post(f"{url}/magicmix/{address}", **options)


def test_the_words_of_a_prompt(url):
    answer = ask(url, "words", json={"texts": ["a Tiger, here"], "fields": {"words": "tiger:2, lion"}})
    assert answer.status_code == 200
    assert answer.json() == {"words": [["a", "Tiger", None, "here"]], "fields": {"words": {"places": {"tiger": [[1]], "lion": [[]]}}}}


def test_the_steps_of_a_schedule(url):
    levels = ask(url, "steps", json={"steps": 4, "scheduler": "karras", "sampler_name": "euler"}).json()["levels"]
    assert len(levels) == 5 and levels == sorted(levels, reverse=True) and levels[-1] == 0


@pytest.mark.parametrize("address", ["words", "steps"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 30_000, b'{"texts": [NaN], "steps": NaN}'], ids=range(7))
def test_what_is_no_question_is_refused_in_words(url, address, body):
    answer = ask(url, address, content=body)
    assert answer.status_code == 400 and answer.json()["error"]


@pytest.mark.parametrize("address", ["words", "steps"])
def test_too_much_is_not_read(url, address):
    assert ask(url, address, content=b" " * 32_769).status_code == 413
    assert ask(url, address, content=iter([b"{}"])).status_code == 413, "of a length that is not said"
