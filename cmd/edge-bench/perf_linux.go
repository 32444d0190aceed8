package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// profiled are the modes that are profiled: those that move bytes.
func profiled(m mode) bool { return m.kind != kindIdle }

// profiles writes for each mode where the edge's CPU time goes: one more run of
// each, beside perf, into perf-MODE.txt. A binary without symbols tells the
// kernel's part alone: build one with `go build -o edge-symbols ./cmd/edge`.
func (r *run) profiles(ctx context.Context, edge *server) error {
	perf, err := exec.LookPath("perf")
	if err != nil {
		return errors.New("-perf needs perf (Debian: linux-perf)")
	}
	for _, m := range r.modes {
		if !profiled(m) || r.out.peer(nameEdge).lacks(m) != "" {
			continue
		}
		data := filepath.Join(r.site.dir, "perf-"+m.name)
		record := exec.CommandContext(ctx, perf, "record", "-q", "-F", "1999", "-g", "-o", data, "-p", strconv.Itoa(edge.target.pids[0]))
		record.Cancel = func() error { return record.Process.Signal(syscall.SIGINT) }
		if err := record.Start(); err != nil {
			return fmt.Errorf("perf: %w", err)
		}
		_, failed := r.once(ctx, m, edge.target)
		_ = record.Process.Signal(syscall.SIGINT) // which is how it is told to write
		_ = record.Wait()                         // it says how it was ended
		if failed != nil {
			return failed
		}
		out, err := exec.CommandContext(ctx, perf, "report", "--stdio", "--no-children", "-g", "none", "--percent-limit", "0.5", "-i", data).Output()
		if err != nil {
			return fmt.Errorf("perf report: %w", err)
		}
		path := filepath.Join(r.outDir, "perf-"+m.name+".txt")
		if err := os.WriteFile(path, []byte(strings.TrimSpace(string(out))+"\n"), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(r.told, "profile of %s: %s\n", m.name, path)
	}
	return nil
}
