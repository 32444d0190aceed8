package host

import (
	"context"
	"encoding/json"

	"edge/abi"
	"edge/sandboxmgr"
)

// bound is a row of the operation table with the method that carries it out: run
// of one that answers once, open of a stream.
type bound struct {
	row  abi.Row
	run  func(ctx context.Context, s *sandboxmgr.Sandbox, req any) (any, error)
	open func(ctx context.Context, s *sandboxmgr.Sandbox, req any) (abi.Socket, error)
}

// bind joins a row and a method; one whose request or answer differs from the
// row's does not compile.
func bind[Req, Resp any](row *abi.Operation[Req, Resp], method func(*sandboxmgr.Sandbox, context.Context, *Req) (*Resp, error)) bound {
	return bound{row: row, run: func(ctx context.Context, s *sandboxmgr.Sandbox, req any) (any, error) {
		resp, err := method(s, ctx, req.(*Req))
		if err != nil {
			return nil, err
		}
		return resp, nil
	}}
}

// bindStream joins a stream's row and its method.
func bindStream[Req, Event any](row *abi.StreamOperation[Req, Event], method func(*sandboxmgr.Sandbox, context.Context, *Req) (abi.Socket, error)) bound {
	return bound{row: row, open: func(ctx context.Context, s *sandboxmgr.Sandbox, req any) (abi.Socket, error) {
		return method(s, ctx, req.(*Req))
	}}
}

// bindings is the operation table, carried out. A test compares it with
// abi.Operations and with the methods of *sandboxmgr.Sandbox.
var bindings = []bound{
	bind(abi.Start, (*sandboxmgr.Sandbox).Start),
	bind(abi.Stop, (*sandboxmgr.Sandbox).Stop),
	bind(abi.Pause, (*sandboxmgr.Sandbox).Pause),
	bind(abi.Resume, (*sandboxmgr.Sandbox).Resume),
	bind(abi.Destroy, (*sandboxmgr.Sandbox).Destroy),
	bind(abi.Touch, (*sandboxmgr.Sandbox).Touch),
	bind(abi.GetState, (*sandboxmgr.Sandbox).GetState),
	bind(abi.Inspect, (*sandboxmgr.Sandbox).Inspect),
	bind(abi.SetEnvVars, (*sandboxmgr.Sandbox).SetEnvVars),

	bind(abi.CreateSession, (*sandboxmgr.Sandbox).CreateSession),
	bind(abi.GetSession, (*sandboxmgr.Sandbox).GetSession),
	bind(abi.DeleteSession, (*sandboxmgr.Sandbox).DeleteSession),

	bind(abi.Exec, (*sandboxmgr.Sandbox).Exec),
	bindStream(abi.ExecStream, (*sandboxmgr.Sandbox).ExecStream),
	bindStream(abi.Terminal, (*sandboxmgr.Sandbox).Terminal),

	bind(abi.StartProcess, (*sandboxmgr.Sandbox).StartProcess),
	bind(abi.ListProcesses, (*sandboxmgr.Sandbox).ListProcesses),
	bind(abi.GetProcess, (*sandboxmgr.Sandbox).GetProcess),
	bind(abi.KillProcess, (*sandboxmgr.Sandbox).KillProcess),
	bind(abi.KillAllProcesses, (*sandboxmgr.Sandbox).KillAllProcesses),

	bind(abi.GetLogs, (*sandboxmgr.Sandbox).GetLogs),
	bindStream(abi.StreamLogs, (*sandboxmgr.Sandbox).StreamLogs),
	bind(abi.WaitForPort, (*sandboxmgr.Sandbox).WaitForPort),
	bind(abi.WaitForLog, (*sandboxmgr.Sandbox).WaitForLog),
	bind(abi.WaitForExit, (*sandboxmgr.Sandbox).WaitForExit),

	bind(abi.WriteFile, (*sandboxmgr.Sandbox).WriteFile),
	bindStream(abi.WriteFileStream, (*sandboxmgr.Sandbox).WriteFileStream),
	bind(abi.ReadFile, (*sandboxmgr.Sandbox).ReadFile),
	bindStream(abi.ReadFileStream, (*sandboxmgr.Sandbox).ReadFileStream),

	bind(abi.Mkdir, (*sandboxmgr.Sandbox).Mkdir),
	bind(abi.DeleteFile, (*sandboxmgr.Sandbox).DeleteFile),
	bind(abi.RenameFile, (*sandboxmgr.Sandbox).RenameFile),
	bind(abi.MoveFile, (*sandboxmgr.Sandbox).MoveFile),
	bind(abi.Exists, (*sandboxmgr.Sandbox).Exists),
	bind(abi.SetPermissions, (*sandboxmgr.Sandbox).SetPermissions),
	bind(abi.ListFiles, (*sandboxmgr.Sandbox).ListFiles),
	bind(abi.SearchFiles, (*sandboxmgr.Sandbox).SearchFiles),
	bindStream(abi.Watch, (*sandboxmgr.Sandbox).Watch),
	bind(abi.Checkout, (*sandboxmgr.Sandbox).Checkout),

	bind(abi.ExposePort, (*sandboxmgr.Sandbox).ExposePort),
	bind(abi.UnexposePort, (*sandboxmgr.Sandbox).UnexposePort),
	bind(abi.GetExposedPorts, (*sandboxmgr.Sandbox).GetExposedPorts),
	bind(abi.IsPortExposed, (*sandboxmgr.Sandbox).IsPortExposed),
	bind(abi.ValidatePortToken, (*sandboxmgr.Sandbox).ValidatePortToken),
	bind(abi.CreatePreviewLink, (*sandboxmgr.Sandbox).CreatePreviewLink),
	bind(abi.GetListeningPorts, (*sandboxmgr.Sandbox).GetListeningPorts),
}

// Operations carries out operations by name, for whoever has them as JSON.
type Operations struct {
	Sandboxes *sandboxmgr.Manager
}

// Operate carries out the named operation (an alias will do). The body holds
// "sandbox" and the row's own fields; the answer is the row's response. Every
// error that is meant for the caller is an *abi.Error that names the operation.
// A stream is UNSUPPORTED here; it is opened with Open.
func (o Operations) Operate(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	b, s, req, err := o.prepare(name, body)
	if err != nil {
		return nil, err
	}
	if b.run == nil {
		return nil, named(abi.Errorf(abi.CodeUnsupported, "operation %s is a stream, and was asked for one answer", b.row.Name()), b.row)
	}
	resp, err := b.run(ctx, s, req)
	if err != nil {
		return nil, named(err, b.row)
	}
	return json.Marshal(resp)
}

// Open begins the named operation, which is a stream. ctx bounds the opening
// alone; the caller closes the socket. Body and errors are as of Operate.
func (o Operations) Open(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error) {
	b, s, req, err := o.prepare(name, body)
	if err != nil {
		return nil, err
	}
	if b.open == nil {
		return nil, named(abi.Errorf(abi.CodeUnsupported, "operation %s answers once and is not a stream", b.row.Name()), b.row)
	}
	sock, err := b.open(ctx, s, req)
	if err != nil {
		return nil, named(err, b.row)
	}
	return sock, nil
}

// prepare finds the row, and reads whom and what the call is about.
func (o Operations) prepare(name string, body json.RawMessage) (*bound, *sandboxmgr.Sandbox, any, error) {
	row := abi.Lookup(name)
	if row == nil {
		return nil, nil, nil, abi.Errorf(abi.CodeUnknownOperation, "there is no operation %.40q", name)
	}
	ref, req, err := abi.SplitCall(row, body)
	if err != nil {
		return nil, nil, nil, named(err, row)
	}
	if o.Sandboxes == nil {
		return nil, nil, nil, named(abi.Errorf(abi.CodeRuntimeUnavailable, "this edge runs no sandboxes"), row)
	}
	s, err := o.Sandboxes.Sandbox(ref)
	if err != nil {
		return nil, nil, nil, named(err, row)
	}
	for i := range bindings {
		if bindings[i].row == row {
			return &bindings[i], s, req, nil
		}
	}
	return nil, nil, nil, named(abi.Errorf(abi.CodeUnsupported, "operation %s is not supported by this edge", row.Name()), row)
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
