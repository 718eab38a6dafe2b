#include <onemask/analysis/causal_trace.hpp>
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>

#include <array>

namespace onemask {
namespace {

constexpr std::array trace_members{&FactTrace::clean, &FactTrace::corrupted, &FactTrace::object_clean,
                                   &FactTrace::object_corrupted, &FactTrace::deviation};
constexpr auto trace_places = static_cast<std::int64_t>(trace_place_names.size());

}  // namespace

std::string to_bytes(std::vector<FactTrace> const& traces) {
  invariant(!traces.empty(), "no fact is traced");
  auto const facts = std::ssize(traces), layers = std::ssize(traces.front().restored) / trace_places;
  auto const unrestored = at::empty({facts, std::ssize(trace_members)}, at::kDouble);
  auto const restored = at::empty({facts, trace_places, layers}, at::kDouble);
  auto *next = unrestored.data_ptr<double>(), *next_restored = restored.data_ptr<double>();
  for (auto const& trace : traces) {
    invariant(std::ssize(trace.restored) == trace_places * layers, "facts are traced in different numbers of layers");
    for (auto const member : trace_members) *next++ = trace.*member;
    next_restored = std::copy(trace.restored.begin(), trace.restored.end(), next_restored);
  }
  return write_safetensors({{"unrestored", unrestored}, {"restored", restored}}, {});
}

std::vector<FactTrace> fact_traces_from_bytes(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  auto const unrestored = file.tensor("unrestored").contiguous(), restored = file.tensor("restored").contiguous();
  bool const fits = unrestored.dim() == 2 && restored.dim() == 3 && unrestored.size(0) == restored.size(0) &&
                    unrestored.size(1) == std::ssize(trace_members) && restored.size(1) == trace_places &&
                    unrestored.scalar_type() == at::kDouble && restored.scalar_type() == at::kDouble;
  if (!fits) throw UserError(source + " does not hold causal traces. Delete it; it will be made again.");
  std::vector<FactTrace> traces(static_cast<std::size_t>(unrestored.size(0)));
  auto const each = trace_places * restored.size(2);
  auto const *next = unrestored.data_ptr<double>(), *next_restored = restored.data_ptr<double>();
  for (auto& trace : traces) {
    for (auto const member : trace_members) trace.*member = *next++;
    trace.restored.assign(next_restored, next_restored + each);
    next_restored += each;
  }
  return traces;
}

}  // namespace onemask
