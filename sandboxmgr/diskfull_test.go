package sandboxmgr

import (
	"testing"

	"edge/abi"
)

// TestDiskFull has a disk that takes no more until a sandbox is removed: callers
// are told what is wrong, and the removal is what helps.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	w, disk := newWorld(t), newMemory()
	e := newEdge(t, w, disk, nil)
	s, _, _ := e.start("large")
	e.store.full.Store(true)

	_, err := e.sandbox("other").Running(t.Context())
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	_, err = e.sandbox("other").ExposePort(t.Context(), &abi.ExposePortRequest{Port: 8080})
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	if st := e.state("large"); st != "running" {
		t.Errorf("the other sandbox is %s", st)
	}

	_, err = s.Destroy(t.Context(), &abi.Empty{}) // frees nothing
	wantCode(t, err, abi.CodeRuntimeUnavailable)

	w.mu.Lock()
	w.onRemove = func() error { e.store.full.Store(false); return nil }
	w.mu.Unlock()
	if _, err := s.Destroy(t.Context(), &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
	if st := e.state("large"); st != "absent" {
		t.Errorf("it is %s", st)
	}
	if _, err := e.sandbox("other").Running(t.Context()); err != nil {
		t.Error(err)
	}
}
