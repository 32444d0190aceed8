package sandboxmgr

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"edge/abi"
)

func TestMaxSandboxes(t *testing.T) {
	t.Parallel()
	limited := binding(func(b *Binding) { b.MaxSandboxes = 2 })
	e := newEdge(t, newWorld(t), newMemory(), limited)
	e.start("a")
	_, m, _ := e.start("b")
	start := func(id string) error {
		_, err := e.sandbox(id).Start(t.Context(), &abi.Empty{})
		return err
	}
	full := func(id string) {
		t.Helper()
		got := wantCode(t, start(id), abi.CodeQuotaExceeded)
		if !strings.Contains(got.Message, "2") || !strings.Contains(got.Message, "maxSandboxes") || !strings.Contains(got.Message, "binding B") {
			t.Errorf("message %q", got.Message)
		}
		if st := e.state(id); st == "running" {
			t.Errorf("%s is %s", id, st)
		}
	}
	full("c")
	if _, err := e.handle(abi.SandboxRef{Binding: "C", ID: "c"}).Start(t.Context(), &abi.Empty{}); err != nil {
		t.Errorf("another binding: %v", err)
	}
	if err := start("a"); err != nil { // runs already
		t.Error(err)
	}
	if _, err := e.sandbox("a").Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	e.start("c")
	full("a")
	m.end(1, false)
	eventually(t, "lost", func() bool { return e.state("b") == "lost" })
	e.start("a")
	full("b")
	if _, err := e.sandbox("c").Destroy(t.Context(), &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
	e.w.set(func() { e.w.down = true })
	wantCode(t, start("b"), abi.CodeRuntimeUnavailable) // a start that failed counts no more
	e.w.set(func() { e.w.down = false })
	e.start("b")
	full("c")

	e = successor(t, e, limited) // what runs counts from the first moment on
	full("c")
}

// TestLostSandboxFreesItsPlace by the time that it shows as lost, whatever is still to be
// done about its end.
func TestLostSandboxFreesItsPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), binding(func(b *Binding) { b.MaxSandboxes = 1 }))
	_, m, _ := e.start("s")
	proceed := make(chan struct{})
	defer close(proceed)
	w.set(func() { w.onLetGo = func() { <-proceed } })
	m.end(1, false)
	eventually(t, "lost", func() bool { return e.state("s") == "lost" })
	if _, err := e.sandbox("another").Start(t.Context(), &abi.Empty{}); err != nil {
		t.Error(err)
	}
}

// TestFailedStartThatCannotBeEndedKeepsItsPlace: its machine runs on.
func TestFailedStartThatCannotBeEndedKeepsItsPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), binding(func(b *Binding) { b.MaxSandboxes = 1 }))
	s := e.handle(abi.SandboxRef{Binding: "B", ID: "s", SandboxOptions: abi.SandboxOptions{Env: map[string]string{"A": "b"}}})
	if _, err := s.Running(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	w.set(func() {
		w.handle["setEnvVars"] = func(*machine, json.RawMessage) (any, error) {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "no")
		}
		w.onStop = func(context.Context) error { return errors.New("it cannot be ended") }
	})
	if _, err := s.Running(t.Context()); err == nil {
		t.Fatal("the start did not fail")
	}
	if _, running := w.count(); running != 1 {
		t.Fatalf("%d machines run", running)
	}
	_, err := e.sandbox("other").Running(t.Context())
	wantCode(t, err, abi.CodeQuotaExceeded)
	w.set(func() { w.onStop = nil })
}
