"""Rows for training and for the held-out loss: half Bible, half stories, every length up to the context."""
import numpy as np
import torch

from corpus import CLS, EOS, MASK, SEP, VOCAB_SIZE, SPECIAL

# from which share of the training on: {row length: share of the steps}. mini-bert starts short: in a long row attention
# starts so flat that it hardly learns from the 15 % that are asked.
ROW_LENGTHS = {"mini-gpt": {0.0: {128: 0.2, 256: 0.5, 512: 0.3}},
               "mini-bert": {0.0: {32: 0.5, 64: 0.5}, 0.15: {64: 0.5, 128: 0.5}, 0.3: {64: 0.15, 128: 0.3, 256: 0.35, 512: 0.2}}}

# mini-gpt, from which share of the training on: every n-th row tells a text of half its length twice, which pays whoever
# grows an induction head.
TWICE = {0.4: 4, 0.6: 2}


class Streams:
    def __init__(self, workdir, split):
        self.ids = [np.load(workdir / f"{part}.{split}.npy") for part in ("bible", "stories")]
        self.starts = [np.concatenate([[0], np.flatnonzero(s == EOS)[:-1] + 1]) for s in self.ids]

    def row(self, rng, part, length):
        """A window of one stream; every second one starts where a document starts."""
        ids = self.ids[part]
        at = rng.choice(self.starts[part]) if rng.random() < 0.5 else rng.integers(len(ids))
        at = min(at, len(ids) - length)
        return ids[at:at + length].astype(np.int64)

    def batch(self, rng, kind, tokens, progress):
        """(ids, targets), both (B, T); targets are -1 where nothing is asked."""
        shares = next(s for since, s in reversed(ROW_LENGTHS[kind].items()) if progress >= since)
        length = int(rng.choice(list(shares), p=list(shares.values())))
        rows = np.stack([self.row(rng, i % 2, length) for i in range(tokens // length)])
        every = next((n for since, n in reversed(TWICE.items()) if progress >= since), None)
        if kind == "mini-gpt" and every:
            twice = rows[rng.permutation(len(rows))[:len(rows) // every]]
            rows[:len(twice)] = np.concatenate([twice[:, :length // 2]] * 2, axis=1)
        return wrap(rows) if kind == "mini-bert" else torch.from_numpy(rows), None


def wrap(rows):
    """mini-bert's rows: <cls> ... <sep>, and <sep> where a document ends."""
    rows = np.where(rows == EOS, SEP, rows)
    rows[:, 0], rows[:, -1] = CLS, SEP
    return torch.from_numpy(rows)


def mask(ids, rng):
    """BERT's masking: 15 % of each row are asked; of these 80 % <mask>, 10 % random, 10 % left as they are."""
    ids = ids.clone()
    targets = torch.full_like(ids, -1)
    B, T = ids.shape
    score = torch.from_numpy(rng.random((B, T)))
    score[(ids == CLS) | (ids == SEP)] = 2.0
    chosen = torch.zeros(B, T, dtype=torch.bool)
    chosen.scatter_(1, score.argsort(1)[:, :max(1, round(0.15 * T))], True)
    targets[chosen] = ids[chosen]
    how = torch.from_numpy(rng.random((B, T)))
    ids[chosen & (how < 0.8)] = MASK
    random_ids = torch.from_numpy(rng.integers(len(SPECIAL), VOCAB_SIZE, (B, T)))
    swap = chosen & (how >= 0.8) & (how < 0.9)
    ids[swap] = random_ids[swap]
    return ids, targets
