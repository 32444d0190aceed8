package sandboxmgr

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"edge/abi"
)

// stray makes a machine behind the edge's back.
func (w *world) stray(name, owner string) {
	w.t.Helper()
	if _, err := w.Start(w.t.Context(), MachineSpec{Name: name, Labels: map[string]string{LabelOwner: owner}}); err != nil {
		w.t.Fatal(err)
	}
}

func TestReconcileOnATimer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), func(c *Config) { c.ReconcileEvery = 10 * time.Millisecond })
	_, mine, _ := e.start("s")
	_, lost, run := e.start("lost")
	w.stray("edge."+e.owner+".B.stray", e.owner)
	w.stray("edge."+e.owner+".B.warm.0123456789abcdef", e.owner)
	w.stray("edge.other.B.x", "other")
	nobody, mineDir := filepath.Join(e.config.StateDir, "run", "0123456789abcdef"), filepath.Join(e.config.StateDir, "run", "mine")
	for _, dir := range []string{nobody, mineDir} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.set(func() { delete(w.machines, lost.spec.Name) }) // and its watch notices nothing
	<-run.Ended
	eventually(t, "lost", func() bool { return e.state("lost") == "lost" })
	if st := e.look("lost"); !slices.Equal(st.Why, []string{"lost: nobody knows how it ended"}) {
		t.Errorf("why %q", st.Why)
	}
	eventually(t, "sweep", func() bool { _, err := os.Stat(nobody); return os.IsNotExist(err) })
	eventually(t, "removal", func() bool { _, n := w.count(); return n == 2 })
	if _, err := os.Stat(mineDir); err != nil {
		t.Error("a folder that is not a run folder was removed")
	}
	if !mine.running() || w.named("edge.other.B.x") == nil {
		t.Error("what runs, or what is another's, was touched")
	}
	if names, err := e.Foreign(t.Context()); err != nil || !slices.Equal(names, []string{"edge.other.B.x"}) {
		t.Errorf("foreign %v, %v", names, err)
	}
	if _, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{Command: "x"}); err != nil {
		t.Error(err)
	}
}

func TestReconcileWhenARuntimeComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), func(c *Config) { c.ReconcileEvery = time.Hour })
	e.start("s")
	eventually(t, "first sweep", func() bool { return len(e.pending()) == 0 })
	w.stray("edge."+e.owner+".B.stray", e.owner)
	w.set(func() { w.down = true })
	if err := e.Ready(t.Context()); err == nil {
		t.Error("ready without a runtime")
	}
	w.set(func() { w.down = false })
	if err := e.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "removal", func() bool { return w.machine("stray") == nil })
}

// TestRunFoldersOfNobodyGoAtStart keeps those of sandboxes whose binding is not
// configured.
func TestRunFoldersOfNobodyGoAtStart(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	if _, err := e.handle(abi.SandboxRef{Binding: "C", ID: "s"}).Running(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.start("s")
	run := filepath.Join(e.config.StateDir, "run")
	if err := os.Mkdir(filepath.Join(run, "0123456789abcdef"), 0o755); err != nil {
		t.Fatal(err)
	}
	e = successor(t, e, func(c *Config) { delete(c.Bindings, "C") })
	dirs, err := os.ReadDir(run)
	if err != nil || len(dirs) != 2 {
		t.Errorf("run folders %v, %v", dirs, err)
	}
}

// TestAdoptionIsFast prints how long it takes until everything is adopted.
func TestAdoptionIsFast(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	for i := range 50 {
		e.start(fmt.Sprint("s", i))
	}
	e.crash()
	began := time.Now()
	e = successor(t, e, nil)
	eventually(t, "adoption", func() bool { return len(e.pending()) == 0 })
	t.Logf("50 sandboxes were adopted within %s", time.Since(began))
	for i := range 50 {
		if st := e.look(fmt.Sprint("s", i)); st.State != abi.StateRunning || st.Generation != 1 {
			t.Errorf("%+v", st)
		}
	}
}
