"""The siblings' shapes: one place. Same width, depth, context and vocabulary for all."""
import torch
from torch import nn
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

from corpus import CLS, EOS, MASK, PAD, SEP, VOCAB_SIZE

D_MODEL, N_LAYERS, N_HEADS, D_FF, N_CTX = 192, 6, 6, 768, 512


def config(kind):
    if kind == "mini-gpt":
        return GPT2Config(
            vocab_size=VOCAB_SIZE, n_positions=N_CTX, n_embd=D_MODEL, n_layer=N_LAYERS, n_head=N_HEADS, n_inner=D_FF,
            activation_function="gelu_new", layer_norm_epsilon=1e-5, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
            tie_word_embeddings=True, bos_token_id=EOS, eos_token_id=EOS, pad_token_id=PAD)
    return BertConfig(
        vocab_size=VOCAB_SIZE, hidden_size=D_MODEL, num_hidden_layers=N_LAYERS, num_attention_heads=N_HEADS,
        intermediate_size=D_FF, max_position_embeddings=N_CTX, type_vocab_size=2, hidden_act="gelu",
        layer_norm_eps=1e-12, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, tie_word_embeddings=True,
        pad_token_id=PAD, cls_token_id=CLS, sep_token_id=SEP, mask_token_id=MASK, eos_token_id=EOS)


def plain_attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
    """(B, H, T, Dh) each. On a CPU and for heads this small, two products and a softmax in bf16 take 0.4 to 0.6 of the
    time of torch's fused attention, forward and backward."""
    assert attn_mask is None and dropout_p == 0.0
    with torch.autocast("cpu", enabled=False):
        score = (q * (scale or q.shape[-1] ** -0.5)) @ k.transpose(-1, -2)                 # (B, H, T, T)
        if is_causal:
            T = q.shape[-2]
            score = score + torch.full((T, T), -1e4, dtype=q.dtype).triu(1)
        return score.softmax(-1) @ v


if not torch.cuda.is_available():
    torch.nn.functional.scaled_dot_product_attention = plain_attention


def new_model(kind, attention="sdpa"):
    c = config(kind)
    if kind == "mini-gpt":
        c.use_cache = False
        model = GPT2LMHeadModel._from_config(c, attn_implementation=attention)
        for block in model.transformer.h:
            block.mlp.act = nn.GELU(approximate="tanh")      # gelu_new, computed in one go instead of in six
        for name, p in model.named_parameters():             # GPT-2: residual projections start smaller
            if name.endswith("c_proj.weight"):
                nn.init.normal_(p, std=0.02 / (2 * N_LAYERS) ** 0.5)
        return model
    model = BertForMaskedLM._from_config(c, attn_implementation=attention)
    start_local(model)
    return model


@torch.no_grad()
def waves():
    """Positions start as waves from 4 to 512 tokens long (and are learned from there): (N_CTX, D_MODEL)"""
    wave = 1.57 * (0.012 / 1.57) ** (torch.arange(D_MODEL // 2) / (D_MODEL // 2 - 1))
    angle = torch.arange(N_CTX)[:, None] * wave
    return 0.03 * torch.cat([angle.sin(), angle.cos()], 1)


@torch.no_grad()
def alike():
    """One random projection (Dh, D) for a head's q and k: such a head begins by looking where positions and words are
    alike, which is nearby. (Compare Trockman and Kolter 2023, "Mimetic initialization".)"""
    return 0.8 * torch.linalg.qr(torch.randn(D_MODEL, D_MODEL // N_HEADS))[0].T


@torch.no_grad()
def start_local(bert):
    """Attention that starts flat hardly learns from the few tokens that masking asks: without this, mini-bert stood still
    at 5.5 nats from 1.3 to 2.7 million tokens."""
    bert.bert.embeddings.position_embeddings.weight.copy_(waves())
    for layer in bert.bert.encoder.layer:
        qk = torch.cat([alike() for _ in range(N_HEADS)])               # (D, D), [out, in]
        layer.attention.self.query.weight.copy_(qk)
        layer.attention.self.key.weight.copy_(qk)


def loss_of(model, kind, ids, targets):
    """Mean cross-entropy in nats over targets >= 0 (mini-gpt: targets are the ids themselves, shifted here)."""
    if kind == "mini-gpt":
        hidden = model.transformer(ids)[0]                              # (B, T, D)
        logits, y = model.lm_head(hidden[:, :-1]), ids[:, 1:]            # (B, T-1, V)
    else:
        hidden = model.bert(ids)[0]
        chosen = targets >= 0
        logits, y = model.cls(hidden[chosen]), targets[chosen]           # (n, V): only what is asked
    return nn.functional.cross_entropy(logits.float().reshape(-1, logits.shape[-1]), y.reshape(-1))
