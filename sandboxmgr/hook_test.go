package sandboxmgr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"edge/abi"
)

func TestHook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), nil)
	s, m, _ := e.start("s")
	m.end(137, true)
	eventually(t, "lost", func() bool { return e.state("s") == "lost" })
	e.start("s")
	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	w.set(func() { w.onStart = func(context.Context, MachineSpec) error { return errors.New("secret") } })
	_, err := s.Running(t.Context())
	wantCode(t, err, abi.CodeInternal)
	w.set(func() { w.onStart = nil })
	e.start("s")
	if _, err := s.Destroy(t.Context(), &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil { // which tells what is left
		t.Fatal(err)
	}
	want := []string{
		"s@1 start", "s@1 error 137 SANDBOX_LOST", "s@2 start", "s@2 stop stop 0", "s@3 error INTERNAL", "s@4 start", "s@4 stop destroy",
	}
	if got := e.told(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// TestASlowHookHoldsNobodyUp starts and stops while the hook hangs, and wants all
// of it told in the end.
func TestASlowHookHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	var told []string
	e := newEdge(t, newWorld(t), newMemory(), func(c *Config) {
		c.Hook = func(ev abi.SandboxEvent) { <-gate; told = append(told, fmt.Sprint(ev.Type, ev.Generation)) }
	})
	const rounds = 20
	var want []string
	for n := range rounds {
		s, _, _ := e.start("s")
		if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint("start", n+1), fmt.Sprint("stop", n+1))
	}
	close(gate)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
}

func TestHooksAreBounded(t *testing.T) {
	t.Parallel()
	log := &logLines{}
	n := 0
	h := newHooks(&Config{Hook: func(abi.SandboxEvent) { n++ }, Log: slog.New(slog.NewTextHandler(log, nil))})
	for range maxHooks + 3 {
		h.add(abi.SandboxEvent{})
	}
	h.drain()
	if n != maxHooks || log.count("events=3") != 1 {
		t.Errorf("%d events were told, and the log says %s", n, log.text.String())
	}
}
