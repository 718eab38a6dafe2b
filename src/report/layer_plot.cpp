#include "report/cells.hpp"
#include "report/picture.hpp"
#include <onemask/report/layer_plot.hpp>

namespace onemask {

std::string layer_plot(std::string const& title, std::string const& explanation, std::vector<LayerScore> const& scores) {
  BarBlock block{"Layers", {}};
  for (auto const& [layers, score, chosen] : scores) {
    auto const label = (chosen ? "chosen: " : "") + std::string("layer ") + layers + ", n " + counts(score);
    block.rows.push_back({to_string(chosen ? ConditionKind::mask : ConditionKind::edited), label, score});
  }
  return bar_picture(title, explanation, {block});
}

}  // namespace onemask
