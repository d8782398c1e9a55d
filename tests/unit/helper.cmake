# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel module in monitor/helper/: its bookkeeping in user space, and the module itself against the headers of a kernel.

# The kernel's headers are empty files here, and stub_kernel.h has what is needed of them.
set(stub "${CMAKE_CURRENT_BINARY_DIR}/stub_kernel")
foreach(header IN ITEMS atomic err file fs mm mutex pagemap preempt refcount sched sched/mm slab)
    file(WRITE "${stub}/linux/${header}.h" "")
endforeach()
d86_unit_test(test_tlb_helper
    SOURCES unit/test_tlb_helper.c unit/stub_kernel.c "${PROJECT_SOURCE_DIR}/monitor/helper/pages.c"
    INCLUDES unit "${PROJECT_SOURCE_DIR}/monitor/helper" "${stub}"
    TIMEOUT 300)
set_source_files_properties("${PROJECT_SOURCE_DIR}/monitor/helper/pages.c" PROPERTIES
    COMPILE_OPTIONS "-Wno-unused-parameter;-Wno-shadow;-include;${CMAKE_CURRENT_SOURCE_DIR}/unit/stub_kernel.h")
target_compile_definitions(test_tlb_helper PRIVATE _GNU_SOURCE)

# Built in the build folder, from a copy: the kernel's build system leaves its files beside the sources. Skipped where
# there are no headers.
if(NOT D86_SANITIZE)
    add_test(NAME tlb_helper_builds
        COMMAND "${PROJECT_SOURCE_DIR}/tests/tools/build_tlb_helper.sh" "${CMAKE_CURRENT_BINARY_DIR}/tlb_helper")
    set_tests_properties(tlb_helper_builds PROPERTIES
        LABELS unit TIMEOUT 600 SKIP_RETURN_CODE 77 FIXTURES_SETUP tlb_helper)
endif()
