"""Turns a nanoGPT checkpoint into a folder that Cutaway opens (the program itself refuses pickles).

    python nanogpt_to_safetensors.py ckpt.pt FOLDER

Weight names and their [out, in] order stay nanoGPT's; `_orig_mod.` (torch.compile) and the causal-mask buffers go;
lm_head.weight goes where it equals wte.weight, to which it is tied. Values are not changed.
"""
import json
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

KEYS = ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size")
MASK_BUFFER = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)$")


def convert(ckpt_file, folder):
    ckpt = torch.load(ckpt_file, map_location="cpu", weights_only=True)      # weights_only: runs no code from the file
    args = ckpt["model_args"]
    weights = {}
    for name, value in ckpt["model"].items():
        name = name.removeprefix("_orig_mod.")
        if MASK_BUFFER.search(name) and value.ndim != 1:
            continue
        weights[name] = value.detach().clone().contiguous()
    wte, head = weights["transformer.wte.weight"], weights.get("lm_head.weight")
    if head is not None and torch.equal(wte, head):
        del weights["lm_head.weight"]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "nanogpt", **{k: args[k] for k in KEYS}, "tie_word_embeddings": "lm_head.weight" not in weights}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    convert(sys.argv[1], sys.argv[2])
