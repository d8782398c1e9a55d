# SPDX-License-Identifier: GPL-2.0-or-later
# The host processor as oracle for the virtual one, under each engine: docs/testing.md, "The oracle".

if(D86_SANITIZE)
    # Sanitizers keep their shadow memory where the cases' 32-bit address space has to be.
    message(STATUS "The oracle does not run under sanitizers: skipped")
    return()
endif()

add_executable(oracle
    oracle/check.c
    oracle/compare.c
    oracle/coverage.c
    oracle/directed.c
    oracle/forms.c
    oracle/forms_simd.c
    oracle/gen.c
    oracle/gen_case.c
    oracle/gen_fault.c
    oracle/gen_seg16.c
    oracle/gen_seg16_far.c
    oracle/gen_flow.c
    oracle/gen_stack.c
    oracle/gen_x87.c
    oracle/guest.c
    oracle/image.c
    oracle/main.c
    oracle/native.c
    oracle/native_child.c
    oracle/native_entry.S
    oracle/report.c
    oracle/segments.c
    oracle/translated.c
    oracle/unspecified.c)
# The child runs with FS and GS of the cases: no canary through FS, no lazy binding through TLS, and the
# program itself above 4 GiB.
set_source_files_properties(oracle/native_child.c oracle/translated.c PROPERTIES COMPILE_OPTIONS -fno-stack-protector)
set_source_files_properties(oracle/native.c oracle/native_child.c PROPERTIES
    INCLUDE_DIRECTORIES "${PROJECT_SOURCE_DIR}/monitor/executor/host") # host_call.h
set_target_properties(oracle PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
target_compile_options(oracle PRIVATE -fPIE)
target_link_options(oracle PRIVATE -pie -Wl,-z,now)
target_link_libraries(oracle PRIVATE d86-warnings d86-library d86-translator d86-disassembler PkgConfig::CAPSTONE)

function(oracle_test name labels timeout)
    add_test(NAME oracle.${name} COMMAND oracle ${ARGN})
    set_tests_properties(oracle.${name} PROPERTIES
        LABELS "${labels}" TIMEOUT ${timeout} SKIP_RETURN_CODE 77)
endfunction()

oracle_test(native oracle 60 --native-only --count=20000)
oracle_test(coverage oracle 60 --coverage)
oracle_test(directed oracle 60 --group=directed)
oracle_test(random oracle 300 --count=200000)
oracle_test(directed.sbe oracle 60 --group=directed --engine=sbe)
oracle_test(random.sbe oracle 300 --count=100000 --engine=sbe)
oracle_test(random.sbe-none oracle 300 --count=20000 --engine=sbe --split=none)
oracle_test(translated oracle 300 --count=20000 --engine=translated)
oracle_test(long "oracle;long" 7200 --count=10000000 --seed=1000000)
oracle_test(long.sbe "oracle;long" 7200 --count=2000000 --seed=2000000 --engine=sbe)
oracle_test(long.translated "oracle;long" 7200 --count=1000000 --seed=3000000 --engine=translated)

# Debug exceptions: the host's debug registers, by ptrace.
add_executable(oracle_debug oracle/debug.c)
target_compile_options(oracle_debug PRIVATE -fPIE)
target_link_options(oracle_debug PRIVATE -pie)
target_link_libraries(oracle_debug PRIVATE d86-warnings d86-library)
add_test(NAME oracle.debug COMMAND oracle_debug)
set_tests_properties(oracle.debug PROPERTIES LABELS oracle TIMEOUT 60 SKIP_RETURN_CODE 77)
