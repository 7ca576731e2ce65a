// A GGUF file in the words of a Hugging Face folder: its keys as a config.json, its tensors by the names that
// architectures ask for. Both are tables; what a table can't say is refused by its key.
#pragma once

#include "engine/architecture.h"
#include "engine/files/gguf.h"

namespace cutaway {

/// The config of general.architecture. `files` must hold a GGUF file. Fails, by file and key, on architectures that are
/// not known and on settings that ours can't take.
Result<Config> gguf_config(const TensorFiles& files);

/// Where a GGUF file keeps what a folder keeps at `source`: its names, its rows. GGUF stores every linear as [out, in].
TensorSource gguf_source(const Gguf&, TensorSource source);
/// "blk.3.attn_q.weight" of "model.layers.3.self_attn.q_proj.weight"; the name itself where the table has none.
std::string gguf_name(const Gguf&, const std::string& name);

}  // namespace cutaway
