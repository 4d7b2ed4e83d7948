/*
 * Runs the image that is the first argument, checks it and sets the VM back, by hand: the pages that
 * the dirty log names, the registers, and the rest of the vCPU's state, as far as it changed. RUNS
 * times for each line on stdin; answers with the nanoseconds of setting back and running once.
 */

#include "vm.h"

#define PAGE_SIZE 4096
#define PAGES (RAM_SIZE / PAGE_SIZE)
#define MAX_MSRS 256
#define RUNS 20
#define IA32_TIME_STAMP_COUNTER 0x10

/* A part of the state, as it was and as it is. */
struct part {
	unsigned long get, set;
	size_t size;
	uint8_t saved[PAGE_SIZE], now[PAGE_SIZE];
};

static struct part parts[] = {
	{ KVM_GET_SREGS, KVM_SET_SREGS, sizeof(struct kvm_sregs) },
	{ KVM_GET_XCRS, KVM_SET_XCRS, sizeof(struct kvm_xcrs) },
	{ KVM_GET_XSAVE, KVM_SET_XSAVE, sizeof(struct kvm_xsave) },
	{ KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs) },
	{ KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events) },
	{ KVM_GET_MP_STATE, KVM_SET_MP_STATE, sizeof(struct kvm_mp_state) },
};

#define PARTS (sizeof parts / sizeof parts[0])

struct msrs {
	struct kvm_msrs header;
	struct kvm_msr_entry entries[MAX_MSRS];
};

static size_t msrs_size(const struct msrs *msrs)
{
	return sizeof msrs->header + msrs->header.nmsrs * sizeof msrs->entries[0];
}

/* The MSRs that this KVM gives, but for the counter, which runs on. */
static void save_msrs(struct vm *vm, struct msrs *saved)
{
	static struct {
		struct kvm_msr_list header;
		uint32_t indices[MAX_MSRS];
	} list = { .header = { .nmsrs = MAX_MSRS } };
	struct msrs one = { .header = { .nmsrs = 1 } };

	check(ioctl(vm->kvm, KVM_GET_MSR_INDEX_LIST, &list), "KVM_GET_MSR_INDEX_LIST");
	for (uint32_t i = 0; i < list.header.nmsrs; i++) {
		one.entries[0] = (struct kvm_msr_entry){ .index = list.indices[i] };
		if (list.indices[i] != IA32_TIME_STAMP_COUNTER &&
		    ioctl(vm->vcpu, KVM_GET_MSRS, &one) == 1)
			saved->entries[saved->header.nmsrs++] = one.entries[0];
	}
}

static void restore_vcpu(struct vm *vm, const struct kvm_regs *regs, const struct msrs *msrs)
{
	static struct msrs now;

	for (struct part *part = parts; part < parts + PARTS; part++) {
		check(ioctl(vm->vcpu, part->get, part->now), "a state's KVM_GET");
		if (memcmp(part->now, part->saved, part->size) != 0)
			check(ioctl(vm->vcpu, part->set, part->saved), "a state's KVM_SET");
	}
	check(ioctl(vm->vcpu, KVM_SET_REGS, regs), "KVM_SET_REGS");
	memcpy(&now, msrs, msrs_size(msrs));
	check(ioctl(vm->vcpu, KVM_GET_MSRS, &now), "KVM_GET_MSRS");
	if (memcmp(&now, msrs, msrs_size(msrs)) != 0)
		check(ioctl(vm->vcpu, KVM_SET_MSRS, msrs), "KVM_SET_MSRS");
}

static void restore_memory(struct vm *vm, const uint8_t *saved)
{
	static uint64_t log[PAGES / 64];
	struct kvm_dirty_log dirty = { .dirty_bitmap = log };

	check(ioctl(vm->vm, KVM_GET_DIRTY_LOG, &dirty), "KVM_GET_DIRTY_LOG");
	for (int page = 0; page < PAGES; page++)
		if (log[page / 64] >> page % 64 & 1)
			memcpy(vm->ram + page * PAGE_SIZE, saved + page * PAGE_SIZE, PAGE_SIZE);
}

int main(int argc, char **argv)
{
	uint8_t image[4096];
	size_t length = read_image(argv[argc - 1], image, sizeof image);
	static uint8_t saved[RAM_SIZE];
	static struct msrs msrs;
	struct kvm_regs regs;
	struct vm vm;

	vm_open(&vm);
	struct kvm_userspace_memory_region region = {
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.memory_size = RAM_SIZE,
		.userspace_addr = (uintptr_t)vm.ram,
	};
	check(ioctl(vm.vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	memcpy(vm.ram, image, length);
	memcpy(saved, vm.ram, RAM_SIZE);
	vm_start(&vm);
	check(ioctl(vm.vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	for (struct part *part = parts; part < parts + PARTS; part++)
		check(ioctl(vm.vcpu, part->get, part->saved), "a state's KVM_GET");
	save_msrs(&vm, &msrs);

	while (getchar() != EOF) {
		uint64_t start = nanoseconds();

		for (int i = 0; i < RUNS; i++) {
			restore_memory(&vm, saved);
			restore_vcpu(&vm, &regs, &msrs);
			vm_prove(&vm);
		}
		printf("%llu\n", (unsigned long long)(nanoseconds() - start) / RUNS);
		fflush(stdout);
	}
	vm_close(&vm);
}
