# SPDX-License-Identifier: GPL-2.0-or-later
# The split `tlb` and its kernel module, in emulators: docs/testing.md, "The split tlb".
# Needs the module (tests/tools/build_tlb_helper.sh), QEMU or Bochs ('./setup bench-deps') and the kernel the module is for
# ('./setup kernel64'); else skipped.

if(D86_SANITIZE)
    return()
endif()

set(session Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/split_tlb_session.py")
set(inputs --folder "${CMAKE_CURRENT_BINARY_DIR}/tlb_helper" --images "${D86_GUESTS}"
    --guests "${CMAKE_CURRENT_BINARY_DIR}/guest" --program $<TARGET_FILE:duplex86-probe>
    --program $<TARGET_FILE:run_guest>)
set(fuzz --program $<TARGET_FILE:fuzz_tlb_device>)
add_test(NAME split_tlb_in_qemu COMMAND ${session} qemu ${inputs} ${fuzz})
add_test(NAME split_tlb_in_qemu_long COMMAND ${session} qemu ${inputs} ${fuzz} --calls 1000000 --timeout 3600)
add_test(NAME split_tlb_in_bochs COMMAND ${session} bochs ${inputs} --program $<TARGET_FILE:duplex86>
    --programs "${CMAKE_CURRENT_BINARY_DIR}/guest_user/programs" --timeout 3600)
set_tests_properties(split_tlb_in_qemu PROPERTIES
    LABELS boot TIMEOUT 1800 SKIP_RETURN_CODE 77 FIXTURES_REQUIRED tlb_helper)
set_tests_properties(split_tlb_in_qemu_long split_tlb_in_bochs PROPERTIES
    LABELS "boot;long" TIMEOUT 14400 SKIP_RETURN_CODE 77 FIXTURES_REQUIRED tlb_helper)
