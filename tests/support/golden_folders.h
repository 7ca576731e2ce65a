// The folders of tests/goldens that are models.
#pragma once

#include <QStringList>

namespace cutaway::tests {

/// All of them whose config.json has a model_type that some architecture of ours reads, by name. The recipe may be
/// ahead of the engine; what the engine reads is held against every folder that there is.
QStringList golden_folders();
/// Of one model_type.
QStringList golden_folders_of(const QString& model_type);
/// The trained models of assets/models that have answers in tests/goldens and that the engine reads.
QStringList golden_bundled();
/// The model_type in config.json of a folder below the repository's root.
QString golden_model_type(const QString& folder);

}  // namespace cutaway::tests
