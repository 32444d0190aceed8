package sandboxmgr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"edge/abi"
)

func TestBuildIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := &kiln{world: w}
	var builds atomic.Int64
	arrived, proceed := make(chan struct{}), make(chan struct{})
	var fail atomic.Bool
	fail.Store(true)
	k.build = func(string) (string, error) {
		if builds.Add(1) == 1 {
			close(arrived)
			<-proceed
		}
		if fail.Load() {
			return "", fmt.Errorf("build %w: step 2: no such package", ErrNoImage)
		}
		return "built", nil
	}
	e := newEdge(t, w, newMemory(), binding(func(b *Binding) { b.Runtime, b.Build = k, &Build{Context: "/x"} }))
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			_, err := e.sandbox(fmt.Sprint("s", i)).Running(t.Context())
			if err == nil {
				t.Error("no error")
				return
			}
			got := wantCode(t, err, abi.CodeImageNotFound)
			if !strings.Contains(string(got.Details), "step 2: no such package") || strings.Contains(got.Message, "step") {
				t.Errorf("error %+v, details %s", got, got.Details)
			}
		})
	}
	<-arrived
	_, release, err := e.sandbox("impatient").Wake(t.Context(), "hold(1ms)", false)
	release()
	wantCode(t, err, abi.CodeTimeout)
	// All of them wait for the one build, but for those that came late.
	close(proceed)
	wg.Wait()
	fail.Store(false)
	before := builds.Load()
	for i := range 3 {
		e.start(fmt.Sprint("s", i))
	}
	if n := builds.Load() - before; n != 1 {
		t.Errorf("%d builds after the mending", n)
	}
	if got := w.machine("s0").spec.Image; got != "built" {
		t.Errorf("image %q", got)
	}
	if in, err := e.sandbox("s0").Inspect(t.Context(), &abi.Empty{}); err != nil || in.Image != "built" {
		t.Errorf("%+v, %v", in, err)
	}
}

func TestBuildErrors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxBuildLog) + "the last line"
	for _, tt := range []struct {
		err  error
		code abi.Code
		said string
	}{
		{fmt.Errorf("build /home/secret: %w: %s", ErrBuildFailed, long), abi.CodeImageNotFound, "the last line"},
		{errors.New("there is no file /home/secret"), abi.CodeInternal, ""},
		{fmt.Errorf("%w: no Dockerfile", ErrNoImage), abi.CodeImageNotFound, "no Dockerfile"},
		{fmt.Errorf("%w: gone", ErrRuntimeDown), abi.CodeRuntimeUnavailable, ""},
	} {
		got := wantCode(t, buildError("B", newWorld(t), tt.err), tt.code)
		if !strings.Contains(string(got.Details), tt.said) || len(got.Details) > maxBuildLog+100 {
			t.Errorf("details %s", got.Details)
		}
		if strings.Contains(fmt.Sprintf("%+v%s", got, got.Details), "secret") {
			t.Errorf("internal names in %+v, %s", got, got.Details)
		}
	}
}

func TestEntrypoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := &kiln{world: w, command: []string{"serve", "-x"}}
	change := binding(func(b *Binding) {
		b.Runtime, b.Entrypoint = k, true
		b.Start = []Autostart{{StartProcessRequest: abi.StartProcessRequest{ProcessID: "second", Command: "x"}}}
	})
	e := newEdge(t, w, newMemory(), change)
	s, m, _ := e.start("s")
	want := []string{"entrypoint", "second"}
	if got := m.processIDs(); !slices.Equal(got, want) {
		t.Errorf("processes %v", got)
	}
	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, m, _ = e.start("s"); !slices.Equal(m.processIDs(), want) {
		t.Errorf("processes of the second start %v", m.processIDs())
	}
	k.command = nil
	_, err := e.sandbox("none").Running(t.Context())
	wantCode(t, err, abi.CodeUnsupported)
}

// TestBuildsOfTwoEdges: edges that share an engine, and have bindings of the same name,
// build images of names of their own, and the same one each time.
func TestBuildsOfTwoEdges(t *testing.T) {
	t.Parallel()
	var names []string // of builds that are made one after the other
	on := func(w *world) func(*Config) {
		k := &kiln{world: w, build: func(name string) (string, error) {
			names = append(names, name)
			return name, nil
		}, remove: func(name string) (string, error) {
			if !slices.Contains(names, name) {
				return "", nil
			}
			return "removed " + name, nil
		}}
		return binding(func(b *Binding) { b.Runtime, b.Build = k, &Build{Context: "/x"} })
	}
	w, others := newWorld(t), newWorld(t)
	first := newEdge(t, w, newMemory(), on(w))
	first.start("a")
	successor(t, first, on(w)).start("b")
	e := newEdge(t, others, newMemory(), on(others))
	if got, err := e.RemoveImages(t.Context()); len(got) != 0 || err != nil {
		t.Errorf("removed %q, %v; nothing was built", got, err)
	}
	e.start("c")
	if len(names) != 3 || names[0] != names[1] || names[1] == names[2] || !strings.HasSuffix(names[2], ".B") {
		t.Errorf("images %q: want one edge's twice, and another's of the same binding", names)
	}
	if got, err := e.RemoveImages(t.Context()); !slices.Equal(got, []string{"removed " + names[2]}) || err != nil {
		t.Errorf("removed %q, %v; want the edge's own", got, err)
	}
}
