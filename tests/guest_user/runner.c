/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest's first process when no shell is wanted (rdinit=/user/runner -- [short] PROGRAM...): runs
 * programs of /user one after the other, says where the output of each begins and ends, and switches the
 * machine off. Under an engine that takes 10 us for an instruction a shell alone would need half a minute to
 * start.
 */
#include "user.h"

/* reboot(2): LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF. */
enum { MAGIC_1 = (int)0xfee1dead, MAGIC_2 = 672274793, POWER_OFF = 0x4321fedc };

static int execute(void *name)
{
    char path[64] = "/user/";
    char *arguments[] = { name, short_run ? "short" : NULL, NULL };
    char *environment[] = { NULL };
    size_t length = strlen(name);
    if (length < sizeof(path) - 6) {
        memcpy(path + 6, name, length + 1);
        linux_call(NR_EXECVE, path, arguments, environment);
    }
    print("FAIL cannot execute %s\n", path);
    return 127;
}

int program(void)
{
    linux_call(NR_MKDIR, "/proc", 0755);
    linux_call(NR_MOUNT, "proc", "/proc", "proc", 0, 0);
    for (char **name = program_arguments + 1 + short_run; *name; name++) {
        print("[begin %s]\n", *name);
        print("[end %d]\n", wait_child(start_child(execute, *name)));
    }
    linux_call(NR_REBOOT, MAGIC_1, MAGIC_2, POWER_OFF, 0);
    for (;;) /* the kernel would panic if its first process ended */
        linux_call(NR_SCHED_YIELD);
}
