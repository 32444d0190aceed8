package plugins

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime/debug"

	"edge/abi"
)

const (
	// maxCalls bounds the started calls of one request that are not complete.
	maxCalls = 256
	// maxUnsent bounds the bytes of one request's started writes and sends that
	// are not out yet; a single one may be larger.
	maxUnsent = 4 << 20
	// maxUncollected bounds the results of an instance's started calls that the guest
	// was not told of yet, as a multiple of generation.room.
	maxUncollected = 4
	// smallCall is how many bytes each of as many requests as an instance may hold can
	// have its calls hold, however little memory the instance has.
	smallCall = 8 << 10
)

// room is how many bytes the calls of an instance may hold.
func (g *generation) room() uint64 { return max(g.spec.Memory, uint64(g.spec.MaxOpen)*smallCall) }

// call is one started piece of work of an asynchronous module.
type call struct {
	handle  uint32
	x       *exchange
	agent   agent
	timer   *timer // of a timer_start; such a call has no goroutine
	place   place
	report  place // in telling the guest
	unsent  int   // bytes it counts in x.unsent
	held    int   // bytes of the guest's that it keeps a copy of; at least unsent
	writes  bool  // it is a respond_write_start
	opens   bool  // it is a ws_open_start or an op_open_start
	fetches bool  // it is a fetch_start

	// Set by carryOut before it sends the event.
	errno   abi.Errno
	result  []byte     // with an errno, the error's JSON
	err     *abi.Error // the error
	opened  abi.Socket // of one that opens, until collect takes it
	fetched *fetched   // of one that fetches, likewise
}

// launch starts work for c in a goroutine, after what the lane l holds already if
// there is one, and answers with the call's handle.
func (in *instance) launch(c *call, l *lane, work func(ctx context.Context) ([]byte, error)) uint64 {
	x := c.x
	switch {
	case !in.gen.shape.async:
		return x.refuse(abi.CodeUnsupported, "the module does not export edge_complete")
	case !x.isBackground && len(x.calls) >= maxCalls, x.working >= maxCalls:
		return x.refuse(abi.CodeQuotaExceeded, "%d calls of this request are open already", maxCalls)
	case x.unsent > 0 && x.unsent+c.unsent > maxUnsent:
		return x.refuse(abi.CodeQuotaExceeded, "%d bytes of this request wait to be sent already", x.unsent)
	}
	c.held = max(c.held, c.unsent)
	if in.held > 0 && uint64(in.held+c.held) > in.gen.room() {
		return x.refuse(abi.CodeQuotaExceeded, "the calls that are open hold %d bytes already", in.held)
	}
	handle, err := in.newHandle()
	if err != nil {
		panic(err)
	}
	if !x.retain() {
		return answer(abi.Closed)
	}
	c.handle, c.place, c.report = handle, l.join(), l.report()
	x.addCall(c)
	x.working++
	in.working++
	x.unsent += c.unsent
	in.held += c.held
	if c.writes {
		x.stream.queued++
	}
	in.gen.tasks.Add(1)
	ctx, cancel := x.callContext()
	go in.carryOut(ctx, cancel, c, work)
	return abi.Result(abi.OK, handle)
}

// addCall notes a call that is open from now on.
func (x *exchange) addCall(c *call) {
	if x.calls == nil {
		x.calls = map[uint32]*call{}
	}
	x.calls[c.handle] = c
}

// carryOut is a started call's goroutine: it does the work and tells the loop.
// The request's end cancels ctx; the generation joins the goroutine.
func (in *instance) carryOut(ctx context.Context, cancel context.CancelFunc, c *call, work func(ctx context.Context) ([]byte, error)) {
	defer in.gen.tasks.Done()
	defer cancel()
	makeRoom(c.handle)
	var result []byte
	err := c.place.await(ctx)
	if err == nil {
		result, err = guarded(ctx, work)
	}
	c.place.done()
	if e := in.gen.tooLarge(result); err == nil && e != nil {
		err = e
	}
	uncollected := int64(len(result))
	defer func() { in.uncollected.Add(-uncollected) }()
	if n := in.uncollected.Add(uncollected); err == nil && n > maxUncollected*int64(in.gen.room()) {
		err = abi.Errorf(abi.CodeQuotaExceeded, "results of %d bytes wait for the plugin already", n-uncollected).WithStarted(abi.StartedYes)
	}
	if err != nil {
		c.err = in.gen.sayable(err)
		c.errno = c.err.Code.Errno()
		result, _ = json.Marshal(c.err) // an Error is always JSON
	}
	c.result = result
	_ = c.report.await(context.Background()) // whoever is before sends, or finds the instance dead
	defer c.report.done()
	if !in.send(event{kind: eventComplete, x: c.x, call: c}) {
		c.drop(in.gen)
		c.x.release()
	}
}

// roomForWork is what the stack of a goroutine that carries out a call grows to at
// once, in bytes: operations decode and encode JSON, whose depth would have a new
// stack grow four times and be copied each time, which took a quarter of a call.
const roomForWork = 12 << 10

// makeRoom has the goroutine's stack grow while there is next to nothing on it. What
// it does with any number keeps the compiler from doing without the room.
//
//go:noinline
func makeRoom(any uint32) byte {
	var room [roomForWork]byte
	room[any%roomForWork] = 1
	return room[any/2%roomForWork]
}

// guarded runs work; its panic is the host's defect and becomes an error, as
// wazero makes one of a panic in a blocking host call.
func guarded(ctx context.Context, work func(ctx context.Context) ([]byte, error)) (result []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a host call: %v\n%s", r, debug.Stack())
		}
	}()
	return work(ctx)
}

// collect books a completed call, before the guest is told of it.
func (in *instance) collect(x *exchange, c *call) error {
	x.unsent -= c.unsent
	if c.err != nil {
		x.lastErr = c.err
	}
	if c.opened != nil || c.fetched != nil {
		handle, err := in.newHandle()
		if err != nil {
			c.drop(in.gen)
			return err
		}
		if c.opened != nil {
			x.addSocket(handle, c.opened)
		} else {
			x.addFetch(handle, c.fetched)
		}
		c.opened, c.fetched = nil, nil
		c.result = binary.LittleEndian.AppendUint32(nil, handle)
	}
	if s := x.stream; c.writes {
		s.queued--
		if s.ending && s.queued == 0 {
			s.end()
			in.note(x)
		}
	}
	return nil
}

// drop ends a call that the guest will not be told of.
func (c *call) drop(g *generation) {
	if c != nil && c.opened != nil {
		g.tasks.Add(1)
		go g.closeSocket(c.opened, closeGoingAway, "")
		c.opened = nil
	}
	if c != nil {
		c.fetched.abandon(g)
		c.fetched = nil
	}
}
