// What runs, as switches: model, attention kind, mask, precision, back end. What differs from the checkpoint is
// underlined; a switch that is impossible stays in sight with its reason.
#pragma once

#include <QLabel>
#include <QPushButton>
#include <QSpinBox>
#include <QWidget>

#include "app/cli/library.h"
#include "app/window/segments.h"
#include "app/window/stage.h"
#include "engine/switch.h"

namespace cutaway {

class SwitchBar : public QWidget {
  Q_OBJECT

 public:
  SwitchBar(Stage&, QWidget* parent = nullptr);

  /// Models of the first drop-down: bundled ones, then the user's folders.
  void set_models(const std::vector<std::pair<QString, std::string>>& names_and_targets);
  void set_devices(const std::vector<DeviceEntry>&);

  DropDown* models() { return model_; }
  Segments* masks() { return mask_; }
  Segments* attention() { return attention_; }
  DropDown* attention_number() { return attention_n_; }
  DropDown* backends() { return backend_; }
  QSpinBox* mask_number() { return mask_n_; }

 signals:
  void compare_asked();

 protected:
  void resizeEvent(QResizeEvent*) override;

 private:
  void say_words();
  void show_setup();
  std::vector<SwitchChoice> choices() const;  // of the checkpoint that runs; empty for a trace
  void pick_attention(int kind);
  void pick_attention_number(int64_t number);
  void ask_for(const std::string& attention);
  void show_attention();
  void pick_mask(int kind);
  void pick_number(int n);
  void fold();
  QLabel* label(Word);

  Stage& stage_;
  DropDown *model_, *precision_, *backend_, *attention_n_;
  Segments *attention_, *mask_;
  QSpinBox* mask_n_;
  QLabel* badge_;
  QPushButton* back_;
  std::vector<QLabel*> labels_;
  std::vector<DeviceEntry> devices_;
};

}  // namespace cutaway
