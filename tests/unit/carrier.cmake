# SPDX-License-Identifier: GPL-2.0-or-later
# The executor process. Sanitizer builds have none.
if(NOT D86_SANITIZE)
    d86_unit_test(test_carrier SOURCES unit/test_carrier.c LIBRARIES d86-library SEES d86-executor-engine)
    target_compile_definitions(test_carrier PRIVATE _GNU_SOURCE)
    d86_unit_test(test_handover SOURCES unit/test_handover.c LIBRARIES d86-library SEES d86-executor-engine)
    target_compile_definitions(test_handover PRIVATE _GNU_SOURCE)
endif()
