/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * As much of a kernel as monitor/helper/pages.c needs, in user space: files and their pages, one address
 * space with page tables, and a processor with a TLB for fetches and one for data, which keep what they have
 * until it is flushed. What a kernel would have to suffer for is an assertion here: a page that goes while
 * something leads to it, a lock taken in the wrong order, memory that is lost. Force-included; the kernel's
 * headers are empty files then (helper.cmake).
 */
#pragma once

#include <errno.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

typedef uint64_t u64;
typedef uint32_t u32;

/* ---- Words of the kernel's -------------------------------------------------------------------------- */

#define PAGE_SIZE          4096ul
#define PAGE_ALIGNED(at)   (((at) & (PAGE_SIZE - 1)) == 0)
#define ERR_PTR(error)     ((void *)(intptr_t)(error))
#define PTR_ERR(p)         ((int)(intptr_t)(p))
#define IS_ERR(p)          ((uintptr_t)(p) >= (uintptr_t)-4095)
#define GFP_KERNEL_ACCOUNT 0
#define FOLL_LONGTERM      1
#define FMODE_READ         1
#define VM_FAULT_SIGSEGV   0x40
#define EXPORT_NOTHING

enum {
    VM_READ = 1,
    VM_WRITE = 2,
    VM_EXEC = 4,
    VM_SHARED = 8,
    VM_MAYWRITE = 0x20,
    VM_MAYEXEC = 0x40,
    VM_PFNMAP = 0x400,
    VM_IO = 0x4000,
    VM_DONTCOPY = 0x20000,
    VM_DONTEXPAND = 0x40000,
    VM_DONTDUMP = 0x4000000,
};

typedef struct {
    int value;
} atomic_t, refcount_t;
#define ATOMIC_INIT(n)                                                                                       \
    {                                                                                                        \
        n                                                                                                    \
    }
int atomic_read(const atomic_t *a);
int atomic_inc_return(atomic_t *a);
void atomic_dec(atomic_t *a);
void refcount_set(refcount_t *r, int n);
void refcount_inc(refcount_t *r);
bool refcount_dec_and_test(refcount_t *r);
#define smp_load_acquire(p)     (*(p))
#define smp_store_release(p, v) (*(p) = (v))

void *kzalloc(size_t size, int flags);
void kfree(void *p);

struct mutex {
    bool made, locked;
};
void mutex_init(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
void preempt_disable(void);
void preempt_enable(void);

/* ---- Files and pages --------------------------------------------------------------------------------- */

struct address_space {
    int unused;
};
struct super_block {
    unsigned long s_magic;
};
struct inode {
    mode_t i_mode;
    struct super_block *i_sb;
};
struct file {
    unsigned f_mode;
    struct inode *inode;
    struct address_space *f_mapping;
    int references;
};
struct page {
    struct address_space *mapping;
    int pins;
    unsigned pfn;
};

struct file *fget(int fd);
void fput(struct file *file);
struct inode *file_inode(const struct file *file);
#define page_folio(p) (p)
struct address_space *folio_mapping(struct page *page);
int pin_user_pages_fast(unsigned long at, int count, unsigned flags, struct page **pages);
void unpin_user_page(struct page *page);

/* ---- Address spaces ---------------------------------------------------------------------------------- */

typedef struct {
    bool present, user, exec, special;
    unsigned pfn;
} pte_t;
typedef unsigned long pgprot_t;
typedef unsigned vm_fault_t;
#define _PAGE_USER 4u

struct mm_struct {
    int grabbed, readers;
    bool writing;
};
struct vm_area_struct;
struct vm_fault {
    struct vm_area_struct *vma;
};
struct vm_operations_struct {
    void (*open)(struct vm_area_struct *vma);
    void (*close)(struct vm_area_struct *vma);
    int (*mremap)(struct vm_area_struct *vma);
    vm_fault_t (*fault)(struct vm_fault *vmf);
};
struct vm_area_struct {
    struct mm_struct *vm_mm;
    unsigned long vm_start, vm_end, vm_flags, vm_pgoff;
    struct file *vm_file;
    const struct vm_operations_struct *vm_ops;
    void *vm_private_data;
};
struct task_struct {
    struct mm_struct *mm;
};
extern struct task_struct *current;

void mmgrab(struct mm_struct *mm);
void mmdrop(struct mm_struct *mm);
void mmap_read_lock(struct mm_struct *mm);
void mmap_read_unlock(struct mm_struct *mm);
void vm_flags_mod(struct vm_area_struct *vma, unsigned long set, unsigned long clear);
struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long at);
pgprot_t vm_get_page_prot(unsigned long flags);
unsigned page_to_pfn(const struct page *page);
pte_t pfn_pte(unsigned pfn, pgprot_t protection);
pte_t pte_mkspecial(pte_t pte);
pte_t pte_clear_flags(pte_t pte, unsigned flags);
void set_pte_at(struct mm_struct *mm, unsigned long at, pte_t *pte, pte_t entry);
int apply_to_page_range(struct mm_struct *mm, unsigned long at, unsigned long size,
                        int (*call)(pte_t *pte, unsigned long at, void *data), void *data);
void zap_vma_ptes(struct vm_area_struct *vma, unsigned long at, unsigned long size);

/* ---- For the tests ----------------------------------------------------------------------------------- */

enum {
    STUB_LOW = 0x10000, /* where the device can be mapped: pages from here on */
    STUB_LOW_PAGES = 8, /* ... and how many are modelled */
    STUB_RAM_FD = 10,   /* files, and where the caller has them mapped */
    STUB_ARENA_FD = 11,
    STUB_DISK_FD = 12,  /* not in memory */
    STUB_WRITE_FD = 13, /* the arena, not open for reading */
    STUB_FILE_PAGES = 8,
};
#define STUB_RAM_AT    0x200000000000ul
#define STUB_ARENA_AT  0x300000000000ul
#define STUB_OTHER_AT  0x400000000000ul /* a file in memory that nobody registered */
#define STUB_NOEXEC_AT 0x500000000000ul /* the arena once more, from a noexec mount */
enum { STUB_FAULT = 0 };

void stub_begin(void);
/* Everything is given back, or the test fails. */
void stub_end(void);
/* The nth call from now on that can fail does (1: the next); 0: none. */
void stub_fail(unsigned nth);
/* Have the caller be another process. */
void stub_be_another(bool another);

/* mmap of the device by `map`, a cover of what is tested. NULL and *error: refused. */
struct vm_area_struct *stub_mmap(int (*map)(struct vm_area_struct *vma), unsigned long at, unsigned long size,
                                 unsigned long flags, unsigned long pgoff, int *error);
void stub_munmap(struct vm_area_struct *vma);
/* mremap to another place: what it returned. */
int stub_mremap(struct vm_area_struct *vma);

/* The program fetches, reads, writes: the number of the frame it met, or STUB_FAULT. */
unsigned stub_fetch(unsigned long at);
unsigned stub_read(unsigned long at);
unsigned stub_write(unsigned long at);
/* The frame of a page of a file, and how often it is pinned. */
unsigned stub_frame(unsigned long mapped_at);
int stub_pins(unsigned long mapped_at);
/* The page for priming in ring 0. */
enum { STUB_RING0_FRAME = 99 };
void stub_allow_ring0(bool allow);
