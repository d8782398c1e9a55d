/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What each command does. Those about the machine as a whole are here.
 */
#include "server_private.h"

#include "status.h"

#include <stdarg.h>
#include <unistd.h>

void control_fail(struct control_call *call, enum control_error code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    call->code = code;
    call->failure = g_strdup_vprintf(format, args);
    va_end(args);
}

static void show_status(struct control_call *call)
{
    struct machine_status status;
    machine_status(call->machine, &status);
    call->result = json_pack(
        "{s:s, s:b, s:s, s:s, s:I, s:I, s:I}", "state", status.paused ? "paused" : "running", "halted",
        status.halted, "machine", status.machine, "engine", options_engine_name(status.engine), "ram",
        (json_int_t)status.ram_size, "time_ns", (json_int_t)status.time_ns, "pid", (json_int_t)getpid());
}

static const char *kind_name(enum control_kind kind)
{
    static const char *const names[] = { [CONTROL_NUMBER] = "integer",
                                         [CONTROL_TEXT] = "text",
                                         [CONTROL_FLAG] = "boolean",
                                         [CONTROL_TEXTS] = "array of texts" };
    return names[kind];
}

static void list_commands(struct control_call *call)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < CONTROL_COMMANDS; i++) {
        const struct control_command_info *info = &control_commands[i];
        json_t *arguments = json_array();
        for (const struct control_argument *a = info->arguments; a->name; a++)
            json_array_append_new(arguments, json_pack("{s:s, s:s, s:b}", "name", a->name, "kind",
                                                       kind_name(a->kind), "required", a->required));
        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", info->name, "what", info->what,
                                              "arguments", arguments));
    }
    call->result = json_pack("{s:o}", "commands", list);
}

static void pause_machine(struct control_call *call)
{
    machine_pause(call->machine);
    control_done(call);
}

static void resume_machine(struct control_call *call)
{
    machine_resume(call->machine);
    control_done(call);
}

static void reset_machine(struct control_call *call)
{
    machine_reset(call->machine);
    control_done(call);
}

static void power_down(struct control_call *call)
{
    if (machine_power_button(call->machine))
        control_done(call);
    else
        control_fail(call, CONTROL_UNAVAILABLE, "the guest takes no notice of a power button");
}

static void quit(struct control_call *call)
{
    machine_stop(call->machine, STATUS_QUIT);
    control_done(call);
}

static void show_statistics(struct control_call *call)
{
    char *text = machine_statistics(call->machine);
    call->result = json_loads(text, 0, NULL);
    g_free(text);
    if (!call->result)
        control_fail(call, CONTROL_FAILED, "the statistics cannot be told as JSON");
}

static control_fn *const commands[CONTROL_COMMANDS] = {
    [CONTROL_STATUS] = show_status,
    [CONTROL_COMMAND_LIST] = list_commands,
    [CONTROL_PAUSE] = pause_machine,
    [CONTROL_RESUME] = resume_machine,
    [CONTROL_RESET] = reset_machine,
    [CONTROL_POWERDOWN] = power_down,
    [CONTROL_QUIT] = quit,
    [CONTROL_SCREENDUMP] = control_screendump,
    [CONTROL_TEXT_SCREEN] = control_text_screen,
    [CONTROL_SEND_KEYS] = control_send_keys,
    [CONTROL_TYPE_TEXT] = control_type_text,
    [CONTROL_MOUSE] = control_mouse,
    [CONTROL_MEDIA] = control_media,
    [CONTROL_INSERT] = control_insert,
    [CONTROL_EJECT] = control_eject,
    [CONTROL_BALLOON] = control_balloon,
    [CONTROL_STATS] = show_statistics,
    [CONTROL_REGISTERS] = control_registers,
    [CONTROL_MEMORY_READ] = control_memory_read,
    [CONTROL_MEMORY_WRITE] = control_memory_write,
    [CONTROL_DISASSEMBLE] = control_disassemble,
    [CONTROL_SNAPSHOT_SAVE] = control_snapshot_save,
    [CONTROL_SNAPSHOT_LOAD] = control_snapshot_load,
    [CONTROL_SNAPSHOT_LIST] = control_snapshot_list,
};

void control_perform(struct control_call *call)
{
    commands[call->request->command](call);
}
