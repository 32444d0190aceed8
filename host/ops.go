package host

import (
	"context"
	"encoding/json"

	"edge/abi"
	"edge/sandboxmgr"
)

// bound is a row of the operation table with the method that carries it out.
type bound struct {
	row abi.Row
	run func(ctx context.Context, s *sandboxmgr.Sandbox, req any) (any, error)
}

// bind joins a row and a method; one whose request or answer differs from the
// row's does not compile.
func bind[Req, Resp any](row *abi.Operation[Req, Resp], method func(*sandboxmgr.Sandbox, context.Context, *Req) (*Resp, error)) bound {
	return bound{row, func(ctx context.Context, s *sandboxmgr.Sandbox, req any) (any, error) {
		resp, err := method(s, ctx, req.(*Req))
		if err != nil {
			return nil, err
		}
		return resp, nil
	}}
}

// bindings is the operation table, carried out. A test compares it with
// abi.Operations and with the methods of *sandboxmgr.Sandbox.
var bindings = []bound{
	bind(abi.Start, (*sandboxmgr.Sandbox).Start),
	bind(abi.Stop, (*sandboxmgr.Sandbox).Stop),
	bind(abi.Destroy, (*sandboxmgr.Sandbox).Destroy),
	bind(abi.GetState, (*sandboxmgr.Sandbox).GetState),

	bind(abi.Exec, (*sandboxmgr.Sandbox).Exec),
	bind(abi.StartProcess, (*sandboxmgr.Sandbox).StartProcess),
	bind(abi.ListProcesses, (*sandboxmgr.Sandbox).ListProcesses),
	bind(abi.GetProcess, (*sandboxmgr.Sandbox).GetProcess),
	bind(abi.KillProcess, (*sandboxmgr.Sandbox).KillProcess),
	bind(abi.KillAllProcesses, (*sandboxmgr.Sandbox).KillAllProcesses),
	bind(abi.GetLogs, (*sandboxmgr.Sandbox).GetLogs),
	bind(abi.WaitForPort, (*sandboxmgr.Sandbox).WaitForPort),
	bind(abi.WaitForLog, (*sandboxmgr.Sandbox).WaitForLog),
	bind(abi.WaitForExit, (*sandboxmgr.Sandbox).WaitForExit),

	bind(abi.WriteFile, (*sandboxmgr.Sandbox).WriteFile),
	bind(abi.ReadFile, (*sandboxmgr.Sandbox).ReadFile),

	bind(abi.ExposePort, (*sandboxmgr.Sandbox).ExposePort),
	bind(abi.UnexposePort, (*sandboxmgr.Sandbox).UnexposePort),
	bind(abi.GetExposedPorts, (*sandboxmgr.Sandbox).GetExposedPorts),
	bind(abi.IsPortExposed, (*sandboxmgr.Sandbox).IsPortExposed),
	bind(abi.ValidatePortToken, (*sandboxmgr.Sandbox).ValidatePortToken),
}

// Operations carries out operations by name, for whoever has them as JSON.
type Operations struct {
	Sandboxes *sandboxmgr.Manager
}

// Operate carries out the named operation (an alias will do). The body holds
// "sandbox" and the row's own fields; the answer is the row's response. Every
// error that is meant for the caller is an *abi.Error that names the operation.
func (o Operations) Operate(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	row := abi.Lookup(name)
	if row == nil {
		return nil, abi.Errorf(abi.CodeUnknownOperation, "there is no operation %.40q", name)
	}
	ref, req, err := abi.SplitCall(row, body)
	if err != nil {
		return nil, named(err, row)
	}
	if o.Sandboxes == nil {
		return nil, named(abi.Errorf(abi.CodeRuntimeUnavailable, "this edge runs no sandboxes"), row)
	}
	s, err := o.Sandboxes.Sandbox(ref)
	if err != nil {
		return nil, named(err, row)
	}
	for _, b := range bindings {
		if b.row == row {
			resp, err := b.run(ctx, s, req)
			if err != nil {
				return nil, named(err, row)
			}
			return json.Marshal(resp)
		}
	}
	return nil, named(abi.Errorf(abi.CodeUnsupported, "operation %s is not supported by this edge", row.Name()), row)
}

// named writes the operation's name into an error that has none. Errors may be
// shared, so a copy is changed.
func named(err error, row abi.Row) error {
	e, ok := err.(*abi.Error)
	if !ok || e.Operation != "" {
		return err
	}
	c := *e
	c.Operation = row.Name()
	return &c
}
