/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes of a file, at a place. All return 0 or an errno value and add what they moved to `done`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The end of the file, which was longer before, is an error like others. */
int file_read(int fd, uint64_t offset, uint8_t *data, uint32_t size, uint32_t *done);
int file_write(int fd, uint64_t offset, const uint8_t *data, uint32_t size, uint32_t *done);
/* Zeros, by a hole if `discard` and where there can be one. The file stays as long as it is. */
int file_zero(int fd, uint64_t offset, uint32_t size, bool discard);
/* Without waiting: the number of bytes, or -1 and errno. */
int file_read_now(int fd, uint64_t offset, uint8_t *data, uint32_t size);
