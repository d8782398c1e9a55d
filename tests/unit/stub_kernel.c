/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel of stub_kernel.h.
 */
#include "stub_kernel.h"

#include <check.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"

enum { AREAS = 32, FILES = 4, NO_ENTRY = 0 };

static struct mm_struct caller_mm, another_mm;
static struct task_struct caller = { &caller_mm }, another = { &another_mm };
struct task_struct *current;

static struct super_block in_memory = { TMPFS_MAGIC }, on_disk = { 0xef53 };
static struct inode inodes[FILES];
static struct address_space mappings[FILES];
static struct file files[FILES];              /* RAM, arena, disk, arena for writing */
static struct page pages[3][STUB_FILE_PAGES]; /* RAM, arena, other */
static struct page ring0_page = { .pfn = STUB_RING0_FRAME };
static struct address_space other_mapping;

static struct {
    struct vm_area_struct area[AREAS];
    bool used[AREAS];
    pte_t pte[STUB_LOW_PAGES];
    unsigned code[STUB_LOW_PAGES], data[STUB_LOW_PAGES]; /* the TLBs: frame, or NO_ENTRY */
    unsigned fail_in;
    int allocations, preempt;
    struct mutex *held;
    bool ring0_allowed;
} k;

/* ---- What can fail ----------------------------------------------------------------------------------- */

void stub_fail(unsigned nth)
{
    k.fail_in = nth;
}

static bool fails(void)
{
    return k.fail_in && --k.fail_in == 0;
}

void *kzalloc(size_t size, int flags)
{
    (void)flags;
    if (fails())
        return NULL;
    k.allocations++;
    return calloc(1, size);
}

void kfree(void *p)
{
    k.allocations -= p != NULL;
    free(p);
}

/* ---- Locks and counts -------------------------------------------------------------------------------- */

int atomic_read(const atomic_t *a)
{
    return a->value;
}

int atomic_inc_return(atomic_t *a)
{
    return ++a->value;
}

void atomic_dec(atomic_t *a)
{
    ck_assert_int_gt(a->value, 0);
    a->value--;
}

void refcount_set(refcount_t *r, int n)
{
    r->value = n;
}

void refcount_inc(refcount_t *r)
{
    ck_assert_int_gt(r->value, 0);
    r->value++;
}

bool refcount_dec_and_test(refcount_t *r)
{
    ck_assert_int_gt(r->value, 0);
    return --r->value == 0;
}

void mutex_init(struct mutex *m)
{
    m->made = true;
}

void mutex_lock(struct mutex *m)
{
    ck_assert(m->made && !m->locked && !k.held);
    m->locked = true;
    k.held = m;
}

void mutex_unlock(struct mutex *m)
{
    ck_assert(m->locked && k.held == m && !k.preempt);
    m->locked = false;
    k.held = NULL;
}

void mmap_read_lock(struct mm_struct *mm)
{
    ck_assert_msg(!k.held, "the mmap lock is taken before an owner's");
    ck_assert(!mm->writing && mm == current->mm);
    mm->readers++;
}

void mmap_read_unlock(struct mm_struct *mm)
{
    ck_assert_int_gt(mm->readers, 0);
    mm->readers--;
}

void preempt_disable(void)
{
    k.preempt++;
}

void preempt_enable(void)
{
    k.preempt--;
}

void mmgrab(struct mm_struct *mm)
{
    mm->grabbed++;
}

void mmdrop(struct mm_struct *mm)
{
    ck_assert_int_gt(mm->grabbed, 0);
    mm->grabbed--;
}

/* ---- Files and pages --------------------------------------------------------------------------------- */

struct file *fget(int fd)
{
    if (fd < STUB_RAM_FD || fd >= STUB_RAM_FD + FILES || fails())
        return NULL;
    files[fd - STUB_RAM_FD].references++;
    return &files[fd - STUB_RAM_FD];
}

void fput(struct file *file)
{
    ck_assert_int_gt(file->references, 0);
    file->references--;
}

struct inode *file_inode(const struct file *file)
{
    return file->inode;
}

struct address_space *folio_mapping(struct page *page)
{
    return page->mapping;
}

/* What the caller has mapped there. */
static struct page *mapped_page(unsigned long at)
{
    static const unsigned long places[] = { STUB_RAM_AT, STUB_ARENA_AT, STUB_OTHER_AT };
    for (unsigned i = 0; i < 3; i++) {
        if (at >= places[i] && at < places[i] + STUB_FILE_PAGES * PAGE_SIZE)
            return &pages[i][(at - places[i]) / PAGE_SIZE];
    }
    if (at >= STUB_NOEXEC_AT && at < STUB_NOEXEC_AT + STUB_FILE_PAGES * PAGE_SIZE)
        return &pages[1][(at - STUB_NOEXEC_AT) / PAGE_SIZE];
    return NULL;
}

int pin_user_pages_fast(unsigned long at, int count, unsigned flags, struct page **p)
{
    ck_assert_int_eq(count, 1);
    ck_assert_uint_eq(flags, FOLL_LONGTERM);
    ck_assert_msg(!k.held && !current->mm->readers, "it takes the mmap lock");
    struct page *page = mapped_page(at);
    if (!page || fails())
        return page ? -ENOMEM : -EFAULT;
    page->pins++;
    *p = page;
    return 1;
}

/* Nothing may lead to a page that can go: no entry, and nothing cached of one. */
void unpin_user_page(struct page *page)
{
    ck_assert_int_gt(page->pins, 0);
    page->pins--;
    for (unsigned i = 0; i < STUB_LOW_PAGES && !page->pins; i++) {
        ck_assert_msg(!k.pte[i].present || k.pte[i].pfn != page->pfn, "an entry leads to the page");
        ck_assert_msg(k.code[i] != page->pfn && k.data[i] != page->pfn, "a TLB leads to the page");
    }
}

unsigned stub_frame(unsigned long mapped_at)
{
    return mapped_page(mapped_at)->pfn;
}

int stub_pins(unsigned long mapped_at)
{
    return mapped_page(mapped_at)->pins;
}

/* ---- Address spaces ---------------------------------------------------------------------------------- */

void vm_flags_mod(struct vm_area_struct *vma, unsigned long set, unsigned long clear)
{
    vma->vm_flags = (vma->vm_flags | set) & ~clear;
}

struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long at)
{
    ck_assert_msg(mm->readers || mm->writing, "mappings are looked up under the mmap lock");
    for (unsigned i = 0; i < AREAS; i++) {
        if (k.used[i] && k.area[i].vm_mm == mm && at >= k.area[i].vm_start && at < k.area[i].vm_end)
            return &k.area[i];
    }
    return NULL;
}

pgprot_t vm_get_page_prot(unsigned long flags)
{
    return flags;
}

unsigned page_to_pfn(const struct page *page)
{
    return page->pfn;
}

pte_t pfn_pte(unsigned pfn, pgprot_t protection)
{
    ck_assert(protection & VM_READ && !(protection & VM_WRITE));
    return (pte_t){ .present = true, .user = true, .exec = protection & VM_EXEC, .pfn = pfn };
}

pte_t pte_mkspecial(pte_t pte)
{
    pte.special = true;
    return pte;
}

pte_t pte_clear_flags(pte_t pte, unsigned flags)
{
    if (flags & _PAGE_USER)
        pte.user = false;
    return pte;
}

static unsigned low_page(unsigned long at)
{
    ck_assert(at >= STUB_LOW && at < STUB_LOW + STUB_LOW_PAGES * PAGE_SIZE);
    return (unsigned)((at - STUB_LOW) / PAGE_SIZE);
}

void set_pte_at(struct mm_struct *mm, unsigned long at, pte_t *pte, pte_t entry)
{
    ck_assert(mm == &caller_mm && pte == &k.pte[low_page(at)]);
    ck_assert_msg(entry.special, "the kernel would take the page for one of the mapping's file");
    *pte = entry;
}

int apply_to_page_range(struct mm_struct *mm, unsigned long at, unsigned long size,
                        int (*call)(pte_t *pte, unsigned long at, void *data), void *data)
{
    ck_assert(mm->readers && k.held && size == PAGE_SIZE);
    return fails() ? -ENOMEM : call(&k.pte[low_page(at)], at, data);
}

static void flush(unsigned page)
{
    if (!k.pte[page].present)
        ck_assert_msg(!k.code[page] && !k.data[page],
                      "something is cached of an entry the kernel takes for empty");
    k.pte[page] = (pte_t){ 0 };
    k.code[page] = k.data[page] = NO_ENTRY;
}

void zap_vma_ptes(struct vm_area_struct *vma, unsigned long at, unsigned long size)
{
    ck_assert(vma->vm_mm->readers && vma->vm_flags & VM_PFNMAP && size == PAGE_SIZE);
    flush(low_page(at));
}

/* ---- The program's own accesses ---------------------------------------------------------------------- */

/* One access: by the TLB, else by the entry. */
static unsigned access_page(unsigned *tlb, unsigned long at, bool fetch)
{
    const pte_t *pte = &k.pte[low_page(at)];
    if (*tlb)
        return *tlb;
    if (!pte->present || !pte->user || (fetch && !pte->exec))
        return STUB_FAULT;
    *tlb = pte->pfn;
    return pte->pfn;
}

unsigned stub_fetch(unsigned long at)
{
    return access_page(&k.code[low_page(at)], at, true);
}

unsigned stub_read(unsigned long at)
{
    return access_page(&k.data[low_page(at)], at, false);
}

unsigned stub_write(unsigned long at)
{
    (void)low_page(at);
    return STUB_FAULT; /* no entry allows it: pfn_pte() */
}

/* ---- Mapping the device ------------------------------------------------------------------------------ */

static struct vm_area_struct *new_area(const struct vm_area_struct *like)
{
    for (unsigned i = 0; i < AREAS; i++) {
        if (!k.used[i]) {
            k.used[i] = true;
            k.area[i] = *like;
            return &k.area[i];
        }
    }
    ck_abort_msg("more mappings than the stub has room for");
    return NULL;
}

static void drop_area(struct vm_area_struct *vma)
{
    k.used[vma - k.area] = false;
}

struct vm_area_struct *stub_mmap(int (*map)(struct vm_area_struct *vma), unsigned long at, unsigned long size,
                                 unsigned long flags, unsigned long pgoff, int *error)
{
    struct vm_area_struct *vma =
        new_area(&(struct vm_area_struct){ .vm_mm = current->mm,
                                           .vm_start = at,
                                           .vm_end = at + size,
                                           .vm_flags = flags | VM_MAYWRITE | VM_MAYEXEC,
                                           .vm_pgoff = pgoff });
    current->mm->writing = true;
    *error = map(vma);
    current->mm->writing = false;
    if (*error) {
        drop_area(vma);
        return NULL;
    }
    ck_assert_uint_eq(vma->vm_flags & (VM_PFNMAP | VM_DONTEXPAND | VM_DONTCOPY | VM_MAYWRITE),
                      VM_PFNMAP | VM_DONTEXPAND | VM_DONTCOPY);
    ck_assert_uint_eq(vma->vm_ops->fault(&(struct vm_fault){ vma }), VM_FAULT_SIGSEGV);
    return vma;
}

void stub_munmap(struct vm_area_struct *vma)
{
    vma->vm_mm->writing = true;
    flush(low_page(vma->vm_start));
    vma->vm_ops->close(vma);
    drop_area(vma);
    vma->vm_mm->writing = false;
}

int stub_mremap(struct vm_area_struct *vma)
{
    struct vm_area_struct *moved = new_area(vma);
    unsigned page = low_page(vma->vm_start);
    vma->vm_mm->writing = true;
    moved->vm_start += 0x100000;
    moved->vm_end += 0x100000;
    vma->vm_ops->open(moved);
    k.code[page] = k.data[page] = NO_ENTRY; /* the entry goes there, and back if that is refused */
    int result = vma->vm_ops->mremap(moved);
    ck_assert_int_ne(result, 0);
    moved->vm_ops->close(moved);
    drop_area(moved);
    vma->vm_mm->writing = false;
    return result;
}

/* ---- Ring 0 ------------------------------------------------------------------------------------------ */

void stub_allow_ring0(bool allow)
{
    k.ring0_allowed = allow;
}

bool d86_tlb_ring0_possible(void)
{
    return k.ring0_allowed;
}

struct page *d86_tlb_ring0_page(void)
{
    return &ring0_page;
}

void d86_tlb_ring0_execute(unsigned long address)
{
    ck_assert_int_eq(k.preempt, 1);
    ck_assert_msg(!k.code[low_page(address)], "ring 0 would execute the program's code");
    ck_assert_uint_eq(stub_fetch(address), STUB_RING0_FRAME);
}

/* ---- Begin and end ----------------------------------------------------------------------------------- */

static void map_file(unsigned long at, struct file *file, unsigned long flags)
{
    new_area(&(struct vm_area_struct){ .vm_mm = &caller_mm,
                                       .vm_start = at,
                                       .vm_end = at + STUB_FILE_PAGES * PAGE_SIZE,
                                       .vm_flags = VM_READ | VM_SHARED | flags,
                                       .vm_file = file });
}

void stub_begin(void)
{
    memset(&k, 0, sizeof(k));
    caller_mm = another_mm = (struct mm_struct){ 0 };
    current = &caller;
    for (unsigned i = 0; i < FILES; i++) {
        bool memory = i + STUB_RAM_FD != STUB_DISK_FD, arena = i + STUB_RAM_FD == STUB_WRITE_FD;
        inodes[i] = (struct inode){ S_IFREG | 0600, memory ? &in_memory : &on_disk };
        files[i] = (struct file){ arena ? 0 : FMODE_READ, &inodes[i], &mappings[arena ? 1 : i], 0 };
    }
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < STUB_FILE_PAGES; j++)
            pages[i][j] =
                (struct page){ i < 2 ? &mappings[i] : &other_mapping, 0, 1 + i * STUB_FILE_PAGES + j };
    }
    map_file(STUB_RAM_AT, &files[0], 0);
    map_file(STUB_ARENA_AT, &files[1], VM_MAYEXEC);
    map_file(STUB_NOEXEC_AT, &files[1], 0);
}

void stub_end(void)
{
    ck_assert_int_eq(k.allocations, 0);
    ck_assert(!k.held && !caller_mm.readers && !caller_mm.grabbed && !k.preempt);
    ck_assert_uint_eq(d86_tlb_pages(), 0);
    for (unsigned i = 0; i < FILES; i++)
        ck_assert_int_eq(files[i].references, 0);
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < STUB_FILE_PAGES; j++)
            ck_assert_int_eq(pages[i][j].pins, 0);
    }
    for (unsigned i = 0; i < STUB_LOW_PAGES; i++)
        ck_assert(!k.pte[i].present && !k.code[i] && !k.data[i]);
}

void stub_be_another(bool be)
{
    current = be ? &another : &caller;
}
