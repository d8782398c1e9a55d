/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * duplex86, the program: options in, a machine run, an exit status out. Errors of the host are reported here
 * and nowhere else, as one sentence.
 */
#include "ctl.h"
#include "image_command.h"
#include "machine.h"
#include "options.h"
#include "server.h"
#include "signals.h"
#include "status.h"
#include "terminal.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int report(GError *error)
{
    terminal_restore();
    fflush(stdout);
    fprintf(stderr, "duplex86: %s\n", error->message);
    g_error_free(error);
    return STATUS_HOST_ERROR;
}

static int show_cpus(void)
{
    for (const char *const *model = d86_cpu_models(); *model; model++)
        printf("%-12s %s\n", *model, d86_cpu_model_description(*model));
    return 0;
}

static int run_machine(const struct options *options)
{
    GError *error = NULL;
    int status = STATUS_HOST_ERROR;
    struct control *control = NULL;
    struct machine *machine = machine_new(options, &error);
    if (machine && options->control)
        control = control_open(options->control, machine, &error);
    if (machine && !error && signals_open(machine, &error))
        machine_run(machine, &status, &error);
    control_close(control);
    signals_close();
    machine_free(machine);
    terminal_restore();
    if (error)
        return report(error);
    signals_raise_received();
    return status;
}

/* A descriptor opened later must not become standard output by accident. */
static void fill_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct options options;
    GError *error = NULL;
    int status = 0;
    fill_standard_descriptors();
    setlocale(LC_ALL, "");
    if (argc > 1 && !strcmp(argv[1], "ctl"))
        return ctl_main(argc, argv);
    if (argc > 1 && !strcmp(argv[1], "image"))
        return image_command_main(argc, argv);
    if (!options_parse(&options, argc, argv, &error))
        return report(error);
    switch (options.action) {
    case OPTIONS_SHOW_VERSION:
        printf("duplex86 %s\n", d86_version());
        break;
    case OPTIONS_SHOW_CPUS:
        status = show_cpus();
        break;
    case OPTIONS_RUN:
        status = run_machine(&options);
        break;
    }
    options_clear(&options);
    return status;
}
