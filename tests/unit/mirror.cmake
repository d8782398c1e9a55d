# SPDX-License-Identifier: GPL-2.0-or-later
# What the library believes of the arena. The cases that need an executor process leave themselves out of
# sanitizer builds.
find_package(Threads REQUIRED)
d86_unit_test(test_mirror SOURCES unit/test_mirror.c LIBRARIES d86-library Threads::Threads SEES d86-executor-engine)
