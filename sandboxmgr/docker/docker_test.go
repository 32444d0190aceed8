package docker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"edge/sandboxmgr"
	"edge/sandboxmgr/runtimetest"
)

func TestRuntime(t *testing.T) {
	t.Parallel()
	runtimetest.Run(t, func(t testing.TB) *runtimetest.Bench { return newBench(t).Bench })
}

// TestKeepsAll: a stop keeps /tmp, too.
func TestKeepsAll(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, g := b.Start(t)
	g.Do(t, command{Write: "/tmp/file", Text: "kept"})
	runtimetest.Stop(t, m)
	_, g = b.Start(t)
	if got := g.Do(t, command{Read: "/tmp/file"}); got != "kept" {
		t.Errorf("after a stop the file is %q", got)
	}
}

// TestMachinesDuringReplacement: two containers of one machine, and the new one
// alone, are listed under the machine's name.
func TestMachinesDuringReplacement(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Spec.Labels = map[string]string{sandboxmgr.LabelOwner: b.Spec.Name}
	listed := func() {
		t.Helper()
		got, err := b.rt.Machines(t.Context(), sandboxmgr.LabelOwner, b.Spec.Name)
		if err != nil || !slices.Equal(got, []string{b.Spec.Name}) {
			t.Errorf("machines %q, %v; want %s alone", got, err, b.Spec.Name)
		}
	}
	m, _ := b.Start(t)
	runtimetest.Stop(t, m)
	snapshot, err := b.rt.client.ContainerCommit(t.Context(), b.Spec.Name, container.CommitOptions{
		Changes: []string{fmt.Sprintf("LABEL %s=%q", labelSnapshot, b.Spec.Name)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.rt.create(t.Context(), b.wish(t), b.Spec.Name+nextSuffix, base{image: snapshot.ID, user: rootUser, snapshot: true}); err != nil {
		t.Fatal(err)
	}
	listed()
	if err := b.rt.removeContainer(t.Context(), b.Spec.Name); err != nil {
		t.Fatal(err)
	}
	listed()
	b.Remove(t, m.PID())
}

func TestConfined(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Spec.MemoryBytes, b.Spec.PIDs, b.Spec.CPUs = 64<<20, 50, 0.5
	m, g := b.Start(t)
	status := g.Do(t, command{Read: "/proc/self/status"})
	for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"} {
		if !strings.Contains(status, want) {
			t.Errorf("status has no %q", want)
		}
	}
	if got := g.Do(t, command{Read: "/proc/net/dev"}); strings.Count(got, ":") != 1 || !strings.Contains(got, "lo:") {
		t.Errorf("interfaces %s", got)
	}
	for _, path := range []string{"/.edge/run/x", "/.edge/init"} {
		if a, err := g.Call(command{Write: path}); err != nil || a.Err == "" {
			t.Errorf("%s can be written (%v)", path, err)
		}
	}
	if got := g.Do(t, command{Read: "/proc/sys/kernel/hostname"}); got != hostnameOf(b.Spec.Name)+"\n" {
		t.Errorf("host name %q", got)
	}
	if _, err := g.Call(command{Eat: 512 << 20}); err == nil {
		t.Error("512 MiB were used where 64 are allowed")
	}
	if exit := runtimetest.WaitEnd(t, m); !exit.OOMKilled {
		t.Errorf("exit %+v, want OOMKilled", exit)
	}
}

// TestChangedSpec: what an engine can change is changed, and for what it cannot
// a new container takes over what was written. The image's own variables stay.
func TestChangedSpec(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Spec.Env = map[string]string{"A": "1", "B": "2"}
	m, g := b.Start(t)
	g.Do(t, command{Write: "/workspace/file", Text: "kept"})
	runtimetest.Stop(t, m)
	first := b.look(t)

	b.Spec.MemoryBytes = 64 << 20
	m, _ = b.Start(t)
	runtimetest.Stop(t, m)
	if c := b.look(t); c.ID != first.ID || c.HostConfig.Memory != 64<<20 {
		t.Errorf("container %s with %d bytes, want %s with %d", c.ID, c.HostConfig.Memory, first.ID, 64<<20)
	}

	for round, change := range []func(){
		func() { b.Spec.Env = map[string]string{"A": "3"} },
		func() { b.Spec.MemoryBytes = 0 },
		func() { b.Spec.RunDir = runtimetest.RunDir(t); b.Socket = runtimetest.Listen(t, b.Spec.RunDir) },
	} {
		change()
		m, g = b.Start(t)
		if got := g.Do(t, command{Read: "/workspace/file"}); got != "kept" {
			t.Errorf("round %d: file %q", round, got)
		}
		for name, want := range map[string]string{"A": "3", "B": "", "OF_IMAGE": "yes"} {
			if got := g.Do(t, command{Env: name}); got != want {
				t.Errorf("round %d: %s=%q, want %q", round, name, got, want)
			}
		}
		runtimetest.Stop(t, m)
	}
	if c := b.look(t); c.ID == first.ID || c.HostConfig.Memory != 0 {
		t.Errorf("container %s with %d bytes, want another without a bound", c.ID, c.HostConfig.Memory)
	}
	if err := b.rt.Remove(t.Context(), b.Spec.Name); err != nil {
		t.Fatal(err)
	}
	b.gone(t, 0)
}

// TestInterruptedReplacement: an edge that dies between taking the old
// container away and naming the new one loses nothing.
func TestInterruptedReplacement(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, g := b.Start(t)
	g.Do(t, command{Write: "/workspace/file", Text: "kept"})
	runtimetest.Stop(t, m)
	if err := b.rt.client.ContainerRename(t.Context(), b.Spec.Name, b.Spec.Name+nextSuffix); err != nil {
		t.Fatal(err)
	}
	_, g = b.Start(t)
	if got := g.Do(t, command{Read: "/workspace/file"}); got != "kept" {
		t.Errorf("file %q", got)
	}
}

// TestInterruptedSnapshot: a snapshot of which nothing was made goes with its
// machine, or when the next one is made.
func TestInterruptedSnapshot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, _ := b.Start(t)
	runtimetest.Stop(t, m)
	leave := func() {
		t.Helper()
		if _, err := b.rt.snapshot(t.Context(), b.wish(t), b.look(t)); err != nil {
			t.Fatal(err)
		}
	}
	leave()
	b.Spec.Env = map[string]string{"A": "1"}
	m, _ = b.Start(t) // replaces the container
	snapshots, err := b.rt.client.ImageList(t.Context(), image.ListOptions{
		Filters: filters.NewArgs(filters.Arg("label", labelSnapshot+"="+b.Spec.Name)),
	})
	if err != nil || len(snapshots) != 1 {
		t.Errorf("%d snapshots, %v; want the one in use", len(snapshots), err)
	}
	runtimetest.Stop(t, m)
	leave()
	b.Remove(t, m.PID())
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tests := []struct {
		name   string
		change func(*sandboxmgr.MachineSpec)
		is     error
		want   string
	}{
		{"no image", func(s *sandboxmgr.MachineSpec) { s.Image = "edge-no-such-image" }, sandboxmgr.ErrNoImage, "docker pull edge-no-such-image"},
		{"host network", func(s *sandboxmgr.MachineSpec) { s.Network = "host" }, nil, "network of its own"},
		{"no init", func(s *sandboxmgr.MachineSpec) { s.InitPath = "/no/init" }, nil, "/no/init"},
		{"init is no program", func(s *sandboxmgr.MachineSpec) { s.InitPath = "/etc/passwd" }, nil, ""},
		{"no such OCI runtime", func(s *sandboxmgr.MachineSpec) { s.OCIRuntime = "nope" }, nil, "nope"},
	}
	for _, tt := range tests {
		spec := b.Spec
		tt.change(&spec)
		m, err := b.rt.Start(t.Context(), spec)
		if err == nil {
			m.Close()
			t.Errorf("%s: started", tt.name)
			continue
		}
		if tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		b.gone(t, 0)
	}
	b.Start(t) // none of it is in the way
}
