package plugins

import (
	"bytes"
	"context"

	"edge/abi"
)

// respondBegin: (req, status, headers, headers_len). See SPEC.md, section 5. The
// decision is Decide's at once; the guest goes on and writes the body.
func respondBegin(in *instance, a []uint64) uint64 {
	block := in.bytes(a[2], a[3])
	x, no := in.undecided(a[0])
	if x == nil {
		return no
	}
	r, e := response(int32(uint32(a[1])), block)
	if e != nil {
		return x.fail(e)
	}
	in.detach() // the guest goes on when Decide has returned
	stream := x.begin()
	if stream == nil {
		return answer(abi.Closed)
	}
	r.Stream = stream
	x.decided = outcome{decision: r}
	if !x.settle(x.decided) {
		_ = stream.Close()
		return answer(abi.Closed)
	}
	return answer(abi.OK)
}

// streaming returns the open request of a handle if it has a stream that can
// still be written to, or nil and what to answer.
func (in *instance) streaming(handle uint64) (*exchange, uint64) {
	x := in.find(handle)
	switch {
	case x == nil:
		return nil, answer(abi.Closed)
	case x.stream == nil:
		return nil, x.refuse(abi.CodeInvalidRequest, "respond_begin was not called")
	case x.stream.ended || x.stream.ending:
		return nil, answer(abi.Closed)
	}
	return x, 0
}

// respondWrite: (req, ptr, len). The reader takes the bytes out of the guest's
// memory, which does not change while the guest waits here.
func respondWrite(in *instance, a []uint64) uint64 {
	piece := in.bytes(a[1], a[2])
	x, no := in.streaming(a[0])
	if x == nil {
		return no
	}
	s := x.stream
	err := in.wait(x, &s.lane, func(context.Context) error { return s.write(piece) })
	if err != nil {
		return x.fail(in.gen.sayable(err))
	}
	return answer(abi.OK)
}

// respondWriteStart: (req, ptr, len).
func respondWriteStart(in *instance, a []uint64) uint64 {
	piece := bytes.Clone(in.bytes(a[1], a[2]))
	x, no := in.streaming(a[0])
	if x == nil {
		return no
	}
	s := x.stream
	return in.launch(&call{x: x, agent: in.agent(x), unsent: len(piece), writes: true}, &s.lane, func(context.Context) ([]byte, error) {
		return nil, s.write(piece)
	})
}

// respondEnd: (req). After writes that were started it takes effect when they
// are out.
func respondEnd(in *instance, a []uint64) uint64 {
	x, no := in.streaming(a[0])
	if x == nil {
		return no
	}
	if x.stream.queued > 0 {
		x.stream.ending = true
		return answer(abi.OK)
	}
	x.stream.end()
	in.note(x)
	return answer(abi.OK)
}
