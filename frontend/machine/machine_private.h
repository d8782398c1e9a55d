/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine from inside. Two threads: the vCPU's, which runs the guest, answers its exits and serves the
 * devices' timers, and the main loop's, which serves descriptors. `lock` guards everything below it; the
 * vCPU's thread gives it up only while the guest runs and while it waits. So whoever holds the lock and finds
 * `in_guest` false may use the VM.
 */
#pragma once

#include "backend.h"
#include "clock.h"
#include "drives.h"
#include "firmware.h"
#include "image.h"
#include "machine.h"
#include "memory_map.h"
#include "nets.h"
#include "ports.h"
#include "shares.h"
#include "sound.h"
#include "status.h"
#include "trace.h"
#include "watch.h"

#include "devices/pc.h"
#include <duplex86/duplex86.h>

#include <pthread.h>

/* What the vCPU's thread spends its time on; measured for --stats only. */
enum spent { SPENT_RUNNING, SPENT_WAITING, SPENT_DEVICES, SPENT_KINDS };

struct net;

/* An adapter's cable. */
struct nic {
    struct net *net;
    struct firmware rom; /* with which firmware starts from the network; of no size: none */
    bool full;           /* the adapter has refused a frame, and has not said yet that it has room */
};

struct machine {
    const struct options *options;
    struct machine_clock clock;
    uint64_t began; /* machine time */
    GMainLoop *loop;
    pthread_t vcpu_thread;

    /* What the machine starts from; read before the guest runs, kept for --reboot. */
    struct image kernel;
    struct image *initrds;
    size_t initrd_count;
    struct firmware rom, video_rom;
    struct memory_map map;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* on CLOCK_MONOTONIC: something the vCPU's thread waits for has changed */

    struct d86_vm *vm;
    struct d86_vcpu *vcpu;
    struct d86_exit *exit;
    enum d86_engine engine;
    char *engine_note;             /* why it is not the one hoped for; NULL: it is */
    uint64_t ram, rom_copy, video; /* where they begin in the VM's memory */
    struct pc_region shown[PC_REGIONS_MAX];
    unsigned shown_count;
    struct pc_config config;
    struct pc *pc;
    struct backend *serial[OPTIONS_SERIAL_MAX], *debugcon;
    struct port ports[PC_CONSOLES];    /* of a console of virtio */
    struct terminal_display *terminal; /* NULL: the screen is not shown there */
    struct window *window;             /* ... */
    struct sound *sound;               /* NULL: nobody listens */
    uint64_t first_frame;              /* of sound: the one the machine began in */
    struct trace *trace;               /* NULL: none wanted */

    unsigned holds;       /* who wants the guest to stand still; changed atomically, also without the lock */
    pthread_cond_t still; /* `in_guest` became false, and somebody wants that */
    unsigned settling;    /* who holds it wants nothing to be under way, either */
    bool replaced; /* the machine's state is another one: what the vCPU's thread waits for may be gone */
    bool paused;          /* by the user; the clock is stopped then */
    struct machine_listener listeners[MACHINE_LISTENERS_MAX];
    unsigned listener_count;
    struct medium *medium[PC_DRIVES];
    struct transfer *prepared[PC_DRIVES]; /* writes whose data the board is putting together */
    unsigned transfers;                   /* under way */
    GQueue finished;                      /* struct transfer: not told to the board yet */
    struct {
        struct share *share;
        GThreadPool *thread;
    } shares[PC_SHARES];
    unsigned questions; /* to them, not answered to the board yet */
    GQueue answers;     /* of theirs: not told to the board yet */
    bool finished_told; /* the vCPU's thread knows that there are some */

    struct nic nics[PC_NICS];
    unsigned nic_count;

    bool in_guest; /* the vCPU's thread is in d86_vcpu_run(), or about to be */
    bool waiting;  /* it waits for news, with the lock given up */
    bool running;  /* the vCPU's thread exists */

    uint64_t deadline; /* pc_next_deadline(), as last told */
    uint64_t promised; /* what it was when the guest was run */

    /* News from the devices, for the vCPU's thread. */
    bool memory_moved, ports_moved;
    bool nmi_wanted, reset_wanted;
    bool reset_pressed; /* by the user, not the guest */
    enum pc_reset_reason reset_reason;
    bool ferr;          /* the FERR# pin, as last told to the devices */
    int pending_vector; /* acknowledged but not yet accepted by the processor; -1: none */

    /* How it ends. */
    bool stopping;
    int status;
    GError *failure;

    /* For --stats. */
    uint64_t exits[D86_EXIT_REASONS];
    uint64_t spent_ns[SPENT_KINDS];
    uint64_t spending_since; /* machine time */
    enum spent spending;
};

/* machine.c */
void machine_end(struct machine *m, int status); /* as machine_stop(), with the lock held */
/* Tell the listeners; with the lock held. */
void machine_tell(struct machine *m, enum machine_news news);
static inline bool machine_is_held(const struct machine *m)
{
    return __atomic_load_n(&m->holds, __ATOMIC_SEQ_CST) != 0;
}
/* What the guest has said comes before what is said about it, which may go to the same terminal. */
void machine_drain(struct machine *m);

/* console.c: lock the machine with the guest standing still, and unlock it. Not in the vCPU's thread. */
void machine_hold(struct machine *m);
void machine_let_go(struct machine *m);
/* The same between two instructions, and with nothing under way at drives and shares. FALSE: it does not come
   to that, and is not held. */
gboolean machine_settle(struct machine *m, GError **error);
void machine_unsettle(struct machine *m);

/* power.c: memory, chips and processor as they are when the guest starts; with the lock held. */
gboolean power_build(struct machine *m, GError **error);
gboolean power_start(struct machine *m, GError **error);
/* The guest has set up the chipset: let it see its memory and reach its ports so. */
gboolean power_follow_chipset(struct machine *m, GError **error);
/* The reset line was pulled: restart, or say how the program ends. */
void power_reset(struct machine *m);
/* A triple fault, which PCs take for a reset as well. */
void power_shutdown(struct machine *m);

/* snapshot_load.c: the same from a file, in place of power_start(). */
gboolean power_restore(struct machine *m, const char *file, GError **error);

/* guest_memory.c: RAM and ROM, and where the guest sees them. Not while the guest runs. */
gboolean guest_memory_build(struct machine *m, GError **error);
/* The BIOS copies itself into the RAM behind its place below 1 MiB, as far as F0000h. */
gboolean guest_memory_copy_bios(struct machine *m, GError **error);
/* The display adapter's BIOS goes to C0000h, where there is RAM. */
gboolean guest_memory_copy_video_bios(struct machine *m, GError **error);
/* The ACPI tables, if there are any, go where kernels look for them. */
gboolean guest_memory_write_acpi(struct machine *m, GError **error);
/* SMBIOS and the MP table, at the beginning of the BIOS's segment, of which it needs only the end. */
gboolean guest_memory_write_tables(struct machine *m, GError **error);
/* Show them as the board has it now. */
gboolean guest_memory_follow(struct machine *m, GError **error);
/* Is all of that RAM which the guest can write? */
bool guest_memory_is_ram(const struct machine *m, uint64_t pa, uint64_t size);

/* board.c: what the devices tell. */
/* Make the vCPU's thread look at its news. */
void machine_rouse(struct machine *m);
extern const struct pc_callbacks board_callbacks;

/* run.c: the vCPU's thread. */
void *run_vcpu(void *machine);

/* screen.c: show the screen as --display has it, until it is closed, which may be done again. Without the
 * lock. */
gboolean screen_open(struct machine *m, GError **error);
/* Run the main loop, in this thread or, beside a window, in another; until it is ended. */
gboolean screen_run(struct machine *m, GError **error);
void screen_close(struct machine *m);
/* To a file, as --screendump has it. */
gboolean screen_dump(struct machine *m, const char *path, GError **error);

/* report.c */
void report_guest_state(const struct machine *m);
void report_difference(const struct machine *m); /* D86_EXIT_DIFFERENCE */

/* statistics.c */
/* From now on the vCPU's thread, which calls this with the lock held, spends its time so. */
void statistics_spend(struct machine *m, enum spent kind);
void statistics_report(const struct machine *m);
char *statistics_json(const struct machine *m); /* to be freed */
