# Which nvcc builds the CUDA kernels, for which GPUs, and whether the driver of this machine runs what
# it makes. Makes no targets, so that tests run it as a script.

# The first with ordered metadata of sparse products, and the first that knows Blackwell.
set(oldest_cuda 12.5)
set(blackwell_cuda 12.8)

# The release of an nvcc, such as 12.9; empty where it names none.
function(read_release result nvcc)
  execute_process(COMMAND "${nvcc}" --version OUTPUT_VARIABLE said ERROR_VARIABLE said)
  set(release "")
  if(said MATCHES "release ([0-9]+\\.[0-9]+)")
    set(release "${CMAKE_MATCH_1}")
  endif()
  set(${result} "${release}" PARENT_SCOPE)
endfunction()

# The order of preference, for VERSION_LESS: 12.x first, the newest of them, since what it makes runs with
# every driver from 525 on; then later ones, the oldest first; last those that are too old or of no release.
function(rank_release result release)
  if(release VERSION_LESS oldest_cuda)
    set(rank "9")
  elseif(release VERSION_LESS 13)
    string(REGEX REPLACE "^12\\." "" minor "${release}")
    math(EXPR rank "100 - ${minor}")
    set(rank "1.${rank}")
  else()
    set(rank "2.${release}")
  endif()
  set(${result} "${rank}" PARENT_SCOPE)
endfunction()

# The nvcc that CUDACXX or else CUDA_HOME names; else the preferred one of those in PATH and in `folder`/cuda*/bin.
# Empty where there is none.
function(find_nvcc result folder)
  set(candidates "")
  if(NOT "$ENV{CUDACXX}" STREQUAL "")
    find_program(named NAMES "$ENV{CUDACXX}" NO_CMAKE_SYSTEM_PATH NO_CACHE)
    set(candidates "${named}")
  elseif(NOT "$ENV{CUDA_HOME}" STREQUAL "" AND EXISTS "$ENV{CUDA_HOME}/bin/nvcc")
    set(candidates "$ENV{CUDA_HOME}/bin/nvcc")
  else()
    file(GLOB candidates "${folder}/cuda*/bin/nvcc")
    find_program(in_path NAMES nvcc NO_CMAKE_SYSTEM_PATH NO_CACHE)
    list(PREPEND candidates "${in_path}")
  endif()
  set(found "")
  foreach(nvcc ${candidates})
    if(EXISTS "${nvcc}")
      read_release(release "${nvcc}")
      rank_release(rank "${release}")
      if(found STREQUAL "" OR rank VERSION_LESS best)
        set(best "${rank}")
        set(found "${nvcc}")
      endif()
    endif()
  endforeach()
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

# Why the kernels cannot be built with this nvcc; empty where they can.
function(check_nvcc result nvcc)
  set(reason "")
  if(nvcc STREQUAL "" AND NOT "$ENV{CUDACXX}" STREQUAL "")
    set(reason "CUDACXX is '$ENV{CUDACXX}', which is no program")
  elseif(nvcc STREQUAL "")
    set(reason "nvcc is neither in CUDACXX, CUDA_HOME, PATH nor in /usr/local/cuda*/bin")
  else()
    read_release(release "${nvcc}")
    if(release STREQUAL "")
      set(reason "${nvcc} --version names no release")
    elseif(release VERSION_LESS oldest_cuda)
      set(reason "${nvcc} is of CUDA ${release}, expected ${oldest_cuda} or later")
    endif()
  endif()
  set(${result} "${reason}" PARENT_SCOPE)
endfunction()

# The architectures, as CMake names them, that nvcc of a release builds for if nothing else is asked for: machine
# code for all GPUs since Turing that it knows, and PTX, which the driver of a later GPU translates.
#
# PTX is that of 9.0: the kernels use nothing newer, every nvcc taken here knows it, and all later GPUs run it; that
# of 12.0 would leave out 11.0. No GPU with machine code of its own needs it, as well, for a driver translates no
# PTX of a toolkit newer than itself.
function(default_architectures result release)
  set(architectures 75-real 80-real 86-real 89-real 90)
  if(NOT release VERSION_LESS blackwell_cuda)
    list(APPEND architectures 100-real 120-real)
  endif()
  set(${result} "${architectures}" PARENT_SCOPE)
endfunction()

# The release of CUDA that the driver of this machine knows, such as 12.2; empty where there is no driver.
function(read_driver result python)
  set(ask "import ctypes; n = ctypes.c_int(); cuda = ctypes.CDLL('libcuda.so.1')\n\
assert cuda.cuDriverGetVersion(ctypes.byref(n)) == 0\n\
print(n.value // 1000, n.value % 1000 // 10, sep='.')")
  execute_process(COMMAND "${python}" -c "${ask}" OUTPUT_VARIABLE said RESULT_VARIABLE status
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT status EQUAL 0)
    set(said "")
  endif()
  set(${result} "${said}" PARENT_SCOPE)
endfunction()

# Says so where the driver of this machine is older than the toolkit, `release`. The build goes on: it may be for
# another machine.
function(compare_driver release driver)
  string(REGEX MATCH "^[0-9]+" major "${release}")
  if(driver STREQUAL "" OR NOT driver VERSION_LESS release)
    return()
  elseif(driver VERSION_LESS major)
    message(WARNING "The driver of this machine is of CUDA ${driver}, and kernels that nvcc of CUDA ${release} builds "
                    "run with drivers of CUDA ${major} and later. Update the driver, or name an nvcc of CUDA "
                    "${oldest_cuda} to 12.9 in CUDACXX. As it is, this machine computes with standard operations.")
  else()
    message(STATUS "The driver of this machine is of CUDA ${driver}, older than nvcc of CUDA ${release}: the kernels "
                   "run on the GPUs that they are built for; on later ones the driver cannot translate their PTX")
  endif()
endfunction()
