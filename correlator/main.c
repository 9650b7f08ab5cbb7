/* main.c: the only file that knows every module. */
#include <stdio.h>

int main(void)
{
	puts("procspan " PROCSPAN_VERSION);
	return 0;
}
