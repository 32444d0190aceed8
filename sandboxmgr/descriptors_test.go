package sandboxmgr

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"

	"edge/abi"
)

// TestOutOfDescriptors wants a want of descriptors to be told by name, and the
// dialling host to learn the cause.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), nil)
	s, _, run := e.start("s")
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		w.set(func() { w.onDial = func() error { return os.NewSyscallError("socket", errno) } })
		if _, err := s.DialRun(t.Context(), run.Generation, 8080); !errors.Is(err, errno) {
			t.Errorf("dial for the host: %v, want %v", err, errno)
		}
		_, _, err := s.Dial(t.Context(), 8080)
		if got := wantCode(t, err, abi.CodeRuntimeUnavailable); !got.Retryable || got.RetryAfterMs == 0 {
			t.Errorf("dial: %+v", got)
		}
	}
	w.set(func() {
		w.onStart = func(context.Context, MachineSpec) error { return os.NewSyscallError("pipe2", syscall.EMFILE) }
	})
	_, err := e.sandbox("another").Start(t.Context(), &abi.Empty{})
	if got := wantCode(t, err, abi.CodeRuntimeUnavailable); got.RetryAfterMs == 0 {
		t.Errorf("start: %+v", got)
	}
}
