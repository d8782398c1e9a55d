/*
 * SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note
 *
 * The ring-0 helper's device, /dev/duplex86-tlb: what a program may ask of it. docs/split-tlb.md
 * tells what for.
 *
 * Who opens it registers itself once (D86_TLB_REGISTER). Then it maps the device at page addresses
 * below 4 GiB, a page a time (mmap with MAP_SHARED, PROT_READ, offset 0; whether something can be
 * executed there is not the mapping's affair), each of which is empty: any access is SIGSEGV. Then,
 * for each page and as often as it likes:
 *
 *   D86_TLB_PRIME   the page's table entry leads to the private frame, for fetches and reads
 *   (the program executes an instruction there, so that the processor has the entry for fetches)
 *   D86_TLB_SETTLE  the entry leads to the original frame and forbids fetches; nothing is flushed
 *   D86_TLB_UNPRIME the page is empty again, everywhere flushed; munmap does the same
 *
 * All fail with EPERM for another process than the one that registered, which may have the
 * descriptor by inheritance.
 */
#ifndef DUPLEX86_TLB_H
#define DUPLEX86_TLB_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define D86_TLB_DEVICE	"/dev/duplex86-tlb"
#define D86_TLB_VERSION 1

/*
 * The files whose pages may be shown, both in memory (memfd or tmpfs), by descriptors open for
 * reading. Private frames are the arena's, original frames of either. EINVAL: another version, or a
 * file of another kind; EBUSY: done already.
 */
struct d86_tlb_register {
	__u32 version; /* D86_TLB_VERSION */
	__u32 flags;   /* 0 */
	__s32 ram;
	__s32 arena;
};

/* At PRIME: prime in ring 0, at once, with a page of the helper's own that is full of RET (module
 * parameter ring0). */
#define D86_TLB_RING0 1u
/* At SETTLE: the entry keeps fetches, and forbids ring 3 everything instead. */
#define D86_TLB_SUPERVISOR 2u

/*
 * Where the process itself has the frames mapped, in pages of those files; what is mapped at
 * private_at might be executed (no noexec file system). ENOENT: the device is not mapped at
 * address; EFAULT, EACCES: nothing is mapped there, or something else; ENOSPC: more pages than the
 * module's max_pages; with D86_TLB_RING0 EOPNOTSUPP: this kernel and processor do not let ring 0 do
 * it, or the parameter does not.
 */
struct d86_tlb_prime {
	__u32 address;
	__u32 flags;
	__u64 private_at;
	__u64 original_at;
};

/* SETTLE: EBUSY: not primed. UNPRIME of an empty page is no error. */
struct d86_tlb_page {
	__u32 address;
	__u32 flags;
};

/* Reload CR3 on this processor, with what is in it. */
#define D86_TLB_CR3_KEEP  0u /* as a kernel with PCIDs does when it returns: translations stay */
#define D86_TLB_CR3_FLUSH 1u /* as one without does: all but global ones go */

struct d86_tlb_disturb {
	__u32 what;
	__u32 times; /* at most 1000 */
};

/* What the kernel makes of the processor. */
#define D86_TLB_HOST_PTI                                                                           \
	1u /* ring 0 has page tables of its own: each entry into the kernel loads CR3 */
#define D86_TLB_HOST_PCID  2u
#define D86_TLB_HOST_SMEP  4u
#define D86_TLB_HOST_RING0 8u /* D86_TLB_RING0 can be asked for */

struct d86_tlb_host {
	__u32 version;
	__u32 features;
	__u32 pages;	 /* primed or settled now, by all owners together */
	__u32 max_pages; /* and how many there may be */
};

/* Of this owner, since it registered; `pages` and `pinned` are as of now. */
struct d86_tlb_counters {
	__u64 primes;
	__u64 settles;
	__u64 unprimes;
	__u64 refusals;
	__u64 pages;
	__u64 pinned;
};

#define D86_TLB_REGISTER _IOW(0xd8, 0, struct d86_tlb_register)
#define D86_TLB_PRIME	 _IOW(0xd8, 1, struct d86_tlb_prime)
#define D86_TLB_SETTLE	 _IOW(0xd8, 2, struct d86_tlb_page)
#define D86_TLB_UNPRIME	 _IOW(0xd8, 3, struct d86_tlb_page)
#define D86_TLB_DISTURB	 _IOW(0xd8, 4, struct d86_tlb_disturb)
#define D86_TLB_HOST	 _IOR(0xd8, 5, struct d86_tlb_host)
#define D86_TLB_COUNTERS _IOR(0xd8, 6, struct d86_tlb_counters)

#endif
