"""The corpus of the zoo: half King James Bible (public domain, Debian package bible-kjv), half stories of grammar.py.

    python corpus.py WORKDIR [--stories 36000]

writes WORKDIR/tokenizer.json and, as uint16 token streams whose documents end in <eos>,
{bible,stories}.{train,held}.npy. Every sibling of the zoo reads these same files. Every 25th chapter and every story
whose seed begins with "held/" are held out: no model sees them, and the tokenizer does not either.
"""
import argparse
import json
import re
import subprocess
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import grammar

VOCAB_SIZE = 2048
SPECIAL = ["<pad>", "<eos>", "<cls>", "<sep>", "<mask>"] + [f"<extra_id_{i}>" for i in range(64)]
PAD, EOS, CLS, SEP, MASK = range(5)
HELD_STORIES = 2000


def bible_chapters():
    """1,189 chapters as plain text, references taken off."""
    out = subprocess.run(["bible", "-f", "Gen1:1-Rev22:21"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    chapters = {}
    for line in out.stdout.splitlines():
        m = re.match(r"([1-3]?[A-Za-z]+)(\d+):\d+ (.*)", line)
        chapters.setdefault((m[1], m[2]), []).append(m[3].strip())
    return [" ".join(verses) for verses in chapters.values()]


def train_tokenizer(texts, vocab_size=VOCAB_SIZE):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)   # GPT-2's pattern
    tok.decoder = decoders.ByteLevel()
    # <mask> takes the space before it along: it stands for a whole word, as " key" is one token
    special = [AddedToken(s, special=True, normalized=False, lstrip=s == "<mask>") for s in SPECIAL]
    tok.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    assert tok.get_vocab_size() == vocab_size and tok.token_to_id("<mask>") == MASK
    return tok


def with_cls_sep(tok):
    """mini-bert's tokenizer: the same entries, `<cls> A <sep>` and `<cls> A <sep> B <sep>` around them."""
    tok = Tokenizer.from_str(tok.to_str())
    tok.post_processor = processors.TemplateProcessing(
        single="<cls> $A <sep>", pair="<cls> $A <sep> $B:1 <sep>:1", special_tokens=[("<cls>", CLS), ("<sep>", SEP)])
    return tok


def with_eos(tok):
    """mini-t5's and mini-transformer's tokenizers: the source ends with <eos>."""
    tok = Tokenizer.from_str(tok.to_str())
    tok.post_processor = processors.TemplateProcessing(single="$A <eos>", pair="$A <eos> $B:1 <eos>:1", special_tokens=[("<eos>", EOS)])
    return tok


def stream(tok, texts):
    ids = []
    for i in range(0, len(texts), 1000):
        for e in tok.encode_batch(texts[i:i + 1000], add_special_tokens=False):
            ids += e.ids + [EOS]
    return np.array(ids, dtype=np.uint16)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("workdir", type=Path)
    ap.add_argument("--stories", type=int, default=36000)
    args = ap.parse_args()
    args.workdir.mkdir(parents=True, exist_ok=True)

    chapters = bible_chapters()
    parts = {
        "bible.train": [c for i, c in enumerate(chapters) if i % 25],
        "bible.held": [c for i, c in enumerate(chapters) if i % 25 == 0],
        "stories.train": [grammar.story(f"train/{i}")["text"] for i in range(args.stories)],
        "stories.held": [grammar.story(f"held/{i}")["text"] for i in range(HELD_STORIES)],
    }
    bible_chars = sum(map(len, parts["bible.train"]))
    half = parts["stories.train"][:bible_chars // 600]                     # as much of the one as of the other
    tok = train_tokenizer(parts["bible.train"] + half)
    tok.save(str(args.workdir / "tokenizer.json"))
    sizes = {}
    for name, texts in parts.items():
        ids = stream(tok, texts)
        np.save(args.workdir / f"{name}.npy", ids)
        sizes[name] = {"documents": len(texts), "characters": sum(map(len, texts)), "tokens": len(ids)}
        print(name, sizes[name], flush=True)
    (args.workdir / "corpus.json").write_text(json.dumps(sizes, indent=1))


if __name__ == "__main__":
    main()
