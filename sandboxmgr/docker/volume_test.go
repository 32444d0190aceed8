package docker

import (
	"testing"

	"github.com/docker/docker/errdefs"

	"edge/sandboxmgr/runtimetest"
)

// TestWorkspaceVolume: with a volume, a fresh container finds what was written to
// /workspace and nothing else, until the machine is removed.
func TestWorkspaceVolume(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Spec.Workspace = true
	m, g := b.Start(t)
	for _, path := range []string{"/workspace/file", "/tmp/file"} {
		g.Do(t, command{Write: path, Text: "kept"})
	}
	runtimetest.Stop(t, m)
	before := b.look(t)
	b.Spec.Fresh = true
	m, g = b.Start(t)
	if b.look(t).ID == before.ID {
		t.Error("the container is the same")
	}
	if got := g.Do(t, command{Read: "/workspace/file"}); got != "kept" {
		t.Errorf("/workspace/file holds %q", got)
	}
	if a, err := g.Call(command{Read: "/tmp/file"}); err != nil || a.Err == "" {
		t.Errorf("/tmp/file is still there: %q, %v", a.Text, err)
	}
	again, err := b.rt.Start(t.Context(), b.Spec)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.PID() != m.PID() {
		t.Error("a running machine was made anew")
	}
	b.Remove(t, m.PID())
	if _, err := b.rt.client.VolumeInspect(t.Context(), b.Spec.Name+workspaceSuffix); !errdefs.IsNotFound(err) {
		t.Errorf("the volume is still there: %v", err)
	}
}

// TestFresh: without a volume a fresh container has nothing of the one before.
func TestFresh(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, g := b.Start(t)
	g.Do(t, command{Write: "/workspace/file", Text: "x"})
	runtimetest.Stop(t, m)
	b.Spec.Fresh = true
	_, g = b.Start(t)
	if a, err := g.Call(command{Read: "/workspace/file"}); err != nil || a.Err == "" {
		t.Errorf("/workspace/file is still there: %q, %v", a.Text, err)
	}
}

// TestChangedPreset: whatever a preset becomes, the files in /workspace stay and
// can be written.
func TestChangedPreset(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Spec.Preset = presetTrusted
	m, g := b.Start(t)
	g.Do(t, command{Write: "/workspace/file", Text: "kept"})
	for _, preset := range []string{presetDefault, presetStrict, presetDefault, presetTrusted, presetStrict} {
		runtimetest.Stop(t, m)
		b.Spec.Preset = preset
		m, g = b.Start(t)
		if got := g.Do(t, command{Read: "/workspace/file"}); got != "kept" {
			t.Errorf("%s: the file holds %q", preset, got)
		}
		g.Do(t, command{Write: "/workspace/file", Text: "kept"})
		if preset != presetTrusted {
			if a, err := g.Call(command{Kernel: []uintptr{sysSetuid, 0}}); err != nil || a.Err == "" {
				t.Errorf("%s: became root: %v", preset, err)
			}
		}
	}
	b.Remove(t, m.PID())
}
