# Imported targets backbuf::shared, backbuf::static and backbuf::backbuf over what cargo builds.
find_program(CARGO cargo HINTS $ENV{HOME}/.cargo/bin REQUIRED)
find_program(RUSTC rustc HINTS $ENV{HOME}/.cargo/bin REQUIRED)

execute_process(COMMAND ${RUSTC} -vV OUTPUT_VARIABLE rustc_version)
string(REGEX MATCH "host: ([^\n]+)" host "${rustc_version}")
set(host ${CMAKE_MATCH_1})

# The target that cargo builds for. Empty: the host, in cargo's folder for the host.
set(cargo_target ${BACKBUF_CARGO_TARGET})
if(NOT cargo_target AND CMAKE_CROSSCOMPILING)
  if(NOT CMAKE_SYSTEM_NAME STREQUAL Linux)
    message(FATAL_ERROR "backbuf runs on Linux, and CMAKE_SYSTEM_NAME is ${CMAKE_SYSTEM_NAME}")
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
    set(cargo_target aarch64-unknown-linux-gnu)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    set(cargo_target x86_64-unknown-linux-gnu)
  else()
    message(FATAL_ERROR "CMAKE_SYSTEM_PROCESSOR is \"${CMAKE_SYSTEM_PROCESSOR}\", for which backbuf has no rustc target: set\
 BACKBUF_CARGO_TARGET to one of `rustc --print target-list`")
  endif()
endif()
set(rustc_target)
if(cargo_target)
  execute_process(COMMAND ${RUSTC} --print target-libdir --target ${cargo_target} OUTPUT_VARIABLE target_libdir
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_VARIABLE errors RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "rustc knows no target ${cargo_target}: set BACKBUF_CARGO_TARGET\n${errors}")
  elseif(NOT EXISTS ${target_libdir})
    message(FATAL_ERROR "Rust's standard library for ${cargo_target} is not installed: `rustup target add ${cargo_target}`")
  endif()
  set(rustc_target --target ${cargo_target})
endif()

# The system libraries that a program needs beside the static library, as rustc prints them for any static library. The
# install test checks that this holds for backbuf's.
set(probe ${PROJECT_BINARY_DIR}/native-static-libs)
file(WRITE ${probe}.rs "")
execute_process(
  COMMAND ${RUSTC} ${rustc_target} --crate-type staticlib --print native-static-libs=${probe}.txt -o ${probe}.a ${probe}.rs
  ERROR_VARIABLE errors RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "rustc cannot build an empty static library:\n${errors}")
endif()
file(STRINGS ${probe}.txt BACKBUF_PRIVATE_LIBS LIMIT_COUNT 1)
separate_arguments(private_libs UNIX_COMMAND "${BACKBUF_PRIVATE_LIBS}")

if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(BACKBUF_SONAME libbackbuf.so.0.${PROJECT_VERSION_MINOR})
else()
  set(BACKBUF_SONAME libbackbuf.so.${PROJECT_VERSION_MAJOR})
endif()

set(features capi)
if(BACKBUF_WGPU)
  string(APPEND features ,wgpu)
endif()

set(target_dir ${BACKBUF_TARGET_DIR})
set(environment)
set(profile release)
set(cargo_options --release)
if(CMAKE_BUILD_TYPE STREQUAL Debug)
  set(profile debug)
  set(cargo_options)
endif()
set(output ${target_dir}/${profile})
if(cargo_target)
  set(output ${target_dir}/${cargo_target}/${profile})
  list(APPEND cargo_options --target ${cargo_target})
  if(CMAKE_CROSSCOMPILING)
    # cargo's linker for the target is that of the toolchain file.
    string(TOUPPER ${cargo_target} linker)
    string(REPLACE "-" "_" linker ${linker})
    list(APPEND environment CARGO_TARGET_${linker}_LINKER=${CMAKE_C_COMPILER})
  endif()
endif()

if(BACKBUF_SANITIZE)
  # Sanitizers are unstable options of a stable compiler; link-time optimisation only blurs what they report.
  set(flags_address -Zsanitizer=address)
  set(flags_thread "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer")
  set(environment RUSTC_BOOTSTRAP=1 "RUSTFLAGS=${flags_${BACKBUF_SANITIZE}}" CARGO_PROFILE_RELEASE_LTO=off
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16)
  set(target_dir ${BACKBUF_TARGET_DIR}/sanitize-${BACKBUF_SANITIZE})
  set(output ${target_dir}/${host}/${profile})
  list(APPEND cargo_options --target ${host})
endif()

# Always run: cargo checks what has changed, in 0.2 s if nothing has.
add_custom_target(backbuf_cargo ALL
  COMMAND ${CMAKE_COMMAND} -E env --unset=CARGO_BUILD_TARGET ${environment}
          ${CARGO} rustc --lib --crate-type cdylib,staticlib --features ${features} --target-dir ${target_dir} ${cargo_options}
  COMMAND ${CMAKE_COMMAND} -E create_symlink libbackbuf.so ${output}/${BACKBUF_SONAME}
  BYPRODUCTS ${output}/libbackbuf.so ${output}/libbackbuf.a
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  COMMENT "cargo builds the library in ${output}"
  USES_TERMINAL VERBATIM)

add_library(backbuf::shared SHARED IMPORTED GLOBAL)
set_target_properties(backbuf::shared PROPERTIES
  IMPORTED_LOCATION ${output}/libbackbuf.so
  IMPORTED_SONAME ${BACKBUF_SONAME}
  INTERFACE_INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/include)

add_library(backbuf::static STATIC IMPORTED GLOBAL)
set_target_properties(backbuf::static PROPERTIES
  IMPORTED_LOCATION ${output}/libbackbuf.a
  INTERFACE_LINK_LIBRARIES "${private_libs}"
  INTERFACE_INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/include)

add_dependencies(backbuf::shared backbuf_cargo)
add_dependencies(backbuf::static backbuf_cargo)

# The command line tool that backbuf_cuda_layout() calls at build time, so it is never built with a sanitizer.
set(layout_tool ${BACKBUF_TARGET_DIR}/release/backbuf-layout)
add_custom_target(backbuf_layout_tool ALL
  COMMAND ${CMAKE_COMMAND} -E env --unset=CARGO_BUILD_TARGET
          ${CARGO} build --release --bin backbuf-layout --target-dir ${BACKBUF_TARGET_DIR}
  BYPRODUCTS ${layout_tool}
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  COMMENT "cargo builds ${layout_tool}"
  USES_TERMINAL VERBATIM)
add_executable(backbuf::layout IMPORTED GLOBAL)
set_target_properties(backbuf::layout PROPERTIES IMPORTED_LOCATION ${layout_tool})
add_dependencies(backbuf::layout backbuf_layout_tool)

# The default library: shared, unless BUILD_SHARED_LIBS is off.
add_library(backbuf::backbuf INTERFACE IMPORTED GLOBAL)
if(DEFINED BUILD_SHARED_LIBS AND NOT BUILD_SHARED_LIBS)
  target_link_libraries(backbuf::backbuf INTERFACE backbuf::static)
else()
  target_link_libraries(backbuf::backbuf INTERFACE backbuf::shared)
endif()
