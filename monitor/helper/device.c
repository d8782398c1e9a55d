// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device /dev/duplex86-tlb: arguments in, bookkeeping (pages.c) called, results out. It exists
 * for Duplex86's split `tlb`, which nothing uses unless asked for it; docs/split-tlb.md. Each
 * opening has an owner of its own, and does nothing to a process that did not open it.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "pages.h"
#include "ring0.h"

module_param_named(max_pages, d86_tlb_max_pages, uint, 0644);
MODULE_PARM_DESC(
	max_pages,
	"Most pages that all programs together may have primed, which pins two frames each (4096)");

static int device_open(struct inode *inode, struct file *file)
{
	struct d86_tlb_owner *owner = d86_tlb_owner_new();

	if (!owner)
		return -ENOMEM;
	file->private_data = owner;
	return 0;
}

static int device_release(struct inode *inode, struct file *file)
{
	d86_tlb_owner_free(file->private_data);
	return 0;
}

static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
	return d86_tlb_mmap(file->private_data, vma);
}

static void tell_host(struct d86_tlb_host *host)
{
	*host = (struct d86_tlb_host){
		.version = D86_TLB_VERSION,
		.features = d86_tlb_features(),
		.pages = d86_tlb_pages(),
		.max_pages = d86_tlb_max_pages,
	};
}

union argument {
	struct d86_tlb_register reg;
	struct d86_tlb_prime prime;
	struct d86_tlb_page page;
	struct d86_tlb_disturb disturb;
	struct d86_tlb_host host;
	struct d86_tlb_counters counters;
};

static long do_command(struct d86_tlb_owner *owner, unsigned int command, union argument *a)
{
	switch (command) {
	case D86_TLB_REGISTER:
		return d86_tlb_register(owner, &a->reg);
	case D86_TLB_PRIME:
		return d86_tlb_prime(owner, &a->prime);
	case D86_TLB_SETTLE:
		return d86_tlb_settle(owner, &a->page);
	case D86_TLB_UNPRIME:
		return d86_tlb_unprime(owner, &a->page);
	case D86_TLB_DISTURB:
		return d86_tlb_disturb(&a->disturb);
	case D86_TLB_HOST:
		tell_host(&a->host);
		return 0;
	case D86_TLB_COUNTERS:
		d86_tlb_count(owner, &a->counters);
		return 0;
	default:
		return -ENOTTY;
	}
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long data)
{
	void __user *at = (void __user *)data;
	unsigned int size = _IOC_SIZE(command);
	union argument a = {};
	long result;

	if (_IOC_TYPE(command) != _IOC_TYPE(D86_TLB_HOST) || size > sizeof(a))
		return -ENOTTY;
	if ((_IOC_DIR(command) & _IOC_WRITE) && copy_from_user(&a, at, size))
		return -EFAULT;
	result = do_command(file->private_data, command, &a);
	if (!result && (_IOC_DIR(command) & _IOC_READ) && copy_to_user(at, &a, size))
		return -EFAULT;
	return result;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.mmap = device_mmap,
	.unlocked_ioctl = device_ioctl,
	.llseek = noop_llseek,
};

/* For root, unless the administrator gives it to others. */
static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "duplex86-tlb",
	.fops = &operations,
	.mode = 0600,
};

static int __init d86_tlb_init(void)
{
	int err = d86_tlb_ring0_init();

	if (err)
		return err;
	err = misc_register(&device);
	if (err)
		d86_tlb_ring0_exit();
	return err;
}

static void __exit d86_tlb_exit(void)
{
	misc_deregister(&device);
	d86_tlb_ring0_exit();
}

module_init(d86_tlb_init);
module_exit(d86_tlb_exit);

MODULE_DESCRIPTION("Split instruction and data TLB entries for Duplex86");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
