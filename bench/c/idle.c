/*
 * The resident memory of an idle VM, one that has run to its HLT: keeps as many as the first
 * argument says, with the image that is the second, and prints the bytes each has added.
 */

#include "vm.h"

static long resident(void)
{
	long size, resident;
	FILE *statm = fopen("/proc/self/statm", "r");

	if (!statm || fscanf(statm, "%ld %ld", &size, &resident) != 2)
		die("/proc/self/statm");
	fclose(statm);
	return resident * sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
	int count = atoi(argv[argc - 2]);
	uint8_t image[4096];
	size_t length = read_image(argv[argc - 1], image, sizeof image);
	struct vm *vms = calloc(count + 1, sizeof *vms);
	long before = 0;

	/* What the first one adds is the program's own. */
	for (int i = 0; i <= count; i++) {
		vm_open(&vms[i]);
		vm_start(&vms[i]);
		memcpy(vms[i].ram, image, length);
		vm_prove(&vms[i]);
		if (i == 0)
			before = resident();
	}
	printf("%ld\n", (resident() - before) / count);
}
