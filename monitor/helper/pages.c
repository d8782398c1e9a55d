// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bookkeeping of primed pages.
 *
 * Each page is a mapping of the device, of one page (VM_PFNMAP): its table entry belongs to nobody
 * else, no rmap knows it, and the kernel clears and flushes it before it calls d86_tlb_close(),
 * whatever the reason: munmap, another mapping in its place, exec, death. What an entry leads to,
 * or led to while the processor could cache it, is pinned until it has been flushed everywhere. So
 * a cached translation never outlives the frame it leads to, and there is nothing to notice that an
 * mmu notifier would tell.
 *
 * What may be shown is what the caller has mapped of its two files, and is found through the
 * caller's own mappings.
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/preempt.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/version.h>

#include "pages.h"

enum state {
	EMPTY,	 /* no entry, nothing cached, nothing pinned */
	PRIMED,	 /* the entry leads to the private frame */
	SETTLED, /* to the original frame; the processor may have the former for fetches */
};

enum { PRIVATE, ORIGINAL, FRAMES };

struct page_state {
	refcount_t mappings; /* two while mremap makes up its mind */
	enum state state;
	bool ring0; /* frame[PRIVATE] is the helper's own, not pinned */
	struct page *frame[FRAMES];
	struct d86_tlb_owner *owner;
};

unsigned int d86_tlb_max_pages = 4096;
static atomic_t pages_in_use = ATOMIC_INIT(0);

unsigned int d86_tlb_pages(void)
{
	return atomic_read(&pages_in_use);
}

/* ---- Owners -------------------------------------------------------------------------------------
 */

struct d86_tlb_owner *d86_tlb_owner_new(void)
{
	struct d86_tlb_owner *owner = kzalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);

	if (owner)
		mutex_init(&owner->lock);
	return owner;
}

void d86_tlb_owner_free(struct d86_tlb_owner *owner)
{
	unsigned int i;

	for (i = 0; i < D86_TLB_FILES; i++)
		if (owner->file[i])
			fput(owner->file[i]);
	if (owner->mm)
		mmdrop(owner->mm);
	kfree(owner);
}

/* A file in memory, open for reading. */
static struct file *get_file_in_memory(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if ((file->f_mode & FMODE_READ) && S_ISREG(file_inode(file)->i_mode) &&
	    file_inode(file)->i_sb->s_magic == TMPFS_MAGIC)
		return file;
	fput(file);
	return ERR_PTR(-EINVAL);
}

int d86_tlb_register(struct d86_tlb_owner *owner, const struct d86_tlb_register *r)
{
	struct file *ram, *arena;
	int err = 0;

	if (r->version != D86_TLB_VERSION || r->flags)
		return -EINVAL;
	ram = get_file_in_memory(r->ram);
	if (IS_ERR(ram))
		return PTR_ERR(ram);
	arena = get_file_in_memory(r->arena);
	if (IS_ERR(arena)) {
		fput(ram);
		return PTR_ERR(arena);
	}
	mutex_lock(&owner->lock);
	if (owner->mm) {
		err = -EBUSY;
	} else {
		mmgrab(current->mm);
		owner->file[D86_TLB_RAM] = ram;
		owner->file[D86_TLB_ARENA] = arena;
		/* Who sees this without the lock sees the files. */
		smp_store_release(&owner->mm, current->mm);
	}
	mutex_unlock(&owner->lock);
	if (err) {
		fput(arena);
		fput(ram);
	}
	return err;
}

static int check_owner(struct d86_tlb_owner *owner)
{
	struct mm_struct *mm = smp_load_acquire(&owner->mm);

	if (!mm)
		return -ENXIO;
	return mm == current->mm ? 0 : -EPERM;
}

void d86_tlb_count(struct d86_tlb_owner *owner, struct d86_tlb_counters *counters)
{
	mutex_lock(&owner->lock);
	*counters = owner->counters;
	mutex_unlock(&owner->lock);
}

/* ---- Table entries ------------------------------------------------------------------------------
 */

struct writing {
	struct mm_struct *mm;
	pte_t entry;
};

static int write_one(pte_t *pte, unsigned long address, void *data)
{
	const struct writing *w = data;

	set_pte_at(w->mm, address, pte, w->entry);
	return 0;
}

/* Without any flush: nothing is cached of an entry that was empty, and otherwise that is what it is
 * all about. */
static int write_entry(struct vm_area_struct *vma, pte_t entry)
{
	struct writing w = { .mm = vma->vm_mm, .entry = entry };

	return apply_to_page_range(vma->vm_mm, vma->vm_start, PAGE_SIZE, write_one, &w);
}

static pte_t entry_for(struct page *page, unsigned long rights)
{
	return pte_mkspecial(pfn_pte(page_to_pfn(page), vm_get_page_prot(VM_SHARED | rights)));
}

/* ---- Frames -------------------------------------------------------------------------------------
 */

/* The frame the caller has mapped at `at`, of one of its files first to D86_TLB_ARENA. */
static int pin_frame(struct d86_tlb_owner *owner, u64 at, unsigned int first, struct page **page)
{
	struct address_space *mapping;
	unsigned int i;
	int n;

	if (!PAGE_ALIGNED(at))
		return -EINVAL;
	n = pin_user_pages_fast(at, 1, FOLL_LONGTERM, page);
	if (n != 1)
		return n < 0 ? n : -EFAULT;
	mapping = folio_mapping(page_folio(*page));
	for (i = first; i < D86_TLB_FILES; i++)
		if (mapping && mapping == owner->file[i]->f_mapping)
			return 0;
	unpin_user_page(*page);
	*page = NULL;
	return -EACCES;
}

static void unpin_frames(struct page **frame, bool ring0)
{
	if (frame[PRIVATE] && !ring0)
		unpin_user_page(frame[PRIVATE]);
	if (frame[ORIGINAL])
		unpin_user_page(frame[ORIGINAL]);
	frame[PRIVATE] = frame[ORIGINAL] = NULL;
}

static int pin_frames(struct d86_tlb_owner *owner, const struct d86_tlb_prime *r, bool ring0,
		      struct page **frame)
{
	int err;

	if (ring0) {
		frame[PRIVATE] = d86_tlb_ring0_page();
	} else {
		err = pin_frame(owner, r->private_at, D86_TLB_ARENA, &frame[PRIVATE]);
		if (err)
			return err;
	}
	err = pin_frame(owner, r->original_at, D86_TLB_RAM, &frame[ORIGINAL]);
	if (err)
		unpin_frames(frame, ring0);
	return err;
}

/* Might the caller execute what it has mapped there? */
static bool may_execute(struct d86_tlb_owner *owner, u64 at)
{
	struct vm_area_struct *vma = vma_lookup(owner->mm, at);

	return vma && (vma->vm_flags & VM_MAYEXEC) && vma->vm_file &&
	       vma->vm_file->f_mapping == owner->file[D86_TLB_ARENA]->f_mapping;
}

/* ---- Mappings of the device ---------------------------------------------------------------------
 */

/* Its table entry is gone, and flushed, or the mapping is being closed and that has been seen to.
 */
static void forget(struct page_state *p)
{
	struct d86_tlb_counters *c = &p->owner->counters;

	if (p->state == EMPTY)
		return;
	c->pinned -= p->ring0 ? 1 : 2;
	c->pages--;
	unpin_frames(p->frame, p->ring0);
	atomic_dec(&pages_in_use);
	p->state = EMPTY;
}

static void d86_tlb_open(struct vm_area_struct *vma)
{
	struct page_state *p = vma->vm_private_data;

	refcount_inc(&p->mappings);
}

static void d86_tlb_close(struct vm_area_struct *vma)
{
	struct page_state *p = vma->vm_private_data;
	struct d86_tlb_owner *owner = p->owner;

	if (!refcount_dec_and_test(&p->mappings))
		return;
	mutex_lock(&owner->lock);
	forget(p);
	mutex_unlock(&owner->lock);
	kfree(p);
}

/* A page is looked for where it was mapped. */
static int d86_tlb_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

/* What is not primed is not there; the owner knows what to do about it. */
static vm_fault_t d86_tlb_fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGSEGV;
}

static const struct vm_operations_struct page_operations = {
	.open = d86_tlb_open,
	.close = d86_tlb_close,
	.mremap = d86_tlb_mremap,
	.fault = d86_tlb_fault,
};

static void mark(struct vm_area_struct *vma)
{
	const unsigned long set = VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTCOPY | VM_DONTDUMP;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, VM_MAYWRITE);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~VM_MAYWRITE;
#endif
}

int d86_tlb_mmap(struct d86_tlb_owner *owner, struct vm_area_struct *vma)
{
	struct page_state *p;
	int err = check_owner(owner);

	if (err)
		return err;
	if (vma->vm_end - vma->vm_start != PAGE_SIZE || vma->vm_end > 1ul << 32 || vma->vm_pgoff ||
	    !(vma->vm_flags & VM_SHARED) || (vma->vm_flags & VM_WRITE))
		return -EINVAL;
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return -ENOMEM;
	refcount_set(&p->mappings, 1);
	p->owner = owner;
	mark(vma);
	vma->vm_ops = &page_operations;
	vma->vm_private_data = p;
	return 0;
}

/* This owner's mapping at `address`, under the mmap lock. */
static struct vm_area_struct *find(struct d86_tlb_owner *owner, u32 address)
{
	struct vm_area_struct *vma = vma_lookup(owner->mm, address);
	struct page_state *p;

	if (!vma || vma->vm_ops != &page_operations)
		return NULL;
	p = vma->vm_private_data;
	return p->owner == owner ? vma : NULL;
}

/* ---- What can be asked for ----------------------------------------------------------------------
 */

static void empty(struct vm_area_struct *vma)
{
	struct page_state *p = vma->vm_private_data;

	if (p->state == EMPTY)
		return;
	zap_vma_ptes(vma, vma->vm_start,
		     PAGE_SIZE); /* flushes, on each processor that may have it */
	forget(p);
}

/* The RET is executed before anything else can happen on this processor. */
static void execute_in_ring0(unsigned long address)
{
	preempt_disable();
	d86_tlb_ring0_execute(address);
	preempt_enable();
}

/* The frames become the page's, unless an error comes back. */
static int prime(struct d86_tlb_owner *owner, const struct d86_tlb_prime *r, struct page **frame)
{
	struct vm_area_struct *vma = find(owner, r->address);
	bool ring0 = r->flags & D86_TLB_RING0;
	struct page_state *p;
	int err;

	if (!vma)
		return -ENOENT;
	if (!ring0 && !may_execute(owner, r->private_at))
		return -EACCES;
	empty(vma);
	p = vma->vm_private_data;
	err = write_entry(vma, entry_for(frame[PRIVATE], VM_READ | VM_EXEC));
	if (err)
		return err;
	if (ring0)
		execute_in_ring0(r->address);
	p->state = PRIMED;
	p->ring0 = ring0;
	p->frame[PRIVATE] = frame[PRIVATE];
	p->frame[ORIGINAL] = frame[ORIGINAL];
	owner->counters.primes++;
	owner->counters.pages++;
	owner->counters.pinned += ring0 ? 1 : 2;
	return 0;
}

static int take_room(void)
{
	if ((unsigned int)atomic_inc_return(&pages_in_use) <= d86_tlb_max_pages)
		return 0;
	atomic_dec(&pages_in_use);
	return -ENOSPC;
}

static int try_prime(struct d86_tlb_owner *owner, const struct d86_tlb_prime *r)
{
	struct page *frame[FRAMES] = { NULL, NULL };
	bool ring0 = r->flags & D86_TLB_RING0;
	int err;

	if (ring0 && !d86_tlb_ring0_possible())
		return -EOPNOTSUPP;
	err = take_room();
	if (err)
		return err;
	err = pin_frames(owner, r, ring0, frame);
	if (!err) {
		mmap_read_lock(owner->mm);
		mutex_lock(&owner->lock);
		err = prime(owner, r, frame);
		mutex_unlock(&owner->lock);
		mmap_read_unlock(owner->mm);
		if (err)
			unpin_frames(frame, ring0);
	}
	if (err)
		atomic_dec(&pages_in_use);
	return err;
}

int d86_tlb_prime(struct d86_tlb_owner *owner, const struct d86_tlb_prime *r)
{
	int err = check_owner(owner);

	if (!err && ((r->flags & ~D86_TLB_RING0) || !PAGE_ALIGNED(r->address)))
		err = -EINVAL;
	if (!err)
		err = try_prime(owner, r);
	if (err) {
		mutex_lock(&owner->lock);
		owner->counters.refusals++;
		mutex_unlock(&owner->lock);
	}
	return err;
}

/*
 * The entry for the frame that data accesses are to see. Without U each of them faults as well, and
 * somebody has to do it for the program.
 */
static pte_t settled_entry(const struct page_state *p, u32 flags)
{
	if (flags & D86_TLB_SUPERVISOR)
		return pte_clear_flags(entry_for(p->frame[ORIGINAL], VM_READ | VM_EXEC),
				       _PAGE_USER);
	return entry_for(p->frame[ORIGINAL], VM_READ);
}

int d86_tlb_settle(struct d86_tlb_owner *owner, const struct d86_tlb_page *r)
{
	struct vm_area_struct *vma;
	struct page_state *p;
	int err = check_owner(owner);

	if (err)
		return err;
	if ((r->flags & ~D86_TLB_SUPERVISOR) || !PAGE_ALIGNED(r->address))
		return -EINVAL;
	mmap_read_lock(owner->mm);
	mutex_lock(&owner->lock);
	vma = find(owner, r->address);
	if (!vma) {
		err = -ENOENT;
	} else {
		p = vma->vm_private_data;
		err = p->state == PRIMED ? write_entry(vma, settled_entry(p, r->flags)) : -EBUSY;
		if (!err) {
			p->state = SETTLED;
			owner->counters.settles++;
		}
	}
	mutex_unlock(&owner->lock);
	mmap_read_unlock(owner->mm);
	return err;
}

int d86_tlb_unprime(struct d86_tlb_owner *owner, const struct d86_tlb_page *r)
{
	struct vm_area_struct *vma;
	int err = check_owner(owner);

	if (err)
		return err;
	if (r->flags || !PAGE_ALIGNED(r->address))
		return -EINVAL;
	mmap_read_lock(owner->mm);
	mutex_lock(&owner->lock);
	vma = find(owner, r->address);
	if (vma) {
		empty(vma);
		owner->counters.unprimes++;
	} else {
		err = -ENOENT;
	}
	mutex_unlock(&owner->lock);
	mmap_read_unlock(owner->mm);
	return err;
}
