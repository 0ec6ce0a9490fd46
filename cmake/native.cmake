# Native builds: tests under sanitizers and benches. The SIMD kernels are the wasm ones, through SIMDe.

find_package(Threads REQUIRED)
target_link_libraries(arrowquant_options INTERFACE Threads::Threads)

find_path(ARROWQUANT_SIMDE simde/wasm/simd128.h)
if(NOT ARROWQUANT_SIMDE)
  message(FATAL_ERROR "SIMDe's headers are missing. On Debian or Ubuntu: sudo apt-get install libsimde-dev")
endif()
# The folder has a wasm_simd128.h that stands in for the compiler's.
target_include_directories(arrowquant_options SYSTEM INTERFACE ${CMAKE_SOURCE_DIR}/tests/cpp/simde ${ARROWQUANT_SIMDE})

if(ARROWQUANT_SANITIZERS)
  set(flags -fsanitize=${ARROWQUANT_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  target_compile_options(arrowquant_options INTERFACE ${flags})
  target_link_options(arrowquant_options INTERFACE ${flags})
endif()
