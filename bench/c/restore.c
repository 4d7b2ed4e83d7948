/*
 * Runs the image that is the first argument, checks it and sets the VM back, by hand: registers, and
 * the pages that the dirty log names. Once for each line on stdin; answers with the nanoseconds of
 * setting back and running.
 */

#include "vm.h"

#define PAGE_SIZE 4096
#define PAGES (RAM_SIZE / PAGE_SIZE)

int main(int argc, char **argv)
{
	uint8_t image[4096];
	size_t length = read_image(argv[argc - 1], image, sizeof image);
	static uint8_t saved[RAM_SIZE];
	static uint64_t log[PAGES / 64];
	struct kvm_dirty_log dirty = { .dirty_bitmap = log };
	struct kvm_sregs sregs;
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
	check(ioctl(vm.vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");

	while (getchar() != EOF) {
		uint64_t start = nanoseconds();

		check(ioctl(vm.vm, KVM_GET_DIRTY_LOG, &dirty), "KVM_GET_DIRTY_LOG");
		for (int page = 0; page < PAGES; page++)
			if (log[page / 64] >> page % 64 & 1)
				memcpy(vm.ram + page * PAGE_SIZE, saved + page * PAGE_SIZE, PAGE_SIZE);
		check(ioctl(vm.vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
		check(ioctl(vm.vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
		vm_prove(&vm);
		printf("%llu\n", (unsigned long long)(nanoseconds() - start));
		fflush(stdout);
	}
	vm_close(&vm);
}
