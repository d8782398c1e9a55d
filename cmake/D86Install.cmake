# SPDX-License-Identifier: GPL-2.0-or-later
# What `cmake --install` puts where: library, headers, pkg-config file and docs. The program and its
# manual page are installed by frontend/.

install(TARGETS d86-library
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/duplex86 DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
# The file finds its own prefix, so that an installation can be moved.
file(RELATIVE_PATH D86_PKGCONFIG_TO_PREFIX
     "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" D86_PKGCONFIG_TO_PREFIX "${D86_PKGCONFIG_TO_PREFIX}")
configure_file(cmake/duplex86.pc.in duplex86.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/duplex86.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")

# The kernel module's sources, where DKMS looks for them if the prefix is /usr: nothing is built or loaded by that.
set(D86_HELPER_SOURCES "src/duplex86-tlb-${PROJECT_VERSION}")
install(DIRECTORY monitor/helper/ DESTINATION "${D86_HELPER_SOURCES}"
        FILES_MATCHING PATTERN "*.c" PATTERN "*.h" PATTERN "Kbuild" PATTERN "Makefile" PATTERN "dkms.conf")
install(FILES include/helper/duplex86_tlb.h DESTINATION "${D86_HELPER_SOURCES}/include/helper")
