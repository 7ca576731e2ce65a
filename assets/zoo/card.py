"""Writes a model card from card.json's figures. No figure is typed by hand."""

WHAT = {
    "mini-gpt": ("GPT-2 architecture, causal (each position predicts the next token)", "GPT2LMHeadModel"),
    "mini-bert": ("BERT architecture, masked (15 % of the tokens are asked: 80 % shown as `<mask>`, 10 % as a random token, 10 % as they are)",
                  "BertForMaskedLM"),
}
ROWS = {"mini-gpt": "Rows of 128 to 512 tokens; late in training some rows tell a text of half their length twice (`batches.py`).",
        "mini-bert": "Rows of 32 and 64 tokens first, up to 512 later; heads start by looking nearby (`models.py`)."}
KINDS = {"pronoun": "pronoun → the noun or name it stands for", "subject": "verb → its subject", "agreement": "verb → its subject, another noun between",
         "copy": "name → its last mention", "verse": "text told again → the same word before", "bracket": "closing quote or bracket → the opening one"}


def head(h):
    return f"layer {h['layer']}, head {h['head']}"


def quoted(text):
    return "\n".join("> " + line for line in text.split("\n"))


def write_card(name, card, path):
    t, m, c = card["training"], card["measured"], card["corpus"]
    both, causal = m["held_out"]["both"], name == "mini-gpt"
    what, hf_class = WHAT[name]
    short = t["tokens"] < t["budget_tokens"]
    lines = [f"# {name}", "",
             f"{what}. 6 layers × 6 heads × 32 (width 192), feed-forward 768, context 512, vocabulary 2,048: {card['parameters']:,} "
             f"parameters, {card['file_bytes']:,} bytes as fp16. Trained for Cutaway by `assets/zoo` on CPU cores; a model to look into, not one to ask.",
             "", f"Opens in transformers as `{hf_class}`; `tokenizer.json` in `tokenizers`.", "",
             "## Data and training", "",
             f"- Half King James Bible (public domain, Debian package bible-kjv; {c['bible.train']['documents']:,} chapters, "
             f"{c['bible.train']['tokens']:,} tokens), half our own stories from `assets/zoo/grammar.py` ({c['stories.train']['documents']:,} stories, "
             f"{c['stories.train']['tokens']:,} tokens). Held out: {c['bible.held']['documents']} chapters and {c['stories.held']['documents']:,} stories.",
             f"- {t['steps']:,} steps of {t['batch_tokens']:,} tokens: {t['tokens']:,} tokens in {t['minutes']:g} minutes on one thread of a two-core machine "
             "that was busy with other work too."
             + (f" The budget was {t['budget_tokens']:,}; the clock's guard ended the cosine early." if short else ""),
             f"- Muon for the matrices in the blocks, AdamW (peak {t['lr']:g}) for the rest, cosine to 2 %, bf16 autocast.",
             "- " + ROWS[name],
             *card.get("notes", []), "",
             "## Held-out loss", "",
             f"Nats per {'token' if causal else 'asked token'}, {both['tokens']:,} of them, the same ones for all three. Unigram and bigram are counted on the training "
             "streams" + (" (bigram: Witten–Bell)." if causal else " (bigram: Witten–Bell, given the true token to the left)."), "",
             "| held out | unigram | bigram | " + name + " | right at first guess |", "|---|---|---|---|---|"]
    for part in ("bible", "stories", "both"):
        h = m["held_out"][part]
        lines.append(f"| {part} | {h['unigram']:.3f} | {h['bigram']:.3f} | **{h['model']:.3f}** | {100 * h['accuracy']:.1f} % |")
    lines += ["", f"Verb number with another noun between (`the key to the old doors is`): right in {100 * m['agreement']['accuracy']:.1f} % of {m['agreement']['n']} held-out cases"
              + (" (half would be right by chance: it has not learnt this)." if m["agreement"]["accuracy"] < 0.6 else ".")]
    if causal:
        lines += [f"Inside a repeated name the next token is right in {100 * m['copying']['copy']['accuracy']:.1f} % of {m['copying']['copy']['n']:,} cases, "
                  f"inside a text told again in {100 * m['copying']['verse']['accuracy']:.1f} % of {m['copying']['verse']['n']:,}."]
    lines += ["", "## Heads (counted from 0)", ""]
    prev = m["heads"]["previous_token"]
    lines.append(f"- Previous token: {head(prev)}: mean weight {prev['score']:.3f} on the token before (held-out text); it is the strongest key of {100 * prev['strongest']:.1f} % of the queries.")
    if causal:
        ind = m["heads"]["induction"]
        lines.append(f"- Induction: {head(ind)}: mean weight {ind['score']:.3f} on the token after the earlier copy, random tokens told twice; strongest key of {100 * ind['strongest']:.1f} %.")
    else:
        nxt = m["heads"]["next_token"]
        lines.append(f"- Next token: {head(nxt)}: mean weight {nxt['score']:.3f} on the token after; strongest key of {100 * nxt['strongest']:.1f} %.")
    lines += ["", "How often the best head's strongest key is the one the grammar names, over the 240 stories of `assets/zoo/truth.json`"
              + (" (at the word; one token earlier, where a causal model must already know):" if causal else ":"), "",
              "| truth | cases | by chance | best head at the word |" + (" best head one earlier |" if causal else ""),
              "|---|---|---|---|" + ("---|" if causal else "")]
    for kind, label in KINDS.items():
        s = m["truths"][kind]
        row = f"| {label} | {s['n']:,} | {100 * s['chance']:.1f} % | {100 * s['at']['score']:.1f} % ({head(s['at'])}) |"
        lines.append(row + (f" {100 * s['ahead']['score']:.1f} % ({head(s['ahead'])}) |" if causal else ""))
    if causal:
        lines += ["", "## Samples (temperature 0.7, top 40; not chosen)", ""]
        for s in m["samples"]:
            lines += [quoted(s["text"]), ""]
    else:
        lines += ["", "## Fills", ""]
        for f in m["fills"]:
            lines.append(f"- {f['prompt'].replace('<mask>', '`<mask>`')} " + ", ".join(f"{piece.strip() or repr(piece)} {100 * p:.1f} %" for piece, p in f["fills"]))
        lines.append("")
    lines += ["## Limits", "", "Three million parameters, a few million tokens: it knows its two kinds of text and nothing else. The weights are under the repository's "
              "licence; the Bible's text is in the public domain, the stories are ours.", "",
              "`card.json` has these figures for programs; `python assets/zoo/check.py WORK` measures them again."]
    path.write_text("\n".join(lines) + "\n")
