package initd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// handler carries out one operation: JSON in, a value for JSON out, or a stream.
type handler struct {
	run func(ctx context.Context, body []byte) (any, error)
	// stream is set instead of run for operations that are streams.
	stream func(ctx context.Context, body []byte, st *stream) error
	// waits is set for operations that can take long: they are cancelled when
	// the edge closes the connection.
	waits bool
	// heavy is set for operations that touch the disk with whole files; few
	// of them run at a time.
	heavy bool
}

// handlers is the table of what the init can do. The types are those of abi's
// rows, so that a row whose request changes does not compile here.
func (s *server) handlers() map[string]handler {
	sup := s.sup
	return map[string]handler{
		abi.SetEnvVars.Name():       quick(abi.SetEnvVars, sup.setEnvVars),
		abi.CreateSession.Name():    quick(abi.CreateSession, sup.createSession),
		abi.GetSession.Name():       quick(abi.GetSession, sup.getSession),
		abi.DeleteSession.Name():    waiting(abi.DeleteSession, sup.deleteSession),
		abi.Exec.Name():             answering(abi.Exec, sup.exec),
		abi.ExecStream.Name():       streaming(abi.ExecStream, sup.execStream),
		abi.Terminal.Name():         streaming(abi.Terminal, sup.terminal),
		abi.StartProcess.Name():     waiting(abi.StartProcess, sup.startProcess),
		abi.ListProcesses.Name():    quick(abi.ListProcesses, sup.listProcesses),
		abi.GetProcess.Name():       quick(abi.GetProcess, sup.getProcess),
		abi.KillProcess.Name():      waiting(abi.KillProcess, sup.killProcess),
		abi.KillAllProcesses.Name(): waiting(abi.KillAllProcesses, sup.killAllProcesses),
		abi.GetLogs.Name():          answering(abi.GetLogs, sup.getLogs),
		abi.StreamLogs.Name():       streaming(abi.StreamLogs, sup.streamLogs),
		abi.WaitForLog.Name():       waiting(abi.WaitForLog, sup.waitForLog),
		abi.WaitForExit.Name():      waiting(abi.WaitForExit, sup.waitForExit),
		abi.WriteFile.Name():        heavy(abi.WriteFile, writeFile),
		abi.ReadFile.Name():         heavy(abi.ReadFile, readFile),
		abi.WriteFileStream.Name():  streaming(abi.WriteFileStream, writeFileStream),
		abi.ReadFileStream.Name():   streaming(abi.ReadFileStream, readFileStream),
		abi.Checkout.Name():         waiting(abi.Checkout, s.checkout),
		abi.Watch.Name():            streaming(abi.Watch, watch),
		abi.Mkdir.Name():            quick(abi.Mkdir, mkdir),
		abi.DeleteFile.Name():       waiting(abi.DeleteFile, s.deleteFile),
		abi.RenameFile.Name():       quick(abi.RenameFile, renameFile),
		abi.MoveFile.Name():         waiting(abi.MoveFile, s.moveFile),
		abi.Exists.Name():           quick(abi.Exists, exists),
		abi.SetPermissions.Name():   waiting(abi.SetPermissions, s.setPermissions),
		abi.ListFiles.Name():        waiting(abi.ListFiles, s.listFiles),
		abi.SearchFiles.Name():      waiting(abi.SearchFiles, s.searchFiles),
		initproto.OpPing:            {run: decoded(s.ping)},
		initproto.OpListeningPorts:  {run: decoded(s.listeningPorts)},
		initproto.OpWatchPorts:      {stream: opened(s.watchPorts)},
		initproto.OpShutdown:        {run: decoded(s.shutdown)},
	}
}

func quick[Req, Resp any](_ *abi.Operation[Req, Resp], f func(context.Context, *Req) (*Resp, error)) handler {
	return handler{run: decoded(f)}
}

func waiting[Req, Resp any](_ *abi.Operation[Req, Resp], f func(context.Context, *Req) (*Resp, error)) handler {
	return handler{run: decoded(f), waits: true}
}

// answering is waiting for an operation whose answer is encoded while it is sent.
func answering[Req, Resp any](_ *abi.Operation[Req, Resp], f func(context.Context, *Req) (answer, error)) handler {
	return handler{waits: true, run: func(ctx context.Context, body []byte) (any, error) {
		req := new(Req)
		if err := decode(body, req); err != nil {
			return nil, err
		}
		return f(ctx, req)
	}}
}

func heavy[Req, Resp any](_ *abi.Operation[Req, Resp], f func(*Req) (*Resp, error)) handler {
	return handler{heavy: true, run: decoded(func(_ context.Context, req *Req) (*Resp, error) { return f(req) })}
}

// streaming is the handler of an operation that is a stream: f opens it, sends
// and receives, and its return ends it.
func streaming[Req, Event any](_ *abi.StreamOperation[Req, Event], f func(context.Context, *Req, *stream) error) handler {
	return handler{stream: opened(f)}
}

// opened puts the decoding of the request in front of f.
func opened[Req any](f func(context.Context, *Req, *stream) error) func(context.Context, []byte, *stream) error {
	return func(ctx context.Context, body []byte, st *stream) error {
		req := new(Req)
		if err := decode(body, req); err != nil {
			return err
		}
		return f(ctx, req, st)
	}
}

// decode reads a request.
func decode(body []byte, req any) error {
	if err := json.Unmarshal(body, req); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "the request is malformed: %v", err)
	}
	return nil
}

// decoded puts the decoding of the request in front of f.
func decoded[Req, Resp any](f func(context.Context, *Req) (*Resp, error)) func(context.Context, []byte) (any, error) {
	return func(ctx context.Context, body []byte) (any, error) {
		req := new(Req)
		if err := decode(body, req); err != nil {
			return nil, err
		}
		resp, err := f(ctx, req)
		if err != nil {
			return nil, err // not resp, which would be a typed nil
		}
		return resp, nil
	}
}

// answer is what a call came to, on its way to the edge as a body.
type answer interface {
	// size is the body's length, or a little more.
	size() int
	send(w *initproto.Writer) error
}

// plainAnswer is JSON that was made already.
type plainAnswer []byte

func (a plainAnswer) size() int { return len(a) }

func (a plainAnswer) send(w *initproto.Writer) error {
	w.Body(a)
	return nil
}

// answerOf returns the answer that an operation's value makes.
func answerOf(v any) (answer, error) {
	if made, ok := v.(answer); ok {
		return made, nil
	}
	if file, ok := v.(*abi.ReadFileResponse); ok {
		return fileAnswer{file}, nil
	}
	b, err := initproto.EncodeBody(v)
	return plainAnswer(b), err
}

// detailed is an error whose details are an answer of their own: what a command
// printed before it was killed.
type detailed struct {
	error
	details answer
}

// Unwrap returns the error without the details.
func (d *detailed) Unwrap() error { return d.error }

// serve carries out a call and returns its answer, or an error that may leave the
// sandbox.
func (s *server) serve(ctx context.Context, call initproto.Call, body []byte) (result answer, failure *abi.Error) {
	defer func() {
		if r := recover(); r != nil { // process 1 must not end by a defect in one operation
			s.log.Error("operation panicked", "op", call.Op, "panic", fmt.Sprint(r))
			result, failure = nil, abi.AsError(errPanic)
		}
	}()
	h := s.ops[call.Op]
	if h.stream != nil {
		return nil, abi.Errorf(abi.CodeUnsupported, "%s is a stream, which this edge's protocol does not have", call.Op)
	}
	if h.run == nil {
		return nil, abi.Errorf(abi.CodeUnknownOperation, "the sandbox's init %s has no operation %.60q", Release, call.Op)
	}
	if call.TimeoutMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(call.TimeoutMs)*time.Millisecond)
		defer cancel()
	}
	if h.heavy {
		if err := s.files.take(ctx); err != nil {
			return nil, abi.AsError(err)
		}
		defer s.files.give()
	}
	v, err := h.run(ctx, body)
	if err != nil {
		failure = abi.AsError(err)
		if failure.Code == abi.CodeInternal {
			s.log.Error("operation failed", "op", call.Op, "err", err)
		}
		var d *detailed
		if errors.As(err, &d) && d.details.size() <= initproto.MaxBody {
			return d.details, failure
		}
		return nil, failure
	}
	result, err = answerOf(v)
	if err != nil {
		return nil, abi.AsError(err)
	}
	if n := result.size(); n > initproto.MaxBody {
		return nil, abi.Errorf(abi.CodeBodyTooLarge, "the answer is %d bytes long as JSON, at most %d can be sent", n, initproto.MaxBody).
			WithStarted(abi.StartedYes).WithSuggestion("ask for encoding \"base64\", or for less output")
	}
	return result, nil
}

func (s *server) ping(context.Context, *abi.Empty) (*initproto.PingResponse, error) {
	s.sup.table.mu.Lock()
	defer s.sup.table.mu.Unlock()
	return &initproto.PingResponse{
		Boot: s.cfg.Boot, Processes: s.sup.table.running(), Terminals: s.sup.terminals.size(),
	}, nil
}

func (s *server) shutdown(ctx context.Context, req *abi.StopRequest) (*abi.Empty, error) {
	sig, grace, err := killTerms(req.Signal, req.Grace)
	if err != nil {
		return nil, err
	}
	s.sup.shutdown(ctx, sig, grace)
	return &abi.Empty{}, nil
}

// slots let a bounded number in.
type slots chan struct{}

func (s slots) take(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s slots) give() { <-s }
