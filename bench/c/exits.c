/*
 * Runs the image that is the first argument to its HLT, once for each line on stdin, taking an exit
 * for every port write. Answers with the nanoseconds it took.
 */

#include "vm.h"

int main(int argc, char **argv)
{
	uint8_t image[4096];
	size_t length = read_image(argv[argc - 1], image, sizeof image);
	struct vm vm;

	vm_open(&vm);
	memcpy(vm.ram, image, length);
	while (getchar() != EOF) {
		uint64_t start, sum = 0;

		vm_start(&vm);
		start = nanoseconds();
		for (;;) {
			check(ioctl(vm.vcpu, KVM_RUN, 0), "KVM_RUN");
			if (vm.run->exit_reason == KVM_EXIT_HLT)
				break;
			if (vm.run->exit_reason != KVM_EXIT_IO)
				die("the guest failed");
			sum += *((uint8_t *)vm.run + vm.run->io.data_offset);
		}
		printf("%llu\n", (unsigned long long)(nanoseconds() - start + (sum == ~0ull)));
		fflush(stdout);
	}
	vm_close(&vm);
}
