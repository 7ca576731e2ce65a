#include "app/window/segments.h"

#include <QHBoxLayout>
#include <QStandardItemModel>
#include <QStyle>

namespace cutaway {
namespace {

void restyle(QWidget* widget, const char* property, bool value) {
  if (widget->property(property).toBool() == value) return;
  widget->setProperty(property, value);
  widget->style()->unpolish(widget);
  widget->style()->polish(widget);
}

}  // namespace

Segments::Segments(const QString& accessible_name, QWidget* parent) : QWidget(parent) {
  setAccessibleName(accessible_name);
  auto* layout = new QHBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  row_ = new QWidget(this);
  row_->setObjectName("Segments");
  row_->setAttribute(Qt::WA_StyledBackground);
  auto* row = new QHBoxLayout(row_);
  row->setContentsMargins(1, 1, 1, 1);
  row->setSpacing(0);
  list_ = new DropDown(this);
  list_->setVisible(false);
  layout->addWidget(row_);
  layout->addWidget(list_);
  setSizePolicy(QSizePolicy::Maximum, QSizePolicy::Fixed);
  connect(list_, qOverload<int>(&QComboBox::activated), this, [this](int index) {
    chosen_ = index;
    show_state();
    emit picked(index);
  });
}

void Segments::set_names(const QStringList& names) {
  while (static_cast<qsizetype>(buttons_.size()) > names.size()) {
    delete buttons_.back();
    buttons_.pop_back();
    list_->removeItem(list_->count() - 1);
  }
  for (int i = 0; i < names.size(); ++i) {
    if (i == count()) {
      auto* button = new QPushButton(row_);
      button->setProperty("role", "segment");
      button->setCheckable(true);
      connect(button, &QPushButton::clicked, this, [this, i] {
        chosen_ = i;
        show_state();
        emit picked(i);
      });
      row_->layout()->addWidget(button);
      buttons_.push_back(button);
      list_->addItem({});
    }
    button(i)->setText(names[i]);
    button(i)->setAccessibleName(accessibleName() + ": " + names[i]);
    list_->setItemText(i, names[i]);
  }
  list_->setAccessibleName(accessibleName());
  show_state();
}

void Segments::choose(int index) {
  chosen_ = index;
  show_state();
}

void Segments::set_changed(bool changed) {
  changed_ = changed;
  show_state();
}

void Segments::set_refusal(int index, const QString& reason) {
  button(index)->setEnabled(reason.isEmpty());
  button(index)->setToolTip(reason);
  if (auto* model = qobject_cast<QStandardItemModel*>(list_->model())) {
    model->item(index)->setEnabled(reason.isEmpty());
    model->item(index)->setToolTip(reason);
  }
}

void Segments::set_folded(bool folded) {
  folded_ = folded;
  row_->setVisible(!folded);
  list_->setVisible(folded);
}

int Segments::natural_width() const {
  int width = 4;
  for (const QPushButton* button : buttons_) width += button->sizeHint().width();
  return width;
}

void Segments::show_state() {
  for (int i = 0; i < count(); ++i) {
    button(i)->setChecked(i == chosen_);
    restyle(button(i), "changed", changed_ && i == chosen_);
  }
  list_->setCurrentIndex(chosen_);
  restyle(list_, "changed", changed_);
}

}  // namespace cutaway
