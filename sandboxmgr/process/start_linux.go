package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"edge/sandboxmgr"
	"edge/sandboxmgr/process/stage"
)

// Start starts the machine, with the workspace that an earlier one of that name
// left, or returns the one that runs.
func (r *Runtime) Start(ctx context.Context, spec sandboxmgr.MachineSpec) (sandboxmgr.Machine, error) {
	folder, err := r.folderOf(spec.Name)
	if err != nil {
		return nil, err
	}
	if spec.Network != "" && spec.Network != "none" {
		return nil, fmt.Errorf("start %s: network %q: the process runtime has none but %q; use runtime: docker", spec.Name, spec.Network, "none")
	}
	unlock, err := r.lock(ctx, spec.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	h, err := r.adopt(spec.Name, folder)
	if errors.Is(err, sandboxmgr.ErrNoMachine) {
		h, err = r.start(ctx, &spec, folder)
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return h, nil
}

// start starts a machine of which none runs. The caller has the name's lock.
func (r *Runtime) start(ctx context.Context, spec *sandboxmgr.MachineSpec, folder string) (*handle, error) {
	r.announce.Do(func() {
		r.log.Warn("the process runtime is not a security boundary: sandboxes share this computer's kernel; use runtime: docker for code that you do not trust")
	})
	b := &birth{Runtime: r, spec: spec, folder: folder}
	if err := b.run(ctx); err != nil {
		return nil, errors.Join(err, b.undo())
	}
	return b.handle, nil
}

// dataSlack is what a process may map beyond the machine's memory where an rlimit
// has to bound it: that counts what a runtime maps at its start and never
// touches, of which Go has some 100 MiB and JavaScript engines 250.
const dataSlack = 256 << 20

// birth is one start of a machine.
type birth struct {
	*Runtime
	spec   *sandboxmgr.MachineSpec
	folder string

	// What there is so far, to be undone by a start that fails.
	isNew   bool // the folder is this start's
	order   *stage.Order
	group   cgroup
	stage   *spawned
	record  record
	handle  *handle
	missing []string // bounds that no control group has
}

// run takes the steps of a start. Their times are told to the log.
func (b *birth) run(ctx context.Context) (err error) {
	times := make([]any, 0, 16)
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"folder", b.makeFolder},
		{"plan", b.plan},
		{"groups", b.makeGroups},
		{"fork", b.fork},
		// The record comes before the init: an edge that dies in between leaves
		// a stage that ends by itself, or a machine that the next edge finds.
		{"record", b.write},
		{"bounds", b.bound},
		{"stage", b.command},
		{"hold", b.hold},
	} {
		began := time.Now()
		if b.before != nil {
			err = b.before(step.name)
		}
		if err == nil {
			err = step.do(ctx)
		}
		if err != nil {
			return err
		}
		times = append(times, slog.Duration(step.name, time.Since(began)))
	}
	b.log.Debug("machine started", append(times, "machine", b.spec.Name)...)
	return nil
}

// undo leaves nothing of a start that failed, except what an earlier machine of
// that name wrote.
func (b *birth) undo() error {
	if b.stage != nil {
		b.stage.release()
		b.stage.end()
	}
	err := b.group.remove()
	if b.isNew {
		return errors.Join(err, removeAll(b.folder))
	}
	if rerr := os.Remove(filepath.Join(b.folder, recordFile)); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// makeFolder makes the machine's folder and its workspace. The labels come
// first: what has none is never taken for this edge's.
func (b *birth) makeFolder(context.Context) error {
	if err := os.MkdirAll(filepath.Dir(b.folder), 0o700); err != nil {
		return err
	}
	err := os.Mkdir(b.folder, 0o700)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	b.isNew = err == nil
	if err := writeJSON(b.folder, labelsFile, b.spec.Labels); err != nil {
		return err
	}
	workspace := filepath.Join(b.folder, workspaceFolder)
	if b.spec.Fresh && !b.spec.Workspace {
		if err := removeAll(workspace); err != nil {
			return fmt.Errorf("make a new machine: %w", err)
		}
	}
	if err := os.Mkdir(workspace, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if !b.spawner.ids.ranged() {
		return nil
	}
	owner := b.spawner.ids.owner()
	return os.Lchown(workspace, owner, owner)
}

func (b *birth) plan(context.Context) (err error) {
	b.order, err = planMachine(b.spec, b.folder)
	return err
}

func (b *birth) makeGroups(context.Context) error {
	_ = b.groups.at(b.spec.Name).remove() // with the counters of an earlier start
	b.group = b.groups.make(b.spec.Name)
	return nil
}

func (b *birth) fork(context.Context) error {
	output, err := os.OpenFile(filepath.Join(b.folder, logFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	b.stage, err = b.spawner.spawn(b.order, b.group, output)
	if err != nil {
		return b.explain(err)
	}
	return nil
}

func (b *birth) write(context.Context) (err error) {
	b.record, err = newRecord(b.stage.pid)
	if err != nil {
		return err
	}
	b.record.Preset, b.record.Rootfs = b.spec.Preset, b.spec.Rootfs
	return b.record.write(b.folder)
}

// bound sets the machine's bounds, of which the stage needs none yet: not a
// moment too late, because nothing of the machine's own has run.
func (b *birth) bound(context.Context) error {
	b.missing = b.group.set(b.spec)
	if slices.Contains(b.missing, "pids") {
		b.order.Processes = b.spec.PIDs
	}
	if slices.Contains(b.missing, "memory") {
		b.order.DataBytes = b.spec.MemoryBytes + dataSlack
	}
	if len(b.missing) > 0 {
		b.confess.Do(func() {
			b.log.Warn("sandboxes' bounds are weaker than they could be: this edge may not make control groups with them; "+
				"memory is bounded for each process by itself, processes by rlimit, CPUs not at all", "bounds", strings.Join(b.missing, " "))
		})
	}
	return nil
}

// command has the stage become the init.
func (b *birth) command(ctx context.Context) error { return b.stage.command(ctx, b.order) }

func (b *birth) hold(context.Context) (err error) {
	b.handle, err = b.take(b.spec.Name, b.folder, b.record, b.stage.process, b.group)
	if err == nil {
		b.stage.release()
	}
	return err
}
