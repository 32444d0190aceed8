package initd

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pumpBuffers are taken while there is something to move: an idle pipe or
// tunnel holds none.
var pumpBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

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
	file  *os.File // closed by run, or by who wants it to end
	to    io.Writer
	eof   chan struct{} // closed at the end
	state atomic.Int32
	left  *atomic.Int32 // counts pumps in state pumpLeft
}

func (p *pump) run(wg *sync.WaitGroup) {
	defer wg.Done()
	if rc, err := p.file.SyscallConn(); err == nil {
		for err == nil {
			err = readReady(rc, p.to)
		}
	}
	p.file.Close()
	if p.state.Swap(pumpEnded) == pumpLeft {
		p.left.Add(-1)
	}
	close(p.eof)
}

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

// settleAll waits until the pumps have seen all that was printed by a process
// that has ended: their ends, or a moment later if something else has the pipe.
func settleAll(pumps []*pump) {
	t := time.NewTimer(settle)
	defer t.Stop()
	for _, p := range pumps {
		select {
		case <-p.eof:
		case <-t.C:
			return
		}
	}
}
