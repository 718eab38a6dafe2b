#include "moments/npz.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/moments/second_moment.hpp>

#include <cmath>
#include <fstream>

#include <fmt/core.h>

namespace onemask {
namespace {

bool is_zip(std::filesystem::path const& file) {
  std::ifstream stream(file, std::ios::binary);
  char start[2] = {};
  stream.read(start, 2);
  return stream && start[0] == 'P' && start[1] == 'K';
}

[[noreturn]] void throw_wrong_size(std::string const& where, at::IntArrayRef shape, CausalLM const& model, int layer) {
  auto const inner = model.config().inner;
  throw ShapeError(
      fmt::format("{} has the size [{}], but layer {} of this model needs a second moment of size [{}, {}]. "
                  "It belongs to another model or another module; name the right file.",
                  where, join(shape, ", "), layer, inner, inner));
}

/// The name that a file uses for an array: with or without the prefix of a combined statistic.
std::string name_in(NpzFile const& file, std::string const& where, std::string const& name) {
  for (auto const& candidate : {"mom2." + name, name}) {
    if (file.contains(candidate)) return candidate;
  }
  auto const names = join(file.names(), ", ");
  throw UserError(where + " has no array 'mom2." + name + "' and is not a second moment as layer_stats saves it; it contains: " +
                  (names.empty() ? "nothing" : names) + ".");
}

SecondMoment read_npz(std::filesystem::path const& path, std::string const& where, CausalLM const& model, int layer) {
  NpzFile const file(path);
  auto const sum_name = name_in(file, where, "mom2"), count_name = name_in(file, where, "count");
  auto const inner = model.config().inner;
  // Before it is read, so that a wrong file costs no memory.
  auto const shape = file.shape(sum_name);
  if (shape != std::vector{inner, inner}) throw_wrong_size(where, shape, model, layer);
  auto const count_shape = file.shape(count_name);
  if (!count_shape.empty() && count_shape != std::vector<std::int64_t>{1}) {
    throw UserError(where + ": array '" + count_name + "' must be one number, the number of tokens.");
  }
  auto const count = file.tensor(count_name).to(at::kDouble).item<double>();
  if (!(count >= 1 && count < 0x1p62) || count != std::floor(count)) {
    throw UserError(where + ": array '" + count_name + "' must be the number of tokens, at least 1.");
  }
  SecondMoment moment{layer, static_cast<std::int64_t>(count), {}, model.fingerprint(), {}};
  moment.matrix = (file.tensor(sum_name).to(at::kDouble) / count).to(at::kFloat);
  return moment;
}

void require_sound(SecondMoment const& moment, std::string const& where) {
  auto const& matrix = moment.matrix;
  auto const asymmetry = (matrix - matrix.t()).norm().item<double>(), size = matrix.norm().item<double>();
  bool const sound = std::isfinite(size) && asymmetry <= 1e-3 * size && matrix.diagonal().ge(0).all().item<bool>();
  if (!sound) {
    throw UserError(
        where +
        " is not a second moment: its matrix is not symmetric, has a negative diagonal, or is not finite. Compute it again.");
  }
}

}  // namespace

SecondMoment import_second_moment(std::filesystem::path const& file, CausalLM const& model, int layer) {
  auto const where = "The second moment '" + file.string() + "'";
  if (!std::filesystem::is_regular_file(file)) throw UserError(where + " does not exist or is not a file. Check the path.");
  SecondMoment moment;
  if (is_zip(file)) {
    moment = read_npz(file, where, model, layer);
  } else {
    moment = second_moment_from_bytes(read_file(file), where);
    if (moment.layer != layer) {
      throw UserError(
          fmt::format("{} is the second moment of layer {}, but was given for layer {}.", where, moment.layer, layer));
    }
    auto const inner = model.config().inner;
    if (moment.matrix.size(0) != inner) throw_wrong_size(where, moment.matrix.sizes(), model, layer);
    if (moment.model != model.fingerprint()) {
      throw UserError(where + " was made with another model (" + moment.model.substr(0, 12) + ", this one is " +
                      model.fingerprint().substr(0, 12) + "). Compute it again with this model, in the same type.");
    }
  }
  require_sound(moment, where);
  return moment;
}

}  // namespace onemask
