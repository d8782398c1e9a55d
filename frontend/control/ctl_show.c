/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answers of the machine for people; --json shows them as they came.
 */
#include "ctl_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t number(json_t *object, const char *name)
{
    return (uint32_t)json_integer_value(json_object_get(object, name));
}

static const char *text(json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "";
}

/* One member a line. */
static void show_members(json_t *result)
{
    const char *key;
    json_t *value;
    json_object_foreach(result, key, value)
    {
        char *dumped = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        printf("%s: %s\n", key, dumped ? dumped : json_string_value(value));
        free(dumped);
    }
}

static void show_commands(json_t *result)
{
    size_t i;
    json_t *command;
    json_array_foreach(json_object_get(result, "commands"), i, command)
        printf("%-14s %s\n", text(command, "name"), text(command, "what"));
}

/* Without the empty lines at its end. */
static void show_screen(json_t *result)
{
    size_t i, empty = 0;
    json_t *line;
    json_array_foreach(json_object_get(result, "lines"), i, line)
    {
        empty++;
        if (!json_string_length(line))
            continue;
        while (--empty)
            printf("\n");
        printf("%s\n", json_string_value(line));
    }
}

static void show_media(json_t *result)
{
    size_t i;
    json_t *drive;
    json_array_foreach(json_object_get(result, "drives"), i, drive)
    {
        const char *file = json_string_value(json_object_get(drive, "file"));
        printf("%-8s %s%s\n", text(drive, "drive"), file ? file : "(empty)",
               json_is_true(json_object_get(drive, "read-only")) ? " (read-only)" : "");
    }
}

static void show_segment(json_t *result, const char *name)
{
    json_t *s = json_object_get(result, name);
    printf("%-4s %04x base %08x limit %08x attributes %04x%s\n", name, number(s, "selector"),
           number(s, "base"), number(s, "limit"), number(s, "attributes"),
           json_is_true(json_object_get(s, "unusable")) ? " unusable" : "");
}

static void show_registers(json_t *result)
{
    static const char *const general[][5] = { { "eax", "ebx", "ecx", "edx", NULL },
                                              { "esi", "edi", "ebp", "esp", NULL },
                                              { "eip", "eflags", NULL } };
    static const char *const segments[] = { "es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr" };
    static const char *const control[] = { "cr0", "cr2", "cr3", "cr4", "efer", "dr6", "dr7" };
    for (size_t row = 0; row < G_N_ELEMENTS(general); row++) {
        for (size_t i = 0; general[row][i]; i++)
            printf("%s%s %08x", i ? "  " : "", general[row][i], number(result, general[row][i]));
        printf("\n");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(segments); i++)
        show_segment(result, segments[i]);
    json_t *gdt = json_object_get(result, "gdt"), *idt = json_object_get(result, "idt");
    printf("gdt base %08x limit %04x  idt base %08x limit %04x\n", number(gdt, "base"), number(gdt, "limit"),
           number(idt, "base"), number(idt, "limit"));
    for (size_t i = 0; i < G_N_ELEMENTS(control); i++)
        printf("%s%s %08x", i ? "  " : "", control[i], number(result, control[i]));
    printf("\n");
}

/* Sixteen bytes a line: the address, the bytes, and what of them is ASCII. */
static void show_memory(json_t *result)
{
    const char *data = text(result, "data");
    uint64_t address = (uint64_t)json_integer_value(json_object_get(result, "address"));
    size_t count = 0;
    uint8_t *bytes = control_unhex(data, CONTROL_TRANSFER_MAX, &count);
    for (size_t i = 0; bytes && i < count; i += 16) {
        printf("%08" PRIx64 " ", address + i);
        for (size_t n = i; n < i + 16; n++)
            n < count ? printf(" %02x", bytes[n]) : printf("   ");
        printf("  ");
        for (size_t n = i; n < i + 16 && n < count; n++)
            putchar(g_ascii_isprint(bytes[n]) ? bytes[n] : '.');
        putchar('\n');
    }
    g_free(bytes);
}

static void show_instructions(json_t *result)
{
    size_t i;
    json_t *insn;
    json_array_foreach(json_object_get(result, "instructions"), i, insn)
        printf("%08x  %-22s %s\n", number(insn, "address"), text(insn, "bytes"), text(insn, "text"));
}

/* A line each: the file, when it was saved, how long the machine had run, and what kind of machine. */
static void show_snapshots(json_t *result)
{
    size_t i;
    json_t *s;
    json_array_foreach(json_object_get(result, "snapshots"), i, s)
    {
        char **lines = g_strsplit(text(s, "machine"), "\n", 3);
        GDateTime *saved = g_date_time_new_from_unix_local(json_integer_value(json_object_get(s, "saved")));
        char *when = saved ? g_date_time_format(saved, "%Y-%m-%d %H:%M:%S") : NULL;
        if (json_object_get(s, "error"))
            printf("%s: %s\n", text(s, "file"), text(s, "error"));
        else
            printf("%-24s %s  after %.1f s  %.1f MiB  %s, %s\n", text(s, "file"), when ? when : "",
                   (double)json_integer_value(json_object_get(s, "time_ns")) / 1e9,
                   (double)json_integer_value(json_object_get(s, "size")) / (1 << 20),
                   lines[0] ? lines[0] : "", lines[0] && lines[1] ? lines[1] : "");
        if (saved)
            g_date_time_unref(saved);
        g_free(when);
        g_strfreev(lines);
    }
}

static void show_indented(json_t *result)
{
    char *dumped = json_dumps(result, JSON_INDENT(2));
    printf("%s\n", dumped ? dumped : "");
    free(dumped);
}

void ctl_show(enum control_command command, json_t *result)
{
    static void (*const show[CONTROL_COMMANDS])(json_t *) = {
        [CONTROL_STATUS] = show_members,           [CONTROL_COMMAND_LIST] = show_commands,
        [CONTROL_TEXT_SCREEN] = show_screen,       [CONTROL_MEDIA] = show_media,
        [CONTROL_BALLOON] = show_members,          [CONTROL_STATS] = show_indented,
        [CONTROL_REGISTERS] = show_registers,      [CONTROL_MEMORY_READ] = show_memory,
        [CONTROL_DISASSEMBLE] = show_instructions, [CONTROL_SNAPSHOT_LIST] = show_snapshots,
    };
    if (show[command])
        show[command](result);
}
