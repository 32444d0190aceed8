package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// How many machines are live at once, and how many of them are started or
// removed at the same time.
const (
	manyMachines = 200
	manyAtOnce   = 8
)

// TestMany has 200 machines live at once, runs a command in each, and removes
// them: nothing is left. What each costs is printed.
func TestMany(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: 200 sandboxes with -short")
	}
	k := newRealBench(t)
	k.start(t, "warm").remove(t) // makes what all have in common
	before := availableMemory()
	machines := make([]*live, manyMachines)
	began := time.Now()
	each(func(i int) { machines[i] = k.start(t, fmt.Sprintf("many-%d", i)) })
	started := time.Since(began)
	if t.Failed() {
		for _, l := range machines {
			if l != nil {
				l.remove(t)
			}
		}
		return
	}
	began = time.Now()
	each(func(i int) {
		if _, err := machines[i].link.Ready(t.Context()); err != nil {
			t.Error(err)
			return
		}
		if got := machines[i].run(t, "/bin/hostname"); got != fmt.Sprintf("many-%d", i) {
			t.Errorf("machine %d is %q", i, got)
		}
	})
	ran := time.Since(began)
	cost := costOf(t, machines)
	cost.available = int64(before) - int64(availableMemory())
	t.Logf("%d live at once, %d at a time: start %s each, first command %s each; %s", manyMachines, manyAtOnce,
		started/manyMachines, ran/manyMachines, cost)
	each(func(i int) { machines[i].remove(t) })
	for _, l := range machines {
		checkGone(t, l)
	}
}

// each does something for each machine.
func each(do func(i int)) {
	turns := make(chan struct{}, manyAtOnce)
	var wg sync.WaitGroup
	for i := range manyMachines {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			do(i)
		})
	}
	wg.Wait()
}

// cost is what machines use of memory, in bytes, each on average.
type cost struct {
	pss, private   int64 // of the init
	charged        int64 // to the control group, kernel memory included
	kernel         int64 // of it
	available      int64 // what this computer has less, of all
	counted, total int
}

func (c cost) String() string {
	n := int64(max(1, c.counted))
	return fmt.Sprintf("each: init %s proportional and %s private, control group %s of which kernel %s; this computer has %s less for each",
		formatBytes(uint64(c.pss/n)), formatBytes(uint64(c.private/n)), formatBytes(uint64(c.charged/n)), formatBytes(uint64(c.kernel/n)),
		formatBytes(uint64(max(0, c.available)/int64(c.total))))
}

func costOf(t *testing.T, machines []*live) cost {
	t.Helper()
	c := cost{total: len(machines)}
	for _, l := range machines {
		f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", l.PID()))
		if err != nil {
			continue // without root the init's is not ours to read
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			name, value, _ := strings.Cut(s.Text(), ":")
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			switch name {
			case "Pss":
				c.pss += kib << 10
			case "Private_Clean", "Private_Dirty":
				c.private += kib << 10
			}
		}
		f.Close()
		c.counted++
		group := l.rt.groups.at(l.spec.Name)
		c.charged += number(filepath.Join(group.mem1, "memory.usage_in_bytes")) + number(filepath.Join(group.v2, "memory.current"))
		c.kernel += number(filepath.Join(group.mem1, "memory.kmem.usage_in_bytes"))
	}
	return c
}

// number reads a control file; 0 if there is none.
func number(path string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// checkGone: no process, no folder, no control group and no mount of the
// machine is left.
func checkGone(t *testing.T, l *live) {
	t.Helper()
	paths := append(l.rt.groups.at(l.spec.Name).dirs(), filepath.Join(l.rt.folder, l.spec.Name), fmt.Sprintf("/proc/%d", l.PID()))
	for _, path := range paths {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there (%v)", path, err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), l.spec.Name) {
		t.Errorf("a mount of %s is still there", l.spec.Name)
	}
}
