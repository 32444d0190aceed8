package sandboxmgr

import (
	"context"
	"strconv"

	"edge/abi"
)

// autostart runs what the image runs by itself, if the binding says so, and then
// the binding's start list, in order. What is known already, from a start that an
// edge's crash interrupted, is not started again; a port is waited for all the
// same.
func (u *unit) autostart(ctx context.Context, g *generation, known []abi.Process) error {
	ids := map[string]bool{}
	for i := range known {
		ids[known[i].ID] = true
	}
	if u.binding.Entrypoint && !ids[entrypointID] {
		req, err := u.entrypoint(ctx)
		if err == nil {
			err = u.startProcess(ctx, g, req)
		}
		if err != nil {
			return err
		}
	}
	for i, a := range u.binding.Start {
		req := a.StartProcessRequest
		if req.ProcessID == "" {
			req.ProcessID = "start-" + strconv.Itoa(i+1)
		}
		if !ids[req.ProcessID] {
			if err := u.startProcess(ctx, g, &req); err != nil {
				return err
			}
		}
		if a.Port == 0 {
			continue
		}
		w := portWait{port: a.Port, process: req.ProcessID, timeout: abi.DefaultWaitTimeout, interval: defaultInterval}
		if _, err := g.waitForPort(ctx, &w); err != nil {
			return err
		}
	}
	return nil
}

func (u *unit) startProcess(ctx context.Context, g *generation, req *abi.StartProcessRequest) error {
	var p abi.Process
	if err := g.call(ctx, abi.StartProcess.Name(), quickTimeout, req, &p); err != nil {
		return err
	}
	u.m.emit(u.key, EventProcessStarted, g.number, p.ID+": "+p.Command)
	return nil
}
