/*
 * A VM's whole life, once for each line on stdin: create it, run the image that is the first
 * argument, check it, close it. Answers with the nanoseconds it took.
 */

#include "vm.h"

int main(int argc, char **argv)
{
	uint8_t image[4096];
	size_t length = read_image(argv[argc - 1], image, sizeof image);

	while (getchar() != EOF) {
		struct vm vm;
		uint64_t start = nanoseconds();

		vm_open(&vm);
		vm_start(&vm);
		memcpy(vm.ram, image, length);
		vm_prove(&vm);
		vm_close(&vm);
		printf("%llu\n", (unsigned long long)(nanoseconds() - start));
		fflush(stdout);
	}
}
