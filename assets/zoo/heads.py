"""Which head does what: attention maps held against shifts, repeats and the grammar's truths."""
import bisect

import numpy as np
import torch

from corpus import SPECIAL, VOCAB_SIZE


@torch.no_grad()
def maps(model, ids):
    """ids (B, T) -> probabilities (L, B, H, T, T)"""
    return torch.stack(model(ids, output_attentions=True).attentions)


def along(p, keys):
    """p (L, B, H, T, T), keys: query -> key. Mean weight and share of queries whose strongest key it is: (L, H) each."""
    q, k = torch.tensor(list(keys)), torch.tensor(list(keys.values()))
    return p[..., q, k].mean(dim=(1, 3)).numpy(), (p[..., q, :].argmax(-1) == k).float().mean(dim=(1, 3)).numpy()


def shift_scores(model, rows, shift=-1):
    """The key `shift` away."""
    T = rows.shape[1]
    return along(maps(model, rows), {t: t + shift for t in range(1, T - 1)})


def induction_scores(model, n=32, half=48, seed=5):
    """Random tokens told twice: from the second telling to the token after the earlier copy."""
    g = torch.Generator().manual_seed(seed)
    once = torch.randint(len(SPECIAL), VOCAB_SIZE, (n, half), generator=g)
    return along(maps(model, torch.cat([once, once], 1)), {t: t - half + 1 for t in range(half, 2 * half - 1)})


@torch.no_grad()
def sentinel_scores(model, batch):
    """mini-t5's cross-attention: from every token of a span told again to the sentinel that stands for it in the source."""
    first, last = SPECIAL.index("<extra_id_0>"), SPECIAL.index("<extra_id_63>")
    out = model(input_ids=batch["ids"], decoder_input_ids=batch["decoder_ids"], output_attentions=True, use_cache=False)
    p = torch.stack(out.cross_attentions)                                                   # (L, B, H, T, S)
    weight, strongest, n = 0, 0, 0
    for b, (source, read) in enumerate(zip(batch["ids"], batch["decoder_ids"])):
        sentinels = (read >= first) & (read <= last)
        now = torch.where(sentinels, torch.arange(len(read)), 0).cummax(0).values           # where the span began
        ask = torch.arange(1, len(read))
        key = torch.tensor([int((source == read[now[t]]).nonzero()[0]) for t in ask])
        rows = p[:, b, :, ask]                                                              # (L, H, T - 1, S)
        weight = weight + rows.gather(-1, key.expand(*rows.shape[:2], -1)[..., None]).sum((2, 3))
        strongest = strongest + (rows.argmax(-1) == key).sum(2)
        n += len(ask)
    return (weight / n).numpy(), (strongest / n).numpy()


def best(scores):
    """The best head of an array (L, H), or of a pair (weight, strongest) the one with the greatest weight."""
    more = None
    if isinstance(scores, tuple):
        scores, more = scores
    layer, head = (int(i) for i in np.unravel_index(int(np.argmax(scores)), scores.shape))
    found = {"layer": layer, "head": head, "score": round(float(scores[layer, head]), 4)}
    return found if more is None else found | {"strongest": round(float(more[layer, head]), 4)}


# -- truths -----------------------------------------------------------------------------------------------------------

def token_pairs(tok, story, special=False):
    """The story's truths in tokens: ids, [(kind, query token, {key tokens})].

    Names and verses are matched token by token where both copies are cut alike; of other words the first token asks
    and any token of the antecedent answers.
    """
    enc = tok.encode(story["text"], add_special_tokens=special)
    spans = [(i, *o) for i, o in enumerate(enc.offsets) if o[1] > o[0]]
    ends = [e for _, _, e in spans]

    def tokens(span):
        found = []
        for i, start, end in spans[bisect.bisect_right(ends, span[0]):]:
            if start >= span[1]:
                break
            found.append(i)
        return found

    pairs = []
    for t in story["truths"]:
        ask, answer = tokens(t["from"]), tokens(t["to"])
        if t["kind"] in ("copy", "verse"):
            if [enc.ids[i] for i in ask] == [enc.ids[i] for i in answer]:
                pairs += [(t["kind"], a, {b}) for a, b in zip(ask, answer)]
        else:
            pairs.append((t["kind"], ask[0], set(answer)))
    return enc.ids, pairs


def truth_scores(model, tok, stories, causal):
    """{kind: {"at": (L, H), "ahead": (L, H), "n", "chance"}}: how often a head's strongest key is the truth's.

    `at`: asked at the word itself. `ahead`: asked one token earlier, where a causal model must already know.
    """
    hits = {}
    for story in stories:
        ids, pairs = token_pairs(tok, story, special=not causal)
        strongest = maps(model, torch.tensor([ids]))[:, 0].argmax(-1).numpy()              # (L, H, T)
        for kind, ask, answer in pairs:
            h = hits.setdefault(kind, {"at": 0, "ahead": 0, "n": 0, "chance": 0.0})
            want = list(answer)
            h["at"] = h["at"] + np.isin(strongest[:, :, ask], want)
            h["ahead"] = h["ahead"] + np.isin(strongest[:, :, ask - 1], want)
            h["chance"] += len(want) / (ask + 1 if causal else len(ids))
            h["n"] += 1
    return {k: {"n": h["n"], "chance": h["chance"] / h["n"], "at": h["at"] / h["n"], "ahead": h["ahead"] / h["n"]}
            for k, h in hits.items()}
