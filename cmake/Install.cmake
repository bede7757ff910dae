# Headers, libraries with the usual links, the command line, CMake package and pkg-config file; all relocatable.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/backbuf)

install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(FILES ${output}/libbackbuf.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
set(real_name libbackbuf.so.${PROJECT_VERSION})
install(PROGRAMS ${output}/libbackbuf.so DESTINATION ${CMAKE_INSTALL_LIBDIR} RENAME ${real_name})
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/links)
file(CREATE_LINK ${real_name} ${PROJECT_BINARY_DIR}/links/${BACKBUF_SONAME} SYMBOLIC)
file(CREATE_LINK ${BACKBUF_SONAME} ${PROJECT_BINARY_DIR}/links/libbackbuf.so SYMBOLIC)
install(FILES ${PROJECT_BINARY_DIR}/links/${BACKBUF_SONAME} ${PROJECT_BINARY_DIR}/links/libbackbuf.so
  DESTINATION ${CMAKE_INSTALL_LIBDIR})

install(PROGRAMS ${layout_tool} DESTINATION ${CMAKE_INSTALL_BINDIR})

configure_package_config_file(cmake/backbufConfig.cmake.in ${PROJECT_BINARY_DIR}/backbufConfig.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_BINDIR)
# Before 1.0 a minor version may break compatibility, and the soname contains it.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/backbufConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/backbufConfig.cmake ${PROJECT_BINARY_DIR}/backbufConfigVersion.cmake cmake/Layout.cmake
  DESTINATION ${package_dir})

file(RELATIVE_PATH prefix_from_pc /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" prefix_from_pc ${prefix_from_pc})
configure_file(cmake/backbuf.pc.in backbuf.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/backbuf.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES cmake/tsan.supp DESTINATION ${CMAKE_INSTALL_DATADIR}/backbuf)
install(FILES LICENSE-APACHE LICENSE-MIT README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
