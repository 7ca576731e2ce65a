"""What the golden makers share: weights, what transformers computes, the files."""
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent


# -- weights ----------------------------------------------------------------------------------------------------------

def randomise(model, seed, std=0.15):
    """Large enough that attention is far from uniform; norms near 1, biases not zero; sinusoids as they are."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if not p.requires_grad:
                continue
            p.copy_(torch.randn(p.shape, generator=g) * (1.0 if "relative_attention_bias" in name else std))
            if "norm" in name.lower() or "ln_" in name:
                if name.endswith("weight"):
                    p.add_(1.0)


def stored(model, dtype=torch.float32, sinusoids=False):
    """The model's weights as a file would hold them: tied copies once, under the first of their names, and positions that a
    formula gives only where asked for; the model itself gets the rounded values."""
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.copy_(p.to(dtype).float())
    formula = {n for n, p in model.named_parameters() if not p.requires_grad}
    weights, seen = {}, set()
    for name, t in model.state_dict().items():
        if t.data_ptr() not in seen and (sinusoids or name not in formula):
            weights[name] = t.detach().to(torch.float32 if name in formula else dtype).clone().contiguous()
        seen.add(t.data_ptr())
    return weights


def write_case(name, config, weights, golden, shards=1, note=None):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    if shards == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        names = list(weights)
        where = {n: f"model-{1 + i * shards // len(names):05}-of-{shards:05}.safetensors" for i, n in enumerate(names)}
        for file in sorted(set(where.values())):
            save_file({n: weights[n] for n in names if where[n] == file}, folder / file, metadata={"format": "pt"})
        index = {"metadata": {"total_size": sum(t.numel() * t.element_size() for t in weights.values())}, "weight_map": where}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    golden = {n: t.to(torch.int32) if not t.is_floating_point() else t.float() for n, t in golden.items()}
    save_file({n: t.detach().clone().contiguous() for n, t in golden.items()}, folder / "golden.safetensors",
              metadata={"note": note} if note else None)
    size = sum(f.stat().st_size for f in folder.rglob("*"))
    assert size < 300_000, f"{name} is {size} bytes"
    print(f"{name:28} {size:8} bytes, T {len(golden['input_ids'])}")
    return folder


# -- what transformers computes ---------------------------------------------------------------------------------------

def layer_states(layers, name):
    """Hooks that note every residual stream after its layer, before any final norm: {name.i: (T, D)}, to be removed."""
    hidden = {}

    def note(i):
        def hook(module, inputs, out):
            hidden[f"{name}.{i}"] = (out[0] if isinstance(out, tuple) else out)[0].clone()
        return hook

    return hidden, [layer.register_forward_hook(note(i)) for i, layer in enumerate(layers)]


def trace(model, layers, ids):
    """Runs the model on ids (T,): logits, every residual stream, every map."""
    hidden, hooks = layer_states(layers, "hidden")
    with torch.no_grad():
        out = model(ids[None], output_attentions=True, output_hidden_states=True)
    for h in hooks:
        h.remove()
    assert len(out.attentions) == len(hidden) == len(layers)
    golden = {"input_ids": ids, "hidden.embed": out.hidden_states[0][0], **hidden}
    for i, probs in enumerate(out.attentions):
        assert (probs.sum(-1) - 1).abs().max() < 1e-5
        golden[f"layers.{i}.attn.probs"] = probs[0]
    if hasattr(out, "logits"):
        golden["logits"] = out.logits[0]
    else:
        golden["last"] = out.last_hidden_state[0]
    return golden


def random_ids(vocab_size, T, seed):
    return torch.randint(0, vocab_size, (T,), generator=torch.Generator().manual_seed(seed))
