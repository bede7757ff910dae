# Imported targets backbuf::shared, backbuf::static and backbuf::backbuf over what cargo builds.
find_program(CARGO cargo HINTS $ENV{HOME}/.cargo/bin REQUIRED)
find_program(RUSTC rustc HINTS $ENV{HOME}/.cargo/bin REQUIRED)

# What a program needs beside the static library, as rustc tells it for any of its static libraries. That it is so for
# this one, too, the install test checks.
set(probe ${PROJECT_BINARY_DIR}/native-static-libs)
file(WRITE ${probe}.rs "")
execute_process(
  COMMAND ${RUSTC} --crate-type staticlib --print native-static-libs=${probe}.txt -o ${probe}.a ${probe}.rs
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

if(BACKBUF_SANITIZE)
  execute_process(COMMAND ${RUSTC} -vV OUTPUT_VARIABLE rustc_version)
  string(REGEX MATCH "host: ([^\n]+)" host "${rustc_version}")
  set(host ${CMAKE_MATCH_1})
  # Sanitizers are unstable options of a stable compiler; link-time optimisation only blurs what they report.
  set(flags_address -Zsanitizer=address)
  set(flags_thread "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer")
  set(environment RUSTC_BOOTSTRAP=1 "RUSTFLAGS=${flags_${BACKBUF_SANITIZE}}" CARGO_PROFILE_RELEASE_LTO=off
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16)
  set(target_dir ${BACKBUF_TARGET_DIR}/sanitize-${BACKBUF_SANITIZE})
  set(output ${target_dir}/${host}/${profile})
  list(APPEND cargo_options --target ${host})
endif()

# Always run: cargo decides what is stale, in 0.2 s when nothing is.
add_custom_target(backbuf_cargo ALL
  COMMAND ${CMAKE_COMMAND} -E env ${environment}
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

# The command line, which backbuf_cuda_layout() calls. A tool of the build, so never with a sanitizer.
set(layout_tool ${BACKBUF_TARGET_DIR}/release/backbuf-layout)
add_custom_target(backbuf_layout_tool ALL
  COMMAND ${CARGO} build --release --bin backbuf-layout --target-dir ${BACKBUF_TARGET_DIR}
  BYPRODUCTS ${layout_tool}
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  COMMENT "cargo builds ${layout_tool}"
  USES_TERMINAL VERBATIM)
add_executable(backbuf::layout IMPORTED GLOBAL)
set_target_properties(backbuf::layout PROPERTIES IMPORTED_LOCATION ${layout_tool})
add_dependencies(backbuf::layout backbuf_layout_tool)

# The one to link without a choice: shared, unless BUILD_SHARED_LIBS says no.
add_library(backbuf::backbuf INTERFACE IMPORTED GLOBAL)
if(DEFINED BUILD_SHARED_LIBS AND NOT BUILD_SHARED_LIBS)
  target_link_libraries(backbuf::backbuf INTERFACE backbuf::static)
else()
  target_link_libraries(backbuf::backbuf INTERFACE backbuf::shared)
endif()
