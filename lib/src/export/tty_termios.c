// SPDX-License-Identifier: MIT
/* Settings of a pseudo terminal, with speeds as numbers (struct termios2). */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <asm/termbits.h>

#include "export/tty.h"

#define SPEEDS (CBAUD | CBAUD << IBSHIFT)

_Static_assert(sizeof(((struct udrv_ktermios *)0)->c_cc) == NCCS, "as the kernel's");
_Static_assert(UDRV__TTY_CC_STOP == VSTOP && UDRV__TTY_CC_START == VSTART, "as the kernel's");

/* Of the master it is the slave's that are got and set. */
int udrv__pty_get_termios(int fd, struct udrv_ktermios *t)
{
	struct termios2 k;

	if (ioctl(fd, TCGETS2, &k))
		return -errno;
	t->c_iflag = k.c_iflag;
	t->c_oflag = k.c_oflag;
	t->c_cflag = k.c_cflag & ~(tcflag_t)SPEEDS;
	t->c_lflag = k.c_lflag;
	memcpy(t->c_cc, k.c_cc, sizeof(t->c_cc));
	t->c_ispeed = k.c_ispeed;
	t->c_ospeed = k.c_ospeed;
	return 0;
}

/* Programs that know no others see the speeds that there have always been by their codes. */
static tcflag_t speed_code(uint32_t speed)
{
	static const struct {
		uint32_t speed;
		tcflag_t code;
	} codes[] = {
		{0, B0},	 {50, B50},	    {75, B75},	       {110, B110},
		{134, B134},	 {150, B150},	    {200, B200},       {300, B300},
		{600, B600},	 {1200, B1200},	    {1800, B1800},     {2400, B2400},
		{4800, B4800},	 {9600, B9600},	    {19200, B19200},   {38400, B38400},
		{57600, B57600}, {115200, B115200}, {230400, B230400},
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].speed == speed)
			return codes[i].code;
	return BOTHER;
}

/* 0: as the output's. */
static tcflag_t input_code(const struct udrv_ktermios *t)
{
	return t->c_ispeed == t->c_ospeed ? B0 : speed_code(t->c_ispeed);
}

int udrv__pty_set_termios(int fd, const struct udrv_ktermios *t)
{
	struct termios2 k = {
		.c_iflag = t->c_iflag,
		.c_oflag = t->c_oflag,
		.c_cflag = (t->c_cflag & ~(tcflag_t)SPEEDS) | speed_code(t->c_ospeed) |
			   input_code(t) << IBSHIFT,
		.c_lflag = t->c_lflag,
		.c_ispeed = t->c_ispeed,
		.c_ospeed = t->c_ospeed,
	};

	memcpy(k.c_cc, t->c_cc, sizeof(t->c_cc));
	return ioctl(fd, TCSETS2, &k) ? -errno : 0;
}

bool udrv__termios_same(const struct udrv_ktermios *a, const struct udrv_ktermios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && !memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) &&
	       a->c_ispeed == b->c_ispeed && a->c_ospeed == b->c_ospeed;
}

/* The special characters stay as they are. */
void udrv__termios_init(struct udrv_ktermios *t)
{
	t->c_iflag = 0;
	t->c_oflag = 0;
	t->c_cflag = CS8 | CREAD | HUPCL | CLOCAL;
	t->c_lflag = EXTPROC;
	t->c_cc[VMIN] = 1;
	t->c_cc[VTIME] = 0;
	t->c_ispeed = t->c_ospeed = 9600;
}

/* As n_tty_set_termios() decides, but that IXON and PARMRK are done here. */
bool udrv__termios_is_raw(const struct udrv_ktermios *t)
{
	return !(t->c_iflag & (ISTRIP | IUCLC | IGNCR | ICRNL | INLCR)) &&
	       !(t->c_lflag & (ICANON | ISIG | ECHO));
}

bool udrv__termios_reports(const struct udrv_ktermios *t)
{
	return t->c_lflag & EXTPROC;
}

void udrv__termios_set_reports(struct udrv_ktermios *t, bool on)
{
	t->c_lflag = on ? t->c_lflag | EXTPROC : t->c_lflag & ~(tcflag_t)EXTPROC;
}
