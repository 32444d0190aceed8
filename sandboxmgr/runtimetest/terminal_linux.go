package runtimetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"unsafe"
)

// onTerminal runs a script on a pseudo-terminal of its own, as its controlling
// terminal, and returns what it printed there.
func onTerminal(script string) ([]byte, error) {
	ptm, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer ptm.Close()
	var unlock, number int32
	if err := errors.Join(control(ptm, syscall.TIOCSPTLCK, &unlock), control(ptm, syscall.TIOCGPTN, &number)); err != nil {
		return nil, err
	}
	pts, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer pts.Close()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pts, pts, pts
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pts.Close() // so that reading ends with the last of the script
	out, err := io.ReadAll(ptm)
	if errors.Is(err, syscall.EIO) {
		err = nil // the terminal's way to say that nobody has it open
	}
	return out, errors.Join(err, cmd.Wait())
}

func control(f *os.File, request uintptr, value *int32) error {
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(value))); e != 0 {
		return os.NewSyscallError("ioctl", e)
	}
	return nil
}
