# SPDX-License-Identifier: GPL-2.0-or-later
# Trace events of the executor. The writer's half is hidden inside the library, so the suite brings its own.
d86_unit_test(test_trace_ring
    SOURCES unit/test_trace_ring.c "${PROJECT_SOURCE_DIR}/monitor/executor/state/trace_ring.c"
    LIBRARIES d86-library
    SEES d86-executor-engine)
