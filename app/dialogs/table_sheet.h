// A sheet with a table: keyboard shortcuts, or the numbers behind a view, to be read aloud, sorted and copied.
#pragma once

#include <QDialog>

#include "widgets/view.h"

namespace cutaway {

/// Shows the table; its sheet deletes itself when it is closed. An empty list of columns shows no header.
void show_table_sheet(QWidget* parent, const QString& title, const Table&);

/// Rows of a view's table that a sheet shows at most.
inline constexpr size_t most_table_rows = 10000;

}  // namespace cutaway
