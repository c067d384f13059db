// SPDX-License-Identifier: MIT
/* get-feature, set-feature */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "nvme_fields.h"
#include "nvme_pages.h"
#include "nvme_verbs.h"

#define FEATURE_MAX 0xffu
#define DATA_MAX    4096u

struct get {
	struct udrv_nvme *nvme;
	uint64_t nsid, select, cdw11, len;
	uint8_t data[DATA_MAX];
};

static int get(struct get *g, unsigned int id, struct nvme_feature_value *f)
{
	size_t len = g->len ? g->len : nvme_feature_len(id, (uint32_t)g->cdw11);

	*f = (struct nvme_feature_value){.id = id, .select = (unsigned int)g->select};
	/* 5.10.1: what a feature can do has no data. */
	if (g->select == NVME_FEAT_SUPPORTED)
		len = 0;
	memset(g->data, 0, sizeof(g->data));
	f->data = len ? g->data : NULL;
	f->len = len;
	return udrv_nvme_get_feature(g->nvme, id | (uint32_t)g->select << 8, (uint32_t)g->nsid,
				     (uint32_t)g->cdw11, len ? g->data : NULL, len, &f->value);
}

static bool not_there(int ret)
{
	return ret > 0 && ((unsigned int)ret & NVME_STATUS_MASK) == NVME_SC_INVALID_FIELD;
}

/* All that the controller knows. */
static int show_all(struct get *g, enum nvme_format format, bool human, const char *verb, FILE *out,
		    FILE *err)
{
	json_object *array = format == NVME_SHOW_JSON ? json_object_new_array() : NULL;
	int ret = 0;

	for (unsigned int id = 1; id <= FEATURE_MAX && !udrv_verb_cancelled(); id++) {
		struct nvme_feature_value f;

		ret = get(g, id, &f);
		/* Those that the controller, or this namespace, does not have are left out. */
		if (ret < 0)
			break;
		if (ret && !not_there(ret))
			(void)fprintf(err, "%s: %#04x (%s): %s\n", verb, id, nvme_feature_name(id),
				      udrv_nvme_status_text((uint32_t)ret));
		if (!ret && array)
			(void)json_object_array_add(array, nvme_json_feature(&f));
		else if (!ret)
			nvme_print_feature(out, &f, human);
	}
	if (array)
		nvme_json_print(out, array);
	return ret < 0 ? nvme_verb_failed(ret, verb, err) : 0;
}

static int show_one(struct get *g, unsigned int id, enum nvme_format format, bool human,
		    const char *verb, FILE *out, FILE *err)
{
	struct nvme_feature_value f;
	int ret = get(g, id, &f);

	if (ret)
		return nvme_verb_failed(ret, verb, err);
	if (format == NVME_SHOW_JSON)
		nvme_json_print(out, nvme_json_feature(&f));
	else if (format == NVME_SHOW_BINARY && f.data)
		(void)fwrite(f.data, 1, f.len, out);
	else
		nvme_print_feature(out, &f, human);
	return 0;
}

NVME_VERB(get_feature)
{
	struct nvme_show show = {0};
	struct get g = {.nvme = nvme_verb_nvme(dev), .nsid = NVME_NSID_ALL};
	uint64_t id = 0;
	bool human = false;
	const struct nvme_arg args[] = {
		NVME_NUMBER('f', "feature-id", &id, FEATURE_MAX,
			    "the feature; all that the controller has"),
		NVME_NUMBER('n', "namespace-id", &g.nsid, NVME_NSID_ALL,
			    "of a namespace; 0xffffffff, all"),
		NVME_NUMBER('s', "sel", &g.select, NVME_FEAT_SUPPORTED,
			    "0 current, 1 default, 2 saved, 3 what it can do; 0"),
		NVME_NUMBER('l', "data-len", &g.len, DATA_MAX,
			    "bytes of its data, where they are not known"),
		NVME_NUMBER('c', "cdw11", &g.cdw11, UINT32_MAX,
			    "what some features want to know; 0"),
		NVME_FLAG('H', "human-readable", &human, "the fields of the value"),
		NVME_SHOW_ARGS(&show),
	};
	enum nvme_format format;
	int ret = nvme_show_parse(argc, argv, args, NVME_COUNT(args), &show, &format, err);

	if (ret)
		return ret;
	if (id)
		return show_one(&g, (unsigned int)id, format, human, argv[0], out, err);
	return show_all(&g, format, human, argv[0], out, err);
}

#define VALUE_NONE UINT64_MAX

struct set {
	uint64_t id, nsid, value, cdw12, len;
	const char *file; /* the client has opened it */
	bool save;
	uint8_t data[DATA_MAX];
};

/* 0 or -EINVAL after a line; completes what was not given. */
static int check(struct set *s, const char *verb, FILE *err)
{
	const bool given = s->value != VALUE_NONE;
	const char *wrong = NULL;

	if (!given)
		s->value = 0;
	if (!s->len)
		s->len = nvme_feature_len((unsigned int)s->id, (uint32_t)s->value);
	if (!s->id)
		wrong = "which? Name it by --feature-id";
	else if (s->id == NVME_FEAT_QUEUES)
		wrong = "the number of queues is the driver's: start it with queues=";
	else if (!given && !s->len)
		wrong = "which value? Name it by --value";
	else if (s->value > UINT32_MAX && s->id != NVME_FEAT_TIMESTAMP)
		wrong = "--value has 32 bits";
	if (!wrong)
		return 0;
	(void)fprintf(err, "%s: %s\n", verb, wrong);
	return -EINVAL;
}

/* The feature's data: of the caller, or a time stamp given as the value. */
static int set_data(struct set *s, const char *verb, FILE *err)
{
	ssize_t n;

	if (!s->len)
		return 0;
	if (s->id == NVME_FEAT_TIMESTAMP && s->value) {
		/* 5.21.1.14: 48 bits */
		memcpy(s->data, &s->value, 6);
		return 0;
	}
	n = udrv_verb_read(s->data, s->len);
	if (n < 0) {
		(void)fprintf(err, "%s: cannot read the data: %s\n", verb, strerror((int)-n));
		return (int)n;
	}
	if ((size_t)n == s->len)
		return 0;
	(void)fprintf(err, "%s: this feature has %zu bytes of data, %zd were given\n", verb,
		      (size_t)s->len, n);
	return -EINVAL;
}

NVME_VERB(set_feature)
{
	struct set s = {.nsid = NVME_NSID_ALL, .value = VALUE_NONE};
	const struct nvme_arg args[] = {
		NVME_NUMBER('f', "feature-id", &s.id, FEATURE_MAX, "the feature"),
		NVME_NUMBER('n', "namespace-id", &s.nsid, NVME_NSID_ALL,
			    "of a namespace; 0xffffffff, all"),
		NVME_NUMBER('v', "value", &s.value, VALUE_NONE - 1,
			    "to what; a time stamp has 64 bits, others have 32"),
		NVME_NUMBER('c', "cdw12", &s.cdw12, UINT32_MAX,
			    "what some features want besides; 0"),
		NVME_NUMBER('l', "data-len", &s.len, DATA_MAX,
			    "bytes of its data, where they are not known"),
		NVME_TEXT('d', "data", &s.file, "FILE",
			  "where its data comes from; standard input"),
		NVME_FLAG('s', "save", &s.save, "also for after the next reset"),
	};
	struct nvme_sqe cmd;
	int ret = nvme_args_parse(argc, argv, args, NVME_COUNT(args), err);

	if (!ret)
		ret = check(&s, argv[0], err);
	if (!ret)
		ret = set_data(&s, argv[0], err);
	if (ret)
		return ret;
	cmd = (struct nvme_sqe){
		.opcode = NVME_ADMIN_SET_FEATURES,
		.nsid = (uint32_t)s.nsid,
		.cdw10 = (uint32_t)s.id | (s.save ? NVME_FEAT_SAVE : 0),
		.cdw11 = s.id == NVME_FEAT_TIMESTAMP ? 0 : (uint32_t)s.value,
		.cdw12 = (uint32_t)s.cdw12,
	};
	ret = udrv_nvme_admin(nvme_verb_nvme(dev), &cmd, s.len ? s.data : NULL, s.len, NULL);
	if (ret)
		return nvme_verb_failed(ret, argv[0], err);
	(void)fprintf(out,
		      "set-feature:%#04" PRIx64 " (%s), value:%#0*" PRIx64 ", cdw12:%#0*" PRIx64
		      ", save:%#x\n",
		      s.id, nvme_feature_name((unsigned int)s.id), s.value ? 10 : 8, s.value,
		      s.cdw12 ? 10 : 8, s.cdw12, s.save);
	if (s.len)
		nvme_dump(out, s.data, s.len);
	return 0;
}
