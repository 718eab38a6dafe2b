# Writes what the program is built from into a header, and only when that has changed: cmake -DSOURCE=… -DHEADER=… -P write_revision.cmake
#   abc1234           a commit
#   abc1234-dirty     a commit whose sources were changed since
#   abc1234-archive   an archive that git made of a commit; it cannot tell whether it was changed
#   unknown           none of these
set(sources src include cmake CMakeLists.txt)
# A tree without git may lie within another project's repository, whose revision is not ours.
execute_process(COMMAND git -C "${SOURCE}" rev-parse --show-prefix OUTPUT_VARIABLE prefix OUTPUT_STRIP_TRAILING_WHITESPACE
  ERROR_QUIET RESULT_VARIABLE no_repository)
if(no_repository EQUAL 0 AND prefix STREQUAL "")
  execute_process(COMMAND git -C "${SOURCE}" describe --always OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND git --no-optional-locks -C "${SOURCE}" status --porcelain -- ${sources} OUTPUT_VARIABLE changes ERROR_QUIET)
  if(revision AND changes)
    string(APPEND revision "-dirty")
  endif()
else()
  file(STRINGS "${SOURCE}/cmake/archived_revision" revision REGEX "^[0-9a-f]+$")
  if(revision)
    string(APPEND revision "-archive")
  endif()
endif()
if(NOT revision)
  set(revision unknown)
endif()
set(content "#define ONEMASK_REVISION \"${revision}\"\n")
set(written "")
if(EXISTS "${HEADER}")
  file(READ "${HEADER}" written)
endif()
if(NOT written STREQUAL content)
  file(WRITE "${HEADER}" "${content}")
endif()
