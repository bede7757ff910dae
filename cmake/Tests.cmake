# c_tests/test_*.c, c_tests/cpp/test_*.cpp and the examples, each against the shared and the static library (sanitizers: one of them).
# Labels: c, cpp, example, gl, header, install, valgrind, wgpu; shared or static beside them.
list(APPEND CMAKE_MODULE_PATH ${PROJECT_SOURCE_DIR}/cmake)
find_package(Unity REQUIRED)
find_package(Threads REQUIRED)
find_program(VALGRIND valgrind)

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_STANDARD 11)
set(CMAKE_CXX_STANDARD 17)
set(sources ${PROJECT_SOURCE_DIR})
set(linkages shared static)

add_library(backbuf_test_options INTERFACE)
# -O1: the tests are small and many; the library under test is built in its release profile.
target_compile_options(backbuf_test_options INTERFACE -Wall -Wextra -UNDEBUG -O1)
target_link_libraries(backbuf_test_options INTERFACE Threads::Threads m ${CMAKE_DL_LIBS})
if(BACKBUF_WGPU)
  target_compile_definitions(backbuf_test_options INTERFACE BACKBUF_WGPU)
endif()
# Exit code of a test whose requirements are missing.
set(skipped 77)
if(BACKBUF_SANITIZE STREQUAL address)
  set(linkages shared)
  target_compile_options(backbuf_test_options INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -g)
  target_link_options(backbuf_test_options INTERFACE -fsanitize=address,undefined)
elseif(BACKBUF_SANITIZE STREQUAL thread)
  # Two runtimes in one program cannot see each other: the C side is instrumented by gcc and linked with rustc's.
  set(linkages static)
  execute_process(COMMAND ${RUSTC} --print target-libdir --target ${host} OUTPUT_VARIABLE libdir
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  target_compile_options(backbuf_test_options INTERFACE -fsanitize=thread -g)
  target_link_options(backbuf_test_options INTERFACE
    "LINKER:--whole-archive,${libdir}/librustc-stable_rt.tsan.a,--no-whole-archive")
endif()

# backbuf_test(LABEL NAME SOURCES...): one program a linkage, `<name>_<linkage>`, and its test `<label>.<name>.<linkage>`.
function(backbuf_test label name)
  foreach(linkage IN LISTS linkages)
    set(program ${name}_${linkage})
    add_executable(${program} ${ARGN})
    target_link_libraries(${program} PRIVATE backbuf_test_options backbuf::${linkage})
    set(test ${label}.${name}.${linkage})
    add_test(NAME ${test} COMMAND ${program})
    set_tests_properties(${test} PROPERTIES LABELS "${label};${linkage}" TIMEOUT 300 SKIP_RETURN_CODE ${skipped})
  endforeach()
endfunction()

# --- every status that these programs see must be in the header's list of the function ---

find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(generated ${PROJECT_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${generated})
set(wrappers ${generated}/listed_statuses.c)
set(wrapper_options ${generated}/listed_statuses.options)
add_custom_command(OUTPUT ${wrappers} ${wrapper_options}
  COMMAND Python3::Interpreter ${sources}/c_tests/listed_statuses.py ${wrappers} ${wrapper_options}
  DEPENDS ${sources}/c_tests/listed_statuses.py ${sources}/tools/c_api.py ${sources}/include/backbuf.h VERBATIM)
add_library(backbuf_listed_statuses OBJECT ${wrappers})
target_link_libraries(backbuf_listed_statuses PRIVATE backbuf_test_options)
target_include_directories(backbuf_listed_statuses PRIVATE ${sources}/include)
target_link_options(backbuf_listed_statuses INTERFACE @${wrapper_options})

# --- C: one Unity program a file ---

file(GLOB files CONFIGURE_DEPENDS ${sources}/c_tests/test_*.c)
if(BACKBUF_SANITIZE STREQUAL thread)
  list(FILTER files INCLUDE REGEX "(changes|read|request|stress)\\.c$")
elseif(BACKBUF_SANITIZE STREQUAL address)
  # A child forked while a driver thread is in gcc's AddressSanitizer inherits a locked allocator.
  list(FILTER files EXCLUDE REGEX "gl_fork\\.c$")
endif()
# The registry's scenarios, as tables that C can read.
set(vectors ${sources}/tests/data/registry/vectors.json)
add_custom_command(OUTPUT ${generated}/registry_vectors.h
  COMMAND Python3::Interpreter ${sources}/c_tests/vectors.py ${vectors} ${generated}/registry_vectors.h
  DEPENDS ${sources}/c_tests/vectors.py ${vectors} VERBATIM)
set_source_files_properties(${sources}/c_tests/test_registry_vectors.c PROPERTIES
  OBJECT_DEPENDS ${generated}/registry_vectors.h INCLUDE_DIRECTORIES ${generated})

# The header as tables, for random calls of every function.
add_custom_command(OUTPUT ${generated}/api_table.h
  COMMAND Python3::Interpreter ${sources}/c_tests/api_table.py ${sources}/include/backbuf.h ${generated}/api_table.h
  DEPENDS ${sources}/c_tests/api_table.py ${sources}/tools/c_api.py ${sources}/include/backbuf.h VERBATIM)
set_source_files_properties(${sources}/c_tests/test_fuzz.c PROPERTIES
  OBJECT_DEPENDS ${generated}/api_table.h INCLUDE_DIRECTORIES ${generated})

foreach(file IN LISTS files)
  cmake_path(GET file STEM name)
  backbuf_test(c ${name} ${file})
  foreach(linkage IN LISTS linkages)
    target_link_libraries(${name}_${linkage} PRIVATE Unity::Unity backbuf_listed_statuses)
  endforeach()

  if(VALGRIND AND NOT BACKBUF_SANITIZE)
    # A forked child cannot reach its parent's objects, which is no leak.
    set(leaks definite)
    if(name MATCHES "fork$")
      set(leaks none)
    endif()
    add_test(NAME valgrind.${name} COMMAND ${VALGRIND} --quiet --fair-sched=yes --error-exitcode=99 --leak-check=full
      --errors-for-leak-kinds=${leaks} --suppressions=${sources}/c_tests/valgrind.supp --trace-children=no $<TARGET_FILE:${name}_shared>)
    set_tests_properties(valgrind.${name} PROPERTIES LABELS valgrind TIMEOUT 600 SKIP_RETURN_CODE ${skipped})
  endif()
endforeach()

if(BACKBUF_SANITIZE STREQUAL thread)
  return()
endif()

# --- OpenGL: the tests of devices and of managers with device copies, on each driver that renders on the CPU;
# on llvmpipe also as plain OpenGL 3.3, with all optional features hidden ---

set(on_device back backend backpressure bounds buffer callbacks changes designs ends feed fields fields_model fuzz leases log manager persistence
  regressions request roles stress updates watch)
set(drivers llvmpipe plain softpipe zink)
if(BACKBUF_SANITIZE)
  set(drivers llvmpipe)
endif()
list(GET linkages 0 linkage)
foreach(name IN ITEMS device gl_fork gl_front ${on_device})
  if(NOT TARGET test_${name}_${linkage})
    continue()
  endif()
  foreach(driver IN LISTS drivers)
    set(gl_environment LIBGL_ALWAYS_SOFTWARE=1 GALLIUM_DRIVER=${driver})
    if(driver STREQUAL plain)
      set(gl_environment LIBGL_ALWAYS_SOFTWARE=1 GALLIUM_DRIVER=llvmpipe BACKBUF_GL_CAPS=none)
    endif()
    if(name IN_LIST on_device)
      list(APPEND gl_environment BACKBUF_TEST_DEVICE=gl)
    endif()
    if(name STREQUAL stress)
      list(APPEND gl_environment BACKBUF_SOAK=1)
    endif()
    set(test gl.test_${name}.${driver})
    add_test(NAME ${test} COMMAND test_${name}_${linkage})
    set_tests_properties(${test} PROPERTIES LABELS gl TIMEOUT 300 SKIP_RETURN_CODE ${skipped}
      ENVIRONMENT "${gl_environment}")
  endforeach()
endforeach()

# --- a driver in C: the same tests with their devices and managers' copies on it ---

foreach(name IN LISTS on_device)
  if(TARGET test_${name}_${linkage})
    add_test(NAME driver.test_${name} COMMAND test_${name}_${linkage})
    set_tests_properties(driver.test_${name} PROPERTIES LABELS "c;driver" TIMEOUT 300 SKIP_RETURN_CODE ${skipped}
      ENVIRONMENT BACKBUF_TEST_DEVICE=driver)
  endif()
endforeach()

# --- C++, and the examples ---

file(GLOB files CONFIGURE_DEPENDS ${sources}/c_tests/cpp/test_*.cpp)
foreach(file IN LISTS files)
  cmake_path(GET file STEM name)
  backbuf_test(cpp cpp_${name} ${file})
  foreach(linkage IN LISTS linkages)
    target_link_libraries(cpp_${name}_${linkage} PRIVATE Unity::Unity backbuf_listed_statuses)
  endforeach()
  # One build for both standards.
  if(TARGET cpp_${name}_static)
    target_compile_features(cpp_${name}_static PRIVATE cxx_std_20)
  endif()
endforeach()

# The snippets of the designs, near their own text.
file(GLOB files CONFIGURE_DEPENDS ${sources}/c_tests/cpp/designs/*.cpp)
foreach(file IN LISTS files)
  cmake_path(GET file STEM name)
  backbuf_test(cpp designs_${name} ${file})
endforeach()

# One file is one example; the flood engine of the demo is several.
file(GLOB flood CONFIGURE_DEPENDS ${sources}/examples_c/flood*.c)
file(GLOB files CONFIGURE_DEPENDS ${sources}/examples_c/*.c ${sources}/examples/*.cpp)
list(REMOVE_ITEM files ${flood} ${sources}/examples_c/gl_window.c)
# Shows that the header needs no exceptions.
set_source_files_properties(${sources}/examples/results.cpp PROPERTIES COMPILE_OPTIONS -fno-exceptions)
backbuf_test(example example_flood ${flood})
foreach(file IN LISTS files)
  cmake_path(GET file STEM name)
  backbuf_test(example example_${name} ${file})
endforeach()

# The examples of buffers, on every kind of device.
file(GLOB patterns CONFIGURE_DEPENDS ${sources}/examples/buffers/*.cpp)
foreach(file IN LISTS patterns)
  cmake_path(GET file STEM name)
  backbuf_test(example example_buffers_${name} ${file})
  add_test(NAME example.buffers_${name}.gl COMMAND example_buffers_${name}_${linkage} gl)
  set_tests_properties(example.buffers_${name}.gl PROPERTIES LABELS "example;gl" TIMEOUT 300 SKIP_RETURN_CODE ${skipped}
    ENVIRONMENT "LIBGL_ALWAYS_SOFTWARE=1")
endforeach()

# The window: with a context of GLX, host-driven, and with one of EGL, shared.
find_package(PkgConfig)
if(PkgConfig_FOUND)
  pkg_check_modules(SDL2 IMPORTED_TARGET sdl2 gl)
endif()
if(SDL2_FOUND AND NOT BACKBUF_SANITIZE)
  add_executable(example_gl_window ${sources}/examples_c/gl_window.c)
  target_link_libraries(example_gl_window PRIVATE backbuf_test_options backbuf::shared PkgConfig::SDL2)
  foreach(way IN ITEMS host_driven shared)
    set(arguments --check 100 ${PROJECT_BINARY_DIR}/gl_window_${way}.ppm)
    if(way STREQUAL shared)
      list(PREPEND arguments --shared)
    endif()
    add_test(NAME example.gl_window.${way}
      COMMAND ${sources}/c_tests/with_display.sh $<TARGET_FILE:example_gl_window> ${arguments})
    set_tests_properties(example.gl_window.${way} PROPERTIES LABELS "example;gl" TIMEOUT 300
      SKIP_RETURN_CODE ${skipped} ENVIRONMENT "LIBGL_ALWAYS_SOFTWARE=1;GALLIUM_DRIVER=llvmpipe")
  endforeach()
elseif(NOT BACKBUF_SANITIZE)
  message(STATUS "examples_c/gl_window.c is left out: SDL2 is not installed (Debian: libsdl2-dev)")
endif()

# The kernel of the Lorenz example on the CPU, laid out by the registry.
backbuf_cuda_layout(lorenz/lorenz_layout.h FROM ${sources}/examples/lorenz/lorenz.json NAMESPACE lorenz)
add_executable(example_lorenz ${sources}/examples/lorenz/main.cpp ${CMAKE_CURRENT_BINARY_DIR}/lorenz/lorenz_layout.h)
target_include_directories(example_lorenz PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/lorenz)
target_compile_features(example_lorenz PRIVATE cxx_std_20)
target_link_libraries(example_lorenz PRIVATE backbuf_test_options)
add_test(NAME example.lorenz COMMAND example_lorenz)
set_tests_properties(example.lorenz PROPERTIES LABELS example)

# --- WebGPU: devices and buffers, by each driver that renders on the CPU ---

if(BACKBUF_WGPU)
  set(programs cpp_test_buffers cpp_test_device test_device)
  # wgpu_test(NAME PROGRAM ADAPTER ARGUMENTS...)
  function(wgpu_test name program adapter)
    add_test(NAME wgpu.${name}.${adapter} COMMAND ${program}_${linkage} ${ARGN})
    set_tests_properties(wgpu.${name}.${adapter} PROPERTIES LABELS wgpu TIMEOUT 300 SKIP_RETURN_CODE ${skipped}
      ENVIRONMENT "LIBGL_ALWAYS_SOFTWARE=1;BACKBUF_TEST_DEVICE=wgpu;BACKBUF_TEST_ADAPTER=${adapter}")
  endfunction()
  set_property(TEST cpp.cpp_test_buffers.${linkage} cpp.cpp_test_device.${linkage} c.test_device.${linkage}
    APPEND PROPERTY LABELS wgpu)
  foreach(adapter IN ITEMS vulkan gl)
    foreach(name IN ITEMS buffer designs request roles)
      wgpu_test(test_${name} test_${name} ${adapter})
      list(APPEND programs test_${name})
    endforeach()
    foreach(file IN LISTS patterns)
      cmake_path(GET file STEM name)
      wgpu_test(buffers_${name} example_buffers_${name} ${adapter} wgpu ${adapter})
      list(APPEND programs example_buffers_${name})
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES programs)
  list(TRANSFORM programs APPEND _${linkage})
  # What the tests of this label need.
  add_custom_target(wgpu_tests DEPENDS ${programs})
endif()

if(BACKBUF_SANITIZE)
  return()
endif()

# --- a plugin that contains the static library, closed before the threads that used it have ended ---

add_library(test_plugin MODULE ${sources}/c_tests/plugin/plugin.c)
target_link_libraries(test_plugin PRIVATE backbuf::static)
# The library in a plugin is separate: it does not use another copy, and others do not use it.
target_link_options(test_plugin PRIVATE LINKER:--exclude-libs,ALL)
add_executable(plugin_host ${sources}/c_tests/plugin/host.c)
target_link_libraries(plugin_host PRIVATE backbuf_test_options)
add_test(NAME c.plugin COMMAND plugin_host $<TARGET_FILE:test_plugin>)
set_tests_properties(c.plugin PROPERTIES LABELS c TIMEOUT 300)

# --- an engine under ThreadSanitizer reports no race in the release library, with the installed suppressions ---

include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_FLAGS -fsanitize=thread)
check_c_source_compiles("int main(void) { return 0; }" HAVE_THREAD_SANITIZER)
unset(CMAKE_REQUIRED_FLAGS)
if(HAVE_THREAD_SANITIZER)
  foreach(linkage IN LISTS linkages)
    add_executable(tsan_engine_${linkage} ${sources}/c_tests/tsan/engine.c)
    target_compile_options(tsan_engine_${linkage} PRIVATE -fsanitize=thread -g)
    target_link_options(tsan_engine_${linkage} PRIVATE -fsanitize=thread)
    target_link_libraries(tsan_engine_${linkage} PRIVATE backbuf_test_options backbuf::${linkage})
    add_test(NAME c.tsan_engine.${linkage} COMMAND tsan_engine_${linkage})
    set_tests_properties(c.tsan_engine.${linkage} PROPERTIES LABELS "c;${linkage}" TIMEOUT 300
      ENVIRONMENT "TSAN_OPTIONS=suppressions=${sources}/cmake/tsan.supp")
  endforeach()
else()
  message(STATUS "c_tests/tsan/engine.c is left out: the compiler has no ThreadSanitizer")
endif()

# --- the headers compile alone and twice, with every supported standard ---

# backbuf_header_test(HEADER COMPILER SOURCE STANDARDS...)
function(backbuf_header_test header compiler source)
  foreach(standard IN LISTS ARGN)
    set(test header.${header}.${standard})
    add_test(NAME ${test} COMMAND ${compiler} -std=${standard} -fsyntax-only -pedantic -Wall -Wextra -Wshadow -Wconversion
      -Werror -I ${sources}/include -DHEADER=<${header}> ${sources}/c_tests/header/${source})
    set_tests_properties(${test} PROPERTIES LABELS header)
  endforeach()
endfunction()

backbuf_header_test(backbuf.h ${CMAKE_C_COMPILER} twice.c c99 c11 c17)
backbuf_header_test(backbuf.h ${CMAKE_CXX_COMPILER} twice.cpp c++11 c++17 c++20)
backbuf_header_test(backbuf/inline.h ${CMAKE_C_COMPILER} twice.c c99 c11 c17)
backbuf_header_test(backbuf/inline.h ${CMAKE_CXX_COMPILER} twice.cpp c++11 c++17 c++20)
file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${sources}/include ${sources}/include/backbuf.hpp ${sources}/include/backbuf/*.hpp)
list(FILTER headers EXCLUDE REGEX "macros_(push|pop)\\.hpp$")
foreach(header IN LISTS headers)
  backbuf_header_test(${header} ${CMAKE_CXX_COMPILER} twice.cpp c++17 c++20)
endforeach()

# Ignoring the status of a function that creates something is a warning, one a call.
add_test(NAME header.must_use COMMAND ${CMAKE_C_COMPILER} -std=c11 -c -o ${PROJECT_BINARY_DIR}/must_use.o -I ${sources}/include
  ${sources}/c_tests/header/must_use.c)
set_tests_properties(header.must_use PROPERTIES LABELS header
  PASS_REGULAR_EXPRESSION "bb_manager_create.*unused.*bb_spsc_create.*unused" FAIL_REGULAR_EXPRESSION "bb_manager_destroy.*unused")

# --- and after headers with common macro names; backbuf.hpp includes nearly all the others ---

foreach(header IN ITEMS backbuf.h backbuf.hpp backbuf/inline.h backbuf/inline.hpp backbuf/std_future.hpp)
  add_test(NAME header.${header}.macros COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only -pedantic -Wall -Wextra -Werror
    -I ${sources}/include -DHEADER=<${header}> ${sources}/c_tests/header/macros.cpp)
  set_tests_properties(header.${header}.macros PROPERTIES LABELS header)
endforeach()

# --- incorrect C++ does not compile, the C++ header costs nothing over C, its examples compile ---

foreach(check negative overhead examples)
  add_test(NAME cpp.${check} COMMAND ${sources}/c_tests/cpp/check_${check}.sh ${CMAKE_CXX_COMPILER})
  set_tests_properties(cpp.${check} PROPERTIES LABELS cpp TIMEOUT 300)
endforeach()

# --- the project configures as a subproject, and for other processors ---

add_test(NAME cmake COMMAND ${sources}/c_tests/cmake/run)
set_tests_properties(cmake PROPERTIES LABELS install TIMEOUT 300)

# --- programs build against an installation, also after it was moved ---

add_test(NAME install COMMAND ${sources}/c_tests/install/run ${PROJECT_BINARY_DIR})
set_tests_properties(install PROPERTIES LABELS install TIMEOUT 300)
