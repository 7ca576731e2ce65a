#include "app/dialogs/table_sheet.h"

#include <QHeaderView>
#include <QTableWidget>
#include <QVBoxLayout>
#include <algorithm>

#include "app/window/stage.h"

namespace cutaway {

void show_table_sheet(QWidget* parent, const QString& title, const Table& table) {
  auto* sheet = new QDialog(parent);
  sheet->setObjectName("Sheet");
  sheet->setAttribute(Qt::WA_DeleteOnClose);
  sheet->setWindowTitle(title);
  const int rows = static_cast<int>(std::min(table.rows.size(), most_table_rows));
  const int columns =
      table.rows.empty() ? static_cast<int>(table.columns.size()) : static_cast<int>(table.rows.front().size());
  auto* grid = new QTableWidget(rows, columns, sheet);
  grid->setAccessibleName(title);
  grid->verticalHeader()->hide();
  grid->setShowGrid(false);
  grid->setEditTriggers(QAbstractItemView::NoEditTriggers);
  QStringList names;
  for (const std::string& name : table.columns) names << said(name);
  grid->setHorizontalHeaderLabels(names);
  grid->horizontalHeader()->setVisible(!names.isEmpty());
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column) {
      const QString text = said(table.rows[static_cast<size_t>(row)][static_cast<size_t>(column)]);
      bool is_number = false;
      const double number = text.toDouble(&is_number);
      auto* item = new QTableWidgetItem;
      item->setData(Qt::DisplayRole, is_number ? QVariant(number) : QVariant(text));  // numbers sort as numbers
      grid->setItem(row, column, item);
    }
  grid->setSortingEnabled(!names.isEmpty());
  grid->resizeColumnsToContents();
  grid->horizontalHeader()->setStretchLastSection(true);
  auto* column = new QVBoxLayout(sheet);
  column->addWidget(grid);
  sheet->resize(640, 640);
  sheet->show();
}

}  // namespace cutaway
