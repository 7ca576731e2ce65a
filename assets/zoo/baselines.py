"""What counting alone reaches: unigram and bigram models of the training streams, halves weighed equally."""
import numpy as np

from corpus import VOCAB_SIZE as V


class Counts:
    """p(t): relative frequency + 1; p(t | u): counts backed off to p(t) by Witten and Bell's rule."""

    def __init__(self, streams):
        longest = max(len(s) for s in streams)
        pairs, single = np.zeros((V, V)), np.zeros(V)
        for s in streams:
            s = s.astype(np.int64)
            weight = longest / len(s)
            single += weight * np.bincount(s, minlength=V)
            pairs += weight * np.bincount(s[:-1] * V + s[1:], minlength=V * V).reshape(V, V)
        self.p1 = (single + 1) / (single + 1).sum()                                      # (V,)
        followers = (pairs > 0).sum(1, keepdims=True) + 1.0
        self.p2 = (pairs + followers * self.p1) / (pairs.sum(1, keepdims=True) + followers)   # (V, V) rows: given u

    def unigram_loss(self, target):
        return float(-np.log(self.p1[target]).mean())

    def bigram_loss(self, before, target):
        return float(-np.log(self.p2[before, target]).mean())
