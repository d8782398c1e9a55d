/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor process's address space as a thing to map pages into: thin covers over mmap, munmap and
 * mprotect that count themselves. Addresses and sizes are multiples of 4096; a range lies below 4 GiB, where
 * the guest's code can reach it, or in a window of translated code (system_space.h). They are those of member
 * v->member: where that is not this process, what is to be taken away is noted for its next turn, and nothing
 * can be added. Executor side; unit tests bring a space of their own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

enum space_file {
    SPACE_RAM,
    SPACE_CODE
}; /* the RAM file; the arena's private pages (offset from the first) */
enum space_rights { SPACE_READ = 1, SPACE_WRITE = 2, SPACE_EXEC = 4 };

/*
 * Map `size` bytes of a file at `at`, replacing what is there. key: protection key, 0 for none. populate:
 * enter present pages into the host's page tables now. 0 or -errno; then nothing is mapped there.
 */
int space_map(struct vcpu *v, uint64_t at, uint64_t size, unsigned rights, enum space_file file,
              uint64_t offset, int key, bool populate);
/*
 * For the split `tlb`: map a page that shows one page to fetches (code_offset, of SPACE_CODE), another one to
 * data (ram_offset, of SPACE_RAM), by the ring-0 helper (tlb.h). 0 or -errno; then nothing is mapped there.
 */
int space_map_faces(struct vcpu *v, uint32_t at, uint64_t code_offset, uint64_t ram_offset);
/* Once more, for a page mapped so, since a fetch has faulted: the processor has lost what it had. 0 or
 * -errno. */
int space_prime(struct vcpu *v, uint32_t at, uint64_t code_offset, uint64_t ram_offset);
void space_unmap(struct vcpu *v, uint64_t at, uint64_t size);
/* Every page in the range must be mapped. */
void space_protect(struct vcpu *v, uint64_t at, uint64_t size, unsigned rights);

/* Which member this process is; at its start. */
void space_init(uint32_t self);
/*
 * This process has the turn: do what was noted for it. False: that was too much to be noted, and all its
 * mappings of the guest's are gone; the records are to follow, between space_forget(true) and (false), when
 * nothing is done to the host's mappings.
 */
bool space_take_turn(struct vcpu *v);
void space_forget(bool on);
