package initd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"edge/abi"
)

// pty is a pseudo-terminal of the sandbox (pty(7)). Its methods may be called
// at the same time, and fail once it is closed.
type pty struct {
	// master is where its bytes come out and typed ones go in.
	master *os.File
	// slave is what the program has as its standard files. It is kept open
	// while the program lives: without anybody who has it, reading the master
	// fails, and a program may close all that it has and open /dev/tty later.
	slave *os.File
}

// openPTY makes a pseudo-terminal with a window of that size. The caller closes
// it, the slave no later than the master.
func openPTY(cols, rows int) (_ *pty, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, ptyError(&fs.PathError{Op: "open", Path: "/dev/ptmx", Err: err})
	}
	p := &pty{master: os.NewFile(uintptr(fd), "/dev/ptmx")}
	defer func() {
		if err != nil {
			p.master.Close()
		}
	}()
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, fmt.Errorf("number of the pseudo-terminal: %w", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock the pseudo-terminal: %w", err)
	}
	path := "/dev/pts/" + strconv.Itoa(number)
	// Not made the init's own controlling terminal, should it lead a session.
	tty, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, ptyError(&fs.PathError{Op: "open", Path: path, Err: err})
	}
	p.slave = os.NewFile(uintptr(tty), path)
	if err := errors.Join(speakUTF8(tty), p.resize(cols, rows)); err != nil {
		p.slave.Close()
		return nil, err
	}
	return p, nil
}

// ptyError says why there is no pseudo-terminal to be had.
func ptyError(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		return abi.Errorf(abi.CodeQuotaExceeded, "the sandbox can have no further terminal: %v", err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return abi.Errorf(abi.CodeUnsupported, "the sandbox has no terminals: %v", err).
			WithSuggestion("use exec or execStream, which need none")
	}
	return err
}

// speakUTF8 has the erase key take back a whole character of UTF-8.
func speakUTF8(tty int) error {
	t, err := unix.IoctlGetTermios(tty, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("settings of the pseudo-terminal: %w", err)
	}
	t.Iflag |= unix.IUTF8
	if err := unix.IoctlSetTermios(tty, unix.TCSETS, t); err != nil {
		return fmt.Errorf("set up the pseudo-terminal: %w", err)
	}
	return nil
}

// resize sets the window's size; the kernel tells the foreground of a change.
func (p *pty) resize(cols, rows int) error {
	return p.control("resize the window", func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(cols), Row: uint16(rows)})
	})
}

// foreground returns the process group that reads what is typed.
func (p *pty) foreground() (group int, err error) {
	err = p.control("foreground of the terminal", func(fd int) (err error) {
		group, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return group, err
}

// control does an ioctl on the master, which is not closed meanwhile.
func (p *pty) control(what string, do func(fd int) error) error {
	rc, err := p.master.SyscallConn()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var failed error
	if err := rc.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if failed != nil {
		return fmt.Errorf("%s: %w", what, failed)
	}
	return nil
}
