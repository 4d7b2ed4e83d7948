/*
 * Runs a command with its output thrown away, and prints what it took: nanoseconds from before the
 * fork to its end, its peak resident memory in bytes, its exit code.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	uint64_t start = nanoseconds();
	pid_t pid = argc > 1 ? vfork() : -1;

	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) {
		perror("spawn");
		return 1;
	}
	printf("%llu %ld %d\n", (unsigned long long)(nanoseconds() - start), usage.ru_maxrss * 1024,
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
