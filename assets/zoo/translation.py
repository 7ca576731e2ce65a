"""mini-transformer's measures: held-out verses, chrF and BLEU (sacrebleu) beside the word-for-word dictionary."""
import sacrebleu
import torch

import models
import parallel
from corpus import PAD


@torch.no_grad()
def translate(model, tok, texts, batch=32):
    """Greedy."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    said = [""] * len(texts)
    for at in range(0, len(order), batch):
        chosen = order[at:at + batch]
        ids = parallel.padded([tok.encode(texts[i]).ids for i in chosen])
        out = model.generate(ids, attention_mask=(ids != PAD).long(), do_sample=False, num_beams=1, max_new_tokens=160, use_cache=True)
        for i, row in zip(chosen, out.tolist()):
            said[i] = tok.decode(row, skip_special_tokens=True).strip()
    return said


@torch.no_grad()
def held_out_loss(model, verses, batch=16):
    total = right = n = 0
    for at in range(0, len(verses.pairs), batch):
        logits, y = models.asked(model, verses.make(range(at, min(at + batch, len(verses.pairs)))))
        total += float(torch.nn.functional.cross_entropy(logits, y, reduction="sum"))
        right, n = right + int((logits.argmax(-1) == y).sum()), n + len(y)
    return {"model": round(total / n, 4), "accuracy": round(right / n, 4), "tokens": n}


def measure(model, tok, workdir):
    train, held = ([line.split("\t") for line in (workdir / f"verses.{split}.tsv").read_text().splitlines()] for split in ("train", "held"))
    english, spanish = [a for a, _ in held], [b for _, b in held]
    dictionary = parallel.Dictionary(train)
    by_word = [dictionary.translate(text) for text in english]
    by_model = translate(model, tok, english)
    chrf, bleu = sacrebleu.CHRF(), sacrebleu.BLEU()
    m = {"verses": held_out_loss(model, parallel.Verses(workdir, "held")), "n": len(held)}
    for name, metric in (("chrf", chrf), ("bleu", bleu)):
        m[name] = {who: round(metric.corpus_score(said, [spanish]).score, 2) for who, said in (("model", by_model), ("dictionary", by_word))}
        m[name]["signature"] = str(metric.get_signature())
    m["translations"] = [{"english": english[i], "said": by_model[i], "dictionary": by_word[i], "spanish": spanish[i]} for i in (0, len(english) // 3, 2 * len(english) // 3)]
    return m
