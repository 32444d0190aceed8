package plugins

import (
	"bytes"
	"context"
	"time"

	"edge/abi"
)

// outbound is what fetch and fetch_start were asked for.
type outbound struct {
	x       *exchange
	as      agent
	fetcher Fetcher
	request FetchRequest
	until   time.Time     // for its answer and the answer's body
	body    *outboundBody // nil if the client's body is not what is sent
	begun   bool          // the fetcher has the body, and closes it
}

// outbound reads and checks (req, json, json_len, body, body_len).
func (in *instance) outbound(x *exchange, a []uint64) (*outbound, *abi.Error) {
	text, data := in.bytes(a[1], a[2]), in.bytes(a[3], a[4])
	if e := x.roomForFetch(); e != nil {
		return nil, e
	}
	var asked abi.FetchRequest
	if err := strictOptions(text, &asked); err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "fetch: %s", abi.JSONReason(err))
	}
	if err := asked.Check(); err != nil {
		return nil, abi.AsError(err)
	}
	as := in.agent(x)
	o := &outbound{x: x, as: as, fetcher: as.services.Fetcher, until: time.Now().Add(asked.Timeout.Or(fetchTimeout)), request: FetchRequest{
		Plugin: in.gen.spec.Name, Method: asked.Method, URL: asked.URL, Redirect: asked.Redirect, Data: bytes.Clone(data),
		Allow: in.gen.spec.Grants.FetchHost, AllowAddr: in.gen.spec.Grants.FetchAddr,
	}}
	for _, h := range asked.Headers {
		o.request.Headers = append(o.request.Headers, abi.Header{Name: h[0], Value: h[1]})
	}
	if e := in.toSandbox(o, &asked); e != nil {
		return nil, e
	}
	if end := in.gen.backgroundEnd(time.Now()); x.isBackground && end.Before(o.until) {
		o.until = end
	}
	switch {
	case o.fetcher == nil:
		return nil, abi.Errorf(abi.CodeUnsupported, "this edge fetches nothing")
	case x.isBackground && asked.Body != "":
		return nil, abi.Errorf(abi.CodeInvalidRequest, "fetch: there is no request whose body could be sent")
	case asked.Body == "":
	case len(data) > 0:
		return nil, abi.Errorf(abi.CodeInvalidRequest, "fetch: there are both a body of %d bytes and the request's", len(data))
	default:
		o.streamBody()
	}
	return o, nil
}

// toSandbox has the request go to a sandbox's port, if it names one and the plugin may
// have requests relayed there.
func (in *instance) toSandbox(o *outbound, asked *abi.FetchRequest) *abi.Error {
	if asked.Sandbox == nil {
		return nil
	}
	ref := *asked.Sandbox
	t := target{binding: ref.Binding, id: ref.ID, port: asked.Port}
	named, e := t.resolve(&struct{}{})
	if e == nil {
		e = t.checkPort()
	}
	if e == nil {
		e = in.gen.granted(named, asked.Port)
	}
	ref.ID = named.ID
	o.request.Sandbox, o.request.Port, o.request.Redirect = ref, asked.Port, abi.RedirectManual
	return e
}

// streamBody has the client's body sent. Its size is known if nothing of it was
// read yet.
func (o *outbound) streamBody() {
	o.body = &outboundBody{x: o.x, ctx: o.x.work(), place: o.x.bodyLane.join()}
	o.request.Stream, o.request.Size = o.body, -1
	if o.body.place.turn == nil {
		o.x.request(func(r *abi.Request) {
			if r.Body == nil || r.ContentLength >= 0 {
				o.request.Size = max(0, r.ContentLength)
			}
		})
	}
}

// do waits for the answer's head. What the fetch may take bounds its body too.
func (o *outbound) do() (*fetched, error) {
	o.begun = true
	begun := time.Now()
	ctx, cancel := context.WithDeadline(o.x.work(), o.until)
	r, err := o.fetcher.Fetch(ctx, o.request)
	o.as.called("fetch", err, time.Since(begun))
	if err != nil {
		cancel()
		return nil, err
	}
	return &fetched{head: fetchHead(r), body: r.Body, cancel: cancel}, nil
}

// giveBack lets others read the client's body if the fetch was refused before the
// fetcher had it.
func (o *outbound) giveBack() {
	if o.body != nil && !o.begun {
		_ = o.body.Close() // never fails
	}
}

// fetch: (req, json, json_len, body, body_len). See SPEC.md, section 6.
func fetch(in *instance, a []uint64) uint64 {
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	handle, err := in.newHandle() // first: a panic must not leave an open answer behind
	if err != nil {
		panic(err)
	}
	o, e := in.outbound(x, a)
	if e != nil {
		return x.fail(e)
	}
	var f *fetched
	err = in.wait(x, nil, func(context.Context) (err error) {
		f, err = o.do()
		return err
	})
	if err != nil {
		o.giveBack()
		return x.fail(in.gen.sayable(err))
	}
	x.addFetch(handle, f)
	return abi.Result(abi.OK, handle)
}

// fetchStart: as fetch.
func fetchStart(in *instance, a []uint64) uint64 {
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	o, e := in.outbound(x, a)
	if e != nil {
		return x.fail(e)
	}
	c := &call{x: x, agent: o.as, unsent: len(o.request.Data), fetches: true}
	result := in.launch(c, nil, func(context.Context) (_ []byte, err error) {
		c.fetched, err = o.do()
		return nil, err
	})
	if errno, _ := abi.SplitResult(result); errno != abi.OK {
		o.giveBack()
	}
	return result
}

// findFetch returns an open answer of an open request, or nil and the call is
// CLOSED.
func (in *instance) findFetch(req, handle uint64) (*exchange, *fetched) {
	x := in.caller(req)
	if x == nil || x.fetches[uint32(handle)] == nil {
		return nil, nil
	}
	return x, x.fetches[uint32(handle)]
}

// fetchHeadRead: (req, fetch, ptr, cap).
func fetchHeadRead(in *instance, a []uint64) uint64 {
	out := in.bytes(a[2], a[3])
	x, f := in.findFetch(a[0], a[1])
	if x == nil {
		return answer(abi.Closed)
	}
	return x.reply(out, f.head)
}

// fetchRead: (req, fetch, ptr, cap).
func fetchRead(in *instance, a []uint64) uint64 {
	out := in.bytes(a[2], a[3])
	x, f := in.findFetch(a[0], a[1])
	switch {
	case x == nil:
		return answer(abi.Closed)
	case len(out) == 0:
		return x.refuse(abi.CodeInvalidRequest, "fetch_read: the buffer has no room")
	}
	var n int
	err := in.wait(x, &f.reads, func(context.Context) (err error) {
		n, err = f.read(out)
		return err
	})
	if err != nil {
		return x.fail(in.gen.sayable(err))
	}
	return abi.Result(abi.OK, uint32(n))
}

// fetchReadStart: (req, fetch, cap).
func fetchReadStart(in *instance, a []uint64) uint64 {
	x, f := in.findFetch(a[0], a[1])
	size := min(uint32(a[2]), maxFetchRead)
	switch {
	case x == nil:
		return answer(abi.Closed)
	case size == 0:
		return x.refuse(abi.CodeInvalidRequest, "fetch_read_start: the buffer has no room")
	}
	return in.launch(&call{x: x, agent: in.agent(x)}, &f.reads, func(context.Context) ([]byte, error) {
		p := make([]byte, size)
		n, err := f.read(p)
		return p[:n], err
	})
}

// fetchClose: (req, fetch).
func fetchClose(in *instance, a []uint64) uint64 {
	x, f := in.findFetch(a[0], a[1])
	if x == nil {
		return answer(abi.Closed)
	}
	delete(x.fetches, uint32(a[1]))
	f.abandon(in.gen)
	return answer(abi.OK)
}
