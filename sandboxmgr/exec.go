package sandboxmgr

import (
	"context"

	"edge/abi"
)

// Exec runs a command to its end. Its timeout, by default the binding's, is
// kept by the host whatever the sandbox does.
func (s *Sandbox) Exec(ctx context.Context, req *abi.ExecRequest) (*abi.ExecResponse, error) {
	op := abi.Exec.Name()
	own := *req
	own.Timeout = abi.Duration(req.Timeout.Or(s.binding().ExecTimeout))
	if err := checkExec(&own); err != nil {
		return nil, s.fail(op, err)
	}
	return carry[abi.ExecResponse](ctx, s, op, own.Timeout.D()+slack, &own)
}

// ExecStream runs a command and tells what it prints while it prints it. Closing
// the socket kills the command. The init keeps the timeout, and is given time to
// tell what was printed; then the host ends the stream.
func (s *Sandbox) ExecStream(ctx context.Context, req *abi.ExecStreamRequest) (abi.Socket, error) {
	op := abi.ExecStream.Name()
	own := *req
	own.Timeout = abi.Duration(req.Timeout.Or(s.binding().ExecTimeout))
	if err := checkExecStream(&own); err != nil {
		return nil, s.fail(op, err)
	}
	sock, err := s.stream(ctx, op, &own)
	if err != nil {
		return nil, err
	}
	limit := own.Timeout.D() + quickTimeout
	late := abi.Errorf(abi.CodeTimeout, "sandbox %s did not end the command within %s", s.key, limit).WithStarted(abi.StartedMaybe)
	late.Operation = op
	return bounded(sock, limit, late), nil
}

// Terminal opens a terminal, or comes back to one. Closing the socket leaves a
// terminal with an id as it is, and ends any other.
func (s *Sandbox) Terminal(ctx context.Context, req *abi.TerminalRequest) (abi.Socket, error) {
	op := abi.Terminal.Name()
	if err := checkTerminal(req); err != nil {
		return nil, s.fail(op, err)
	}
	return s.stream(ctx, op, req)
}
