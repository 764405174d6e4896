"""Captions of scenes as rows of the text encoder's token table, and which of a caption's tokens name which thing."""

import numpy as np
import torch

from captions import tokenise
from scenes import phrases
from text_encoder import END, POSITIONS, START

THINGS = 3  # the most a scene has


class Words:
    """`token_ids`: of all words that captions can have, sorted; CLIP's tokenizer splits between words and commas, so words can be cut apart."""

    def __init__(self, names, styles, uncounted):
        self.names, self.styles, self.uncounted = names, styles, uncounted
        ids = tokenise(phrases.vocabulary(names, styles))
        self._tokens = {word: [token for token in row if token not in (START, END)] for word, row in ids.items()}
        self.token_ids = sorted({START, END} | {token for tokens in self._tokens.values() for token in tokens})
        self._row = {token: number for number, token in enumerate(self.token_ids)}

    def rows(self, pieces):
        """(token rows [77], naming [3, 77]: 1 where a token names that thing) of a caption's pieces."""
        rows, naming = np.full(POSITIONS, self._row[END]), np.zeros((THINGS, POSITIONS), np.float32)
        rows[0], place = self._row[START], 1
        for words, thing in pieces:
            for word in phrases.split(words):
                for token in self._tokens[word]:
                    rows[place] = self._row[token]
                    if thing is not None and word not in ("a", "an"):
                        naming[thing, place] = 1
                    place += 1
        return rows, naming

    def of(self, plan, rng=None, shares=None):
        """rows() of a caption of `plan`: the plain one, or a random one, styled and empty as often as `shares` says."""
        if rng is None:
            return self.rows(phrases.caption(plan, self.names, self.uncounted))
        if rng.random() < shares["empty"]:
            return self.rows([])
        return self.rows(phrases.caption(plan, self.names, self.uncounted, rng, rng.random() < shares["styled"]))

    def stack(self, captions):
        """Token rows int64 [B, 77] of captions that are pieces already."""
        return torch.from_numpy(np.stack([self.rows(pieces)[0] for pieces in captions]))
