# SPDX-License-Identifier: GPL-2.0-or-later
# Protection keys, which hosts seldom have, in QEMU's emulator: docs/testing.md, "With protection keys".
# Needs QEMU ('./setup bench-deps') and a 64-bit kernel ('./setup kernel64'); else skipped.

if(D86_SANITIZE)
    return()
endif()

add_test(NAME pku_in_qemu
         COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/pku_session.py"
             --kernel "${D86_GUESTS}/vmlinuz-amd64" --busybox "${D86_GUESTS}/busybox"
             --guests "${CMAKE_CURRENT_BINARY_DIR}/guest" --program $<TARGET_FILE:run_guest>
             --program $<TARGET_FILE:oracle> --program $<TARGET_FILE:test_carrier>)
set_tests_properties(pku_in_qemu PROPERTIES
    LABELS "boot;long" TIMEOUT 7200 RUN_SERIAL TRUE SKIP_RETURN_CODE 77)
