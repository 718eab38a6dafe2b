#pragma once

#include <onemask/analysis/model_analysis.hpp>
#include <onemask/store/study_file.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace onemask {

/// What is shown of analyses as means over facts: inner units, dimensions, maps of aligned places. Rows are those of the table
/// "analyses"; tasks are added in the plan's order.
class AnalysisSums {
 public:
  explicit AnalysisSums(AnalysisOptions const& options) : options_(options) {}

  void add(std::size_t row, ModelAnalysis const& found);
  /// `row` is the first one of the mask.
  void add(std::size_t row, DimensionTracks const& tracks);

  /// "unit_contributions": of every model, place and edited layer the units with the largest mean |new - true|, of equal ones
  /// those of lower index. `layers` are the edited ones by row.
  Table units(std::map<std::size_t, std::vector<int>> const& layers) const;
  Table dimensions() const;
  Table maps() const;

 private:
  /// Of values that are not NaN.
  struct Mean {
    double sum = 0, squares = 0;
    std::int64_t n = 0;

    void add(double value);
    double mean() const;
    double sd() const;  ///< n - 1 in the denominator
  };
  struct Track {
    Mean value, shift;  ///< of a dimension, and less that of the unedited model
  };
  struct Dimensions {
    std::vector<std::int64_t> dimensions = {};
    std::vector<double> zeros = {};
    std::array<std::int64_t, 4> shape = {};  ///< models, places, layers + 1, dimensions
    std::vector<Track> tracks = {};
  };
  struct Units {
    at::Tensor sums = {};
    std::int64_t facts = 0;
  };
  struct Maps {
    std::int64_t layers = 0;
    std::vector<std::array<Mean, 3>> cells = {};  ///< [places, layers + 1]
  };

  AnalysisOptions const& options_;
  std::map<std::size_t, Units> units_;
  std::map<std::size_t, Dimensions> dimensions_;
  std::map<std::size_t, Maps> maps_;
};

}  // namespace onemask
