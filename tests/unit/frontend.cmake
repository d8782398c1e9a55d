# SPDX-License-Identifier: GPL-2.0-or-later
# The frontend's suites. The loaders and back-ends need no virtual processor; test_cli runs the program itself.

d86_unit_test(test_loader_linux SOURCES unit/test_loader_linux.c LIBRARIES d86-loaders)
d86_unit_test(test_loader_multiboot SOURCES unit/test_loader_multiboot.c LIBRARIES d86-loaders)
d86_unit_test(test_loader_multiboot2 SOURCES unit/test_loader_multiboot2.c LIBRARIES d86-loaders)
d86_unit_test(test_loader_malformed SOURCES unit/test_loader_malformed.c LIBRARIES d86-loaders)
d86_unit_test(test_firmware SOURCES unit/test_firmware.c LIBRARIES d86-loaders)
d86_unit_test(test_escape SOURCES unit/test_escape.c LIBRARIES d86-host)
d86_unit_test(test_disassembler SOURCES unit/test_disassembler.c LIBRARIES d86-disassembler)
d86_unit_test(test_backend SOURCES unit/test_backend.c LIBRARIES d86-host)
target_compile_definitions(test_backend PRIVATE _GNU_SOURCE)
d86_unit_test(test_snapshot SOURCES unit/test_snapshot.c LIBRARIES d86-snapshot TIMEOUT 300)
target_compile_definitions(test_snapshot PRIVATE _GNU_SOURCE)
d86_unit_test(test_control SOURCES unit/test_control.c LIBRARIES d86-control)

add_test(NAME test_cli
    COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/unit/test_cli.py" $<TARGET_FILE:duplex86>)
set_tests_properties(test_cli PROPERTIES LABELS unit TIMEOUT 300)

set(sanitized no)
if(D86_SANITIZE)
    set(sanitized yes)
endif()
add_test(NAME test_probe
    COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/unit/test_probe.py" $<TARGET_FILE:duplex86-probe>
        $<TARGET_FILE:duplex86> ${sanitized})
set_tests_properties(test_probe PROPERTIES LABELS unit TIMEOUT 600)

# Pictures; the file is read back with libpng.
d86_unit_test(test_display SOURCES unit/test_display.c LIBRARIES d86-display PkgConfig::PNG)
d86_unit_test(test_terminal_display SOURCES unit/test_terminal_display.c LIBRARIES d86-display)

add_test(NAME test_control_socket
    COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/unit/test_control_socket.py" $<TARGET_FILE:duplex86>
            "${PROJECT_SOURCE_DIR}/frontend/duplex86-control.7")
set_tests_properties(test_control_socket PROPERTIES LABELS unit TIMEOUT 300)

add_test(NAME test_config
    COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/unit/test_config.py" $<TARGET_FILE:duplex86>
            "${PROJECT_SOURCE_DIR}/frontend/duplex86.1")
set_tests_properties(test_config PROPERTIES LABELS unit TIMEOUT 300)

if(D86_SDL)
    d86_unit_test(test_window SOURCES unit/test_window.c LIBRARIES d86-window)
endif()
