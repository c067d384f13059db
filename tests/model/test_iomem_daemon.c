// SPDX-License-Identifier: MIT
/* `udrv iomem` and `udrv ioports` beside a daemon that drives model:edu and claims parts of it. */
#include <errno.h>
#include <string.h>

#include <json-c/json.h>
#include <udrv/udrv.h>

#include "tool.h"

#include "support/process.h"
#include "support/suite.h"

/* The driver: it claims in probe(), and by verbs. */

static int probe(struct udrv_device *dev, const struct udrv_pci_device_id *id)
{
	(void)id;
	return udrv_devm_request_region(dev, 0, 0x60, 8, "interrupts");
}

static void remove_it(struct udrv_device *dev)
{
	(void)dev;
}

static int claim_verb(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)argc;
	(void)argv;
	(void)out;
	(void)err;
	return udrv_request_region(dev, 0, 0x80, 0x20, "dma engine");
}

static int release_verb(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	(void)argc;
	(void)argv;
	(void)out;
	(void)err;
	udrv_release_region(dev, 0, 0x80, 0x20);
	return 0;
}

static const struct udrv_pci_device_id ids[] = {{UDRV_PCI_DEVICE(0x1234, 0x11e8)}, {0}};
static const struct udrv_verb verbs[] = {{"claim", "", "claims more", claim_verb, 0},
					 {"release", "", "gives it back", release_verb, 0},
					 {0}};
static const struct udrv_driver claimer = {
	.name = "claimer", .id_table = ids, .probe = probe, .remove = remove_it, .verbs = verbs};

/* The tests. */

static void setup(void)
{
	daemon_driver = &claimer;
	daemon_setup();
}

static int iomem(const char *const *words)
{
	return end_of(spawn(cmd_iomem, "tool", words));
}

static int ioports(const char *const *words)
{
	return end_of(spawn(cmd_ioports, "tool", words));
}

static int verb(const char *name)
{
	return end_of(spawn(run_driver, "client", WORDS("udrv-claimer", name)));
}

/* What `udrv iomem model:edu` says now. */
static void shows(const char *claims)
{
	char expected[512];

	ck_assert_int_eq(iomem(WORDS("udrv iomem", DEVICE)), TOOL_OK);
	(void)snprintf(expected, sizeof(expected),
		       "00000000-000fffff : " DEVICE " BAR 0, udrv-claimer (pid %d)\n", daemon_pid);
	for (const char *name = claims; *name; name += strlen(name) + 1)
		(void)snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected),
			       "  %s, udrv-claimer (pid %d)\n", name, daemon_pid);
	ck_assert_str_eq(fake_text("tool.out"), expected);
}

START_TEST(claims_are_shown_as_they_come_and_go)
{
	start_daemon();
	shows("00000060-00000067 : interrupts\0");
	ck_assert_int_eq(verb("claim"), 0);
	shows("00000060-00000067 : interrupts\0"
	      "00000080-0000009f : dma engine\0");
	ck_assert_int_ne(verb("claim"), 0);
	said("daemon.err", "BAR 0 [0x80-0x9f] is claimed by dma engine (pid ");
	ck_assert_int_eq(verb("release"), 0);
	shows("00000060-00000067 : interrupts\0");
	ck_assert_int_eq(stop_daemon(SIGTERM), 0);
	ck_assert_str_eq(fake_text("claimer@" DEVICE ".claims"), "(no such file)");
}
END_TEST

START_TEST(json_names_the_process)
{
	json_object *array;
	json_object *process;

	start_daemon();
	ck_assert_int_eq(iomem(WORDS("udrv iomem", "--json", DEVICE)), TOOL_OK);
	array = json_tokener_parse(fake_text("tool.out"));
	ck_assert_uint_eq(json_object_array_length(array), 1);
	ck_assert(json_object_object_get_ex(json_object_array_get_idx(array, 0), "process",
					    &process));
	ck_assert_int_eq(json_object_get_int(json_object_object_get(process, "pid")), daemon_pid);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(process, "name")),
			 "udrv-claimer");
	json_object_put(array);
}
END_TEST

START_TEST(a_model_without_ports)
{
	start_daemon();
	ck_assert_int_eq(ioports(WORDS("udrv ioports", DEVICE)), TOOL_FAILED);
	said("tool.err", DEVICE ": it has no I/O ports");
}
END_TEST

START_TEST(a_dead_daemon_claims_nothing)
{
	start_daemon();
	ck_assert_int_eq(stop_daemon(SIGKILL), -SIGKILL);
	ck_assert_int_eq(iomem(WORDS("udrv iomem", DEVICE)), TOOL_FAILED);
	said("tool.err", DEVICE ": no daemon drives it");
	start_daemon();
	shows("00000060-00000067 : interrupts\0");
}
END_TEST

START_TEST(what_is_asked_wrongly)
{
	ck_assert_int_eq(iomem(WORDS("udrv iomem", "a", "b")), TOOL_USAGE);
	said("tool.err", "only one DEVICE");
	ck_assert_int_eq(iomem(WORDS("udrv iomem", "--all", DEVICE)), TOOL_USAGE);
	said("tool.err", "--all is for all devices");
	ck_assert_int_eq(iomem(WORDS("udrv iomem", "nothing")), TOOL_USAGE);
	ck_assert_int_eq(iomem(WORDS("udrv iomem", "ffff:ff:1f.7")), TOOL_FAILED);
	said("tool.err", "ffff:ff:1f.7: no such device");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("iomem_daemon");
	TCase *tc = tcase_create("daemon");

	argp_err_exit_status = TOOL_USAGE;
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, daemon_teardown);
	tcase_add_test(tc, claims_are_shown_as_they_come_and_go);
	tcase_add_test(tc, json_names_the_process);
	tcase_add_test(tc, a_model_without_ports);
	tcase_add_test(tc, a_dead_daemon_claims_nothing);
	tcase_add_test(tc, what_is_asked_wrongly);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
