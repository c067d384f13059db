// SPDX-License-Identifier: MIT
/* What a running uart16550 daemon can be asked for. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <udrv/delay.h>
#include <udrv/device.h>
#include <udrv/pci.h>

#include "uart16550.h"

#define BREAK_MS     250 /* tcsendbreak(3): 0.25 to 0.5 s */
#define BREAK_MAX_MS 5000

/* Decimal; otherwise a message to err and -EINVAL. */
static int parse_number(const char *what, const char *text, unsigned int max, unsigned int *val,
			FILE *err)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno || number > max) {
		fprintf(err, "%s: '%s' is not a number from 0 to %u\n", what, text, max);
		return -EINVAL;
	}
	*val = (unsigned int)number;
	return 0;
}

/* argv[1] */
static int parse_port(struct udrv_device *dev, int argc, char **argv, struct uart16550 **u,
		      FILE *err)
{
	struct uart16550_card *card = udrv_pci_get_drvdata(dev);
	unsigned int port;
	int ret;

	if (argc < 2) {
		fprintf(err, "%s: which port? Give a number from 0 to %u\n", argv[0],
			card->count - 1);
		return -EINVAL;
	}
	ret = parse_number(argv[0], argv[1], card->count - 1, &port, err);
	if (!ret)
		*u = &card->uart[port];
	return ret;
}

/* The only option is --json. */
static int parse_json(int argc, char **argv, bool *json, FILE *err)
{
	*json = argc == 2 && !strcmp(argv[1], "--json");
	if (argc == 1 || *json)
		return 0;
	fprintf(err, "%s: unknown option '%s'; there is only --json\n", argv[0], argv[1]);
	return -EINVAL;
}

static int need_open(const struct uart16550 *u, const char *what, FILE *err)
{
	if (udrv_device_gone(u->port.dev)) {
		fprintf(err, "%s: the device is gone\n", what);
		return -ENODEV;
	}
	if (udrv_uart_port_open(&u->port))
		return 0;
	fprintf(err, "%s: no program has %s open, so the port is off\n", what,
		udrv_uart_port_path(&u->port));
	return -ENOTCONN;
}

/* "8N1" */
static void format_of(const struct udrv_ktermios *t, char text[4])
{
	const uint32_t bits = t->c_cflag & CSIZE;
	const bool odd = t->c_cflag & PARODD;

	text[0] = "5678"[bits == CS5 ? 0 : bits == CS6 ? 1 : bits == CS7 ? 2 : 3];
	text[1] = 'N';
	if (t->c_cflag & PARENB && t->c_cflag & CMSPAR)
		text[1] = odd ? 'M' : 'S';
	else if (t->c_cflag & PARENB)
		text[1] = odd ? 'O' : 'E';
	text[2] = t->c_cflag & CSTOPB ? '2' : '1';
	text[3] = 0;
}

static const char *flow_of(const struct udrv_ktermios *t)
{
	const bool soft = t->c_iflag & (IXON | IXOFF);

	if (t->c_cflag & CRTSCTS)
		return soft ? "rtscts+xonxoff" : "rtscts";
	return soft ? "xonxoff" : "none";
}

/* The run-time directory's name is whatever its user likes. */
static void print_path(const char *path, bool json, FILE *out)
{
	for (; *path; path++) {
		if (json && (unsigned char)*path < ' ')
			fprintf(out, "\\u%04x", (unsigned char)*path);
		else
			fprintf(out, "%s%c", json && strchr("\"\\", *path) ? "\\" : "", *path);
	}
}

static void print_port(struct uart16550 *u, bool json, FILE *out)
{
	struct udrv_ktermios t;
	char format[4];

	udrv_uart_port_termios(&u->port, &t);
	format_of(&t, format);
	fprintf(out, json ? "{\"port\":%u,\"path\":\"" : "%u  ", u->port.line);
	print_path(udrv_uart_port_path(&u->port), json, out);
	fprintf(out,
		json ? "\",\"chip\":\"%s\",\"open\":%s,\"speed\":%u,"
		       "\"format\":\"%s\",\"flow\":\"%s\"}"
		     : "  %s  %s  %u %s  flow %s\n",
		u->fifos ? "16550A" : "16450",
		json				? udrv_uart_port_open(&u->port) ? "true" : "false"
		: udrv_uart_port_open(&u->port) ? "open"
						: "closed",
		t.c_ospeed, format, flow_of(&t));
}

/* One after the other, as a JSON array or not. */
static int print_each(struct udrv_device *dev, int argc, char **argv,
		      void (*print)(struct uart16550 *u, bool json, FILE *out), FILE *out,
		      FILE *err)
{
	struct uart16550_card *card = udrv_pci_get_drvdata(dev);
	bool json;
	int ret = parse_json(argc, argv, &json, err);

	if (ret)
		return ret;
	for (unsigned int i = 0; i < card->count; i++) {
		if (json)
			fputs(i ? "," : "[", out);
		print(&card->uart[i], json, out);
	}
	if (json)
		fputs("]\n", out);
	return 0;
}

static int verb_ports(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	return print_each(dev, argc, argv, print_port, out, err);
}

#define STATS 17

struct stat_row {
	const char *name;
	uint64_t val;
};

/* With the port's lock. */
static void read_stats(const struct uart16550 *u, struct stat_row rows[STATS])
{
	const struct udrv_uart_icount *c = &u->port.icount;
	const struct stat_row all[STATS] = {
		{"rx", c->rx},
		{"tx", c->tx},
		{"overrun", c->overrun},
		{"parity", c->parity},
		{"frame", c->frame},
		{"brk", c->brk},
		{"buf_overrun", c->buf_overrun},
		{"cts", c->cts},
		{"dsr", c->dsr},
		{"rng", c->rng},
		{"dcd", c->dcd},
		{"irqs_line", u->irqs_line},
		{"irqs_rda", u->irqs_rda},
		{"irqs_timeout", u->irqs_timeout},
		{"irqs_thre", u->irqs_thre},
		{"irqs_msr", u->irqs_msr},
		{"nonsense", u->nonsense},
	};

	memcpy(rows, all, sizeof(all));
}

static void print_stats(struct uart16550 *u, bool json, FILE *out)
{
	struct stat_row rows[STATS];
	unsigned long flags;

	udrv_spin_lock_irqsave(&u->port.lock, flags);
	read_stats(u, rows);
	udrv_spin_unlock_irqrestore(&u->port.lock, flags);
	fprintf(out, json ? "{\"port\":%u" : "port          %u\n", u->port.line);
	for (size_t i = 0; i < STATS; i++)
		fprintf(out, json ? ",\"%s\":%" PRIu64 : "%-13s %" PRIu64 "\n", rows[i].name,
			rows[i].val);
	if (json)
		fputs("}", out);
}

static int verb_stats(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	return print_each(dev, argc, argv, print_stats, out, err);
}

static const struct {
	const char *word;
	uint32_t clear, set;
} formats[] = {
	{"bits=5", CSIZE, CS5},
	{"bits=6", CSIZE, CS6},
	{"bits=7", CSIZE, CS7},
	{"bits=8", CSIZE, CS8},
	{"parity=none", PARENB | PARODD | CMSPAR, 0},
	{"parity=even", PARENB | PARODD | CMSPAR, PARENB},
	{"parity=odd", PARENB | PARODD | CMSPAR, PARENB | PARODD},
	{"parity=space", PARENB | PARODD | CMSPAR, PARENB | CMSPAR},
	{"parity=mark", PARENB | PARODD | CMSPAR, PARENB | PARODD | CMSPAR},
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

/* "bits=7" or "parity=even" into flags. */
static int parse_format(const char *word, uint32_t *cflag)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (!strcmp(formats[i].word, word)) {
			*cflag = (*cflag & ~formats[i].clear) | formats[i].set;
			return 0;
		}
	return -EINVAL;
}

/* "bits=7 parity=even" */
static void print_format(uint32_t cflag, FILE *out)
{
	const char *separator = "";

	for (size_t i = 0; i < FORMATS; i++) {
		if ((cflag & formats[i].clear) != formats[i].set)
			continue;
		fprintf(out, "%s%s", separator, formats[i].word);
		separator = " ";
	}
	fputs("\n", out);
}

static int verb_format(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct uart16550 *u;
	uint32_t cflag;
	int ret = parse_port(dev, argc, argv, &u, err);

	if (ret)
		return ret;
	cflag = u->format ? u->format : CS8;
	for (int i = 2; i < argc; i++) {
		ret = parse_format(argv[i], &cflag);
		if (ret) {
			fprintf(err,
				"format: '%s': give bits=5 to bits=8, or "
				"parity=none, even, odd, mark or space\n",
				argv[i]);
			return ret;
		}
	}
	if (argc > 2) {
		u->format = cflag;
		ret = udrv_uart_port_format(&u->port, cflag);
	}
	if (!ret)
		print_format(cflag, out);
	return ret;
}

static int verb_break(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct uart16550 *u;
	unsigned int ms = BREAK_MS;
	int ret = parse_port(dev, argc, argv, &u, err);

	(void)out;
	if (!ret && argc > 2)
		ret = parse_number("break", argv[2], BREAK_MAX_MS, &ms, err);
	if (!ret)
		ret = need_open(u, "break", err);
	if (ret)
		return ret;
	u->port.ops->break_ctl(&u->port, 1);
	udrv_msleep(ms);
	u->port.ops->break_ctl(&u->port, 0);
	return 0;
}

/* "rts=0"; the last word about a line counts. */
static int parse_line(const char *word, unsigned int *named, unsigned int *on)
{
	static const struct {
		const char *word;
		unsigned int bit;
	} words[] = {{"dtr=", TIOCM_DTR}, {"rts=", TIOCM_RTS}, {"loop=", UDRV_TIOCM_LOOP}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const size_t len = strlen(words[i].word);
		const char *value = word + len;

		if (strncmp(words[i].word, word, len) || (strcmp(value, "0") && strcmp(value, "1")))
			continue;
		*named |= words[i].bit;
		*on = *value == '1' ? *on | words[i].bit : *on & ~words[i].bit;
		return 0;
	}
	return -EINVAL;
}

static void print_lines(unsigned int out_lines, unsigned int in_lines, FILE *out)
{
	fprintf(out, "dtr %d  rts %d  loop %d  cts %d  dsr %d  ri %d  dcd %d\n",
		!!(out_lines & TIOCM_DTR), !!(out_lines & TIOCM_RTS),
		!!(out_lines & UDRV_TIOCM_LOOP), !!(in_lines & TIOCM_CTS), !!(in_lines & TIOCM_DSR),
		!!(in_lines & TIOCM_RI), !!(in_lines & TIOCM_CAR));
}

static int verb_lines(struct udrv_device *dev, int argc, char **argv, FILE *out, FILE *err)
{
	struct uart16550 *u;
	unsigned int named = 0, on = 0;
	unsigned int in_lines;
	unsigned long flags;
	unsigned int mctrl;
	int ret = parse_port(dev, argc, argv, &u, err);

	if (!ret)
		ret = need_open(u, "lines", err);
	if (ret)
		return ret;
	for (int i = 2; i < argc; i++) {
		ret = parse_line(argv[i], &named, &on);
		if (ret) {
			fprintf(err, "lines: '%s': give dtr=, rts= or loop= with 0 or 1\n",
				argv[i]);
			return ret;
		}
	}
	/* Flow control may change RTS at any time: what is not named stays. */
	udrv_spin_lock_irqsave(&u->port.lock, flags);
	mctrl = (u->port.mctrl & ~named) | on;
	if (named) {
		u->port.mctrl = mctrl;
		u->port.ops->set_mctrl(&u->port, mctrl);
	}
	in_lines = u->port.ops->get_mctrl(&u->port);
	udrv_spin_unlock_irqrestore(&u->port.lock, flags);
	print_lines(mctrl, in_lines, out);
	return 0;
}

const struct udrv_verb uart16550_verbs[] = {
	{"ports", "[--json]", "where each port's terminal is, and how it is set", verb_ports, 0},
	{"stats", "[--json]", "characters, errors and interrupts of each port", verb_stats, 0},
	{"format", "PORT [bits=N] [parity=P]", "set and show what a pseudo terminal does not keep",
	 verb_format, 0},
	{"break", "PORT [MS]", "send a break", verb_break, 0},
	{"lines", "PORT [dtr=0|1] [rts=0|1] [loop=0|1]", "set and show the modem lines", verb_lines,
	 0},
	{NULL, NULL, NULL, NULL, 0},
};
