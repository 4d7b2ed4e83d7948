/*
 * Steps through the image that is the first argument to its HLT, once for each line on stdin, and
 * reads the registers after each step. Answers with the nanoseconds it took.
 */

#include "vm.h"

int main(int argc, char **argv)
{
	uint8_t image[4096];
	size_t length = read_image(argv[argc - 1], image, sizeof image);
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	struct kvm_regs regs;
	struct vm vm;

	vm_open(&vm);
	memcpy(vm.ram, image, length);
	while (getchar() != EOF) {
		uint64_t start;

		vm_start(&vm);
		check(ioctl(vm.vcpu, KVM_SET_GUEST_DEBUG, &debug), "KVM_SET_GUEST_DEBUG");
		start = nanoseconds();
		for (;;) {
			check(ioctl(vm.vcpu, KVM_RUN, 0), "KVM_RUN");
			check(ioctl(vm.vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
			/* Where KVM emulates the guest, HLT is a step like any other. */
			if (vm.run->exit_reason == KVM_EXIT_HLT || regs.rip == length)
				break;
			if (vm.run->exit_reason != KVM_EXIT_DEBUG)
				die("the guest failed");
		}
		printf("%llu\n", (unsigned long long)(nanoseconds() - start));
		fflush(stdout);
	}
	vm_close(&vm);
}
