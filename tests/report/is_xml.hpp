#pragma once

#include <cstdio>
#include <string>

namespace onemask::test {

/// Whether Python reads the text as XML.
inline bool is_xml(std::string const& text) {
  auto* const python = ::popen(
      "'" ONEMASK_PYTHON "' -c 'import sys, xml.dom.minidom as m; m.parseString(sys.stdin.buffer.read())' 2> /dev/null", "w");
  if (python == nullptr) return false;
  bool const written = std::fwrite(text.data(), 1, text.size(), python) == text.size();
  return ::pclose(python) == 0 && written;
}

}  // namespace onemask::test
