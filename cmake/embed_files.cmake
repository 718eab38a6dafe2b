# Compiles files in: cmake -DHEADER=report/embedded_files.hpp -DSOURCE=out.cpp "-DFILES=name=path;…" -P embed_files.cmake
# For each the function that the header declares: std::string_view embedded_NAME().
set(content "#include \"${HEADER}\"\n\n#include <string_view>\n\nnamespace onemask {\n")
foreach(entry ${FILES})
  string(REGEX MATCH "^([a-z_]+)=(.*)$" matched "${entry}")
  file(READ "${CMAKE_MATCH_2}" bytes HEX)
  set(name ${CMAKE_MATCH_1})
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
  # Eight bytes a line: editors and compilers dislike lines of a hundred thousand characters.
  string(REGEX REPLACE "((\\\\x..)(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?)" "\"\\1\"\n" bytes "${bytes}")
  string(APPEND content "\nstd::string_view embedded_${name}() {\n  static constexpr char bytes[] =\n${bytes};\n"
    "  return {bytes, sizeof bytes - 1};\n}\n")
endforeach()
string(APPEND content "\n}  // namespace onemask\n")
file(WRITE "${SOURCE}" "${content}")
