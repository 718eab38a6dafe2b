# Finds LibTorch without a CUDA toolkit: TorchConfig.cmake of the CUDA wheels asks for nvcc, linking the libraries does not need it.
#   LIBTORCH_ROOT   folder that holds include/ and lib/ (a wheel's torch folder, or an unpacked libtorch); found in ONEMASK_WHEELS otherwise,
#                   in its folder libtorch (without CUDA) or among its packages
# Gives the target LibTorch::LibTorch, which computes on CPUs, and LibTorch::CUDA, where its CUDA libraries are there: loaded, they make
# the device exist, although no symbol of theirs is named.
file(GLOB _torch_in_wheels "${ONEMASK_WHEELS}/lib/python3*/site-packages/torch")
find_path(LIBTORCH_ROOT NAMES include/ATen/ATen.h HINTS ${LIBTORCH_ROOT} "${ONEMASK_WHEELS}/libtorch" ${_torch_in_wheels} NO_CACHE)
if(LIBTORCH_ROOT)
  set(_torch_lib "${LIBTORCH_ROOT}/lib")
  # Newer versions, older versions.
  foreach(_header headeronly/version.h csrc/api/include/torch/version.h)
    if(NOT LibTorch_VERSION AND EXISTS "${LIBTORCH_ROOT}/include/torch/${_header}")
      file(STRINGS "${LIBTORCH_ROOT}/include/torch/${_header}" _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
      string(REGEX REPLACE "[^0-9;]" "" _numbers "${_lines}")
      list(JOIN _numbers "." LibTorch_VERSION)
    endif()
  endforeach()
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LIBTORCH_ROOT VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "Run launch/bootstrap.sh and pass -DONEMASK_WHEELS=<the folder it prints>, or -DLIBTORCH_ROOT=<your LibTorch>.")
if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE "${LIBTORCH_ROOT}/include" "${LIBTORCH_ROOT}/include/torch/csrc/api/include")
  target_link_directories(LibTorch::LibTorch INTERFACE "${_torch_lib}")
  target_link_libraries(LibTorch::LibTorch INTERFACE "${_torch_lib}/libtorch_cpu.so" "${_torch_lib}/libc10.so")
  target_link_options(LibTorch::LibTorch INTERFACE "-Wl,-rpath,${_torch_lib}")
  if(EXISTS "${_torch_lib}/libtorch_cuda.so")
    add_library(LibTorch::CUDA INTERFACE IMPORTED)
    target_link_libraries(LibTorch::CUDA INTERFACE LibTorch::LibTorch
      -Wl,--push-state,--no-as-needed "${_torch_lib}/libtorch_cuda.so" "${_torch_lib}/libc10_cuda.so" -Wl,--pop-state)
  endif()
endif()
