/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The words of the control protocol: JSON objects, one a line, as duplex86-control(7) has them. Nothing here
 * knows a machine or a socket. Everything that comes in is distrusted; what a command takes is in a table,
 * and a request is believed only once it fits that.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONTROL_PROTOCOL = 1 }; /* its version: another when something changes for clients there are */

enum control_command {
    CONTROL_STATUS,
    CONTROL_COMMAND_LIST,
    CONTROL_PAUSE,
    CONTROL_RESUME,
    CONTROL_RESET,
    CONTROL_POWERDOWN,
    CONTROL_QUIT,
    CONTROL_SCREENDUMP,
    CONTROL_TEXT_SCREEN,
    CONTROL_SEND_KEYS,
    CONTROL_TYPE_TEXT,
    CONTROL_MOUSE,
    CONTROL_MEDIA,
    CONTROL_INSERT,
    CONTROL_EJECT,
    CONTROL_BALLOON,
    CONTROL_STATS,
    CONTROL_REGISTERS,
    CONTROL_MEMORY_READ,
    CONTROL_MEMORY_WRITE,
    CONTROL_DISASSEMBLE,
    CONTROL_SNAPSHOT_SAVE,
    CONTROL_SNAPSHOT_LOAD,
    CONTROL_SNAPSHOT_LIST,
    CONTROL_COMMANDS
};

enum {
    CONTROL_TRANSFER_MAX = 256 * 1024, /* bytes of memory at once */
    CONTROL_DISASSEMBLE_MAX = 1024,    /* instructions */
    CONTROL_ARGUMENTS_MAX = 6,
};

enum control_kind { CONTROL_NUMBER, CONTROL_TEXT, CONTROL_FLAG, CONTROL_TEXTS };

struct control_argument {
    const char *name; /* NULL: no more */
    enum control_kind kind;
    bool required;
    int64_t min, max;          /* of numbers */
    const char *const *choice; /* of a text: NULL-terminated; NULL: any */
};

struct control_command_info {
    const char *name, *what; /* one line about it */
    struct control_argument arguments[CONTROL_ARGUMENTS_MAX + 1];
};

extern const struct control_command_info control_commands[CONTROL_COMMANDS];

/* ---- Requests ---- */

struct control_request {
    json_t *id; /* an integer or a string; NULL: none was given, or none could be made out */
    enum control_command command;
    json_t *args; /* what was in "args"; NULL: nothing */
};

/*
 * `line` of `size` bytes. NULL, or one sentence about what is wrong with it, to be freed by g_free(). In both
 * cases the request is to be cleared.
 */
char *control_request_parse(struct control_request *request, const char *line, size_t size);
void control_request_clear(struct control_request *request);

/* Arguments of a request that was parsed, or what stands for them. */
bool control_has(const struct control_request *request, const char *name);
int64_t control_number(const struct control_request *request, const char *name, int64_t otherwise);
const char *control_text(const struct control_request *request, const char *name, const char *otherwise);
bool control_flag(const struct control_request *request, const char *name);
/* Text n of a list of texts; NULL: there are no more. */
const char *control_text_of(const struct control_request *request, const char *name, size_t n);

/* ---- What the server says; lines with their line feed, to be freed by free(). `id` may be NULL. ---- */

enum control_error {
    CONTROL_BAD_REQUEST, /* it does not fit the protocol; the same again will fail again */
    CONTROL_UNAVAILABLE, /* this machine has not got that */
    CONTROL_FAILED,      /* it was tried */
};

char *control_greeting(const char *version);
char *control_result(json_t *id, json_t *result); /* takes over `result` */
char *control_failure(json_t *id, enum control_error code, const char *message);
char *control_event(const char *name, json_t *members); /* takes over `members`, which may be NULL */

/* ---- Bytes as text: two digits each ---- */

char *control_hex(const uint8_t *bytes, size_t count); /* to be freed by g_free() */
/* To be freed by g_free(). NULL: that is none, or more than `max` bytes. */
uint8_t *control_unhex(const char *text, size_t max, size_t *count);
