// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv slabs: a line for each object cache of the daemons that run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"
#include "slabs.h"
#include "tool.h"

/* show comes first: that is what readers and printers get. */
struct slabs_show {
	struct show show;
	int sort;
};

static int sort_of(const struct show *show)
{
	return ((const struct slabs_show *)(const void *)show)->sort;
}

static int widest(int width, const char *text)
{
	int len = (int)strlen(text);

	return len > width ? len : width;
}

static void print_row(const struct slabs_row *row, int device_width, int cache_width)
{
	const struct udrv__slab_record *r = &row->is->record;
	char hit[16] = "-";
	char traits[64];

	if (row->hit >= 0)
		(void)snprintf(hit, sizeof(hit), "%.1f", row->hit);
	printf("%-*s %-10s %-*s %10llu %10llu %5.1f %8u %8u %8llu %10llu %5s %12.1f  %s\n",
	       device_width, row->daemon->device, row->daemon->driver, cache_width, r->name,
	       (unsigned long long)row->is->active, (unsigned long long)r->total, row->use,
	       r->object_size, r->per_slab, (unsigned long long)r->slabs, row->memory >> 10, hit,
	       row->rate, slabs_traits(row, traits, sizeof(traits)));
}

static void print_table(const struct show *show, const void *now, const void *before)
{
	int device_width = (int)strlen("DEVICE");
	int cache_width = (int)strlen("CACHE");
	size_t count;
	struct slabs_row *rows = slabs_rows(now, before, NULL, sort_of(show), &count);
	size_t most = show_room(show);

	for (size_t i = 0; i < count; i++) {
		device_width = widest(device_width, rows[i].daemon->device);
		cache_width = widest(cache_width, rows[i].is->record.name);
	}
	printf("%-*s DRIVER     %-*s     ACTIVE      TOTAL  USE%%     SIZE OBJ/SLAB    SLABS  "
	       "MEMORY(K)  HIT%%      ALLOC/s  FLAGS\n",
	       device_width, "DEVICE", cache_width, "CACHE");
	for (size_t i = 0; i < count && i < most; i++)
		print_row(&rows[i], device_width, cache_width);
	free(rows);
}

static json_object *make_json(const struct show *show, const void *now, const void *before)
{
	return slabs_json(now, before, sort_of(show));
}

static int read_slabs(void *slabs, const struct show *show)
{
	return slabs_read(slabs, show);
}

static void free_slabs(void *slabs)
{
	slabs_free(slabs);
}

static size_t count_daemons(const void *slabs)
{
	return ((const struct slabs *)slabs)->count;
}

static const struct show_verb verb = {
	.size = sizeof(struct slabs),
	.read = read_slabs,
	.free = free_slabs,
	.daemons = count_daemons,
	.print = print_table,
	.json = make_json,
};

static void refuse_column(struct argp_state *state, const char *name)
{
	char names[256] = "";

	for (int i = 0; slabs_column_name(i); i++) {
		if (i)
			strncat(names, ", ", sizeof(names) - strlen(names) - 1);
		strncat(names, slabs_column_name(i), sizeof(names) - strlen(names) - 1);
	}
	argp_error(state, "%s: the columns are %s", name, names);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct slabs_show *slabs = state->input;

	if (key != 's')
		return show_parse(&slabs->show, key, arg, state);
	slabs->sort = slabs_column(arg);
	if (slabs->sort < 0)
		refuse_column(state, arg);
	return 0;
}

static const struct argp_option options[] = {
	{"sort", 's', "COLUMN", 0,
	 "by device, driver, cache (in their order), active, total, use, size, objects, slabs, "
	 "memory, hit or rate (the greatest first); default: memory",
	 0},
	SHOW_OPTIONS,
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "[DEVICE|DRIVER]",
	.doc = "Show the object caches of the daemons that run.\v"
	       "Rates are those since the cache was made, with --watch those since the last time.",
};

int cmd_slabs(int argc, char **argv)
{
	struct slabs_show slabs = {
		.show.arg_is = "DEVICE or DRIVER",
		.sort = slabs_column("memory"),
	};
	int status;

	if (argp_parse(&argp, argc, argv, 0, NULL, &slabs))
		return TOOL_USAGE;
	status = show_set_out(&slabs.show, true);
	return status ? status : show_run(&slabs.show, &verb);
}
