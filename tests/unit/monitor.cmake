# SPDX-License-Identifier: GPL-2.0-or-later
# Suites of monitor/: through the public API, on a bare machine (unit/cpu_bench.h).

find_package(Threads REQUIRED)
foreach(suite IN ITEMS vm vcpu bus deadline block flow paging interp_integer)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES d86-library Threads::Threads)
endforeach()
d86_unit_test(test_host_call SOURCES unit/test_host_call.c SEES d86-executor-host)
# With chips lent to the processor.
foreach(suite IN ITEMS chips chips_timer chips_interrupts loops planes)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES d86-library d86-near Threads::Threads TIMEOUT 120)
endforeach()
