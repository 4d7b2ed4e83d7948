/* A minimal KVM host in C: the calls that the library makes for the same guest, and no others. */

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef RAM_SIZE
#define RAM_SIZE (2UL << 20)
#endif
#define TSS_ADDRESS 0xfffbd000
#define DEBUG_CONSOLE 0xe9

struct vm {
	int kvm, vm, vcpu;
	uint8_t *ram;
	struct kvm_run *run;
	int run_size;
};

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline int check(int result, const char *what)
{
	if (result < 0)
		die(what);
	return result;
}

static inline uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static inline void vm_open(struct vm *vm)
{
	vm->kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "open /dev/kvm");
	if (ioctl(vm->kvm, KVM_GET_API_VERSION, 0) != 12)
		die("KVM_GET_API_VERSION");
	vm->vm = check(ioctl(vm->kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	check(ioctl(vm->vm, KVM_SET_TSS_ADDR, TSS_ADDRESS), "KVM_SET_TSS_ADDR");

	vm->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->ram == MAP_FAILED)
		die("mmap");
	struct kvm_userspace_memory_region region = {
		.memory_size = RAM_SIZE,
		.userspace_addr = (uintptr_t)vm->ram,
	};
	check(ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");

	vm->run_size = check(ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	vm->vcpu = check(ioctl(vm->vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		die("mmap");
}

/* Real mode, all segments at 0, at address 0. */
static inline void vm_start(struct vm *vm)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_segment data = { .limit = 0xffff, .type = 3, .present = 1, .s = 1 };

	check(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.cs = data;
	sregs.cs.type = 11;
	sregs.gdt.base = sregs.gdt.limit = sregs.idt.base = 0;
	sregs.idt.limit = 0x3ff;
	sregs.cr0 = 0x10;
	sregs.cr3 = sregs.cr4 = sregs.efer = 0;
	check(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");

	check(ioctl(vm->vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	memset(&regs, 0, sizeof regs);
	regs.rsp = 0x7000;
	regs.rflags = 2;
	check(ioctl(vm->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* Runs guests/real.asm to its HLT and checks what it has to prove. */
static inline void vm_prove(struct vm *vm)
{
	static const char expected[] = "Hello, world!\n";
	char output[sizeof expected] = "";
	size_t length = 0;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	for (;;) {
		check(ioctl(vm->vcpu, KVM_RUN, 0), "KVM_RUN");
		if (vm->run->exit_reason == KVM_EXIT_HLT)
			break;
		if (vm->run->exit_reason != KVM_EXIT_IO || vm->run->io.port != DEBUG_CONSOLE ||
		    length + 1 >= sizeof output)
			die("the guest failed");
		output[length++] = *((char *)vm->run + vm->run->io.data_offset);
	}
	check(ioctl(vm->vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	check(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	if ((regs.rax & 0xffff) != 42 || *(uint16_t *)(vm->ram + 0x400) != 42 ||
	    strcmp(output, expected) != 0)
		die("the guest proved nothing");
}

static inline void vm_close(struct vm *vm)
{
	close(vm->vcpu);
	munmap(vm->run, vm->run_size);
	close(vm->vm);
	munmap(vm->ram, RAM_SIZE);
	close(vm->kvm);
}

/* The image of guests/real.asm as the command assembled it. */
static inline size_t read_image(const char *path, uint8_t *image, size_t room)
{
	int fd = check(open(path, O_RDONLY), path);
	ssize_t length = check(read(fd, image, room), path);

	close(fd);
	return length;
}
