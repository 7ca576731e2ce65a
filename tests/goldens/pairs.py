"""Encoder-decoder models: tiny random T5, BART and Marian (the original post-LN Transformer with sinusoids)."""
import torch
import transformers as hf

from answers import layer_states, randomise, random_ids, stored, write_case


def trace_pair(model, encoder_layers, decoder_layers, ids, decoder_ids):
    """ids (S,) and decoder_ids (T,): the decoder's logits (T, V), every residual stream and map of both stacks."""
    source, a = layer_states(encoder_layers, "encoder.hidden")
    target, b = layer_states(decoder_layers, "decoder.hidden")
    with torch.no_grad():
        out = model(input_ids=ids[None], decoder_input_ids=decoder_ids[None], use_cache=False, output_attentions=True, output_hidden_states=True)
    for h in a + b:
        h.remove()
    golden = {"input_ids": ids, "decoder_input_ids": decoder_ids, "logits": out.logits[0], **source, **target,
              "encoder.hidden.embed": out.encoder_hidden_states[0][0], "decoder.hidden.embed": out.decoder_hidden_states[0][0]}
    for name, maps in (("encoder.layers.{}.attn", out.encoder_attentions), ("decoder.layers.{}.attn", out.decoder_attentions),
                       ("decoder.layers.{}.cross", out.cross_attentions)):
        assert len(maps) == len(encoder_layers if name.startswith("encoder") else decoder_layers)
        for i, probs in enumerate(maps):
            assert (probs.sum(-1) - 1).abs().max() < 1e-5
            golden[name.format(i) + ".probs"] = probs[0]
    return golden


def pair_case(name, model_class, config_class, seed, S, T, dtype=torch.float16, std=0.25, edit=None, sinusoids=False, bias=False, **shape):
    from families import written
    config = config_class(**shape)
    config.architectures = [model_class.__name__]
    model = model_class._from_config(config, attn_implementation="eager").eval()
    randomise(model, seed, std)
    if bias:                                             # of the logits: a buffer that files hold, zeros in most
        model.final_logits_bias.copy_(torch.randn(1, config.vocab_size, generator=torch.Generator().manual_seed(seed + 3)).to(dtype))
    weights = stored(model, dtype, sinusoids)
    inner = model if hasattr(model, "encoder") else model.model
    layers = [stack.block if hasattr(stack, "block") else stack.layers for stack in (inner.encoder, inner.decoder)]
    ids = random_ids(config.vocab_size - 3, S, seed + 1) + 3
    decoder_ids = random_ids(config.vocab_size - 3, T, seed + 2) + 3
    decoder_ids[0] = config.decoder_start_token_id
    write_case(name, written(config, edit), weights, trace_pair(model, *layers, ids, decoder_ids))


def t5_cases():
    def t5(name, seed, S, T, **k):
        base = dict(vocab_size=53, d_model=20, d_kv=6, d_ff=28, num_layers=2, num_heads=4, relative_attention_num_buckets=32,
                    relative_attention_max_distance=128, feed_forward_proj="relu", pad_token_id=0, eos_token_id=1, decoder_start_token_id=0)
        pair_case(name, hf.T5ForConditionalGeneration, hf.T5Config, seed, S, T, **(base | k))

    t5("t5-relu-tied", 900, 19, 12, dtype=torch.float32)                                 # v1.0
    t5("t5-gated-untied", 905, 13, 17, feed_forward_proj="gated-gelu", tie_word_embeddings=False, num_decoder_layers=3)    # v1.1, Flan
    t5("t5-few-buckets", 910, 26, 24, relative_attention_num_buckets=8, relative_attention_max_distance=20, d_kv=5, num_heads=3)
    t5("t5-one-token", 915, 1, 1, feed_forward_proj="gated-gelu", tie_word_embeddings=False, num_layers=1)


def bart_cases():
    def bart(name, seed, S, T, **k):
        base = dict(vocab_size=53, d_model=20, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
                    encoder_ffn_dim=28, decoder_ffn_dim=28, max_position_embeddings=20, activation_function="gelu",
                    pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2)
        pair_case(name, hf.BartForConditionalGeneration, hf.BartConfig, seed, S, T, **(base | k))

    bart("bart-plain", 930, 17, 12)
    bart("bart-scaled", 935, 14, 9, scale_embedding=True, bias=True, activation_function="relu", decoder_layers=3)
    bart("bart-uneven", 940, 8, 20, encoder_attention_heads=2, decoder_attention_heads=5, encoder_ffn_dim=30, decoder_ffn_dim=40, encoder_layers=1)


def marian_cases():
    def marian(name, seed, S, T, **k):
        base = dict(vocab_size=53, decoder_vocab_size=53, d_model=20, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
                    decoder_attention_heads=4, encoder_ffn_dim=28, decoder_ffn_dim=28, max_position_embeddings=20,
                    activation_function="relu", scale_embedding=True, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
                    share_encoder_decoder_embeddings=True, bos_token_id=None,
                    edit={"normalize_before": False, "static_position_embeddings": True})
        pair_case(name, hf.MarianMTModel, hf.MarianConfig, seed, S, T, **(base | k))

    marian("marian-plain", 960, 16, 13)
    marian("marian-swish", 965, 12, 20, activation_function="swish", decoder_layers=3, bias=True, sinusoids=True)     # as the OPUS models
    marian("marian-unscaled", 970, 11, 7, scale_embedding=False, d_model=22, encoder_attention_heads=2, decoder_attention_heads=2)
