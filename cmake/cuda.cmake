# Finds nvcc and compiles the CUDA kernels, for the library of kernels.
#
# Sets CISREG_CUDA_BUILT to what build_info() tells of it: "off", or "12.9 (75 80 86 89 90 100 120)".

set(CISREG_CUDA "auto" CACHE STRING "auto: CUDA kernels where nvcc is found; on: or fail; off: none")
set_property(CACHE CISREG_CUDA PROPERTY STRINGS auto on off)
set(CISREG_CUDA_ARCHITECTURES "" CACHE STRING
    "Architectures as CMake names them, such as native or 90-real; empty: all since Turing")
include(cmake/toolkit.cmake)

set(CISREG_CUDA_BUILT off)
if(NOT CISREG_CUDA MATCHES "^(auto|on|off)$")
  message(FATAL_ERROR "CISREG_CUDA: expected auto, on or off, got ${CISREG_CUDA}")
endif()
if(CISREG_CUDA STREQUAL "off")
  return()
endif()

find_nvcc(nvcc /usr/local)
if(EXISTS "${CMAKE_CUDA_COMPILER}" AND NOT CMAKE_CUDA_COMPILER STREQUAL nvcc)
  message(STATUS "Keeps ${CMAKE_CUDA_COMPILER}, which this folder was built with: `make clean` lets another be chosen")
  set(nvcc "${CMAKE_CUDA_COMPILER}")
endif()
check_nvcc(reason "${nvcc}")
if(reason STREQUAL "" AND CISREG_CUDA STREQUAL "auto")
  # An nvcc that compiles nothing, for want of a host compiler that it knows, is none.
  include(CheckLanguage)
  set(ENV{CUDACXX} "${nvcc}")
  if(NOT CMAKE_CUDA_COMPILER)
    # Not what an earlier configuration remembers.
    unset(CMAKE_CUDA_COMPILER CACHE)
  endif()
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    set(reason "${nvcc} does not compile with this C++ compiler")
  endif()
endif()
if(NOT reason STREQUAL "")
  if(CISREG_CUDA STREQUAL "on")
    message(FATAL_ERROR "CISREG_CUDA=on: ${reason}; install the CUDA toolkit, ${oldest_cuda} or "
                        "later, or name its nvcc in CUDACXX")
  endif()
  message(STATUS "Builds no CUDA kernels: ${reason}")
  return()
endif()

# Blanks and commas too, which shells leave alone.
string(REGEX REPLACE "[ ,]+" ";" CMAKE_CUDA_ARCHITECTURES "${CISREG_CUDA_ARCHITECTURES}")
if(CMAKE_CUDA_ARCHITECTURES STREQUAL "")
  read_release(release "${nvcc}")
  default_architectures(CMAKE_CUDA_ARCHITECTURES "${release}")
endif()
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
# TensorFlow carries a runtime of its own, of another version: ours is linked in.
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
set(ENV{CUDACXX} "${nvcc}")
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

string(REGEX MATCH "^[0-9]+\\.[0-9]+" cuda_version "${CMAKE_CUDA_COMPILER_VERSION}")
string(REGEX REPLACE "-(real|virtual)" "" architectures "${CMAKE_CUDA_ARCHITECTURES}")
string(REPLACE ";" " " architectures "${architectures}")
set(CISREG_CUDA_BUILT "${cuda_version} (${architectures})")
message(STATUS "Builds CUDA kernels: ${CISREG_CUDA_BUILT}, with ${nvcc}")
read_driver(driver "${Python3_EXECUTABLE}")
compare_driver("${cuda_version}" "${driver}")

file(GLOB cuda_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/cuda/*.cu")
add_library(cisreg_cuda OBJECT ${cuda_sources})
target_include_directories(cisreg_cuda PUBLIC csrc "${CMAKE_SOURCE_DIR}")
target_compile_options(cisreg_cuda PRIVATE -Xcompiler=-Wall,-Wextra)
# A seventh of the size. The better method wants the drivers that CUDA 13 wants.
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(cisreg_cuda PRIVATE -Xfatbin=-compress-all)
else()
  target_compile_options(cisreg_cuda PRIVATE --compress-mode=size)
endif()
if(CISREG_WARNINGS_AS_ERRORS)
  target_compile_options(cisreg_cuda PRIVATE --Werror=all-warnings -Xcompiler=-Werror)
endif()

# The build starts a compiler per core: what the files leave idle goes to their architectures.
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
list(LENGTH cuda_sources files)
list(LENGTH CMAKE_CUDA_ARCHITECTURES threads)
math(EXPR cores_per_file "(${cores} + ${files} - 1) / ${files}")
if(cores_per_file LESS threads)
  set(threads ${cores_per_file})
endif()
target_compile_options(cisreg_cuda PRIVATE --threads=${threads})
