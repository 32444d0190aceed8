package sandboxmgr

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"edge/abi"
)

func vars(kv ...string) *abi.SetEnvVarsRequest {
	req := &abi.SetEnvVarsRequest{EnvVars: map[string]*string{}}
	for i := 0; i < len(kv); i += 2 {
		req.EnvVars[kv[i]] = &kv[i+1]
	}
	return req
}

func TestSetEnvVars(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), binding(func(b *Binding) {
		b.Env = map[string]string{"GONE": "x"}
		b.Start = []Autostart{{StartProcessRequest: abi.StartProcessRequest{ProcessID: "first", Command: "x"}}}
	}))
	set := func(s *Sandbox, req *abi.SetEnvVarsRequest) {
		t.Helper()
		if _, err := s.SetEnvVars(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	want := func(m *machine, env map[string]string) {
		t.Helper()
		m.mu.Lock()
		defer m.mu.Unlock()
		if !maps.Equal(m.env, env) {
			t.Errorf("variables %v, want %v", m.env, env)
		}
	}
	s := e.sandbox("s")
	set(s, vars("A", "1", "B", "2"))
	want(e.w.machine("s"), map[string]string{"A": "1", "B": "2"})
	req := vars("A", "3")
	req.EnvVars["GONE"] = nil
	set(s, req)
	all := map[string]string{"A": "3", "B": "2", "GONE": "unset"}
	want(e.w.machine("s"), all)

	e = successor(t, e, nil)
	s = e.sandbox("s")
	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	_, m, _ := e.start("s")
	want(m, all) // all of it, at each start

	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	o := e.handle(abi.SandboxRef{Binding: "B", ID: "s", SandboxOptions: abi.SandboxOptions{Env: map[string]string{"A": "option", "C": "option"}}})
	if _, err := o.Running(t.Context()); err != nil {
		t.Fatal(err)
	}
	all["C"] = "option" // setEnvVars stands above the options
	want(e.w.machine("s"), all)

	if _, err := s.Destroy(t.Context(), &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
	_, m, _ = e.start("s")
	want(m, map[string]string{})
}

func TestSetEnvVarsIsBounded(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s := e.sandbox("s")
	if _, err := s.SetEnvVars(t.Context(), vars("A", strings.Repeat("x", 100<<10))); err != nil {
		t.Fatal(err)
	}
	room := maxEnvBytes - 100<<10 - len("A") - len("B") - len("C")
	if _, err := s.SetEnvVars(t.Context(), vars("B", strings.Repeat("x", 100<<10))); err != nil {
		t.Fatal(err)
	}
	room -= 100 << 10
	_, err := s.SetEnvVars(t.Context(), vars("C", strings.Repeat("x", room+1)))
	wantCode(t, err, abi.CodeInvalidRequest)
	if _, err := s.SetEnvVars(t.Context(), vars("C", strings.Repeat("x", room))); err != nil {
		t.Error(err)
	}
	_, err = s.SetEnvVars(t.Context(), vars("D", ""))
	wantCode(t, err, abi.CodeInvalidRequest)
	_, err = s.SetEnvVars(t.Context(), vars("=", ""))
	wantCode(t, err, abi.CodeInvalidRequest)
}

// TestSetEnvVarsAtOnce is bounded too: what is remembered never keeps the sandbox
// from starting.
func TestSetEnvVarsAtOnce(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, _, _ := e.start("s")
	var set atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := s.SetEnvVars(t.Context(), vars(fmt.Sprint("V", i), strings.Repeat("x", 100<<10)))
			if err == nil {
				set.Add(1)
			} else if abi.AsError(err).Code != abi.CodeInvalidRequest {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := set.Load(); n != maxEnvBytes/(100<<10) {
		t.Errorf("%d were set", n)
	}
	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	e.start("s")
}

func TestTouchStartsNothing(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	for _, state := range []abi.State{abi.StateAbsent, abi.StateStopped, abi.StateLost} {
		s := e.bring(string(state), state)
		before, _ := e.w.count()
		st, err := s.Touch(t.Context(), &abi.Empty{})
		if after, _ := e.w.count(); err != nil || st.State != state || after != before {
			t.Errorf("%s: %+v, %v", state, st, err)
		}
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the machine is described within describeTimeout
		e := newEdge(t, newWorld(t), newMemory(), nil)
		s := e.handle(abi.SandboxRef{Binding: "B", ID: "s", SandboxOptions: abi.SandboxOptions{
			KeepAlive: true, Env: map[string]string{"KEY": "secret"}, Labels: map[string]string{"team": "x"},
		}})
		in, err := s.Inspect(t.Context(), &abi.Empty{})
		if err != nil || in.State != abi.StateAbsent || in.Binding != "B" || in.ID != "s" || in.Machine != "" || in.Image != "img" || in.Network != "none" || in.Preset != "default" {
			t.Errorf("absent: %+v, %v", in, err)
		}
		if starts, _ := e.w.count(); starts != 0 {
			t.Error("it was started")
		}
		if _, err := s.Start(t.Context(), &abi.Empty{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ExposePort(t.Context(), &abi.ExposePortRequest{Port: 8080}); err != nil {
			t.Fatal(err)
		}
		in, err = s.Inspect(t.Context(), &abi.Empty{})
		if err != nil || in.Machine != "edge."+e.owner+".B.s" || !in.KeepAlive || in.Labels["team"] != "x" || len(in.Ports) != 1 ||
			len(in.Limits) != 1 || in.Facts["engine"] != "fake" || in.Persist != "all" || in.State != abi.StateRunning {
			t.Errorf("running: %+v, %v", in, err)
		}
		if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
			t.Fatal(err)
		}
		in, err = s.Inspect(t.Context(), &abi.Empty{})
		if err != nil || in.Machine == "" || len(in.Limits) != 0 || len(in.Ports) != 1 || in.Why[0] != "stopped" {
			t.Errorf("stopped: %+v, %v", in, err)
		}
	})
}

func TestSelect(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	for _, ref := range []abi.SandboxRef{
		{Binding: "B", ID: "a", SandboxOptions: abi.SandboxOptions{Labels: map[string]string{"team": "x", "tier": "1"}}},
		{Binding: "B", ID: "b", SandboxOptions: abi.SandboxOptions{Labels: map[string]string{"team": "y"}}},
		{Binding: "C", ID: "c", SandboxOptions: abi.SandboxOptions{Labels: map[string]string{"team": "x"}}},
	} {
		if _, err := e.handle(ref).Start(t.Context(), &abi.Empty{}); err != nil {
			t.Fatal(err)
		}
	}
	for want, sel := range map[string]Selection{
		"abc": {}, "ab": {Binding: "B"}, "ac": {Labels: map[string]string{"team": "x"}},
		"a": {Labels: map[string]string{"team": "x", "tier": "1"}}, "": {Labels: map[string]string{"none": ""}},
	} {
		got := ""
		for _, st := range e.Select(sel) {
			got += st.Ref.ID
		}
		if got != want {
			t.Errorf("%+v: %q, want %q", sel, got, want)
		}
	}
}
