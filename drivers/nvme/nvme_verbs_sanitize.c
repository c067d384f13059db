// SPDX-License-Identifier: MIT
/* sanitize, sanitize-log */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>

#include "nvme_fields.h"
#include "nvme_pages.h"
#include "nvme_verbs.h"

#define PASSES_MAX 16

NVME_VERB(sanitize_log)
{
	struct nvme_show show = {0};
	bool human = false, keep_event = true;
	const struct nvme_arg args[] = {
		NVME_FLAG('H', "human-readable", &human, "what the status means"),
		NVME_FLAG('r', "rae", &keep_event, "of nvme-cli; changes nothing"),
		NVME_SHOW_ARGS(&show),
	};
	struct nvme_sanitize_status log = {0};
	enum nvme_format format;
	int ret = nvme_show_parse(argc, argv, args, NVME_COUNT(args), &show, &format, err);

	if (ret)
		return ret;
	/* The event is the library's. */
	ret = udrv_nvme_get_log(nvme_verb_nvme(dev), NVME_LOG_SANITIZE, NVME_NSID_ALL, &log,
				sizeof(log), true);
	if (ret)
		return nvme_verb_failed(ret, argv[0], err);
	if (format == NVME_SHOW_JSON)
		nvme_json_print(out, nvme_json_sanitize(udrv_device_name(dev), &log));
	else if (format == NVME_SHOW_BINARY)
		(void)fwrite(&log, 1, sizeof(log), out);
	else
		nvme_print_sanitize(out, &log, human);
	return 0;
}

struct sanitize {
	const char *action;
	uint64_t passes, pattern;
	bool no_dealloc, invert, unrestricted, force;
};

/* By its name or its number; 0: neither. */
static uint32_t parse_action(const char *text)
{
	static const char *const names[] = {"exit-failure", "start-block-erase", "start-overwrite",
					    "start-crypto-erase"};

	for (uint32_t i = 0; text && i < NVME_COUNT(names); i++)
		if (!strcmp(text, names[i]) || (text[0] == (char)('1' + i) && !text[1]))
			return i + 1;
	return 0;
}

static int check(const struct sanitize *s, uint32_t action, const char *verb, FILE *err)
{
	const char *wrong = NULL;

	if (!action)
		wrong = "--sanact is exit-failure, start-block-erase, start-overwrite or "
			"start-crypto-erase, or 1 to 4";
	else if (action == NVME_SANITIZE_EXIT_FAILURE && (s->unrestricted || s->no_dealloc))
		wrong = "leaving the failure mode has no --ause and no --no-dealloc";
	else if (action != NVME_SANITIZE_OVERWRITE && (s->passes || s->invert || s->pattern))
		wrong = "--owpass, --oipbp and --ovrpat are for start-overwrite";
	if (!wrong)
		return 0;
	(void)fprintf(err, "%s: %s\n", verb, wrong);
	return -EINVAL;
}

static int refuse(struct udrv_nvme *nvme, const char *verb, FILE *err)
{
	const int ret = nvme_verb_refuse_in_use(nvme, verb, err);

	if (ret)
		return ret;
	(void)fprintf(err, "%s: all data of the whole subsystem will be lost: say --force\n", verb);
	return -EPERM;
}

NVME_VERB(sanitize)
{
	struct udrv_nvme *nvme = nvme_verb_nvme(dev);
	struct sanitize s = {0};
	const struct nvme_arg args[] = {
		NVME_TEXT('a', "sanact", &s.action, "ACTION",
			  "exit-failure, start-block-erase, start-overwrite or start-crypto-erase"),
		NVME_NUMBER('n', "owpass", &s.passes, PASSES_MAX,
			    "passes of an overwrite, 1 to 16; 16"),
		NVME_NUMBER('p', "ovrpat", &s.pattern, UINT32_MAX, "pattern of an overwrite; 0"),
		NVME_FLAG('d', "no-dealloc", &s.no_dealloc, "leave the blocks allocated"),
		NVME_FLAG('i', "oipbp", &s.invert, "invert the pattern between passes"),
		NVME_FLAG('u', "ause", &s.unrestricted, "let exit-failure leave what failed"),
		NVME_FLAG(0, "force", &s.force, "needed: data is lost"),
	};
	int ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), err);
	const uint32_t action = ret ? 0 : parse_action(s.action);

	if (!ret)
		ret = check(&s, action, argv[0], err);
	if (!ret && !s.force && action != NVME_SANITIZE_EXIT_FAILURE)
		ret = refuse(nvme, argv[0], err);
	if (ret)
		return ret;
	ret = udrv_nvme_sanitize(nvme,
				 action | NVME_SANITIZE_PASSES(s.passes) |
					 (s.unrestricted ? NVME_SANITIZE_AUSE : 0) |
					 (s.invert ? NVME_SANITIZE_OIPBP : 0) |
					 (s.no_dealloc ? NVME_SANITIZE_NDAS : 0),
				 (uint32_t)s.pattern);
	if (ret == -EOPNOTSUPP) {
		(void)fprintf(err, "%s: the controller cannot do this; see sanicap of id-ctrl\n",
			      argv[0]);
		return ret;
	}
	if (ret)
		return nvme_verb_failed(ret, argv[0], err);
	(void)fprintf(out, action == NVME_SANITIZE_EXIT_FAILURE
				   ? "The failure mode was left\n"
				   : "Sanitize has begun: sanitize-log shows how far it is\n");
	return 0;
}
