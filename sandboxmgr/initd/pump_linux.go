package initd

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readReady waits until rc can be read, reads once, and gives what came to w.
// It returns io.EOF at the end of the stream, and what failed otherwise.
func readReady(rc syscall.RawConn, w io.Writer) error {
	var n int
	var failed error
	err := rc.Read(func(fd uintptr) bool {
		b := pumpBuffers.Get().(*[]byte)
		defer pumpBuffers.Put(b)
		n, failed = syscall.Read(int(fd), *b)
		for failed == syscall.EINTR {
			n, failed = syscall.Read(int(fd), *b)
		}
		if failed == syscall.EAGAIN {
			return false
		}
		if failed == nil && n > 0 {
			_, failed = w.Write((*b)[:n])
		}
		return true
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return failed
	case n == 0:
		return io.EOF
	}
	return nil
}

// The states of a pump.
const (
	pumpRunning int32 = iota
	pumpLeft          // nobody waits for it any more
	pumpEnded
)

// pump moves what a process prints to a buffer, until the pipe's end: that is
// when the last process that has it is gone.
type pump struct {
	file *os.File // closed by run, or by who wants it to end
	to   io.Writer
	// settled is closed when all is moved that a process printed which has
	// ended, as settle asks for, or at the end.
	settled chan struct{}
	state   atomic.Int32
	left    *atomic.Int32 // counts pumps in state pumpLeft
}

// run moves bytes until the end of the pipe.
func (p *pump) run(wg *sync.WaitGroup) {
	defer wg.Done()
	rc, err := p.file.SyscallConn()
	told := false
	for err == nil {
		err = readReady(rc, p.to)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_ = p.file.SetReadDeadline(time.Time{}) // fails only if it is closed, which reading tells
			if err = p.drain(rc); !told {
				told = true
				close(p.settled)
			}
		}
	}
	p.file.Close()
	if p.state.Swap(pumpEnded) == pumpLeft {
		p.left.Add(-1)
	}
	if !told {
		close(p.settled)
	}
}

// drain moves what is in the pipe now, without waiting for more.
func (p *pump) drain(rc syscall.RawConn) error {
	var left int
	var failed error
	err := rc.Control(func(fd uintptr) { left, failed = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	for left > 0 {
		n := 0
		err := readReady(rc, writerFunc(func(b []byte) (int, error) {
			n = len(b)
			return p.to.Write(b)
		}))
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// writerFunc is a Write.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// leave lets the pump go on for a child that outlived its call, unless too many
// do already: then the pipe is closed.
func (p *pump) leave() {
	if p.left.Add(1) > maxDrains {
		p.file.Close()
	}
	if !p.state.CompareAndSwap(pumpRunning, pumpLeft) {
		p.left.Add(-1)
	}
}

// settleAll waits until the pumps have moved all that was printed by a process
// that has ended: to their ends or, if something else has the pipe, all that was
// in it a moment later. Only a writer that waits makes that take long; ctx bounds
// it.
func settleAll(ctx context.Context, pumps []*pump) error {
	by := time.Now().Add(settle)
	for _, p := range pumps {
		_ = p.file.SetReadDeadline(by) // fails only if it is closed, and the pump with it
	}
	for _, p := range pumps {
		if err := await(ctx, p.settled); err != nil {
			return err
		}
	}
	return nil
}
