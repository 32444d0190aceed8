package docker

import (
	"errors"
	"strings"
	"testing"

	"edge/abi"
	"edge/sandboxmgr"
	"edge/sandboxmgr/runtimetest"
)

// TestPause: a frozen machine does nothing, and can be resumed, adopted, stopped
// and removed.
func TestPause(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	running, g := b.Start(t)
	m := running.(sandboxmgr.Pauser)
	want := func(paused bool) {
		t.Helper()
		if is, err := m.Paused(t.Context()); err != nil || is != paused {
			t.Errorf("paused %v, %v; want %v", is, err, paused)
		}
	}
	want(false)
	for range 2 { // the second does nothing
		if err := m.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(true)
	}
	adopted, err := b.rt.Adopt(t.Context(), b.Spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer adopted.Close()
	for range 2 {
		if err := adopted.(sandboxmgr.Pauser).Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(false)
	}
	g.Do(t, command{Write: "/workspace/file", Text: "kept"})
	if err := m.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	runtimetest.Stop(t, running)
	if _, err := m.Paused(t.Context()); !errors.Is(err, sandboxmgr.ErrNoMachine) {
		t.Errorf("Paused of what ended = %v, want %v", err, sandboxmgr.ErrNoMachine)
	}
	next, g := b.Start(t)
	if got := g.Do(t, command{Read: "/workspace/file"}); got != "kept" {
		t.Errorf("the file holds %q", got)
	}
	if err := next.(sandboxmgr.Pauser).Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Remove(t, next.PID())
	if err := m.Pause(t.Context()); !errors.Is(err, sandboxmgr.ErrNoMachine) {
		t.Errorf("Pause of what is gone = %v, want %v", err, sandboxmgr.ErrNoMachine)
	}
}

// TestDescribe: the bounds in force and the facts are told, and no secret.
func TestDescribe(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Spec.MemoryBytes, b.Spec.PIDs, b.Spec.CPUs, b.Spec.Preset = 96<<20, 50, 0.5, presetStrict
	m, _ := b.Start(t)
	limits, facts, err := m.(sandboxmgr.Describer).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]abi.Limit)
	for _, l := range limits {
		got[l.Name] = l
	}
	for name, want := range map[string]string{"memory": "96 MiB", "pids": "50", "cpus": "0.5", "disk": "none"} {
		if l := got[name]; l.Value != want || (l.By == "nothing") != (want == "none") {
			t.Errorf("%s: %+v, want %s", name, l, want)
		}
	}
	e, err := b.rt.known(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if l := got["swap"]; (l.By == "nothing") == e.swap || (facts["swap"] == "") != e.swap {
		t.Errorf("swap %+v, %q; accounted: %v", l, facts["swap"], e.swap)
	}
	for name, want := range map[string]string{
		"engine": e.version, "ociRuntime": "runc", "user": "10001:10001", "network": "none", "root": "read-only",
		"capabilities": "none", "seccomp": "io_uring_setup", "ipc": "private", "cgroup": "private", "dial": "",
	} {
		if fact, ok := facts[name]; !ok || !strings.Contains(fact, want) {
			t.Errorf("%s: %q, want %q", name, fact, want)
		}
	}
	for name, fact := range facts {
		if strings.Contains(fact, "secret") {
			t.Errorf("%s: %q", name, fact)
		}
	}
}

func TestByteSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 96 << 20: "96 MiB", 3 << 29: "1.5 GiB", 1 << 50: "1024 TiB"} {
		if got := byteSize(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestExamine: what an engine has and lacks is found, and how to mend it.
func TestExamine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Spec.Labels = map[string]string{sandboxmgr.LabelOwner: "examined-test"}
	b.Start(t)
	find := func(spec sandboxmgr.MachineSpec, name string) sandboxmgr.Finding {
		t.Helper()
		for _, f := range b.rt.Examine(t.Context(), spec) {
			if strings.HasPrefix(f.Name, name) && (name != "other edges" || strings.Contains(f.Text, "examined-test")) {
				return f
			}
		}
		return sandboxmgr.Finding{}
	}
	spec := sandboxmgr.MachineSpec{Image: testImage, Labels: map[string]string{sandboxmgr.LabelOwner: "another"}}
	lacking := sandboxmgr.MachineSpec{Image: "edge-sandbox-missing", OCIRuntime: "kata", Preset: "lax"}
	for _, tt := range []struct {
		spec              sandboxmgr.MachineSpec
		name, level, text string
		mend              string
	}{
		{spec, "docker engine", "ok", "answers", ""},
		{spec, "engine API", "ok", "1.", ""},
		{spec, "engine's files", "ok", "sees", ""},
		{spec, "image " + testImage, "ok", "", ""},
		{spec, "disk limit", "note", "not bounded", ""},
		{spec, "seccomp", "ok", "io_uring_setup", ""},
		{spec, "other edges", "note", b.Spec.Name, "edge clean"},
		{b.Spec, "other edges", "", "", ""},
		{lacking, "image edge-sandbox-missing", "bad", "", "docker pull edge-sandbox-missing"},
		{sandboxmgr.MachineSpec{Image: "edge-sandbox:latest-missing"}, "image", "bad", "", "docker pull"},
		{lacking, "OCI runtime kata", "bad", "runc", "daemon.json"},
		{lacking, "confinement", "bad", "lax", ""},
	} {
		f := find(tt.spec, tt.name)
		if f.Level != tt.level || !strings.Contains(f.Text, tt.text) || !strings.Contains(f.Mend, tt.mend) {
			t.Errorf("%s: %+v, want %s with %q and %q", tt.name, f, tt.level, tt.text, tt.mend)
		}
	}
}

// TestExamineNoEngine: without an engine, that is the finding.
func TestExamineNoEngine(t *testing.T) {
	t.Parallel()
	r, err := New(Config{Host: "unix:///no/such/socket"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	found := r.Examine(t.Context(), sandboxmgr.MachineSpec{})
	if len(found) != 1 || found[0].Level != levelBad || !strings.Contains(found[0].Mend, "start dockerd") {
		t.Errorf("found %+v", found)
	}
}
