# SPDX-License-Identifier: GPL-2.0-or-later
# System side of the virtual processor: models and MSRs through the public API, segments from the inside. What
# needs a running guest is in tests/guest/.
d86_unit_test(test_cpu_model SOURCES unit/test_cpu_model.c LIBRARIES d86-library)
d86_unit_test(test_segment SOURCES unit/test_segment.c LIBRARIES d86-executor
              SEES d86-executor-processor)
