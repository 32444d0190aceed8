//go:build !wasip1

package guesttest

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"edge/abi"
)

// Connect implements edge1.Host.
func (b *border) Connect(req uint32, binding, id string, port uint32, options []byte) uint64 {
	if !b.open(req) {
		return closed()
	}
	if !b.req.IsUpgrade() {
		return b.fail(abi.Errorf(abi.CodeUpgradeRequired, "the request is no WebSocket handshake"))
	}
	ref, o, err := b.target(binding, id, options)
	switch {
	case err != nil:
	case o.Stream == nil:
		err = abi.CheckPort(int(port))
	case port != 0:
		err = abi.Errorf(abi.CodeInvalidRequest, "options: stream goes with the port 0, not with %d", port)
	default:
		_, err = o.Stream.Call(ref)
	}
	if err != nil {
		return b.fail(err)
	}
	return b.decide(req, &abi.Connect{Sandbox: ref, Port: int(port), Stream: o.Stream, Policy: o.Policy, Wake: o.Wake})
}

// Plan implements edge1.Host.
func (b *border) Plan(req uint32, text []byte) uint64 {
	if !b.open(req) {
		return closed()
	}
	p, err := abi.ParsePlan(text)
	if err == nil {
		_, err = b.sandbox(p.Sandbox)
	}
	switch {
	case err != nil:
		return b.fail(err)
	case p.Then == abi.PlanConnect && !b.req.IsUpgrade():
		return b.fail(abi.Errorf(abi.CodeUpgradeRequired, "the request is no WebSocket handshake"))
	}
	return b.decide(req, p)
}

// Proxy implements edge1.Host.
func (b *border) Proxy(req uint32, binding, id string, port uint32, options []byte) uint64 {
	if !b.open(req) {
		return closed()
	}
	if port == 0 && binding == "" {
		if b.host.IsPreview == nil || !b.host.IsPreview(b.req) {
			return b.fail(abi.Errorf(abi.CodeNotFound, "the request names no preview"))
		}
		return b.decide(req, &abi.Proxy{})
	}
	ref, o, err := b.target(binding, id, options)
	if err == nil && port != 0 {
		err = abi.CheckPort(int(port))
	}
	if err != nil {
		return b.fail(err)
	}
	return b.decide(req, &abi.Proxy{Sandbox: ref, Port: int(port), Policy: o.Policy, Wake: o.Wake})
}

// target checks whom a decision names and reads its options.
func (b *border) target(binding, id string, options []byte) (abi.SandboxRef, abi.TargetOptions, error) {
	var o abi.TargetOptions
	if len(options) > 0 {
		if err := json.Unmarshal(options, &o); err != nil {
			return abi.SandboxRef{}, o, abi.Errorf(abi.CodeInvalidRequest, "options: %v", err)
		}
		if e := abi.AsError(o.Policy.Check()); e != nil {
			return abi.SandboxRef{}, o, abi.Errorf(abi.CodeInvalidRequest, "options: %s", e.Message)
		}
	}
	ref, err := b.sandbox(abi.SandboxRef{Binding: binding, ID: id})
	if o.Sandbox != nil {
		ref.SandboxOptions = *o.Sandbox
	}
	return ref, o, err
}

// sandbox checks a sandbox's name as the edge does.
func (b *border) sandbox(ref abi.SandboxRef) (abi.SandboxRef, error) {
	if !abi.ValidBinding(ref.Binding) || b.host.Binding != nil && !b.host.Binding(ref.Binding) {
		return ref, abi.Errorf(abi.CodeUnknownBinding, "there is no binding %q", ref.Binding)
	}
	id, err := abi.NormalizeID(ref.ID)
	ref.ID = id
	return ref, err
}

// Op implements edge1.Host.
func (b *border) Op(req uint32, name string, body, buf []byte) uint64 {
	if !b.open(req) {
		return closed()
	}
	answer, err := b.operate(name, body)
	if err != nil {
		e := abi.AsError(err)
		e.Operation = name
		return b.fail(e)
	}
	return b.give(buf, answer)
}

// note checks a call as the edge does, and notes it.
func (b *border) note(name string, body []byte) (Call, error) {
	row := abi.Lookup(name)
	if row == nil {
		return Call{}, abi.Errorf(abi.CodeUnknownOperation, "there is no operation %q", name)
	}
	ref, in, err := abi.SplitCall(row, body)
	if err != nil {
		return Call{}, err
	}
	if ref, err = b.sandbox(ref); err != nil {
		return Call{}, err
	}
	call := Call{row.Name(), ref, in}
	b.result.Calls = append(b.result.Calls, call)
	return call, nil
}

func (b *border) operate(name string, body []byte) ([]byte, error) {
	call, err := b.note(name, body)
	if err != nil {
		return nil, err
	}
	f, found := b.host.operations[call.Name]
	if !found {
		return nil, abi.Errorf(abi.CodeUnsupported, "the test gave no answer for %s; see guesttest.On", call.Name)
	}
	out, err := f(call, call.Request)
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// OpOpen implements edge1.Host.
func (b *border) OpOpen(req uint32, name string, body []byte) uint64 {
	if !b.open(req) {
		return closed()
	}
	s, err := b.openStream(name, body)
	if err != nil {
		e := abi.AsError(err)
		e.Operation = name
		return b.fail(e)
	}
	handle := b.newHandle()
	b.sockets[handle] = s
	return ok(handle)
}

func (b *border) openStream(name string, body []byte) (abi.Socket, error) {
	call, err := b.note(name, body)
	if err != nil {
		return nil, err
	}
	f, found := b.host.streams[call.Name]
	if !found {
		return nil, abi.Errorf(abi.CodeUnsupported, "the test gave no stream for %s; see guesttest.OnStream", call.Name)
	}
	return f(call, call.Request)
}

// WSOpen implements edge1.Host.
func (b *border) WSOpen(req uint32, binding, id string, port uint32, options []byte) uint64 {
	if !b.open(req) {
		return closed()
	}
	var o abi.WebSocketOptions
	if len(options) > 0 {
		if err := json.Unmarshal(options, &o); err != nil {
			return b.fail(abi.Errorf(abi.CodeInvalidRequest, "options: %v", err))
		}
	}
	ref, err := b.sandbox(abi.SandboxRef{Binding: binding, ID: id})
	if err == nil {
		err = abi.CheckPort(int(port))
	}
	if err != nil {
		return b.fail(err)
	}
	if o.Sandbox != nil {
		ref.SandboxOptions = *o.Sandbox
	}
	if b.host.OpenSocket == nil {
		return b.fail(abi.Errorf(abi.CodePortNotListening, "nothing listens on port %d; the test set no OpenSocket", port))
	}
	s, err := b.host.OpenSocket(ref, int(port), o)
	if err != nil {
		return b.fail(err)
	}
	handle := b.newHandle()
	b.sockets[handle] = s
	return ok(handle)
}

// WSRecv implements edge1.Host.
func (b *border) WSRecv(req, ws, timeoutMs uint32, buf []byte) uint64 {
	s := b.sockets[ws]
	if !b.open(req) || s == nil {
		return closed()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(timeoutMs)*time.Millisecond)
	defer cancel()
	opcode, payload, err := s.Receive(ctx)
	if err != nil {
		return b.socketError(err)
	}
	return b.give(buf, append([]byte{opcode}, payload...))
}

// WSSend implements edge1.Host.
func (b *border) WSSend(req, ws, opcode uint32, data []byte) uint64 {
	s := b.sockets[ws]
	if !b.open(req) || s == nil {
		return closed()
	}
	if err := s.Send(context.Background(), byte(opcode), append([]byte(nil), data...)); err != nil {
		return b.socketError(err)
	}
	return ok(0)
}

// WSClose implements edge1.Host.
func (b *border) WSClose(req, ws, code uint32, reason string) uint64 {
	s := b.sockets[ws]
	if !b.open(req) || s == nil {
		return closed()
	}
	if code != 1000 && (code < 3000 || code > 4999) || len(reason) > 123 {
		return b.fail(abi.Errorf(abi.CodeInvalidRequest, "close code %d or its reason cannot be sent", code))
	}
	delete(b.sockets, ws)
	if err := s.Close(int(code), reason); err != nil {
		return b.fail(err)
	}
	return ok(0)
}

func (b *border) socketError(err error) uint64 {
	var end *abi.SocketClosed
	if errors.As(err, &end) {
		return b.fail(abi.Errorf(abi.CodeCanceled, "%v", end).WithDetails(end))
	}
	return b.fail(err)
}
