package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"edge/sandboxmgr/initproto"
)

const socket = "/.edge/run/s"

// failures returns an error that names what succeeded and must not.
func failures(tries map[string]func() error) error {
	var errs []error
	for name, try := range tries {
		if try() == nil {
			errs = append(errs, fmt.Errorf("%s succeeded", name))
		}
	}
	return errors.Join(errs...)
}

// trace looks into process 1 by every way there is.
func trace([]string) error {
	b := make([]byte, 64)
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&b[0])), Len: len(b)}}
	read := func(path string) func() error {
		return func() error {
			got, err := os.ReadFile(path)
			if err == nil && len(got) == 0 {
				return io.EOF
			}
			return err
		}
	}
	return failures(map[string]func() error{
		"attaching to process 1": func() error { return unix.PtraceAttach(1) },
		"seizing process 1":      func() error { return unix.PtraceSeize(1) },
		"reading its memory":     func() error { _, err := unix.ProcessVMReadv(1, local, remote, 0); return err },
		"writing its memory":     func() error { _, err := unix.ProcessVMWritev(1, local, remote, 0); return err },
		"opening its memory":     func() error { _, err := os.OpenFile("/proc/1/mem", os.O_RDWR, 0); return err },
		"reading its maps":       read("/proc/1/maps"),
		"reading its variables":  read("/proc/1/environ"),
		"its executable":         func() error { _, err := os.Readlink("/proc/1/exe"); return err },
		"naming a descriptor":    func() error { _, err := os.Readlink("/proc/1/fd/0"); return err },
		"taking a descriptor":    takeDescriptor,
	})
}

func takeDescriptor() error {
	pidfd, err := unix.PidfdOpen(1, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	_, err = unix.PidfdGetfd(pidfd, 0, 0)
	return err
}

// starve bounds what process 1 may have, and has it chosen when memory runs out:
// Linux allows that to a process of the same user.
func starve([]string) error {
	var none unix.Rlimit
	_ = unix.Prlimit(1, unix.RLIMIT_NOFILE, &none, nil) // refused is well, too
	_ = unix.Setpriority(unix.PRIO_PROCESS, 1, 19)
	_ = os.WriteFile("/proc/1/oom_score_adj", []byte("1000"), 0)
	return nil
}

// signals sends process 1 every signal but the one that asks it to end.
func signals([]string) error {
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		if sig == syscall.SIGTERM {
			continue
		}
		// Some are refused, and that is well too: what counts is what becomes of
		// process 1.
		_ = syscall.Kill(1, sig)
		_ = unix.Tgkill(1, 1, sig)
	}
	return nil
}

// terminate asks process 1 to end, as whoever runs the sandbox does.
func terminate([]string) error { return syscall.Kill(1, syscall.SIGTERM) }

// connect pretends to be the init, knowing its token.
func connect(args []string) error {
	hello := initproto.Hello{Min: initproto.MinVersion, Max: initproto.Version, Token: args[0], Boot: "wicked"}
	for i := range 300 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return err
		}
		if i%3 == 0 {
			_, _ = io.WriteString(c, "garbage garbage garbage")
		}
		if w := initproto.NewWriter(c); i%3 == 1 {
			w.Head(initproto.TypeHello, hello)
			_ = w.Flush() // the edge may have hung up
		}
		var welcome initproto.Welcome
		err = initproto.NewReader(c).Head(initproto.TypeWelcome, initproto.MaxHello, &welcome)
		c.Close()
		if err == nil {
			return errors.New("a process that is not the init was welcome")
		}
	}
	return nil
}

// descriptors sends the edge many, its own connections among them.
func descriptors([]string) error {
	for range 50 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := sendDescriptors(c.(*net.UnixConn), "x"); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			return err
		}
	}
	return nil
}

// sendDescriptors sends the connection's own descriptor, many times, with text.
func sendDescriptors(c *net.UnixConn, text string) error {
	f, err := c.File()
	if err != nil {
		return err
	}
	defer f.Close()
	fds := make([]int, 200)
	for i := range fds {
		fds[i] = int(f.Fd())
	}
	_, _, err = c.WriteMsgUnix([]byte(text), syscall.UnixRights(fds...), nil)
	return err
}

// terminal tells whether it runs on a terminal as it should be.
func terminal([]string) error {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	size, err := unix.IoctlGetWinsize(int(tty.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return err
	}
	session, err := unix.Getsid(0)
	if err != nil || session != os.Getpid() {
		return fmt.Errorf("session %d of process %d, %v", session, os.Getpid(), err)
	}
	for fd := range 3 {
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			return fmt.Errorf("descriptor %d: %w", fd, err)
		}
	}
	fmt.Printf("%dx%d %s\n", size.Col, size.Row, os.Getenv("TERM"))
	return nil
}

// forks starts itself again and again, and so does what it starts.
func forks([]string) error {
	for {
		if exec.Command("/.edge/init", "forks").Start() != nil {
			time.Sleep(time.Millisecond)
		}
	}
}

// eat uses as many MiB of memory as it is told to.
func eat(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	for range n {
		b, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return err
		}
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
	}
	return nil
}
