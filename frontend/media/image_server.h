/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A program of the distribution's that serves an image to us alone, by NBD: a child process, which ends when
 * we close the connection or die in whatever way.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct image_server;

/*
 * Start qemu-nbd with these arguments behind its own, NULL at their end. It inherits the `count` descriptors
 * in `keep`, for their locks. NULL: with a sentence.
 */
struct image_server *image_server_start(char *const *args, const int *keep, unsigned count, GError **error);
/* The connection, which the caller takes over, once. */
int image_server_take_socket(struct image_server *server);
/* What it says on its standard error; readable when there is something or it has ended. */
int image_server_fd(const struct image_server *server);
/* Read that. False: it has ended. */
bool image_server_listen(struct image_server *server);
/* Its last line, without its name; NULL: it said nothing. */
const char *image_server_words(const struct image_server *server);
/* The connection is closed: wait for its end, not forever; `now`: bring it about. NULL is allowed. */
void image_server_end(struct image_server *server, bool now);

/* The path of a program of the package qemu-utils, to be freed; NULL: with a sentence that begins with
 * `what`. */
char *image_tool_find(const char *tool, const char *what, GError **error);
