"""Tiny random models of every family beside GPT-2 and BERT: what transformers answers. make.py writes them."""
import inspect

import torch
import transformers as hf

import pairs
from answers import randomise, random_ids, stored, trace, write_case

# what says nothing about the answer, or what no published config.json holds
NOISE = {"self", "kwargs", "initializer_range", "initializer_factor", "use_cache", "attention_dropout", "hidden_dropout", "resid_pdrop",
         "embd_pdrop", "attn_pdrop", "pretraining_tp", "dropout", "activation_dropout", "classifier_dropout", "classifier_dropout_prob",
         "attention_probs_dropout_prob", "hidden_dropout_prob", "dropout_rate", "layer_types", "summary_type", "summary_use_proj",
         "summary_activation", "summary_proj_to_labels", "summary_first_dropout", "validate_runner_input",
         "inference_runner", "is_encoder_decoder", "encoder_layerdrop", "decoder_layerdrop", "num_labels", "position_embedding_type",
         "attention_bias_checks", "reference_compile", "repad_logits_with_grad", "sparse_prediction", "sparse_pred_ignore_index",
         "classifier_bias", "classifier_activation", "classifier_pooling", "mlp_dropout", "embedding_dropout", "deterministic_flash_attn",
         "initializer_cutoff_factor", "cls_token_id", "sep_token_id", "forced_eos_token_id", "init_std", "num_experts_per_tok", "n_routed_experts", "n_shared_experts", "n_group",
         "topk_group", "routed_scaling_factor", "norm_topk_prob", "moe_intermediate_size"}


def written(config, edit=None):
    """config.json as a hub file has it: what the class's constructor takes, without what is NOISE here."""
    keys = set(inspect.signature(type(config).__init__).parameters) - NOISE
    said = {k: v for k, v in config.to_dict().items() if k in keys}
    said |= {"model_type": config.model_type, "architectures": config.architectures, "tie_word_embeddings": config.tie_word_embeddings}
    if config.is_encoder_decoder:
        said |= {"decoder_start_token_id": config.decoder_start_token_id, "is_encoder_decoder": True}
    said |= edit or {}
    null_means_something = {"sliding_window", "rope_scaling", "q_lora_rank", "n_inner", "attn_logit_softcapping", "final_logit_softcapping"}
    return {k: v for k, v in said.items() if v is not None or k in null_means_something}


def body(model):
    """The list of layers, wherever the class keeps it."""
    for inner in ("model", "transformer", "bert", "roberta"):
        if hasattr(model, inner):
            model = getattr(model, inner)
    if hasattr(model, "encoder"):
        model = model.encoder
    for name in ("layers", "layer", "h"):
        if hasattr(model, name):
            return getattr(model, name)
    raise ValueError(type(model))


def case(name, model_class, config_class, seed, T, dtype=torch.float16, std=0.25, smallest_id=0, edit=None, **shape):
    config = config_class(attn_implementation="eager", **shape)
    config.architectures = [model_class.__name__]
    model = model_class._from_config(config, attn_implementation="eager").eval()
    randomise(model, seed, std)
    weights = stored(model, dtype)
    ids = random_ids(config.vocab_size - smallest_id, T, seed + 1) + smallest_id
    golden = trace(model, body(model), ids)
    write_case(name, written(config, edit), weights, golden)


LLAMA = dict(vocab_size=53, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=0, pad_token_id=None)


def llama_cases():
    def llama(name, seed, T, **k):
        case(name, hf.LlamaForCausalLM, hf.LlamaConfig, seed, T, **(LLAMA | k))

    llama("llama-gqa", 300, 19, dtype=torch.float32)
    llama("llama-mha-tied", 305, 1, tie_word_embeddings=True, num_key_value_heads=4, rope_theta=500.0)
    llama("llama-mqa", 310, 23, num_key_value_heads=1, head_dim=10, num_hidden_layers=3, hidden_size=20)
    llama("llama-bias", 315, 13, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-2)
    llama("llama-rope-llama3", 320, 24, head_dim=16, num_attention_heads=2, num_key_value_heads=1, rope_theta=1e3, max_position_embeddings=128,
          rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                        "original_max_position_embeddings": 32})
    llama("llama-rope-linear", 325, 21, rope_scaling={"rope_type": "linear", "factor": 2.5},
          edit={"rope_scaling": {"type": "linear", "factor": 2.5}})                     # as older files say it
    llama("llama-rope-dynamic", 330, 18, max_position_embeddings=18, rope_scaling={"rope_type": "dynamic", "factor": 2.0})
    llama("llama-rope-yarn", 335, 24, head_dim=16, num_attention_heads=2, rope_theta=1e3, max_position_embeddings=64,
          rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 4.0, "beta_slow": 1.0})
    llama("llama-rope-longrope", 340, 14, num_attention_heads=4, head_dim=8, max_position_embeddings=64,
          original_max_position_embeddings=16, edit={"original_max_position_embeddings": 16},        # as Phi-3's files say it
          rope_scaling={"rope_type": "longrope", "short_factor": [1.0, 1.25, 1.5, 2.0], "long_factor": [2.0, 3.0, 4.0, 5.0],
                        "factor": 4.0, "original_max_position_embeddings": 16})


def mistral_cases():
    def mistral(name, seed, T, **k):
        case(name, hf.MistralForCausalLM, hf.MistralConfig, seed, T, **(LLAMA | k))

    mistral("mistral-window", 400, 25, sliding_window=7)
    mistral("mistral-window-one", 405, 11, sliding_window=1, num_key_value_heads=1)     # a token sees itself alone
    mistral("mistral-no-window", 410, 17, sliding_window=None, head_dim=10, rope_theta=1e6)


def qwen_cases():
    def qwen(kind, name, seed, T, **k):
        c = {"qwen2": (hf.Qwen2ForCausalLM, hf.Qwen2Config), "qwen3": (hf.Qwen3ForCausalLM, hf.Qwen3Config)}[kind]
        case(name, *c, seed, T, **(LLAMA | k))

    qwen("qwen2", "qwen2-plain", 450, 17)
    qwen("qwen2", "qwen2-tied", 455, 12, tie_word_embeddings=True, num_key_value_heads=4, rope_theta=1e6,
         edit={"sliding_window": 4, "use_sliding_window": False})                       # a window that is said and not used
    qwen("qwen2", "qwen2-upper-window", 460, 22, num_hidden_layers=3, use_sliding_window=True, sliding_window=5, max_window_layers=1,
         num_key_value_heads=1)
    qwen("qwen3", "qwen3-plain", 470, 17, head_dim=8)
    qwen("qwen3", "qwen3-tied", 475, 20, head_dim=6, tie_word_embeddings=True, num_key_value_heads=1)
    qwen("qwen3", "qwen3-bias", 480, 9, head_dim=12, attention_bias=True, num_attention_heads=3, num_key_value_heads=3, num_hidden_layers=3,
         rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16})


def gemma2_cases():
    def gemma2(name, seed, T, **k):
        base = dict(head_dim=8, query_pre_attn_scalar=10, sliding_window=6, attn_logit_softcapping=3.0, final_logit_softcapping=4.0)
        case(name, hf.Gemma2ForCausalLM, hf.Gemma2Config, seed, T, **(LLAMA | base | k))

    gemma2("gemma2-plain", 500, 21)
    gemma2("gemma2-three-layers", 505, 15, num_hidden_layers=3, head_dim=10, num_key_value_heads=1, sliding_window=3)
    gemma2("gemma2-uncapped", 510, 12, attn_logit_softcapping=None, final_logit_softcapping=None, num_key_value_heads=4)


def olmo2_cases():
    def olmo2(name, seed, T, **k):
        case(name, hf.Olmo2ForCausalLM, hf.Olmo2Config, seed, T, **(LLAMA | k))

    olmo2("olmo2-plain", 550, 17, num_key_value_heads=4)
    olmo2("olmo2-gqa", 555, 20, rope_theta=5e5, rms_norm_eps=1e-6)
    olmo2("olmo2-mqa", 560, 14, num_key_value_heads=1, num_hidden_layers=3, tie_word_embeddings=True)


def falcon_cases():
    def falcon(name, seed, T, **k):
        base = dict(vocab_size=53, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64,
                    bos_token_id=0, eos_token_id=0)
        case(name, hf.FalconForCausalLM, hf.FalconConfig, seed, T, **(base | k))

    falcon("falcon-multi-query", 600, 19)                          # as in Falcon-7B
    falcon("falcon-new-decoder", 605, 16, new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=2)   # Falcon-40B
    falcon("falcon-one-norm", 607, 12, new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1)      # Falcon-2 11B
    falcon("falcon-alibi", 610, 18, alibi=True, multi_query=False, parallel_attn=False, bias=True, num_attention_heads=6)   # Falcon-RW
    falcon("falcon-bias", 615, 11, multi_query=False, bias=True, parallel_attn=True, ffn_hidden_size=50, num_hidden_layers=3,
           rope_theta=700.0)


def gpt_bigcode_cases():
    def bigcode(name, seed, T, **k):
        base = dict(vocab_size=53, n_positions=40, n_embd=24, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0,
                    activation_function="gelu_pytorch_tanh")
        case(name, hf.GPTBigCodeForCausalLM, hf.GPTBigCodeConfig, seed, T, **(base | k))

    bigcode("gpt-bigcode-mqa", 650, 19)
    bigcode("gpt-bigcode-mha", 655, 15, multi_query=False)
    bigcode("gpt-bigcode-full", 660, 24, n_positions=24, n_inner=60, n_embd=18, n_head=3, n_layer=3, layer_norm_epsilon=1e-3)
    bigcode("gpt-bigcode-unscaled", 665, 8, scale_attn_weights=False, multi_query=False, n_head=2, tie_word_embeddings=False)


def deepseek_cases():
    def deepseek(name, seed, T, **k):
        base = dict(num_key_value_heads=4, kv_lora_rank=10, q_lora_rank=None, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=5,
                    first_k_dense_replace=k.get("num_hidden_layers", 2), rope_interleave=True)
        case(name, hf.DeepseekV3ForCausalLM, hf.DeepseekV3Config, seed, T, **(LLAMA | base | k))

    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 4.0, "beta_slow": 1.0}
    deepseek("deepseek-v3-lite", 700, 19, dtype=torch.float32)
    deepseek("deepseek-v3-lora-q", 705, 17, q_lora_rank=12, v_head_dim=8, num_hidden_layers=3)
    deepseek("deepseek-v3-yarn", 710, 22, q_lora_rank=9, qk_rope_head_dim=8, rope_scaling=yarn | {"mscale": 1.0, "mscale_all_dim": 1.0})
    deepseek("deepseek-v3-yarn-plain", 715, 21, qk_rope_head_dim=6, rope_theta=1e3, tie_word_embeddings=True, rope_scaling=yarn)
    deepseek("deepseek-v3-halves", 720, 13, rope_interleave=False, attention_bias=True, q_lora_rank=8, num_attention_heads=3,
             num_key_value_heads=3)


def encoder_cases():
    def roberta(name, seed, T, smallest_id=3, **k):
        base = dict(vocab_size=53, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40, max_position_embeddings=34,
                    type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2)
        case(name, hf.RobertaForMaskedLM, hf.RobertaConfig, seed, T, smallest_id=smallest_id, **(base | k))

    def modernbert(name, seed, T, **k):
        base = dict(vocab_size=53, hidden_size=24, num_hidden_layers=4, num_attention_heads=4, intermediate_size=20, max_position_embeddings=64,
                    global_attn_every_n_layers=3, local_attention=8, global_rope_theta=1600.0, local_rope_theta=100.0, norm_eps=1e-5,
                    pad_token_id=0, bos_token_id=1, eos_token_id=2, reference_compile=False)
        case(name, hf.ModernBertForMaskedLM, hf.ModernBertConfig, seed, T, smallest_id=3, **(base | k))

    roberta("roberta-plain", 800, 17)
    roberta("roberta-full", 805, 21, max_position_embeddings=23, num_attention_heads=3, num_hidden_layers=3)   # 2 rows before the first token's
    roberta("roberta-pad-three", 810, 9, pad_token_id=3, smallest_id=4, type_vocab_size=2, layer_norm_eps=1e-12)
    modernbert("modernbert-plain", 820, 22)
    modernbert("modernbert-every-two", 825, 18, global_attn_every_n_layers=2, local_attention=4, num_hidden_layers=3, num_attention_heads=2)
    modernbert("modernbert-bias", 830, 13, attention_bias=True, mlp_bias=True, norm_bias=True, num_hidden_layers=3)


def all_cases():
    for make in (llama_cases, mistral_cases, qwen_cases, gemma2_cases, olmo2_cases, falcon_cases, gpt_bigcode_cases, deepseek_cases,
                 encoder_cases, pairs.t5_cases, pairs.bart_cases, pairs.marian_cases):
        make()
