"""nanoGPT's forward pass, written from its description alone: linears are [out, in], GELU is the exact (erf) one,
biases may be missing everywhere, the head is tied unless the file holds another one."""
import math

import torch
import torch.nn.functional as F


def forward(w, config, ids):
    """w: weights by nanoGPT's names; ids (T,). Returns {trace name: tensor}."""
    D, H = config["n_embd"], config["n_head"]
    T, Dh = len(ids), D // H

    def norm(x, name):
        return F.layer_norm(x, (D,), w[name + ".weight"], w.get(name + ".bias"), 1e-5)

    def linear(x, name):
        return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))

    out = {}
    x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][:T]                     # (T, D)
    out["hidden.embed"] = x
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    for i in range(config["n_layer"]):
        at = f"transformer.h.{i}."
        q, k, v = linear(norm(x, at + "ln_1"), at + "attn.c_attn").split(D, dim=1)             # (T, D) each
        q, k, v = (t.view(T, H, Dh).transpose(0, 1) for t in (q, k, v))                        # (H, T, Dh)
        score = (q @ k.transpose(1, 2) / math.sqrt(Dh)).masked_fill(future, -torch.inf)
        probs = score.softmax(-1)                                                             # (H, T, T)
        out[f"layers.{i}.attn.probs"] = probs
        x = x + linear((probs @ v).transpose(0, 1).reshape(T, D), at + "attn.c_proj")
        x = x + linear(F.gelu(linear(norm(x, at + "ln_2"), at + "mlp.c_fc")), at + "mlp.c_proj")
        out[f"hidden.{i}"] = x
    head = w.get("lm_head.weight", w["transformer.wte.weight"])
    out["logits"] = norm(x, "transformer.ln_f") @ head.T
    return out
