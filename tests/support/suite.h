/* SPDX-License-Identifier: MIT */
/* What every suite's main() does. */
#ifndef TESTS_SUPPORT_SUITE_H
#define TESTS_SUPPORT_SUITE_H

#include <stdlib.h>

#include <check.h>

/* Check's own limit of 4 s a test is for fast machines without load and sanitizers. */
__attribute__((constructor)) static void set_patience(void)
{
	(void)setenv("CK_DEFAULT_TIMEOUT", "300", 0);
}

static inline int run_suite(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
