// The export sheet (Ctrl+E): which view, which format, which size; a preview at the left; Enter does it again.
#pragma once

#include <QCheckBox>
#include <QDialog>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>

#include "app/export/export.h"
#include "app/window/segments.h"
#include "app/window/stage.h"

namespace cutaway {

class ExportPreview;

class ExportSheet : public QDialog {
  Q_OBJECT

 public:
  ExportSheet(Stage&, QWidget* parent);

  QLineEdit* file() { return file_; }
  Segments* format() { return format_; }
  DropDown* view() { return view_; }
  QPushButton* button() { return export_; }

 signals:
  void exported(const QString& sentence, bool is_error);

 private:
  void fill_choices();
  void lay_out();
  void suggest_name();
  void show_preview();
  void run();
  ExportOptions options() const;

  Stage& stage_;
  ExportPreview* preview_;
  DropDown *view_, *preset_, *colors_;
  Segments* format_;
  QLineEdit* file_;
  QCheckBox *with_text_, *transparent_;
  QLabel* provenance_;
  QPushButton *browse_, *export_, *cancel_;
};

}  // namespace cutaway
