/*
 * The cheapest KVM_RUN: one that is told to come back at once. Does as many as the first argument
 * says for each line on stdin, and answers with the nanoseconds they took.
 */

#include <errno.h>

#include "vm.h"

int main(int argc, char **argv)
{
	int count = atoi(argv[argc - 1]);
	struct vm vm;

	vm_open(&vm);
	vm_start(&vm);
	vm.run->immediate_exit = 1;
	while (getchar() != EOF) {
		uint64_t start = nanoseconds();

		for (int i = 0; i < count; i++)
			if (ioctl(vm.vcpu, KVM_RUN, 0) == 0 || errno != EINTR)
				die("KVM_RUN");
		printf("%llu\n", (unsigned long long)(nanoseconds() - start));
		fflush(stdout);
	}
}
