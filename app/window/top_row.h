// The first line: menus, where one is, the command field, the device and the export button.
#pragma once

#include <QLabel>
#include <QMenuBar>
#include <QPushButton>
#include <QWidget>

#include "app/window/stage.h"

namespace cutaway {

class TopRow : public QWidget {
  Q_OBJECT

 public:
  TopRow(Stage&, QWidget* parent = nullptr);
  QMenuBar* menus() { return menus_; }
  QPushButton* export_button() { return export_; }
  QPushButton* command_field() { return field_; }

 private:
  void say_place();
  void color();

  Stage& stage_;
  QLabel *logo_, *crumb_, *device_;
  QMenuBar* menus_;
  QPushButton *field_, *export_;
};

}  // namespace cutaway
