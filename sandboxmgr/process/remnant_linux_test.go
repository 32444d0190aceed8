package process

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edge/sandboxmgr"
	"edge/sandboxmgr/runtimetest"
)

// TestFolderDeleted deletes the folders of running machines while no edge holds
// them: the next edge finds them by their control groups and ends them, and never has
// two under one name.
func TestFolderDeleted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		next func(t *testing.T, b *bench)
	}{
		{"adopt", func(t *testing.T, b *bench) {
			if _, err := b.rt.Adopt(t.Context(), b.Spec.Name); !errors.Is(err, sandboxmgr.ErrNoMachine) {
				t.Errorf("Adopt = %v, want %v", err, sandboxmgr.ErrNoMachine)
			}
		}},
		{"remove", func(t *testing.T, b *bench) {
			if err := b.rt.Remove(t.Context(), b.Spec.Name); err != nil {
				t.Errorf("Remove: %v", err)
			}
		}},
		{"start", func(t *testing.T, b *bench) {
			b.Socket.Close()
			b.Socket = runtimetest.Listen(t, b.Spec.RunDir)
			m, _ := b.Start(t)
			runtimetest.Stop(t, m)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			m, _ := b.Start(t)
			if len(b.rt.groups.make(b.Spec.Name).dirs()) == 0 {
				if os.Geteuid() == 0 {
					runtimetest.Skip(t, "no control groups can be made here")
				}
				t.Log("without root there is no control group to find the machine by")
				return
			}
			first, err := openProcess(m.PID())
			if err != nil {
				t.Fatal(err)
			}
			defer first.close()
			if err := errors.Join(m.Close(), os.RemoveAll(filepath.Join(b.state, "machines"))); err != nil {
				t.Fatal(err)
			}

			tt.next(t, b)
			for deadline := time.Now().Add(time.Minute); !first.ended(); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					_ = first.signal(9)
					t.Fatal("the machine whose folder was deleted still runs")
				}
			}
			first.reap()
		})
	}
}
