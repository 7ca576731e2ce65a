"""Writes the model cards from the figures of the card.json files. No figure is typed by hand."""
import json

import models

WHAT = {
    "mini-gpt": "GPT-2 architecture, causal (each position predicts the next token)",
    "mini-bert": "BERT architecture, masked (15 % of the tokens are asked: 80 % shown as `<mask>`, 10 % as a random token, 10 % as they are)",
    "mini-llama": "Llama architecture (RMSNorm, RoPE, SwiGLU), causal, every query head with its own keys and values",
    "mini-llama-gqa": "Llama architecture, causal, grouped queries: three query heads share one head of keys and values",
    "mini-llama-mqa": "Llama architecture, causal, multi-query: all six query heads share one head of keys and values",
    "mini-llama-mla": "DeepSeek-V3's attention (MLA: a latent of 48 and a rotary key of 16 numbers are all that is kept) with dense feed-forwards, causal",
    "mini-prefix": "Llama architecture trained as a prefix-LM: a given prefix of random length sees itself whole, the rest is predicted token by token",
    "mini-t5": "T5 v1.1 architecture, three encoder and three decoder layers, span corruption (15 % of the tokens, three a span on average; 64 sentinels)",
    "mini-transformer": "the original post-LN Transformer (sinusoids, embedding × √D tied three ways, ReLU), three encoder and three decoder layers, English to Spanish",
}
ROWS = {"mini-bert": "Rows of 32 and 64 tokens first, up to 512 later; heads start by looking nearby (`models.py`).",
        "mini-t5": "Texts of 32 and 64 tokens first, up to 512 later (`batches.py`).",
        "mini-prefix": "Rows of 128 to 512 tokens, prefix 0 to half of the row; late in training some rows tell a text of half their length twice (`batches.py`).",
        "mini-gpt": "Rows of 128 to 512 tokens; late in training some rows tell a text of half their length twice (`batches.py`); positions and the two lowest "
                    "layers' heads start by looking nearby (`models.py`)."}
CAUSAL_ROWS = "Rows of 128 to 512 tokens, the same ones as mini-gpt's; late in training some rows tell a text of half their length twice (`batches.py`)."
KINDS = {"pronoun": "pronoun → the noun or name it stands for", "subject": "verb → its subject", "agreement": "verb → its subject, another noun between",
         "copy": "name → its last mention", "verse": "text told again → the same word before", "bracket": "closing quote or bracket → the opening one"}


def percent(x):
    return f"{100 * x:.1f} %"


def head(h):
    return f"layer {h['layer']}, head {h['head']}"


def quoted(text):
    return "\n".join("> " + line for line in text.split("\n"))


def cache_bytes(c):
    """fp16 bytes that one more token costs in all layers of a decoder's config.json."""
    if c["model_type"] == "gpt2":
        return 2 * 2 * c["n_layer"] * c["n_embd"]
    if c["model_type"] == "deepseek_v3":
        return 2 * c["num_hidden_layers"] * (c["kv_lora_rank"] + c["qk_rope_head_dim"])
    return 2 * 2 * c["num_hidden_layers"] * c["num_key_value_heads"] * c["hidden_size"] // c["num_attention_heads"]


def attention_of(c):
    if c["model_type"] == "deepseek_v3":
        return f"MLA, latent {c['kv_lora_rank']} + rotary {c['qk_rope_head_dim']}"
    heads = c.get("n_head") or c["num_attention_heads"]
    kv = c.get("num_key_value_heads", heads)
    name = "MHA" if kv == heads else "MQA" if kv == 1 else "GQA"
    return f"{name}, {heads} heads on {kv}" + (", learned positions" if "n_head" in c else "")


def siblings_table(cards, configs):
    """What a thinner cache costs: the causal decoders side by side, the same in every card."""
    lines = ["## Loss beside cache", "",
             "The causal siblings read the same rows of the same corpus, and as many of them; what thinner keys and values save went into the feed-forward. "
             "Cache: fp16, all layers, what one more token costs (of MLA the latent and the rotary key).", "",
             "| model | attention | parameters | cache bytes per token | held-out loss | name copied | text told again |", "|---|---|---|---|---|---|---|"]
    for name in models.CAUSAL:
        if name in cards:
            m = cards[name]["measured"]
            lines.append(f"| {name} | {attention_of(configs[name])} | {cards[name]['parameters']:,} | {cache_bytes(configs[name]):,} | "
                         f"{m['held_out']['both']['model']:.3f} | {percent(m['copying']['copy']['accuracy'])} | {percent(m['copying']['verse']['accuracy'])} |")
    return lines + [""]


def size(c):
    if c["model_type"] == "marian":
        return f"width {c['d_model']}, {c['encoder_attention_heads']} heads, feed-forward {c['encoder_ffn_dim']}, vocabulary {c['vocab_size']:,} for both languages"
    if c["model_type"] == "t5":
        return f"width {c['d_model']}, {c['num_heads']} heads × {c['d_kv']}, feed-forward {c['d_ff']} (gated), vocabulary {c['vocab_size']:,}"
    d, n = c.get("n_embd") or c["hidden_size"], c.get("n_head") or c["num_attention_heads"]
    ff = c.get("n_inner") or c["intermediate_size"]
    return f"6 layers × {n} heads × {d // n} (width {d}), feed-forward {ff}, context 512, vocabulary {c['vocab_size']:,}"


def data_lines(name, card):
    t, c = card["training"], card["corpus"]
    if name == "mini-transformer":
        data = (f"- The Bible's verses, English (King James, Debian package bible-kjv) and Spanish (Reina-Valera 1909, sword-text-sparv), both in the public domain: "
                f"{c['train']['verses']:,} pairs, {c['train']['english_tokens']:,} and {c['train']['spanish_tokens']:,} tokens. Held out: every 25th chapter, "
                f"{c['held']['verses']:,} pairs.")
        rows = "Pairs of about the same length together; dropout 0.1, label smoothing 0.1."
    else:
        data = (f"- Half King James Bible (public domain, Debian package bible-kjv; {c['bible.train']['documents']:,} chapters, "
                f"{c['bible.train']['tokens']:,} tokens), half our own stories from `assets/zoo/grammar.py` ({c['stories.train']['documents']:,} stories, "
                f"{c['stories.train']['tokens']:,} tokens). Held out: {c['bible.held']['documents']} chapters and {c['stories.held']['documents']:,} stories.")
        rows = ROWS.get(name, CAUSAL_ROWS)
    counted = "tokens of both languages at most" if name == "mini-transformer" else "tokens of text" if name == "mini-t5" else "tokens"
    return ["## Data and training", "", data,
            f"- {t['steps']:,} steps of {t['batch_tokens']:,} {counted}: {t['tokens']:,} in {t['minutes']:g} minutes on one thread of a two-core machine "
            "that was busy with other work too; one run, from the first step to the end of the cosine.",
            f"- Muon for the matrices in the blocks (peak {t['muon_lr']:g}), AdamW (peak {t['lr']:g}) for the rest, cosine to 2 %, bf16 autocast.",
            "- " + rows, ""]


def loss_lines(name, m):
    asked = {"mini-bert": "asked token", "mini-t5": "lost token"}.get(name, "token")
    given = " (bigram: Witten–Bell" + (")." if asked == "token" else ", given the true token to the left).")
    lines = ["## Held-out loss", "", f"Nats per {asked}, {m['held_out']['both']['tokens']:,} of them, the same ones for all three. Unigram and bigram are counted on the "
             "training streams" + given, "", f"| held out | unigram | bigram | {name} | right at first guess |", "|---|---|---|---|---|"]
    for part in ("bible", "stories", "both"):
        h = m["held_out"][part]
        lines.append(f"| {part} | {h['unigram']:.3f} | {h['bigram']:.3f} | **{h['model']:.3f}** | {percent(h['accuracy'])} |")
    return lines + [""]


def head_lines(m, causal):
    lines = ["## Heads (counted from 0)", ""]
    told = {"previous_token": "Previous token: {}: mean weight {} on the token before (held-out text); it is the strongest key of {} of the queries.",
            "induction": "Induction: {}: mean weight {} on the token after the earlier copy, random tokens told twice; strongest key of {}.",
            "next_token": "Next token: {}: mean weight {} on the token after; strongest key of {}.",
            "sentinel": "Sentinel: cross-attention of decoder {}: mean weight {} from a token told again on the sentinel that stands for it; strongest key of {}."}
    for kind, text in told.items():
        if kind in m["heads"]:
            h = m["heads"][kind]
            lines.append("- " + text.format(head(h), f"{h['score']:.3f}", percent(h["strongest"])))
    if "truths" not in m:
        return lines + [""]
    lines += ["", "How often the best head's strongest key is the one the grammar names, over the 240 stories of `assets/zoo/truth.json`"
              + (" (at the word; one token earlier, where a causal model must already know):" if causal else ":"), "",
              "| truth | cases | by chance | best head at the word |" + (" best head one earlier |" if causal else ""), "|---|---|---|---|" + ("---|" if causal else "")]
    for kind, label in KINDS.items():
        s = m["truths"][kind]
        row = f"| {label} | {s['n']:,} | {percent(s['chance'])} | {percent(s['at']['score'])} ({head(s['at'])}) |"
        lines.append(row + (f" {percent(s['ahead']['score'])} ({head(s['ahead'])}) |" if causal else ""))
    return lines + [""]


def stream_lines(name, m):
    """Loss, what it has learnt, heads and samples of a model of the common corpus."""
    causal = "copying" in m
    lines = loss_lines(name, m)
    if "prefix" in m:
        p = m["prefix"]
        lines += [f"The second halves of the same rows, given the first ({p['tokens']:,} tokens): {p['prefix']:.3f} with the first half as a prefix that sees itself whole, "
                  f"{p['causal']:.3f} read causally by the same weights.", ""]
    if "agreement" in m:
        a = m["agreement"]
        lines.append(f"Verb number with another noun between (`the key to the old doors is`): right in {percent(a['accuracy'])} of {a['n']} held-out cases"
                     + (" (half would be right by chance: it has not learnt this)." if a["accuracy"] < 0.6 else "."))
    if causal:
        lines.append(f"Inside a repeated name the next token is right in {percent(m['copying']['copy']['accuracy'])} of {m['copying']['copy']['n']:,} cases, "
                     f"inside a text told again in {percent(m['copying']['verse']['accuracy'])} of {m['copying']['verse']['n']:,}.")
    lines += [""] * ("agreement" in m) + head_lines(m, causal)
    if causal:
        lines += ["## Samples (temperature 0.7, top 40; not chosen)", ""]
        for s in m["samples"]:
            lines += [quoted(s["text"]), ""]
    elif "fills" in m:
        lines += ["## Fills", "", *(f"- {f['prompt'].replace('<mask>', '`<mask>`')} " + ", ".join(f"{piece.strip() or repr(piece)} {percent(p)}" for piece, p in f["fills"])
                                    for f in m["fills"]), ""]
    else:
        lines += ["## Infillings (greedy)", "", *(f"- `{f['prompt']}` → `{f['text']}`" for f in m["infillings"]), ""]
    return lines


def translation_lines(m):
    v, chrf, bleu = m["verses"], m["chrf"], m["bleu"]
    lines = ["## Held-out verses", "", f"{m['n']:,} verses, greedy, beside a dictionary that puts for each English word the Spanish one that IBM's first model finds likeliest "
             "(`parallel.py`).", "", "| | dictionary | mini-transformer |", "|---|---|---|",
             f"| chrF | {chrf['dictionary']:.1f} | **{chrf['model']:.1f}** |", f"| BLEU | {bleu['dictionary']:.1f} | **{bleu['model']:.1f}** |", "",
             f"sacrebleu: `{chrf['signature']}`, `{bleu['signature']}`. Given the true words before, {v['model']:.3f} nats per token and {percent(v['accuracy'])} right at first "
             f"guess ({v['tokens']:,} tokens).", "", "## Translations (not chosen)", ""]
    for t in m["translations"]:
        lines += [quoted(t["english"] + "\n" + "→ " + t["said"] + "\n" + "(" + t["spanish"] + ")").replace("\n", "  \n"), ""]
    return lines


def write_card(name, cards, configs, path):
    card, config = cards[name], configs[name]
    hf_class = config["architectures"][0]
    lines = [f"# {name}", "", f"{WHAT[name][0].upper()}{WHAT[name][1:]}. {size(config)[0].upper()}{size(config)[1:]}: {card['parameters']:,} parameters, "
             f"{card['file_bytes']:,} bytes as fp16. Trained for Cutaway by `assets/zoo` on CPU cores; a model to look into, not one to ask.",
             "", f"Opens in transformers as `{hf_class}`; `tokenizer.json` in `tokenizers`.", "", *data_lines(name, card)]
    lines += translation_lines(card["measured"]) if name == "mini-transformer" else stream_lines(name, card["measured"])
    if name in models.CAUSAL or name == "mini-prefix":
        lines += siblings_table(cards, configs)
    ours = "both texts of the Bible are in the public domain" if name == "mini-transformer" else "the Bible's text is in the public domain, the stories are ours"
    kinds = "one book in two languages" if name == "mini-transformer" else "two kinds of text"
    lines += ["## Limits", "", f"Three million parameters, twelve million tokens: it knows its {kinds} and nothing else. The weights are under the repository's "
              f"licence; {ours}.", "", "`card.json` has these figures for programs; `python assets/zoo/check.py WORK` measures them again."]
    path.write_text("\n".join(lines) + "\n")


def write_cards(folder):
    """README.md of every model that has been measured."""
    cards = {k: json.loads((folder / k / "card.json").read_text()) for k in models.KINDS if (folder / k / "card.json").exists()}
    cards = {k: card for k, card in cards.items() if "measured" in card}
    configs = {k: json.loads((folder / k / "config.json").read_text()) for k in cards}
    for name in cards:
        write_card(name, cards, configs, folder / name / "README.md")
