#include "tests/support/goldens.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTemporaryDir>
#include <QtTest>

#include <cmath>

#include "engine/architecture.h"
#include "engine/files/tensor_files.h"
#include "engine/session.h"
#include "tests/support/golden_folders.h"
#include "tests/support/tiny_folder.h"

namespace cutaway::tests {
namespace {

constexpr double tolerance = 1e-4;  // max|a - b| / max(1, max|b|)

std::vector<float> floats(const cutaway::FileTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(elements(tensor.shape)));
  to_float({tensor.data.data(), *tensor.dtype, tensor.shape}, values.data());
  return values;
}

std::vector<float> floats(const TensorFiles& files, const std::string& name) {
  const cutaway::FileTensor* tensor = files.find(name);
  if (!tensor) qFatal("%s lacks %s", files.name().c_str(), name.c_str());
  return floats(*tensor);
}

std::vector<int32_t> ids_of(const std::vector<float>& numbers) { return {numbers.begin(), numbers.end()}; }

/// The whole map of a block, (H, T, S), 0 where masked, as the golden files have it.
Result<std::vector<float>> whole_map(const Run& got, NodeId node) {
  std::vector<float> map;
  for (int64_t h = 0; h < (*got.step->model->graph)[node].params.heads; ++h) {
    auto head = probs(got, node, h);
    if (!head) return head;
    for (float p : *head) map.push_back(p == masked_cell ? 0 : p);
  }
  return map;
}

/// What a run says under a public name; nothing for a name that is not a tensor of the model.
std::vector<float> named(const Run& got, const std::string& name) {
  if (name == "logits") return got.logits;
  if (name == "embedding") return got.pooled;
  if (const auto rows = got.rows.find(name); rows != got.rows.end()) return rows->second;
  const NodeId node = got.step->graph().named(name);
  if (node == no_node || got.step->graph()[node].role != Role::Probs) return {};
  const auto map = whole_map(got, node);
  return map ? *map : std::vector<float>{};
}

const QString shared_data = QString(CUTAWAY_SOURCE_DIR) + "/../shared/data/";
const char* const no_gpt_nano = "there is no ../shared/data/gpt-nano-sort.safetensors";

/// minGPT's layout is nanoGPT's with the tanh GELU and a head of its own. Null where the file is not on this machine.
ModelPtr gpt_nano(const QTemporaryDir& place) {
  if (!QFile::copy(shared_data + "gpt-nano-sort.safetensors", place.filePath("model.safetensors"))) return nullptr;
  write_file(place.filePath("config.json"),
             R"({"model_type": "nanogpt", "n_layer": 3, "n_head": 3, "n_embd": 48, "vocab_size": 3, "block_size": 11,
                 "activation_function": "gelu_new", "tie_word_embeddings": false})");
  const auto model = open_model(place.path().toStdString(), {});
  if (!model) qFatal("%s", model.error().text.c_str());
  return *model;
}

}  // namespace

void TestGoldens::folders() {
  QTest::addColumn<QString>("folder");
  QTest::addColumn<int>("contender");
  for (const QString& name : golden_folders()) {
    const QString folder = QString(CUTAWAY_SOURCE_DIR) + "/tests/goldens/" + name;
    for (size_t b = 0; b < contenders_.size(); ++b)
      QTest::addRow("%s on %s", qPrintable(name), contenders_[b].backend->info().name.c_str())
          << folder << static_cast<int>(b);
  }
}

void TestGoldens::three_of_every_model_type() {
  for (const Architecture& architecture : architectures())
    for (std::string_view type : architecture.model_types) {
      const auto folders = golden_folders_of(QString::fromUtf8(type.data(), static_cast<qsizetype>(type.size())));
      QVERIFY2(folders.size() >= 3, qPrintable(QString("%1 of \"%2\"").arg(folders.size()).arg(type.data())));
    }
}

void TestGoldens::hold_against_golden(int64_t piece) {
  QFETCH(QString, folder);
  QFETCH(int, contender);
  const auto model = open_model(folder.toStdString(), {});
  QVERIFY2(model, model ? "" : model.error().text.c_str());
  const Graph& graph = *(*model)->graph;
  if (piece && graph.cache_values_per_token() == 0) QSKIP("this model keeps no keys and values");
  const auto golden = TensorFiles::open_file((folder + "/golden.safetensors").toStdString());
  QVERIFY2(golden, golden ? "" : golden.error().text.c_str());
  const auto& backend = contenders_[static_cast<size_t>(contender)].backend;
  std::vector<int32_t> ids = ids_of(floats(**golden, "input_ids")), source;
  if ((*model)->spec.encoder_decoder()) source = std::exchange(ids, ids_of(floats(**golden, "decoder_input_ids")));
  const auto got = run(backend, *model, all_taps(graph), ids, (*model)->spec.masks, piece, source);
  QVERIFY2(got, got ? "" : got.error().text.c_str());
  size_t compared = 0;
  for (const cutaway::FileTensor& want : (*golden)->tensors()) {
    if (want.name.ends_with("input_ids") || want.name == "pooled") continue;  // pooled: before it is made of length 1
    const double off = difference(named(*got, want.name), floats(want));
    QVERIFY2(off <= tolerance, qPrintable(QString("%1 is off by %2").arg(want.name.c_str()).arg(off)));
    ++compared;
  }
  QVERIFY(compared >= static_cast<size_t>(2 * (*model)->spec.n_layers() + 1));
}

void TestGoldens::whole() { hold_against_golden(0); }
void TestGoldens::token_by_token() { hold_against_golden(1); }

void TestGoldens::bundled_data() {
  QTest::addColumn<QString>("name");
  QTest::addColumn<int>("contender");
  const QStringList names = golden_bundled();
  QVERIFY(names.contains("mini-gpt") && names.contains("mini-bert"));
  for (const QString& name : names)
    for (size_t b = 0; b < contenders_.size(); ++b)
      QTest::addRow("%s on %s", qPrintable(name), contenders_[b].backend->info().name.c_str())
          << name << static_cast<int>(b);
}

void TestGoldens::bundled() {
  QFETCH(QString, name);
  QFETCH(int, contender);
  const std::shared_ptr<Backend>& backend = contenders_[static_cast<size_t>(contender)].backend;
  const QString root = QString(CUTAWAY_SOURCE_DIR), golden = root + "/tests/goldens/" + name;
  const auto model = open_model((root + "/assets/models/" + name).toStdString(), {});
  QVERIFY2(model, model ? "" : model.error().text.c_str());
  QFile said_file(golden + "/golden.json");
  QVERIFY(said_file.open(QIODevice::ReadOnly));
  const QJsonObject said = QJsonDocument::fromJson(said_file.readAll()).object();
  const auto numbers = [&said](const char* key) {
    std::vector<int32_t> ids;
    for (const QJsonValue& id : said[key].toArray()) ids.push_back(id.toInt());
    return ids;
  };
  const std::vector<int32_t> ids = numbers("input_ids");
  const auto got = run(backend, *model, all_taps(*(*model)->graph), ids, (*model)->spec.masks);
  QVERIFY2(got, got ? "" : got.error().text.c_str());
  const auto files = TensorFiles::open_file((golden + "/golden.safetensors").toStdString());
  QVERIFY(files);
  const int64_t V = (*model)->spec.vocab_size, position = said["position"].toInt();
  for (const cutaway::FileTensor& want : (*files)->tensors()) {
    if (want.name == "input_ids") continue;
    const auto row = got->logits.begin() + position * V;
    const std::vector<float> mine = want.name == "logits" ? std::vector<float>(row, row + V) : named(*got, want.name);
    const double off = difference(mine, floats(want));
    QVERIFY2(off <= tolerance, qPrintable(QString("%1 is off by %2").arg(want.name.c_str()).arg(off)));
  }
  const std::vector<int32_t> greedy = numbers("greedy_ids");
  if (greedy.empty()) return;
  auto session = Session::start(*model, backend);
  QVERIFY(session && (*session)->read_ids(ids));
  for (int32_t id : greedy) {
    QVERIFY((*session)->step({}));
    QCOMPARE((*session)->now()->ids.back(), id);
  }
}

void TestGoldens::gpt_nano_activations() {
  const QTemporaryDir place;
  const ModelPtr model = gpt_nano(place);
  if (!model) QSKIP(no_gpt_nano);
  const auto golden = TensorFiles::open_file((shared_data + "gpt-nano-sort.golden.safetensors").toStdString());
  QVERIFY(golden);
  const auto idx = ids_of(floats(**golden, "ref.idx"));
  const auto part = [&](const std::string& name, size_t batch) {
    const auto all = floats(**golden, name);
    const auto begin = all.begin() + static_cast<int64_t>(batch * all.size() / 3);
    return std::vector<float>(begin, begin + static_cast<int64_t>(all.size() / 3));
  };
  const auto by_head = [&](const std::string& name, size_t batch) {  // (3, 11, 16) as rows
    const auto values = part(name, batch);
    std::vector<float> rows;
    for (size_t t = 0; t < 11; ++t)
      for (size_t h = 0; h < 3; ++h)
        rows.insert(rows.end(), &values[(h * 11 + t) * 16], &values[(h * 11 + t) * 16] + 16);
    return rows;
  };
  for (const Contender& on : contenders_)
    for (size_t batch = 0; batch < 3; ++batch) {
      const std::vector<int32_t> ids(idx.begin() + static_cast<int64_t>(batch) * 11,
                                     idx.begin() + static_cast<int64_t>(batch + 1) * 11);
      const auto got = run(on.backend, model, all_taps(*model->graph), ids, model->spec.masks);
      QVERIFY2(got, got ? "" : got.error().text.c_str());
      for (const char* name : {"q", "k", "v"})
        QVERIFY(difference(named(*got, std::string("layers.0.attn.") + name),
                           by_head(std::string("ref.") + name, batch)) <= tolerance);
      QVERIFY(difference(named(*got, "hidden.embed"), part("ref.x", batch)) <= tolerance);
      QVERIFY(difference(named(*got, "layers.0.attn.probs"), part("ref.attSm", batch)) <= tolerance);
      for (int i = 0; i < 3; ++i) {
        QVERIFY(difference(named(*got, fmt::format("hidden.{}", i)), part(fmt::format("ref.block{}", i), batch)) <=
                tolerance);
        QVERIFY(difference(named(*got, fmt::format("layers.{}.attn.probs", i)),
                           part(fmt::format("f64.attn_probs.{}", i), batch)) <= tolerance);
      }
      QVERIFY(difference(got->logits, part("f64.logits", batch)) <= tolerance);
    }
}

void TestGoldens::gpt_nano_sorts_everything() {
  const QTemporaryDir place;
  const ModelPtr model = gpt_nano(place);
  if (!model) QSKIP(no_gpt_nano);
  const auto golden = TensorFiles::open_file((shared_data + "gpt-nano-sort.golden.safetensors").toStdString());
  QVERIFY(golden);
  const auto inputs = ids_of(floats(**golden, "sort.inputs")), outputs = ids_of(floats(**golden, "sort.outputs"));
  for (const Contender& on : contenders_) {
    auto session = Session::start(model, on.backend);
    QVERIFY(session);
    int sorted = 0;
    for (int64_t row = 0; row < 729; ++row) {
      QVERIFY((*session)->read_ids({inputs.begin() + row * 6, inputs.begin() + row * 6 + 6}));
      // Six letters are asked for; the eleven positions hold the first five of them, the sixth needs no further step.
      bool right = true;
      for (int64_t i = 0; i < 6; ++i) {
        right = right && (*session)->now()->best[0].id == outputs[static_cast<size_t>(row * 6 + i)];
        if (i < 5) QVERIFY((*session)->step({}));
      }
      sorted += right;
    }
    QCOMPARE(sorted, 729);
  }
}

}  // namespace cutaway::tests
