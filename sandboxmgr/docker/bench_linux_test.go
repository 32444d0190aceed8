package docker

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"edge/sandboxmgr"
	"edge/sandboxmgr/runtimetest"
)

// BenchmarkColdStart measures from nothing to the first byte of a server in a
// sandbox, and by turns the same for a plain container that the Engine API makes
// of the same image with the same server and network. It reports the medians,
// their ratio, and that of the fastest of each.
func BenchmarkColdStart(b *testing.B) {
	needRoot(b)
	for _, preset := range []string{presetDefault, presetStrict} {
		b.Run(preset, func(b *testing.B) {
			k := newBench(b)
			k.Spec.Preset, k.Spec.MemoryBytes, k.Spec.PIDs, k.Spec.CPUs = preset, 256<<20, 256, 1
			k.coldStart(b) // what is needed once
			var edge, engine []time.Duration
			for b.Loop() {
				if len(edge)%2 == 0 { // who is first changes
					edge = append(edge, k.coldStart(b))
					engine = append(engine, k.plainStart(b))
				} else {
					engine = append(engine, k.plainStart(b))
					edge = append(edge, k.coldStart(b))
				}
			}
			e, p := median(edge), median(engine)
			b.ReportMetric(e.Seconds()*1e3, "edge-ms")
			b.ReportMetric(p.Seconds()*1e3, "engine-ms")
			b.ReportMetric(e.Seconds()/p.Seconds(), "ratio")
			// On a computer that does other things as well this is steadier.
			b.ReportMetric(edge[0].Seconds()/engine[0].Seconds(), "ratio-of-fastest")
			b.ReportMetric(0, "ns/op") // of both together, and their removal
		})
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		runtimetest.Skip(t, "only root dials into a sandbox's network")
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// coldStart starts a machine and returns how long the first byte took. It removes
// the machine.
func (b *bench) coldStart(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	m, err := b.rt.Start(t.Context(), b.Spec)
	if err != nil {
		t.Fatal(err)
	}
	echo(t, m)
	took := time.Since(began)
	if err := b.rt.Remove(t.Context(), b.Spec.Name); err != nil {
		t.Fatal(err)
	}
	m.Close()
	return took
}

// plainStart does as much with a container as the Engine API makes it.
func (b *bench) plainStart(t testing.TB) time.Duration {
	t.Helper()
	name := b.Spec.Name + "-plain"
	defer func() {
		if err := b.rt.removeContainer(context.WithoutCancel(t.Context()), name); err != nil {
			t.Error(err)
		}
	}()
	began := time.Now()
	made, err := b.rt.client.ContainerCreate(t.Context(), &container.Config{Image: b.Spec.Image, Entrypoint: []string{initTarget}},
		&container.HostConfig{NetworkMode: networkNone, Binds: []string{b.Spec.InitPath + ":" + initTarget + ":ro"},
			Sysctls: map[string]string{"net.ipv6.conf.all.disable_ipv6": "0"}}, nil, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.rt.client.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	c, err := b.rt.inspect(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	m := b.rt.open(c)
	defer m.Close()
	echo(t, m)
	return time.Since(began)
}

// echo dials the machine's server, which may not listen yet, until it answers.
func echo(t testing.TB, m sandboxmgr.Machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		c, err := m.Dial(ctx, runtimetest.PortV4)
		if err == nil {
			err = runtimetest.Echo(c)
			c.Close()
		}
		switch {
		case err == nil:
			return
		case ctx.Err() != nil:
			t.Fatalf("the server does not answer: %v", err)
		}
		runtime.Gosched()
	}
}

// manySandboxes is how many run at once in BenchmarkMany.
const manySandboxes = 50

// BenchmarkMany runs many sandboxes at once and reports what each costs: the time
// to start them, a few at a time, and the memory of the program inside (here the
// tests' guest, which is as large as an init) and of the engine's process that
// watches over it.
func BenchmarkMany(b *testing.B) {
	needRoot(b)
	k := newBench(b)
	owner := k.Spec.Name
	specs := make([]sandboxmgr.MachineSpec, manySandboxes)
	for i := range specs {
		specs[i] = k.Spec
		specs[i].Name = fmt.Sprintf("%s-%d", k.Spec.Name, i)
		specs[i].Labels = map[string]string{sandboxmgr.LabelOwner: owner}
		specs[i].RunDir = runtimetest.RunDir(b)
	}
	var took time.Duration
	var inside, watchers int
	for b.Loop() {
		began := time.Now()
		inits := k.startAll(b, specs)
		took = time.Since(began)
		inside, watchers = 0, 0
		for _, pid := range inits {
			inside += field(b, fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
			watchers += field(b, fmt.Sprintf("/proc/%d/smaps_rollup", field(b, fmt.Sprintf("/proc/%d/status", pid), "PPid:")), "Pss:")
		}
		k.removeAll(b, owner, specs)
	}
	b.ReportMetric(took.Seconds()*1e3/manySandboxes, "ms/sandbox")
	b.ReportMetric(float64(inside)/manySandboxes, "KiB-inside/sandbox")
	b.ReportMetric(float64(watchers)/manySandboxes, "KiB-engine/sandbox")
	b.ReportMetric(0, "ns/op")
}

// startAll starts the machines and returns their inits.
func (b *bench) startAll(t testing.TB, specs []sandboxmgr.MachineSpec) (inits []int) {
	t.Helper()
	var mu sync.Mutex
	each(specs, func(spec *sandboxmgr.MachineSpec) {
		m, err := b.rt.Start(t.Context(), *spec)
		if err != nil {
			t.Error(err)
			return
		}
		defer m.Close()
		mu.Lock()
		defer mu.Unlock()
		inits = append(inits, m.PID())
	})
	return inits
}

// removeAll removes the machines and checks that none is left.
func (b *bench) removeAll(t testing.TB, owner string, specs []sandboxmgr.MachineSpec) {
	t.Helper()
	each(specs, func(spec *sandboxmgr.MachineSpec) {
		if err := b.rt.Remove(t.Context(), spec.Name); err != nil {
			t.Error(err)
		}
	})
	if left, err := b.rt.Machines(t.Context(), sandboxmgr.LabelOwner, owner); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// startsAtOnce bounds how many are started or removed at the same time.
const startsAtOnce = 4

// each does something for every machine, a few at a time.
func each(specs []sandboxmgr.MachineSpec, do func(*sandboxmgr.MachineSpec)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, startsAtOnce)
	for i := range specs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(&specs[i])
		})
	}
	wg.Wait()
}

// field is the number after a name in a file of /proc.
func field(t testing.TB, path, name string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), name)
	if !ok {
		t.Fatalf("%s has no %s", path, name)
	}
	n, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// BenchmarkRoundTrip asks the program inside for a variable: over the socket that
// is mounted, and through the relay.
func BenchmarkRoundTrip(b *testing.B) {
	for _, tt := range []struct {
		name string
		make func(testing.TB) *bench
	}{
		{"socket", newBench},
		{"relay", func(t testing.TB) *bench { k, _ := newApart(t); return k }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			_, g := tt.make(b).Start(b)
			for b.Loop() {
				g.Do(b, command{Env: "HOME"})
			}
		})
	}
}
