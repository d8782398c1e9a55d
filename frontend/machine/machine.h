/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The whole machine: processor, memory, devices and back-ends, from the options to the exit status; and what
 * others, the control socket and the window, may do to it while it runs. They may do so from any thread but
 * the vCPU's.
 */
#pragma once

#include "display.h"
#include "options.h"

#include <glib.h>

struct machine;

/* ---- Life ---- */

/* Build the machine and load what it starts. `options` must outlive it. NULL on error. */
struct machine *machine_new(const struct options *options, GError **error);

/*
 * Run until the guest ends, the user quits or machine_stop() is called. Returns FALSE when the host failed,
 * else `status` is the program's.
 */
gboolean machine_run(struct machine *machine, int *status, GError **error);

/*
 * Where the guest's screen comes from, for display_new(); valid as long as the machine. FALSE: it has no
 * display adapter.
 */
gboolean machine_screen(struct machine *machine, struct display_source *source);

/* End the run. */
void machine_stop(struct machine *machine, int status);

void machine_free(struct machine *machine);

/* ---- News ---- */

enum machine_news {
    MACHINE_PAUSED,
    MACHINE_RESUMED,
    MACHINE_RESET,
    MACHINE_ENDING, /* the run ends; machine_end_status() */
};

/* Called in whatever thread it happens in, with the machine's lock held: it may not call the machine. */
struct machine_listener {
    void (*tell)(void *ctx, enum machine_news news);
    void *ctx;
};

enum { MACHINE_LISTENERS_MAX = 4 };

/* Before machine_run(). */
void machine_listen(struct machine *machine, const struct machine_listener *listener);
/* Of a run that ends or has ended. */
int machine_end_status(const struct machine *machine);

/* ---- What the switches on a PC's front would do ---- */

/* The guest stands still, and its time does; when this returns that is so. */
void machine_pause(struct machine *machine);
void machine_resume(struct machine *machine);
/* As at power-on, whatever --reboot says. A paused guest stays paused, at its first instruction. */
void machine_reset(struct machine *machine);

/* Press the power button. False: the guest takes no notice of it. */
bool machine_power_button(struct machine *machine);

/* Codes and buttons as pc_key() and pc_mouse() have them (devices/pc.h). */
void machine_key(struct machine *machine, uint16_t code, bool down);
void machine_mouse(struct machine *machine, int dx, int dy, int dz, unsigned buttons);
bool machine_point(struct machine *machine, int x, int y, int dz, unsigned buttons); /* pc_point() */
/* All that was typed has left the keyboard, so that a few keys more will not be lost. */
bool machine_keys_taken(struct machine *machine);

/* ---- The balloon ---- */

/* Ask the guest to give up so many pages of 4 KiB. False: there is no balloon. */
bool machine_inflate(struct machine *machine, uint32_t pages);
/* How it stands. The guest's statistics are of the time somebody asked last, or of when its driver began. */
bool machine_balloon(struct machine *machine, struct device_balloon *balloon);

/* ---- Media ---- */

struct machine_drive {
    const char *name; /* hda to hdd, fda, fdb */
    bool changeable;  /* of a CD-ROM or floppy drive the medium can be changed */
    bool read_only;   /* the medium */
    char *file;       /* to be freed; NULL: there is no medium */
};

/* The drives there are; returns how many. */
unsigned machine_drives(struct machine *machine, struct machine_drive drives[PC_DRIVES]);
/* Put an image into the drive of that name, in place of what is there. A guest can lock its drive: unless
   `force` that fails. */
gboolean machine_insert(struct machine *machine, const char *drive, const char *file, bool read_only,
                        bool force, GError **error);
gboolean machine_eject(struct machine *machine, const char *drive, bool force, GError **error);

/* ---- Snapshots (docs/snapshots.md) ---- */

/*
 * Write all of the machine to a file. The guest stands still while its memory is copied, and goes on while
 * that is written, which takes its time: not in the main loop's thread.
 */
gboolean machine_save(struct machine *machine, const char *file, GError **error);
/* Have the machine, which must be of the same kind, go on from there. What does not fit changes nothing. */
gboolean machine_load(struct machine *machine, const char *file, GError **error);

/* ---- Looking inside; the guest stands still meanwhile ---- */

struct machine_status {
    bool paused, halted;
    const char *machine; /* as --machine has it */
    uint64_t ram_size;
    enum d86_engine engine;
    uint64_t time_ns; /* machine time since the start: not counting pauses */
};

struct machine_registers {
    struct d86_regs regs;
    struct d86_sregs sregs;
};

void machine_status(struct machine *machine, struct machine_status *status);
void machine_registers(struct machine *machine, struct machine_registers *registers);
/* What --stats=json shows; to be freed. */
char *machine_statistics(struct machine *machine);

/*
 * Guest memory by physical or linear address; RAM and ROM, of which RAM alone can be written. What is read by
 * linear address may be less than asked for, up to where nothing is mapped; otherwise it is all or nothing.
 * The number of bytes copied. An access has no effects but the copy: rights, A and D bits do not matter.
 */
enum machine_space { MACHINE_PHYSICAL, MACHINE_LINEAR };

size_t machine_read(struct machine *machine, enum machine_space space, uint64_t address, void *data,
                    size_t size);
size_t machine_write(struct machine *machine, enum machine_space space, uint64_t address, const void *data,
                     size_t size);
