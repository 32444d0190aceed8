package plugins

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"edge/abi"
)

// op: (req, name, name_len, json, json_len, ptr, cap). See SPEC.md, section 6.
func op(in *instance, a []uint64) uint64 {
	out := in.bytes(a[5], a[6])
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	name, body := in.text(a[1], a[2]), bytes.Clone(in.bytes(a[3], a[4]))
	as := in.agent(x)
	var result []byte
	err := in.wait(x, nil, func(ctx context.Context) (err error) {
		result, err = as.operate(ctx, name, body)
		return err
	})
	if err != nil {
		return x.fail(in.gen.sayable(err))
	}
	return x.reply(out, result)
}

// opStart: (req, name, name_len, json, json_len).
func opStart(in *instance, a []uint64) uint64 {
	name, body := in.text(a[1], a[2]), bytes.Clone(in.bytes(a[3], a[4]))
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	as := in.agent(x)
	return in.launch(&call{x: x, agent: as, held: len(name) + len(body)}, nil, func(ctx context.Context) ([]byte, error) {
		return as.operate(ctx, name, body)
	})
}

// opOpen: (req, name, name_len, json, json_len). See SPEC.md, section 6.
func opOpen(in *instance, a []uint64) uint64 {
	name, body := in.text(a[1], a[2]), bytes.Clone(in.bytes(a[3], a[4]))
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	if e := x.roomForSocket(); e != nil {
		return x.fail(e)
	}
	handle, err := in.newHandle() // first: a panic must not leave an open socket behind
	if err != nil {
		panic(err)
	}
	as := in.agent(x)
	var stream abi.Socket
	err = in.wait(x, nil, func(ctx context.Context) (err error) {
		stream, err = as.openStream(ctx, name, body)
		return err
	})
	if err != nil {
		return x.fail(in.gen.sayable(err))
	}
	x.addSocket(handle, stream)
	return abi.Result(abi.OK, handle)
}

// opOpenStart: as opOpen.
func opOpenStart(in *instance, a []uint64) uint64 {
	name, body := in.text(a[1], a[2]), bytes.Clone(in.bytes(a[3], a[4]))
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	if e := x.roomForSocket(); e != nil {
		return x.fail(e)
	}
	c := &call{x: x, agent: in.agent(x), held: len(name) + len(body), opens: true}
	return in.launch(c, nil, func(ctx context.Context) (_ []byte, err error) {
		c.opened, err = c.agent.openStream(ctx, name, body)
		return nil, err
	})
}

// openStream begins one operation that is a stream, and notes it; errors are as of
// operate.
func (a agent) openStream(ctx context.Context, name string, body []byte) (stream abi.Socket, err error) {
	defer func(begun time.Time) { a.called(explained(name), err, time.Since(begun)) }(time.Now())
	return a.streamOf(ctx, name, body)
}

// explained is an operation's name as an explanation has it: a guest may call
// anything by any name.
func explained(name string) string { return strings.ToValidUTF8(name[:min(len(name), 64)], "") }

func (a agent) streamOf(ctx context.Context, name string, body []byte) (abi.Socket, error) {
	if a.services.Streams == nil {
		return nil, abi.Errorf(abi.CodeUnsupported, "this edge has no sandboxes")
	}
	if err := ctx.Err(); err != nil {
		return nil, abi.AsError(err).WithStarted(abi.StartedNo)
	}
	if err := a.mayCall(name, body); err != nil {
		return nil, err
	}
	stream, err := a.services.Streams.Open(ctx, name, body)
	if err != nil {
		return nil, a.gen.namedError(name, err)
	}
	return stream, nil
}

// operate carries one operation out, and notes it; the error is an *abi.Error that
// names it, or for the log alone.
func (a agent) operate(ctx context.Context, name string, body []byte) (result json.RawMessage, err error) {
	defer func(begun time.Time) { a.called(explained(name), err, time.Since(begun)) }(time.Now())
	return a.resultOf(ctx, name, body)
}

func (a agent) resultOf(ctx context.Context, name string, body []byte) (json.RawMessage, error) {
	if a.services.Operations == nil {
		return nil, abi.Errorf(abi.CodeUnsupported, "this edge has no sandboxes")
	}
	if err := ctx.Err(); err != nil {
		return nil, abi.AsError(err).WithStarted(abi.StartedNo)
	}
	if err := a.mayCall(name, body); err != nil {
		return nil, err
	}
	result, err := a.services.Operations.Operate(ctx, name, body)
	if err == nil {
		result, err = a.gen.spec.Grants.visible(name, result)
	}
	if err == nil {
		return result, nil
	}
	return nil, a.gen.namedError(name, err)
}

// mayCall refuses a call of an operation that the plugin was not granted.
func (a agent) mayCall(name string, body []byte) error {
	err := a.gen.spec.Grants.Call(name, body)
	if err == nil {
		return nil
	}
	e := a.gen.namedError(name, err)
	if e.Code == abi.CodeDenied {
		a.gen.complain(notGranted, e)
	}
	return e
}

// namedError is an operation's error as the guest sees it.
func (g *generation) namedError(name string, err error) *abi.Error {
	e := *g.sayable(err)
	if e.Operation == "" {
		e.Operation = name
	}
	return &e
}
