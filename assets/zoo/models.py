"""The siblings' shapes: one place. Same width, context and vocabulary for all, six layers and about three million parameters."""
import torch
from torch import nn
from transformers import (BertConfig, BertForMaskedLM, DeepseekV3Config, DeepseekV3ForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig,
                          LlamaForCausalLM, MarianConfig, MarianMTModel, T5Config, T5ForConditionalGeneration)

from corpus import CLS, EOS, MASK, PAD, SEP, VOCAB_SIZE

D_MODEL, N_LAYERS, N_HEADS, D_FF, N_CTX = 192, 6, 6, 768, 512
D_HEAD = D_MODEL // N_HEADS
JOINT_VOCAB_SIZE = 4096                                  # mini-transformer reads and writes two languages

CAUSAL = ("mini-gpt", "mini-llama", "mini-llama-gqa", "mini-llama-mqa", "mini-llama-mla")
KINDS = CAUSAL + ("mini-prefix", "mini-bert", "mini-t5", "mini-transformer")

# KV heads and feed-forward: what the thinner keys and values save goes into the feed-forward, in steps of 32
LLAMA = {"mini-llama": (6, 512), "mini-prefix": (6, 512), "mini-llama-gqa": (2, 608), "mini-llama-mqa": (1, 608)}
MLA = dict(kv_lora_rank=48, qk_rope_head_dim=16, qk_nope_head_dim=32, v_head_dim=32, q_lora_rank=None, intermediate_size=544)


def llama_shape():
    return dict(vocab_size=VOCAB_SIZE, hidden_size=D_MODEL, num_hidden_layers=N_LAYERS, num_attention_heads=N_HEADS, hidden_act="silu",
                max_position_embeddings=N_CTX, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=True,
                bos_token_id=EOS, eos_token_id=EOS, pad_token_id=PAD)


def config(kind):
    if kind == "mini-gpt":
        return GPT2Config(
            vocab_size=VOCAB_SIZE, n_positions=N_CTX, n_embd=D_MODEL, n_layer=N_LAYERS, n_head=N_HEADS, n_inner=D_FF,
            activation_function="gelu_new", layer_norm_epsilon=1e-5, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
            tie_word_embeddings=True, bos_token_id=EOS, eos_token_id=EOS, pad_token_id=PAD)
    if kind == "mini-bert":
        return BertConfig(
            vocab_size=VOCAB_SIZE, hidden_size=D_MODEL, num_hidden_layers=N_LAYERS, num_attention_heads=N_HEADS,
            intermediate_size=D_FF, max_position_embeddings=N_CTX, type_vocab_size=2, hidden_act="gelu",
            layer_norm_eps=1e-12, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, tie_word_embeddings=True,
            pad_token_id=PAD, cls_token_id=CLS, sep_token_id=SEP, mask_token_id=MASK, eos_token_id=EOS)
    if kind == "mini-llama-mla":                         # dense layers alone: no layer comes after the last dense one
        return DeepseekV3Config(**llama_shape(), **MLA, num_key_value_heads=N_HEADS, first_k_dense_replace=N_LAYERS, rope_interleave=True)
    if kind == "mini-t5":
        return T5Config(
            vocab_size=VOCAB_SIZE, d_model=D_MODEL, d_kv=D_HEAD, d_ff=320, num_layers=3, num_decoder_layers=3, num_heads=N_HEADS,
            relative_attention_num_buckets=32, relative_attention_max_distance=128, dropout_rate=0.0, layer_norm_epsilon=1e-6,
            feed_forward_proj="gated-gelu", tie_word_embeddings=False, pad_token_id=PAD, eos_token_id=EOS, decoder_start_token_id=PAD)
    if kind == "mini-transformer":
        return MarianConfig(
            vocab_size=JOINT_VOCAB_SIZE, decoder_vocab_size=JOINT_VOCAB_SIZE, d_model=D_MODEL, encoder_layers=3, decoder_layers=3,
            encoder_attention_heads=N_HEADS, decoder_attention_heads=N_HEADS, encoder_ffn_dim=512, decoder_ffn_dim=512,
            max_position_embeddings=256, activation_function="relu", scale_embedding=True, dropout=0.1, attention_dropout=0.0,
            activation_dropout=0.0, share_encoder_decoder_embeddings=True, tie_word_embeddings=True, pad_token_id=PAD, eos_token_id=EOS,
            bos_token_id=None, decoder_start_token_id=PAD, forced_eos_token_id=EOS)
    kv_heads, d_ff = LLAMA[kind]
    return LlamaConfig(**llama_shape(), num_key_value_heads=kv_heads, intermediate_size=d_ff)


CLASSES = {GPT2Config: GPT2LMHeadModel, BertConfig: BertForMaskedLM, LlamaConfig: LlamaForCausalLM, DeepseekV3Config: DeepseekV3ForCausalLM,
           T5Config: T5ForConditionalGeneration, MarianConfig: MarianMTModel}


def plain_attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """(B, H, T, Dh) each. On a CPU and for heads this small, two products and a softmax in bf16 take 0.4 to 0.6 of the
    time of torch's fused attention, forward and backward."""
    assert dropout_p == 0.0
    if enable_gqa:
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    q, k = q.to(v.dtype), k.to(v.dtype)                  # rotary embedding leaves them in fp32
    with torch.autocast("cpu", enabled=False):
        score = (q * (scale or q.shape[-1] ** -0.5)) @ k.transpose(-1, -2)                 # (B, H, T, T)
        if is_causal:
            T = q.shape[-2]
            score = score + torch.full((T, T), -1e4, dtype=q.dtype).triu(1)
        elif attn_mask is not None:
            score = score.masked_fill(~attn_mask, -1e4) if attn_mask.dtype == torch.bool else score + attn_mask.to(q.dtype)
        return score.softmax(-1) @ v


if not torch.cuda.is_available():
    torch.nn.functional.scaled_dot_product_attention = plain_attention


def new_model(kind, attention="sdpa"):
    c = config(kind)
    c.use_cache = False
    if kind == "mini-t5":
        attention = "eager"                              # its scores need the bias
    model = CLASSES[type(c)]._from_config(c, attn_implementation=attention)
    if kind == "mini-bert":
        start_local(model)
        return model
    if kind == "mini-gpt":
        for block in model.transformer.h:
            block.mlp.act = nn.GELU(approximate="tanh")      # gelu_new, computed in one go instead of in six
    if kind == "mini-t5":
        for name, p in model.named_parameters():         # as the others; T5's own (embeddings as large as 1) starts at 90 nats
            if p.ndim == 2:
                nn.init.normal_(p, std=0.02)
    if kind == "mini-transformer":
        nn.init.normal_(model.model.shared.weight, std=D_MODEL ** -0.5)      # times sqrt(D): as large as the sinusoids
        for name, p in model.named_parameters():
            if p.ndim == 2 and "layers." in name:
                nn.init.xavier_uniform_(p)
        return model
    for name, p in model.named_parameters():             # GPT-2: residual projections start smaller
        if name.endswith(("c_proj.weight", "o_proj.weight", "down_proj.weight", ".o.weight", ".wo.weight")):
            nn.init.normal_(p, std=0.02 / (2 * N_LAYERS) ** 0.5)
    if kind == "mini-gpt":
        start_local_gpt(model)
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
    return 0.8 * torch.linalg.qr(torch.randn(D_MODEL, D_HEAD))[0].T


@torch.no_grad()
def start_local(bert):
    """Attention that starts flat hardly learns from the few tokens that masking asks: without this, mini-bert stood still
    at 5.5 nats from 1.3 to 2.7 million tokens."""
    bert.bert.embeddings.position_embeddings.weight.copy_(waves())
    for layer in bert.bert.encoder.layer:
        qk = torch.cat([alike() for _ in range(N_HEADS)])               # (D, D), [out, in]
        layer.attention.self.query.weight.copy_(qk)
        layer.attention.self.key.weight.copy_(qk)


@torch.no_grad()
def start_local_gpt(gpt):
    """The same for the positions and the two lowest layers of mini-gpt: a head that soon looks one token back is what an
    induction head is built on."""
    gpt.transformer.wpe.weight.copy_(waves())
    for block in gpt.transformer.h[:2]:
        qk = torch.cat([alike() for _ in range(N_HEADS)]).T             # (D, D), [in, out]
        block.attn.c_attn.weight[:, :D_MODEL] = qk
        block.attn.c_attn.weight[:, D_MODEL:2 * D_MODEL] = qk


def prefix_mask(T, prefix):
    """(1, 1, T, T), to be added: every position sees those before it and the whole prefix."""
    allowed = torch.ones(T, T, dtype=torch.bool).tril()
    allowed[:, :prefix] = True
    return torch.zeros(1, 1, T, T).masked_fill(~allowed, -1e4)


def hidden_states(model, batch):
    """(B, T, D) before the head. batch: ids (B, T) and, by kind, prefix, decoder_ids (B, T'), mask (B, T)."""
    ids = batch["ids"]
    if "decoder_ids" in batch:
        inner = model if isinstance(model, T5ForConditionalGeneration) else model.model
        mask = {"attention_mask": batch["mask"]} if "mask" in batch else {}
        encoded = inner.encoder(ids, **mask)[0]
        cross = {"encoder_attention_mask": batch["mask"]} if "mask" in batch else {}
        return inner.decoder(batch["decoder_ids"], encoder_hidden_states=encoded, use_cache=False, **cross)[0]
    if isinstance(model, BertForMaskedLM):
        return model.bert(ids)[0]
    if isinstance(model, GPT2LMHeadModel):
        return model.transformer(ids)[0]
    mask = {"attention_mask": prefix_mask(ids.shape[1], batch["prefix"]).to(ids.device)} if batch.get("prefix") else {}
    return model.model(ids, use_cache=False, **mask)[0]


def asked(model, batch):
    """(logits (n, V), targets (n,)): only what the loss asks."""
    hidden, y = hidden_states(model, batch), batch["targets"]
    chosen = y >= 0
    head = model.cls if isinstance(model, BertForMaskedLM) else model.lm_head
    return head(hidden[chosen]), y[chosen]


def loss_of(model, batch):
    """Mean cross-entropy in nats over targets >= 0."""
    logits, y = asked(model, batch)
    return nn.functional.cross_entropy(logits.float(), y, label_smoothing=batch.get("smoothing", 0.0))
