package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestFreezers pauses a machine by each way there is, besides the one that the
// suite takes.
func TestFreezers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		groups func(h hierarchies) hierarchies
		want   string
	}{
		{"version 1", func(h hierarchies) hierarchies { return hierarchies{frz1: "/sys/fs/cgroup/freezer"} }, byCgroup1},
		{"signals", func(h hierarchies) hierarchies { return hierarchies{} }, "SIGSTOP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.rt.groups = tt.groups(b.rt.groups)
			m, g := b.Start(t)
			h := m.(*handle)
			if got := freezerOf(h.machine).name(); got != tt.want {
				t.Logf("paused by %s: this user or computer has no freezer of %s", got, tt.want)
				return
			}
			g.Shell(t, "(setsid sh -c 'while :; do :; done' >/dev/null 2>&1 &)")
			for range 3 {
				if err := h.Pause(t.Context()); err != nil {
					t.Fatal(err)
				}
				if frozen, err := h.Paused(t.Context()); !frozen || err != nil {
					t.Errorf("paused %v, %v", frozen, err)
				}
				checkStill(t, h)
				if err := h.Resume(t.Context()); err != nil {
					t.Fatal(err)
				}
				g.Shell(t, "true")
			}
			if err := h.Pause(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.Remove(t, m.PID())
			if err := h.Pause(t.Context()); err == nil {
				t.Error("an ended machine was paused")
			}
			if frozen, err := h.Paused(t.Context()); frozen || err != nil {
				t.Errorf("an ended machine: paused %v, %v", frozen, err)
			}
		})
	}
}

// checkStill: the machine's processes take no time of a processor.
func checkStill(t *testing.T, h *handle) {
	t.Helper()
	tree, err := descendants(h.proc.pid)
	if err != nil || len(tree) < 2 {
		t.Fatalf("processes %v, %v", tree, err)
	}
	used := func() (text string) {
		for _, s := range tree {
			b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.pid), "schedstat"))
			if err != nil {
				t.Fatal(err)
			}
			on, _, _ := strings.Cut(string(b), " ")
			text += on + " "
		}
		return text
	}
	before := used()
	for range 50 {
		if after := used(); after != before {
			t.Errorf("time on the processor went from %s to %s", before, after)
			return
		}
	}
}
