package sandboxmgr

import (
	"context"
	"errors"
	"time"

	"edge/abi"
)

// StartProcess starts a process that lives on after the call.
func (s *Sandbox) StartProcess(ctx context.Context, req *abi.StartProcessRequest) (*abi.Process, error) {
	op := abi.StartProcess.Name()
	if err := checkStartProcess(req); err != nil {
		return nil, s.fail(op, err)
	}
	p := new(abi.Process)
	asked := time.Now()
	err := s.use(ctx, op, func(g *generation) error {
		if err := g.call(ctx, op, quickTimeout, req, p); err != nil {
			return err
		}
		if req.IfRunning == abi.IfRunningReuse && p.StartedAt.Before(asked) {
			return nil // it ran before
		}
		s.m.emit(s.key, EventProcessStarted, g.number, p.ID+": "+p.Command)
		return nil
	})
	if err != nil {
		return nil, s.fail(op, err)
	}
	return p, nil
}

// ListProcesses lists the processes that StartProcess started.
func (s *Sandbox) ListProcesses(ctx context.Context, req *abi.Empty) (*abi.ProcessList, error) {
	op, list := abi.ListProcesses.Name(), new(abi.ProcessList)
	err := s.use(ctx, op, func(g *generation) error {
		err := g.call(ctx, op, quickTimeout, req, list)
		for i := range list.Processes {
			g.blameMemory(&list.Processes[i])
		}
		return err
	})
	if err != nil {
		return nil, s.fail(op, err)
	}
	return list, nil
}

// GetProcess tells one process's state.
func (s *Sandbox) GetProcess(ctx context.Context, req *abi.ProcessRequest) (*abi.Process, error) {
	op := abi.GetProcess.Name()
	if err := abi.CheckProcessID(req.ProcessID); err != nil {
		return nil, s.fail(op, err)
	}
	p := new(abi.Process)
	err := s.useWith(ctx, op, nil, errNoProcess(req.ProcessID), func(g *generation) error {
		err := g.call(ctx, op, quickTimeout, req, p)
		g.blameMemory(p)
		return err
	})
	if err != nil {
		return nil, s.fail(op, err)
	}
	return p, nil
}

// KillProcess ends a process with its whole group and waits for its end.
func (s *Sandbox) KillProcess(ctx context.Context, req *abi.KillRequest) (*abi.Process, error) {
	op := abi.KillProcess.Name()
	if err := firstError(abi.CheckProcessID(req.ProcessID), checkKill(req.Signal, req.Grace)); err != nil {
		return nil, s.fail(op, err)
	}
	return carryInside[abi.Process](ctx, s, op, errNoProcess(req.ProcessID), req.Grace.Or(abi.DefaultGrace)+quickTimeout, req)
}

// KillAllProcesses ends every process that StartProcess started.
func (s *Sandbox) KillAllProcesses(ctx context.Context, req *abi.KillAllRequest) (*abi.KillAllResponse, error) {
	op := abi.KillAllProcesses.Name()
	if err := checkKill(req.Signal, req.Grace); err != nil {
		return nil, s.fail(op, err)
	}
	return carry[abi.KillAllResponse](ctx, s, op, req.Grace.Or(abi.DefaultGrace)+quickTimeout, req)
}

// GetLogs returns what a process printed, as far as the ring still holds it.
func (s *Sandbox) GetLogs(ctx context.Context, req *abi.LogsRequest) (*abi.LogsResponse, error) {
	op := abi.GetLogs.Name()
	if err := checkLogs(req); err != nil {
		return nil, s.fail(op, err)
	}
	return carryInside[abi.LogsResponse](ctx, s, op, errNoProcess(req.ProcessID), quickTimeout, req)
}

// StreamLogs tells what a process printed, and what it prints.
func (s *Sandbox) StreamLogs(ctx context.Context, req *abi.StreamLogsRequest) (abi.Socket, error) {
	op := abi.StreamLogs.Name()
	logs := abi.LogsRequest{ProcessID: req.ProcessID, Since: req.Since, Tail: req.Tail}
	if err := firstError(checkLogs(&logs), checkOneOf("encoding", req.Encoding, "utf8", "base64")); err != nil {
		return nil, s.fail(op, err)
	}
	return s.streamWith(ctx, op, nil, errNoProcess(req.ProcessID), req)
}

// WaitForExit waits until a process has ended; without a timeout as long as ctx
// lasts.
func (s *Sandbox) WaitForExit(ctx context.Context, req *abi.WaitForExitRequest) (*abi.ExitStatus, error) {
	op := abi.WaitForExit.Name()
	if err := firstError(abi.CheckProcessID(req.ProcessID), checkSpan("timeout", req.Timeout.D(), maxWait)); err != nil {
		return nil, s.fail(op, err)
	}
	var limit time.Duration
	if req.Timeout > 0 {
		limit = req.Timeout.D() + slack
	}
	return carryInside[abi.ExitStatus](ctx, s, op, errNoProcess(req.ProcessID), limit, req)
}

// WaitForLog waits until a line of a process's output matches. ctx's deadline
// shortens the timeout.
func (s *Sandbox) WaitForLog(ctx context.Context, req *abi.WaitForLogRequest) (*abi.WaitForLogResponse, error) {
	op := abi.WaitForLog.Name()
	own := *req
	own.Timeout = abi.Duration(req.Timeout.Or(abi.DefaultWaitTimeout))
	if err := checkWaitForLog(&own); err != nil {
		return nil, s.fail(op, err)
	}
	timeout := own.Timeout.D()
	resp := new(abi.WaitForLogResponse)
	err := s.useWith(ctx, op, nil, errNoProcess(req.ProcessID), func(g *generation) error {
		own.Timeout = abi.Duration(patience(ctx, timeout))
		return g.call(ctx, op, own.Timeout.D()+slack, &own, resp)
	})
	if errors.Is(err, abi.CodeTimeout.Err()) && ctx.Err() == nil {
		err = abi.Errorf(abi.CodeProcessReadyTimeout, "process %q printed no line that matches %.80q within %s",
			own.ProcessID, own.Pattern, own.Timeout.D()).WithStarted(abi.StartedYes)
	}
	if err != nil {
		return nil, s.fail(op, err)
	}
	return resp, nil
}
