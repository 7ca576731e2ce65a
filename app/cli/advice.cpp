#include "app/cli/advice.h"

namespace cutaway {

namespace {

constexpr std::string_view decoders[] = {"mini-gpt", "gpt2",      "gpt2-medium", "gpt2-large",
                                         "gpt2-xl",  "gpt3-2.7b", "gpt3-6.7b",   "gpt3-175b"};
constexpr std::string_view encoders[] = {"mini-bert", "bert-base", "bert-large"};
constexpr std::string_view sentence_encoders[] = {"all-minilm-l6-v2"};

constexpr Option decoder = {"decoder", "mha", "causal", "dense", "causal-lm", decoders};
constexpr Option prefix_decoder = {"decoder", "mha", "prefix", "dense", "prefix-lm", decoders};
constexpr Option window_decoder = {"decoder", "mha", "window", "dense", "causal-lm", decoders};
constexpr Option encoder = {"encoder", "mha", "bidirectional", "dense", "masked-lm", encoders};
constexpr Option sentence_encoder = {"encoder", "mha", "bidirectional", "dense", "contrastive", sentence_encoders};
constexpr Option encoder_decoder = {"encoder-decoder", "mha", "bidirectional, causal, cross", "dense",
                                    "span-corruption", {}};

constexpr Advice table[] = {
    {Task::Chat, &decoder,
     "Each token is predicted from those before it, so a cached step reads one new token whatever the length",
     "Radford et al. 2019; Brown et al. 2020, arXiv 2005.14165"},
    {Task::Chat, &encoder_decoder,
     "Can answer too, but each turn changes the source, so the encoder reads the whole dialogue again",
     "Raffel et al. 2019, arXiv 1910.10683, section 3.2"},

    {Task::Code, &decoder,
     "Code is written left to right from its own context; next-token training on code is enough for completion",
     "Chen et al. 2021, arXiv 2107.03374"},
    {Task::Code, &encoder,
     "Reads code in both directions and is good for search and labels, but writes nothing longer than its masks",
     "Feng et al. 2020, arXiv 2002.08155"},

    {Task::Classification, &encoder,
     "Every token sees the whole text from both sides, and one pass gives the answer: no cache, no generated tokens",
     "Devlin et al. 2018, arXiv 1810.04805, sections 3 and 4"},
    {Task::Classification, &decoder,
     "Can be asked in words without training, but sees each token's left side only and reads its cache for every "
     "answer",
     "Brown et al. 2020, arXiv 2005.14165, section 3.7"},

    {Task::Embedding, &sentence_encoder,
     "The mean of the token vectors is trained so that the cosine of two texts is their similarity",
     "Reimers and Gurevych 2019, arXiv 1908.10084"},
    {Task::Embedding, &encoder,
     "The same body without that training: its raw mean or first vector ranks sentences badly, so it wants fine-tuning",
     "Reimers and Gurevych 2019, arXiv 1908.10084, table 1"},

    {Task::Translation, &encoder_decoder,
     "The source is read once from both sides; its cross-attention keys stay constant while the target grows",
     "Vaswani et al. 2017, arXiv 1706.03762; Raffel et al. 2019, arXiv 1910.10683, table 2"},
    {Task::Translation, &prefix_decoder,
     "With a prefix mask one stack reads the source from both sides and goes on causally; half the parameters, a "
     "little worse "
     "at equal compute",
     "Raffel et al. 2019, arXiv 1910.10683, section 3.2 and table 2"},

    {Task::Summary, &encoder_decoder,
     "A long source is read once from both sides and its keys are computed once; the short summary alone grows the "
     "cache",
     "Lewis et al. 2019, arXiv 1910.13461; Raffel et al. 2019, arXiv 1910.10683, table 2"},
    {Task::Summary, &prefix_decoder,
     "With a prefix mask one stack reads the source from both sides; source and summary share one cache",
     "Raffel et al. 2019, arXiv 1910.10683, section 3.2"},

    {Task::Infilling, &encoder,
     "Fills each masked token from both sides in one pass, when the number of missing tokens is known",
     "Devlin et al. 2018, arXiv 1810.04805, section 3.1"},
    {Task::Infilling, &encoder_decoder,
     "Fills gaps of unknown length: a sentinel stands for each gap and the decoder writes what belongs there",
     "Raffel et al. 2019, arXiv 1910.10683, section 3.1.4"},
    {Task::Infilling, &decoder,
     "Needs training on texts whose middle was moved to the end; then it fills and generates with one model",
     "Bavarian et al. 2022, arXiv 2207.14255"},

    {Task::Stream, &window_decoder,
     "A window keeps the last N keys, so memory stops growing; what is older reaches a token through the layers alone",
     "Child et al. 2019, arXiv 1904.10509; Beltagy et al. 2020, arXiv 2004.05150"},
    {Task::Stream, &decoder,
     "Sees all of the past, but the cache grows with every token and learned positions end at the model's context",
     "Radford et al. 2019"},
};

constexpr TaskName names[] = {
    {"chat", Task::Chat},
    {"code", Task::Code},
    {"classification", Task::Classification},
    {"embedding", Task::Embedding},
    {"translation", Task::Translation},
    {"summary", Task::Summary},
    {"infilling", Task::Infilling},
    {"stream", Task::Stream},
};

}  // namespace

std::span<const Advice> advice() { return table; }
std::span<const TaskName> task_names() { return names; }

}  // namespace cutaway
