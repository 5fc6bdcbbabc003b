# Finds nvcc and builds the CUDA kernels as one library for both of ours.
#
# Sets CISREG_CUDA_BUILT to what build_info() tells of it: "off", or "13.0 (75 80 86 89 90)".

set(CISREG_CUDA "auto" CACHE STRING "auto: CUDA kernels where nvcc is found; on: or fail; off: none")
set_property(CACHE CISREG_CUDA PROPERTY STRINGS auto on off)
set(CISREG_CUDA_ARCHITECTURES "" CACHE STRING
    "Architectures as CMake names them, such as native or 90-real; empty: all since Turing")
# The first with ordered metadata of sparse products.
set(oldest_cuda 12.5)

# nvcc of CUDACXX, CUDA_HOME, PATH or the newest toolkit in its usual place; empty where none is.
function(find_nvcc result)
  file(GLOB toolkits /usr/local/cuda*)
  list(SORT toolkits COMPARE NATURAL ORDER DESCENDING)
  set(names nvcc)
  if(NOT "$ENV{CUDACXX}" STREQUAL "")
    set(names "$ENV{CUDACXX}" nvcc)
  endif()
  find_program(nvcc NAMES ${names} HINTS ENV CUDA_HOME PATHS ${toolkits} PATH_SUFFIXES bin NO_CACHE)
  if(NOT nvcc)
    set(nvcc "")
  endif()
  set(${result} "${nvcc}" PARENT_SCOPE)
endfunction()

# Why the kernels cannot be built with this nvcc; empty where they can.
function(check_nvcc result nvcc)
  set(reason "")
  if(nvcc STREQUAL "")
    set(reason "nvcc is neither in CUDACXX, CUDA_HOME, PATH nor in /usr/local/cuda*/bin")
  else()
    execute_process(COMMAND "${nvcc}" --version OUTPUT_VARIABLE said ERROR_VARIABLE said)
    if(NOT said MATCHES "release ([0-9.]+)")
      set(reason "${nvcc} --version names no release:\n${said}")
    elseif(CMAKE_MATCH_1 VERSION_LESS oldest_cuda)
      set(reason "${nvcc} is of CUDA ${CMAKE_MATCH_1}, expected ${oldest_cuda} or later")
    endif()
  endif()
  set(${result} "${reason}" PARENT_SCOPE)
endfunction()

set(CISREG_CUDA_BUILT off)
if(NOT CISREG_CUDA MATCHES "^(auto|on|off)$")
  message(FATAL_ERROR "CISREG_CUDA: expected auto, on or off, got ${CISREG_CUDA}")
endif()
if(CISREG_CUDA STREQUAL "off")
  return()
endif()

find_nvcc(nvcc)
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
  # Later ones translate the PTX of the last when they first load it.
  set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90)
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
message(STATUS "Builds CUDA kernels: ${CISREG_CUDA_BUILT}")

file(GLOB cuda_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/cuda/*.cu")
add_library(cisreg_cuda OBJECT ${cuda_sources})
target_include_directories(cisreg_cuda PUBLIC csrc "${CMAKE_SOURCE_DIR}")
target_compile_options(cisreg_cuda PRIVATE --generate-line-info -Xcompiler=-Wall,-Wextra)
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

# Links the kernels to a library of ours. To be called before it is linked to TensorFlow, which
# exports functions of the same names as the CUDA runtime: the linker takes the first it finds.
function(link_cuda target)
  target_link_libraries(${target} PRIVATE cisreg_cuda CUDA::cudart_static)
  target_compile_definitions(${target} PRIVATE CISREG_HAVE_CUDA)
endfunction()
