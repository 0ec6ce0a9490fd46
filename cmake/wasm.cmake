# WebAssembly builds: the flags, and the modules that the package ships.

target_compile_options(arrowquant_options INTERFACE
  -msimd128
  # In every engine that has SIMD128, and faster: memory.copy, and float → int without range checks.
  -mbulk-memory -mnontrapping-fptoint -msign-ext)
target_link_options(arrowquant_options INTERFACE -msimd128 -mbulk-memory -mnontrapping-fptoint -msign-ext)
if(ARROWQUANT_THREADS)
  set(ARROWQUANT_FLAVOUR threads)
  target_compile_options(arrowquant_options INTERFACE -pthread)
  target_link_options(arrowquant_options INTERFACE -pthread)
else()
  set(ARROWQUANT_FLAVOUR single)
endif()

# One glue serves browsers and every other runtime: what differs between them is js/runtime's, and the glue never asks.
function(arrowquant_wasm_modules)
  file(GLOB sources CONFIGURE_DEPENDS src/bindings/*.cc)
  if(ARROWQUANT_THREADS)
    list(FILTER sources EXCLUDE REGEX "/parcels\\.cc$")
  endif()
  file(GLOB libraries CONFIGURE_DEPENDS src/bindings/library/*.js)
  add_library(arrowquant_bindings OBJECT ${sources})
  target_link_libraries(arrowquant_bindings PUBLIC arrowquant_engine)
  # embind works without RTTI as long as nobody asks it for the name of a type that was never registered.
  target_compile_options(arrowquant_bindings PRIVATE -fno-exceptions -fno-rtti -DEMSCRIPTEN_HAS_UNBOUND_TYPE_NAMES=0
    # They only pass on: size counts, not speed.
    -Os)
  set(name arrowquant-${ARROWQUANT_FLAVOUR})
  add_executable(${name})
  set_target_properties(${name} PROPERTIES SUFFIX .js)
  target_link_libraries(${name} PRIVATE arrowquant_bindings)
  target_link_options(${name} PRIVATE
    -O3
    -fno-exceptions -fno-rtti
    -lembind
    # A factory function as the default export of an ES module: several instances can live in one page.
    -sMODULARIZE -sEXPORT_ES6
    -sENVIRONMENT=web,worker
    # embind must not evaluate code: a Content-Security-Policy without 'unsafe-eval' would stop it.
    -sDYNAMIC_EXECUTION=0
    # A fixed heap, whatever the model's size: views on it stay valid, and a growing shared memory is slow to read.
    # A full heap is an error of the caller's, not the end of the module.
    -sINITIAL_MEMORY=${ARROWQUANT_HEAP} -sALLOW_MEMORY_GROWTH=0 -sABORTING_MALLOC=0
    # Few allocations, most of them of large blocks: the smallest allocator does.
    -sMALLOC=emmalloc
    # Kernels keep small blocks on the stack, and nothing recurses.
    -sSTACK_SIZE=256KB
    # Debugging aids of the glue; our own checks are in src/bindings and js/.
    -sASSERTIONS=0
    # No fopen in the core: files are JavaScript's.
    -sFILESYSTEM=0
    # The module lives until the page or process ends; there is no main() to return from.
    --no-entry -sEXIT_RUNTIME=0
    # i64 crosses to JavaScript as BigInt, which spares wasm and glue the pairs of i32. Every engine with SIMD128 has it.
    -sWASM_BIGINT
    -sSUPPORT_LONGJMP=0
    # The oldest engines that have SIMD128: no code for older ones.
    -sMIN_CHROME_VERSION=91 -sMIN_FIREFOX_VERSION=89 -sMIN_SAFARI_VERSION=160400 -sMIN_NODE_VERSION=200000
    # js/wasm builds its windows from this view.
    -sEXPORTED_RUNTIME_METHODS=HEAPU8)
  if(ARROWQUANT_THREADS)
    target_link_options(${name} PRIVATE
      # Workers start when the pool asks for its threads, because only the caller knows how many.
      -sPTHREAD_POOL_SIZE=0
      -sDEFAULT_PTHREAD_STACK_SIZE=${ARROWQUANT_THREAD_STACK})
  endif()
  foreach(library IN LISTS libraries)
    target_link_options(${name} PRIVATE --js-library=${library})
    set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${library})
  endforeach()
endfunction()

set(ARROWQUANT_HEAP 96MB)
# It comes out of the heap, for each thread. The deepest kernel, that of blocks of columns, takes 20 KB; the C++ tests run on the same, checked.
set(ARROWQUANT_THREAD_STACK 64KB)
