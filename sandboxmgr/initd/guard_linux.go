package initd

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// spareThreads is how many OS threads the init makes at its start. With at most
// maxProcs running Go code, a few blocked in a file operation, a fork or a scan
// of /proc, and those of the runtime itself, no further one is needed when a
// fork bomb has filled the process limit.
const (
	spareThreads = 16
	maxProcs     = 4
)

// guard makes this process hard to disturb from inside the sandbox.
func guard() error {
	runtime.GOMAXPROCS(min(maxProcs, runtime.GOMAXPROCS(0)))
	// Nobody traces the init or reads its memory and environment, where the
	// token is; not even a process of the same user.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("set undumpable: %w", err)
	}
	if os.Getpid() != 1 {
		// Orphans come to process 1, or to whoever asks for them.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("become subreaper: %w", err)
		}
	}
	makeThreads()
	return nil
}

// makeThreads makes spareThreads threads exist at the same time; the runtime
// keeps them.
func makeThreads() {
	var locked, ended sync.WaitGroup
	locked.Add(spareThreads)
	for range spareThreads {
		ended.Go(func() { holdThread(&locked) })
	}
	ended.Wait()
}

// holdThread keeps a thread for itself until all its siblings have one.
func holdThread(locked *sync.WaitGroup) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	locked.Done()
	locked.Wait()
}

// handledSignals are all that a process can handle, so that none of them ends
// or stops the init, except: SIGCHLD, which the reaper takes; SIGURG, which the
// Go runtime sends itself and which does nothing by default; 32 to 34, which the
// runtime leaves to C libraries. Those have their default action, which the
// kernel does not carry out on a process 1.
func handledSignals() []os.Signal {
	var sigs []os.Signal
	for s := syscall.Signal(1); s <= 64; s++ {
		switch s {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG, 32, 33, 34:
		default:
			sigs = append(sigs, s)
		}
	}
	return sigs
}

// catchSignals handles every signal from its return on.
func catchSignals() chan os.Signal {
	ch := make(chan os.Signal, 16)
	signal.Notify(ch, handledSignals()...)
	return ch
}

// watchSignals does nothing about the signals that are caught, except SIGTERM,
// by which whoever runs the sandbox asks it to end. It runs until done is
// closed.
func watchSignals(caught chan os.Signal, done <-chan struct{}, terminated func()) {
	defer signal.Stop(caught)
	for {
		select {
		case s := <-caught:
			if s == syscall.SIGTERM {
				terminated()
			}
		case <-done:
			return
		}
	}
}
