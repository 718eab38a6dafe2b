# onemask_add_test(FILE.cpp ROOMS room... [NP 1 2 4] [THREADS 2 3] [GPU] [LABELS label...] [TIMEOUT seconds] [LIBRARIES target...])
#
# Makes one GoogleTest program from FILE.cpp, named after its path (comm/reducer_test.cpp -> comm_reducer_test), linked to the named
# rooms, and registers it with ctest:
#   NP       once per number of ranks, under mpirun, as NAME/np2; without NP once, as NAME, without mpirun
#   THREADS  and once per number of ranks that are threads, without mpirun, as NAME/threads2: the RANK_TESTs of the program run on
#            so many; with the labels unit and threads
#   GPU      takes the resource lock "gpu" and the label gpu; the program itself skips, saying so, where there is none
#   LABELS   unit (the default), mpi, golden, fault, interop
#   TIMEOUT  seconds, 120 by default
# The main function in support/test_main.cpp lets one voice speak, merges the ranks' results and fails when no test ran.
function(onemask_add_test file)
  cmake_parse_arguments(arg "GPU" "TIMEOUT" "ROOMS;NP;THREADS;LABELS;LIBRARIES" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  get_filename_component(absolute "${file}" ABSOLUTE)
  file(RELATIVE_PATH path "${PROJECT_SOURCE_DIR}/tests" "${absolute}")
  string(REGEX REPLACE "\\.cpp$" "" name "${path}")
  string(REPLACE "/" "_" name "${name}")
  list(TRANSFORM arg_ROOMS PREPEND "onemask_")
  add_executable(${name} "${file}")
  target_link_libraries(${name} PRIVATE onemask_test_support ${arg_ROOMS} ${arg_LIBRARIES} onemask_test_flags)
  set(headers onemask_test_headers)
  foreach(room ${arg_ROOMS})
    get_target_property(uses_torch ${room} ONEMASK_TORCH)
    if(uses_torch)
      set(headers onemask_torch_test_headers)
    endif()
  endforeach()
  target_precompile_headers(${name} REUSE_FROM ${headers})
  add_dependencies(test_programs ${name})
  if(arg_THREADS OR "threads" IN_LIST arg_LABELS)
    add_dependencies(thread_test_programs ${name})
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")

  set(environment ${test_environment}
    "PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe" "OMPI_MCA_rmaps_base_oversubscribe=1")
  if(arg_NP)
    foreach(ranks ${arg_NP})
      add_test(NAME ${name}/np${ranks} COMMAND "${ONEMASK_MPIRUN}" -n ${ranks} --oversubscribe --bind-to none $<TARGET_FILE:${name}>)
      list(APPEND tests ${name}/np${ranks})
    endforeach()
  else()
    add_test(NAME ${name} COMMAND ${name})
    set(tests ${name})
  endif()
  if(arg_GPU)
    list(APPEND arg_LABELS gpu)
    set_tests_properties(${tests} PROPERTIES RESOURCE_LOCK gpu)
  endif()
  set_tests_properties(${tests} PROPERTIES LABELS "${arg_LABELS}")
  foreach(ranks ${arg_THREADS})
    add_test(NAME ${name}/threads${ranks} COMMAND ${name} --threads=${ranks})
    set_tests_properties(${name}/threads${ranks} PROPERTIES LABELS "unit;threads")
    list(APPEND tests ${name}/threads${ranks})
  endforeach()
  set_tests_properties(${tests} PROPERTIES TIMEOUT ${arg_TIMEOUT} ENVIRONMENT "${environment}")
endfunction()
