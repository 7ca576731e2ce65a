"""Rows for training and for the held-out loss: half Bible, half stories, every length up to the context.

A batch is {"ids": (B, T), "targets": (B, T) or, with "decoder_ids", of their shape, -1 where nothing is asked, "tokens": what
counts of the budget} and, by kind, "prefix" (a length), "decoder_ids", "mask" (1 where a source token is no padding).
"""
import numpy as np
import torch

from corpus import CLS, EOS, MASK, PAD, SEP, VOCAB_SIZE, SPECIAL

# from which share of the training on: {row length: share of the steps}. Where only 15 % are asked rows start short: in a
# long row attention starts so flat that it hardly learns.
CAUSAL_ROWS = {0.0: {128: 0.2, 256: 0.5, 512: 0.3}}
ASKED_ROWS = {0.0: {32: 0.5, 64: 0.5}, 0.15: {64: 0.5, 128: 0.5}, 0.3: {64: 0.15, 128: 0.3, 256: 0.35, 512: 0.2}}

# causal kinds, from which share of the training on: every n-th row tells a text of half its length twice, which pays
# whoever grows an induction head.
TWICE = {0.4: 4, 0.6: 2}

NOISE, MEAN_SPAN = 0.15, 3                               # T5's span corruption


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

    def rows(self, rng, causal, tokens, progress):
        """(B, T)"""
        shares = next(s for since, s in reversed((CAUSAL_ROWS if causal else ASKED_ROWS).items()) if progress >= since)
        length = int(rng.choice(list(shares), p=list(shares.values())))
        rows = np.stack([self.row(rng, i % 2, length) for i in range(tokens // length)])
        every = next((n for since, n in reversed(TWICE.items()) if progress >= since), None)
        if causal and every:
            twice = rows[rng.permutation(len(rows))[:len(rows) // every]]
            rows[:len(twice)] = np.concatenate([twice[:, :length // 2]] * 2, axis=1)
        return rows

    def batch(self, rng, kind, tokens, progress):
        rows = self.rows(rng, kind not in ("mini-bert", "mini-t5"), tokens, progress)
        if kind == "mini-bert":
            ids, targets = mask(wrap(rows), rng)
            return {"ids": ids, "targets": targets, "tokens": rows.size}
        if kind == "mini-t5":
            return spans(rows, rng) | {"tokens": rows.size}
        batch = following(rows) | {"tokens": rows.size}
        if kind == "mini-prefix":
            batch |= after_prefix(batch, int(rng.integers(rows.shape[1] // 2 + 1)))
        return batch


def following(rows):
    """Each position is asked for the next token."""
    ids = torch.from_numpy(rows)
    return {"ids": ids, "targets": torch.cat([ids[:, 1:], torch.full((len(ids), 1), -1)], 1)}


def after_prefix(batch, prefix):
    """The prefix is given: no token inside it is asked."""
    targets = batch["targets"].clone()
    targets[:, :max(prefix - 1, 0)] = -1
    return {"targets": targets, "prefix": prefix}


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


def cut(rng, total, parts):
    """`total` into `parts` random lengths of at least one."""
    at = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], at, [total]]))


def spans(rows, rng):
    """T5's span corruption: 15 % of the tokens in spans of three on average give way to <extra_id_0>, <extra_id_1>, ...; the
    decoder tells what stood there. All rows of a batch come out equally long."""
    first = SPECIAL.index("<extra_id_0>")
    n = max(1, round(NOISE * rows.shape[1]))
    count = max(1, round(n / MEAN_SPAN))
    sources, targets = [], []
    for row in rows:
        kept, lost = cut(rng, len(row) - n, count), cut(rng, n, count)
        source, target, at = [], [], 0
        for i, (k, m) in enumerate(zip(kept, lost)):
            source += [row[at:at + k], [first + i]]
            target += [[first + i], row[at + k:at + k + m]]
            at += k + m
        sources.append(np.concatenate(source + [[EOS]]))
        targets.append(np.concatenate(target + [[EOS]]))
    ids, targets = torch.from_numpy(np.stack(sources)).long(), torch.from_numpy(np.stack(targets)).long()
    return {"ids": ids, "targets": targets, "decoder_ids": shifted(targets)}


def shifted(targets):
    """What a decoder reads: <pad> first, then what it was asked for."""
    return torch.cat([torch.full((len(targets), 1), PAD), targets[:, :-1].clamp(min=PAD)], 1)
