package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// exitUnknown is the exit code of a machine that was not this process's child,
// on kernels (before 6.15) that tell it to the parent alone.
const exitUnknown = -1

// process is a process held by a pidfd, which stays its own and never becomes
// another's, whatever happens to the number. close releases it.
type process struct {
	pid  int
	file *os.File // the pidfd, in Go's poller
}

// openProcess holds the process that has pid now; os.ErrNotExist if none has.
func openProcess(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err == unix.ESRCH {
		return nil, fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return &process{pid: pid, file: os.NewFile(uintptr(fd), "pidfd:"+strconv.Itoa(pid))}, nil
}

func (p *process) close() error { return p.file.Close() }

// ended tells whether the process has ended, reaped or not. Since it is the
// first of its pid namespace, nothing is left in there then.
func (p *process) ended() bool {
	over := false
	p.control(func(fd int) error {
		over = readable(fd)
		return nil
	})
	return over
}

// wait blocks until the process has ended; an error means that close came first.
func (p *process) wait() error {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool { return readable(int(fd)) })
}

func readable(fd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

// signal sends sig. A process that has ended is no error.
func (p *process) signal(sig syscall.Signal) error {
	err := p.control(func(fd int) error { return unix.PidfdSendSignal(fd, sig, nil, 0) })
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return os.NewSyscallError("pidfd_send_signal", err)
}

// reap collects the exit code of a process that has ended: as its parent, or
// from the kernel's note on the pidfd.
func (p *process) reap() int {
	var status unix.WaitStatus
	for {
		pid, err := unix.Wait4(p.pid, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err == nil && pid == p.pid {
			return exitCode(status)
		}
		break
	}
	code := exitUnknown
	p.control(func(fd int) error {
		info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
		err := unix.IoctlPidfdInfo(fd, &info)
		if err == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0 {
			code = exitCode(unix.WaitStatus(info.Exit_code))
		}
		return err
	})
	return code
}

// exitCode is what a shell would say: 128 and the signal for one that was killed.
func exitCode(s unix.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}

func (p *process) control(do func(fd int) error) error {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := raw.Control(func(fd uintptr) { err = do(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}
