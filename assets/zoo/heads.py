"""Which head does what: attention maps held against shifts, repeats and the grammar's truths."""
import bisect

import numpy as np
import torch

from corpus import SPECIAL, VOCAB_SIZE


@torch.no_grad()
def maps(model, ids):
    """ids (B, T) -> probabilities (L, B, H, T, T)"""
    return torch.stack(model(ids, output_attentions=True).attentions)


def shift_scores(model, rows, shift=-1):
    """Mean weight (L, H) that a query gives to the key `shift` away."""
    p = maps(model, rows)
    return p.diagonal(offset=shift, dim1=-2, dim2=-1).mean(dim=(1, 3)).numpy()


def induction_scores(model, n=32, half=48, seed=5):
    """Random tokens told twice; mean weight (L, H) from the second telling to the token after the earlier copy."""
    g = torch.Generator().manual_seed(seed)
    once = torch.randint(len(SPECIAL), VOCAB_SIZE, (n, half), generator=g)
    p = maps(model, torch.cat([once, once], 1))
    q = torch.arange(half, 2 * half - 1)
    return p[..., q, q - half + 1].mean(dim=(1, 3)).numpy()


def best(scores):
    layer, head = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return {"layer": int(layer), "head": int(head), "score": round(float(scores[layer, head]), 4)}


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
