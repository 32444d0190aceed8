package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"edge/sandboxmgr"
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
	if err := r.prepare(folder, spec.Labels); err != nil {
		return nil, err
	}
	o, err := planMachine(spec, folder)
	if err != nil {
		return nil, err
	}
	output, err := os.OpenFile(filepath.Join(folder, logFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	s, err := r.spawner.spawn(o, output)
	if err != nil {
		return nil, r.explain(err)
	}
	defer s.release()
	group, err := r.enter(ctx, s, spec, folder, o)
	if err != nil {
		s.end()
		return nil, errors.Join(err, group.remove())
	}
	return r.take(spec.Name, s.process, group)
}

// prepare makes the machine's folder and its workspace. The labels come first:
// what has none is never taken for this edge's.
func (r *Runtime) prepare(folder string, labels map[string]string) error {
	workspace := filepath.Join(folder, workspaceFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := writeJSON(folder, labelsFile, labels); err != nil {
		return err
	}
	if err := os.Mkdir(workspace, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if !r.spawner.ids.ranged() {
		return nil
	}
	owner := r.spawner.ids.owner()
	return os.Lchown(workspace, owner, owner)
}

// enter puts the waiting stage under its bounds, records it and lets it become
// the init. The record comes first: an edge that dies in between leaves a stage
// that ends by itself, or a machine that the next edge finds.
func (r *Runtime) enter(ctx context.Context, s *spawned, spec *sandboxmgr.MachineSpec, folder string, o *order) (cgroup, error) {
	_ = r.groups.at(spec.Name).remove() // with the counters of an earlier start
	group, missing := r.groups.make(spec)
	if err := group.add(s.pid); err != nil {
		return group, fmt.Errorf("enter control groups: %w", err)
	}
	for _, bound := range missing {
		if bound == "pids" {
			o.Processes = spec.PIDs
		}
	}
	if len(missing) > 0 {
		r.confess.Do(func() {
			r.log.Warn("sandboxes' bounds are not enforced: this edge may not make control groups with them",
				"bounds", strings.Join(missing, " "))
		})
	}
	rec, err := newRecord(s.pid)
	if err != nil {
		return group, err
	}
	if err := rec.write(folder); err != nil {
		return group, err
	}
	return group, s.command(ctx, o)
}
