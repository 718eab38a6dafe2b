#include <onemask/analysis/model_analysis.hpp>
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <map>

namespace onemask {
namespace {

/// A tensor of ModelAnalysis by its name in files.
struct AnalysisMember {
  char const* name;
  at::Tensor ModelAnalysis::*tensor;
  std::int64_t dimensions;
  std::int64_t width_at = -1;  ///< the dimension that is as long as the longest prompt
};

constexpr std::array<AnalysisMember, 7> fact_members{{{"contributions", &ModelAnalysis::contributions, 4},
                                                      {"heads", &ModelAnalysis::heads, 5},
                                                      {"sources", &ModelAnalysis::sources, 6, 4},
                                                      {"attention", &ModelAnalysis::attention, 4},
                                                      {"traces", &ModelAnalysis::traces, 4},
                                                      {"aligned_maps", &ModelAnalysis::aligned_maps, 4},
                                                      {"maps", &ModelAnalysis::maps, 4, 1}}};
constexpr AnalysisMember unit_member{"units", &ModelAnalysis::units, 4};

/// Parts below each other, after those that are narrower in dimension `at` were widened by NaN.
at::Tensor below_each_other(std::vector<at::Tensor> parts, std::int64_t at) {
  if (at >= 0) {
    std::int64_t widest = 0;
    for (auto const& part : parts) widest = std::max(widest, part.size(at));
    for (auto& part : parts) {
      auto shape = part.sizes().vec();
      shape[static_cast<std::size_t>(at)] = widest - part.size(at);
      part = at::cat({part, at::full(shape, std::numeric_limits<double>::quiet_NaN(), part.options())}, at);
    }
  }
  return at::cat(parts);
}

void require(bool fits, std::string const& source) {
  if (!fits) throw UserError(source + " does not hold the result of an analysis. Delete it; it will be made again.");
}

}  // namespace

AnalysisResult joined(std::vector<AnalysisResult> const& parts) {
  invariant(!parts.empty(), "no analysis is to be joined");
  if (parts.size() == 1) return parts.front();
  auto result = parts.front();
  for (std::size_t m = 0; m < result.models.size(); ++m) {
    auto& model = result.models[m];
    for (auto const& member : fact_members) {
      if (!(model.*member.tensor).defined()) continue;
      std::vector<at::Tensor> tensors;
      for (auto const& part : parts) tensors.push_back(part.models[m].*member.tensor);
      model.*member.tensor = below_each_other(std::move(tensors), member.width_at);
    }
    for (std::size_t p = 1; p < parts.size(); ++p) {
      if (model.units.defined()) model.units = model.units + parts[p].models[m].units;
      model.facts += parts[p].models[m].facts;
    }
  }
  if (result.tracks.values.defined()) {
    std::vector<at::Tensor> values;
    for (auto const& part : parts) values.push_back(part.tracks.values);
    result.tracks.values = at::cat(values, 1);
  }
  return result;
}

std::string to_bytes(AnalysisResult const& result) {
  std::map<std::string, at::Tensor> tensors;
  std::vector<std::int64_t> facts;
  for (std::size_t m = 0; m < result.models.size(); ++m) {
    auto const& model = result.models[m];
    auto const put = [&](AnalysisMember const& member) {
      auto const& tensor = model.*member.tensor;
      if (tensor.defined()) tensors[std::to_string(m) + "/" + member.name] = tensor;
    };
    for (auto const& member : fact_members) put(member);
    put(unit_member);
    facts.push_back(model.facts);
  }
  tensors["facts"] = at::tensor(facts, at::kLong);
  auto const& tracks = result.tracks;
  if (tracks.values.defined()) {
    tensors["tracks"] = tracks.values;
    tensors["dimensions"] = at::tensor(tracks.dimensions, at::kLong);
    tensors["dimension_zeros"] = at::tensor(tracks.zeros, at::kDouble);
  }
  return write_safetensors(tensors, {});
}

AnalysisResult analysis_from_bytes(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  AnalysisResult result;
  auto const facts = file.tensor("facts").contiguous();
  require(facts.dim() == 1 && facts.scalar_type() == at::kLong, source);
  for (std::int64_t m = 0; m < facts.numel(); ++m) {
    auto& model = result.models.emplace_back();
    auto const take = [&](AnalysisMember const& member, at::ScalarType type) {
      auto const name = std::to_string(m) + "/" + member.name;
      if (!file.contains(name)) return;
      auto tensor = file.tensor(name).contiguous();
      require(tensor.dim() == member.dimensions && tensor.scalar_type() == type, source);
      model.*member.tensor = std::move(tensor);
    };
    for (auto const& member : fact_members) take(member, at::kFloat);
    take(unit_member, at::kDouble);
    model.facts = facts.data_ptr<std::int64_t>()[m];
  }
  if (file.contains("tracks")) {
    auto& tracks = result.tracks;
    tracks.values = file.tensor("tracks").contiguous();
    auto const dimensions = file.tensor("dimensions").contiguous(), zeros = file.tensor("dimension_zeros").contiguous();
    require(tracks.values.dim() == 5 && tracks.values.scalar_type() == at::kFloat && dimensions.dim() == 1 &&
                dimensions.scalar_type() == at::kLong && zeros.dim() == 1 && zeros.scalar_type() == at::kDouble &&
                zeros.size(0) == dimensions.size(0) && tracks.values.size(4) == zeros.size(0),
            source);
    tracks.dimensions.assign(dimensions.data_ptr<std::int64_t>(), dimensions.data_ptr<std::int64_t>() + dimensions.numel());
    tracks.zeros.assign(zeros.data_ptr<double>(), zeros.data_ptr<double>() + zeros.numel());
  }
  return result;
}

}  // namespace onemask
