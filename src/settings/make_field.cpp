#include <onemask/settings/make_field.hpp>

#include <yaml-cpp/yaml.h>

namespace onemask {

std::string yaml_text(std::string const& value) {
  YAML::Emitter out;
  out << value;
  return out.c_str();
}

}  // namespace onemask
