#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// A file or folder with a finished edit, as far as the plan needs it.
struct EditFile {
  std::filesystem::path path;
  std::string content;    ///< hash of the changes that it holds
  std::int64_t rank = 0;  ///< the highest one of its factors; 0: it holds matrices
};

/// The finished edits of a study's facts under one way of editing.
struct FinishedEdits {
  std::vector<EditFile> files;
  std::vector<std::optional<std::size_t>> file_of;  ///< of each fact of the study; nothing: it is not edited
  std::vector<int> layers;                          ///< that every file changes, ascending
};

}  // namespace onemask
