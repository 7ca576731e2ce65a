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
def start_local(bert):
    """Masked training hardly moves while attention is flat. So positions start as waves, and each head's q and k start
    as the same random projection: a head begins by looking where positions (and words) are alike, which is nearby.
    (Compare Trockman and Kolter 2023, "Mimetic initialization".)"""
    wave = 1.57 * (0.012 / 1.57) ** (torch.arange(D_MODEL // 2) / (D_MODEL // 2 - 1))     # from 4 to 512 tokens long
    angle = torch.arange(N_CTX)[:, None] * wave
    bert.bert.embeddings.position_embeddings.weight.copy_(0.03 * torch.cat([angle.sin(), angle.cos()], 1))
    for layer in bert.bert.encoder.layer:
        qk = torch.cat([torch.linalg.qr(torch.randn(D_MODEL, D_MODEL // N_HEADS))[0].T for _ in range(N_HEADS)])   # (D, D)
        layer.attention.self.query.weight.copy_(0.8 * qk)
        layer.attention.self.key.weight.copy_(0.8 * qk)


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
