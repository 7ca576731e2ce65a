"""Measures the committed models again and fails where a promise of their cards does not hold.

    python check.py WORKDIR [mini-gpt ...]               compares with card.json, a few minutes a model
    python check.py WORKDIR --write-cards [mini-gpt ...]  writes card.json's figures, and README.md of every model, for the
                                                         decoders' cards tell of each other (after export.py)

WORKDIR is corpus.py's (and parallel.py's), for the held-out tokens and the counted baselines.
"""
import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

import batches
import grammar
import heads
import models
import translation
from baselines import Counts
from card import write_cards
from corpus import EOS, MASK, SEP, SPECIAL

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent / "models"
GPT_PROMPTS = ["The key to the old doors", "The robot picked up the red key because", "Once there was a small robot called"]
BERT_PROMPTS = ["The robot picked up the red <mask> because it needed to open the old door.", "The keys to the old cabinet <mask> on the table.",
                "In the beginning God created the <mask> and the earth."]
NUMBER = [("is", "are"), ("was", "were"), ("has", "have"), ("does", "do"), ("looks", "look")]

# What the cards promise. Losses in nats per token.
LEFT_TO_RIGHT = {"beats_bigram_by": 1.0, "previous_token_head": 0.25, "induction_head": 0.25, "agreement": 0.9, "verse_accuracy": 0.5}
SIBLING = LEFT_TO_RIGHT | {"induction_head": 0.1}        # on random tokens told twice; by chance it would be 0.01
PROMISES = {kind: SIBLING for kind in models.CAUSAL} | {
    "mini-gpt": LEFT_TO_RIGHT,
    "mini-prefix": SIBLING | {"beats_bigram_by": 0.9, "prefix_helps_by": 0.0},
    "mini-bert": {"beats_bigram_by": 1.0, "mlm_accuracy": 0.45, "previous_token_head": 0.9},
    "mini-t5": {"beats_bigram_by": 0.7, "accuracy": 0.4, "sentinel_head": 0.3},
    "mini-transformer": {"beats_dictionary_by": 3.0},
}


def left_to_right(name):
    return name in models.CAUSAL or name == "mini-prefix"


def load(name, folder):
    """The fp16 weights, computed in fp32 with maps that can be read."""
    auto = AutoModelForCausalLM if left_to_right(name) else AutoModelForMaskedLM if name == "mini-bert" else AutoModelForSeq2SeqLM
    model = auto.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    return model, Tokenizer.from_file(str(folder / "tokenizer.json"))


def held_rows(streams, part, length, n):
    """n rows of held-out tokens that do not overlap."""
    ids = streams.ids[part]
    at = np.linspace(0, len(ids) - length, n).astype(int)
    return np.stack([ids[a:a + length] for a in at]).astype(np.int64)


def held_batch(name, rows, seed):
    """The batch of these rows, and the true token before each one that is asked (the streams that were counted have <eos>
    between documents)."""
    if left_to_right(name):
        batch = batches.following(rows)
        return batch, batch["ids"]
    if name == "mini-bert":
        true = batches.wrap(rows)
        ids, targets = batches.mask(true, np.random.default_rng(seed))
        before = torch.roll(true, 1, 1)
        return {"ids": ids, "targets": targets}, torch.where((before == SEP) | (before == 2), EOS, before)
    batch = batches.spans(rows, np.random.default_rng(seed))
    ids, read, first = batch["ids"], batch["decoder_ids"], SPECIAL.index("<extra_id_0>")
    batch["targets"][batch["targets"] < len(SPECIAL)] = -1                   # no sentinel, no <eos>
    at = (ids >= first) & (ids < len(SPECIAL))
    left = torch.roll(ids, 1, 1)[at].reshape(len(ids), -1)                   # (B, spans): the token before each span
    began = (read >= first) & (read < len(SPECIAL))
    return batch, torch.where(began, left.gather(1, (read - first).clamp(0, left.shape[1] - 1)), read)


@torch.no_grad()
def held_out_loss(name, model, held, counts):
    """{part: {model, unigram, bigram, accuracy, tokens}} over the same tokens."""
    result, length = {}, 512 if left_to_right(name) else 256
    for part, label in enumerate(("bible", "stories")):
        rows = held_rows(held, part, length, 48)
        losses, asked, before, right = [], [], [], []
        for i in range(0, len(rows), 4):
            batch, u = held_batch(name, rows[i:i + 4], [7, part, i])
            logits, y = models.asked(model, batch)
            losses.append(torch.nn.functional.cross_entropy(logits, y, reduction="none"))
            right.append(logits.argmax(-1) == y)
            asked.append(y)
            before.append(u[batch["targets"] >= 0])
        y, u = torch.cat(asked).numpy(), torch.cat(before).numpy()
        result[label] = {"model": round(float(torch.cat(losses).mean()), 4), "unigram": round(counts.unigram_loss(y), 4),
                         "bigram": round(counts.bigram_loss(u, y), 4), "accuracy": round(float(torch.cat(right).float().mean()), 4),
                         "tokens": len(y)}
    both = list(result.values())
    result["both"] = {k: round((both[0][k] + both[1][k]) / 2, 4) for k in ("model", "unigram", "bigram", "accuracy")}
    result["both"]["tokens"] = both[0]["tokens"] + both[1]["tokens"]
    return result


@torch.no_grad()
def prefix_losses(model, held, prefix=256):
    """The second halves of the held-out rows, given the first: as a prefix that sees itself whole, and as a causal model
    would read it."""
    found = {}
    for how, given in (("prefix", prefix), ("causal", 0)):
        losses = []
        for part in (0, 1):
            rows = held_rows(held, part, 512, 48)
            for i in range(0, len(rows), 4):
                batch = batches.following(rows[i:i + 4])
                batch |= batches.after_prefix(batch, prefix) | {"prefix": given}
                losses.append(float(models.loss_of(model, batch)))
        found[how] = round(float(np.mean(losses)), 4)
    return found | {"tokens": 2 * 48 * (512 - prefix)}


@torch.no_grad()
def agreement_accuracy(name, model, tok, stories):
    """Where another noun stands between: is the right number of the verb likelier than the wrong one?"""
    other = {a: b for pair in NUMBER for a, b in (pair, pair[::-1])}
    right = n = 0
    for story in stories:
        verbs = [t for t in story["truths"] if t["kind"] == "agreement" and story["text"][slice(*t["from"])] in other]
        for t in verbs:
            verb = story["text"][slice(*t["from"])]
            head = story["text"][:t["from"][0] - 1]
            good, bad = (tok.encode(" " + w, add_special_tokens=False).ids for w in (verb, other[verb]))
            if len(good) != 1 or len(bad) != 1:
                continue
            if left_to_right(name):
                logits = model(torch.tensor([tok.encode(head).ids])).logits[0, -1]
            else:
                left, rest = tok.encode(head, add_special_tokens=False).ids, tok.encode(story["text"][t["from"][1]:], add_special_tokens=False).ids
                logits = model(torch.tensor([[2, *left, MASK, *rest, SEP]])).logits[0, len(left) + 1]
            right, n = right + int(logits[good[0]] > logits[bad[0]]), n + 1
    return {"accuracy": round(right / n, 4), "n": n}


@torch.no_grad()
def copy_accuracy(model, tok, stories):
    """How often the likeliest next token is the right one inside a name or a text told again."""
    found = {"copy": [0, 0], "verse": [0, 0]}
    for story in stories:
        ids, pairs = heads.token_pairs(tok, story)
        guess = model(torch.tensor([ids])).logits[0].argmax(-1).tolist()
        pairs = [(kind, ask, key) for kind, ask, keys in pairs if kind in found for key in keys]
        asked = {(ask, key) for _, ask, key in pairs}
        for kind, ask, key in pairs:
            if (ask - 1, key - 1) in asked or kind == "verse":             # the first token of a name is anybody's guess
                found[kind][0] += guess[ask - 1] == ids[ask]
                found[kind][1] += 1
    return {k: {"accuracy": round(a / n, 4), "n": n} for k, (a, n) in found.items()}


@torch.no_grad()
def samples(model, tok):
    out = []
    for i, prompt in enumerate(GPT_PROMPTS):
        ids = torch.tensor([tok.encode(prompt).ids])
        torch.manual_seed(i)
        more = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=0.7, top_k=40, max_new_tokens=60,
                              pad_token_id=0, eos_token_id=EOS)[0]
        out.append({"prompt": prompt, "text": tok.decode(more.tolist(), skip_special_tokens=True)})
    return out


@torch.no_grad()
def fills(model, tok):
    out = []
    for prompt in BERT_PROMPTS:
        ids = tok.encode(prompt).ids
        p = model(torch.tensor([ids])).logits[0, ids.index(MASK)].softmax(-1).topk(5)
        out.append({"prompt": prompt, "fills": [[tok.id_to_token(i).replace("Ġ", " "), round(v, 4)] for i, v in zip(p.indices.tolist(), p.values.tolist())]})
    return out


@torch.no_grad()
def infillings(model, tok):
    """mini-t5 on mini-bert's sentences, the mask a sentinel with the space before it."""
    out = []
    for prompt in BERT_PROMPTS:
        prompt = prompt.replace(" <mask>", "<extra_id_0>")
        ids = torch.tensor([tok.encode(prompt).ids])
        more = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12)[0]
        out.append({"prompt": prompt, "text": tok.decode(more[1:].tolist(), skip_special_tokens=False)})
    return out


def measure_pair(name, model, tok, workdir, counts, held):
    if name == "mini-transformer":
        return translation.measure(model, tok, workdir)
    m = {"held_out": held_out_loss(name, model, held, counts)}
    rows = np.concatenate([held_rows(held, part, 128, 12) for part in (0, 1)])
    m["heads"] = {"sentinel": heads.best(heads.sentinel_scores(model, batches.spans(rows, np.random.default_rng(7)))),
                  "previous_token": heads.best(heads.shift_scores(model.encoder, torch.from_numpy(rows), -1))}
    m["infillings"] = infillings(model, tok)
    return m


def measure(name, workdir, counts, held, folder):
    model, tok = load(name, folder)
    causal = left_to_right(name)
    if not causal and name != "mini-bert":
        return measure_pair(name, model, tok, workdir, counts, held)
    stories = json.loads((HERE / "truth.json").read_text())
    m = {"held_out": held_out_loss(name, model, held, counts)}
    if name == "mini-prefix":
        m["prefix"] = prefix_losses(model, held)
    rows = np.concatenate([held_rows(held, part, 128, 12) for part in (0, 1)])
    rows = torch.from_numpy(rows) if causal else batches.wrap(rows)
    m["heads"] = {"previous_token": heads.best(heads.shift_scores(model, rows, -1))}
    if causal:
        m["heads"]["induction"] = heads.best(heads.induction_scores(model))
    else:
        m["heads"]["next_token"] = heads.best(heads.shift_scores(model, rows, 1))
    m["truths"] = {}
    for kind, s in sorted(heads.truth_scores(model, tok, stories, causal).items()):
        m["truths"][kind] = {"n": s["n"], "chance": round(float(s["chance"]), 4), "at": heads.best(s["at"])}
        if causal:
            m["truths"][kind]["ahead"] = heads.best(s["ahead"])
    m["agreement"] = agreement_accuracy(name, model, tok, stories)
    if causal:
        m["copying"] = copy_accuracy(model, tok, stories)
        m["samples"] = samples(model, tok)
    else:
        m["fills"] = fills(model, tok)
    return m


def kept(name, m):
    """[(promise, what was measured, what was promised, holds)]"""
    facts = {}
    if "held_out" in m:
        both = m["held_out"]["both"]
        facts = {"beats_bigram_by": both["bigram"] - both["model"], "mlm_accuracy": both["accuracy"], "accuracy": both["accuracy"],
                 "previous_token_head": m["heads"]["previous_token"]["score"]}
    if "agreement" in m:
        facts["agreement"] = m["agreement"]["accuracy"]
    if "copying" in m:
        facts |= {"induction_head": m["heads"]["induction"]["score"], "verse_accuracy": m["copying"]["verse"]["accuracy"]}
    if "prefix" in m:
        facts["prefix_helps_by"] = m["prefix"]["causal"] - m["prefix"]["prefix"]
    if "sentinel" in m.get("heads", {}):
        facts["sentinel_head"] = m["heads"]["sentinel"]["score"]
    if "chrf" in m:
        facts["beats_dictionary_by"] = m["chrf"]["model"] - m["chrf"]["dictionary"]
    return [(k, round(facts[k], 4), least, facts[k] >= least) for k, least in PROMISES[name].items()]


def numbers(tree, path=""):
    """All figures of a card with their paths, to compare two measurements."""
    if isinstance(tree, dict):
        for k, v in tree.items():
            yield from numbers(v, f"{path}.{k}")
    elif isinstance(tree, (int, float)):
        yield path, tree


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("workdir", type=Path)
    ap.add_argument("names", nargs="*")
    ap.add_argument("--models", type=Path, default=MODELS)
    ap.add_argument("--write-cards", action="store_true")
    args = ap.parse_args()
    torch.set_num_threads(1)
    for i, story in enumerate(json.loads((HERE / "truth.json").read_text())):
        assert story == grammar.story(f"held/{i}"), f"truth.json: story {i} is not what grammar.py tells"
    counts = Counts([np.load(args.workdir / f"{p}.train.npy") for p in ("bible", "stories")])
    held = batches.Streams(args.workdir, "held")
    good = True
    for name in args.names or [k for k in models.KINDS if (args.models / k).exists()]:
        folder = args.models / name
        card = json.loads((folder / "card.json").read_text())
        measured = measure(name, args.workdir, counts, held, folder)
        for what, is_, least, holds in kept(name, measured):
            print(f"{name}: {what} {is_} (promised {least}) {'ok' if holds else 'FAILS'}", flush=True)
            good &= holds
        assert (folder / "model.safetensors").stat().st_size <= 8 * 1024 * 1024
        if args.write_cards:
            card["measured"] = measured
            (folder / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n")
        else:
            was = dict(numbers(card["measured"]))
            for path, value in numbers(measured):
                if abs(value - was[path]) > 0.005 * max(1, abs(was[path])):
                    print(f"{name}: card.json says {path[1:]} = {was[path]}; measured {value}")
                    good = False
    if args.write_cards:
        write_cards(args.models)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
