# SPDX-License-Identifier: GPL-2.0-or-later
# Suites of monitor/: through the public API, on a bare machine (unit/cpu_bench.h).

foreach(suite IN ITEMS vm vcpu bus block paging interp_integer)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES d86-library)
endforeach()
if(TARGET test_vcpu)
    find_package(Threads REQUIRED)
    target_link_libraries(test_vcpu PRIVATE Threads::Threads)
endif()
