package replay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"edge/abi"
	"edge/plugins"
)

var (
	_ plugins.Recording  = (*watch)(nil)
	_ plugins.Operations = (*watch)(nil)
	_ plugins.Streams    = (*watch)(nil)
	_ plugins.Sockets    = (*watch)(nil)
	_ plugins.URLSockets = (*watch)(nil)
	_ plugins.Previews   = (*watch)(nil)
	_ plugins.Fetcher    = (*watch)(nil)
	_ plugins.KV         = (*watch)(nil)
)

// watch is one request that is being recorded. It stands between the plugin and
// its services, and keeps what went by. Several goroutines may use it.
type watch struct {
	recorder *Recorder
	settings plugins.Settings
	real     plugins.Services
	asked    *abi.Request
	body     io.Reader // as the host gave it
	read     *readBody // around it; nil if there is none
	line     Line

	mu     sync.Mutex
	calls  []*watched
	more   int
	sealed bool // the line is the writer's
}

// watched is a call that goes by.
type watched struct {
	Call
	over   bool
	answer *readAnswer // of a fetch
}

// services returns what the plugin's host calls reach.
func (w *watch) services() plugins.Services {
	s := w.real
	if s.Operations != nil {
		s.Operations = w
	}
	if s.Streams != nil {
		s.Streams = w
	}
	if s.Sockets != nil {
		s.Sockets = w
	}
	if s.URLs != nil {
		s.URLs = w
	}
	if s.Previews != nil {
		s.Previews = w
	}
	if s.Fetcher != nil {
		s.Fetcher = w
	}
	if s.KV != nil {
		s.KV = w
	}
	return s
}

// call notes the beginning of a call.
func (w *watch) call(name string, request any) *watched {
	c := &watched{Call: Call{Name: name, Request: requestText(request)}}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.sealed:
	case len(w.calls) >= maxCalls:
		w.more++
	default:
		w.calls = append(w.calls, c)
	}
	return c
}

// end notes a call's answer or error.
func (w *watch) end(c *watched, answer json.RawMessage, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.over = true
	switch {
	case err != nil:
		c.Error = abi.AsError(err)
	case len(answer) > maxPiece:
		c.Missing = missingLarge
	default:
		c.Answer = slices.Clone(answer)
	}
}

// Operate carries an operation out, and keeps it.
func (w *watch) Operate(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	c := w.call(name, body)
	answer, err := w.real.Operations.Operate(ctx, name, body)
	w.end(c, answer, err)
	return answer, err
}

// Open opens a stream, and keeps that it did.
func (w *watch) Open(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error) {
	c := w.call(name, body)
	s, err := w.real.Streams.Open(ctx, name, body)
	w.opened(c, err)
	return s, err
}

// OpenSocket opens a WebSocket, and keeps that it did.
func (w *watch) OpenSocket(ctx context.Context, ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
	c := w.call(callSocket, socketCall{ref, port, opts})
	s, err := w.real.Sockets.OpenSocket(ctx, ref, port, opts)
	w.opened(c, err)
	return s, err
}

// OpenURL opens a WebSocket to a URL, and keeps that it did.
func (w *watch) OpenURL(ctx context.Context, r plugins.SocketRequest) (abi.Socket, error) {
	c := w.call(callURL, urlCall{r.URL.String(), r.Options})
	s, err := w.real.URLs.OpenURL(ctx, r)
	w.opened(c, err)
	return s, err
}

// opened notes what became of a stream.
func (w *watch) opened(c *watched, err error) {
	w.end(c, nil, err)
	if err == nil {
		w.mu.Lock()
		c.Missing = missingStream
		w.mu.Unlock()
	}
}

// NamesPreview asks whether the request is for a preview, and keeps the answer.
func (w *watch) NamesPreview(req *abi.Request) bool {
	c := w.call(callPreview, nil)
	yes := w.real.Previews.NamesPreview(req)
	answer, _ := marshal(yes)
	w.end(c, answer, nil)
	return yes
}

// Get reads a key, and keeps what it held.
func (w *watch) Get(ctx context.Context, namespace, key string) (plugins.KVValue, error) {
	c := w.call(callKVGet, kvCall{Key: key})
	v, err := w.real.KV.Get(ctx, namespace, key)
	answer, _ := marshal(kvAnswer{v.Value, v.Revision})
	w.end(c, answer, err)
	return v, err
}

// Set stores a value, and keeps it.
func (w *watch) Set(ctx context.Context, namespace, key string, value []byte, opts abi.KVSetOptions) (uint64, error) {
	c := w.call(callKVSet, kvSetCall(key, value, opts))
	revision, err := w.real.KV.Set(ctx, namespace, key, value, opts)
	answer, _ := marshal(kvAnswer{Revision: revision})
	w.end(c, answer, err)
	return revision, err
}

// Delete removes a key, and keeps that it did.
func (w *watch) Delete(ctx context.Context, namespace, key string, opts abi.KVDeleteOptions) error {
	c := w.call(callKVDelete, kvCall{Key: key, IfRevision: opts.IfRevision})
	err := w.real.KV.Delete(ctx, namespace, key, opts)
	w.end(c, nil, err)
	return err
}

// List lists keys, and keeps the page.
func (w *watch) List(ctx context.Context, namespace, prefix string, opts abi.KVListOptions) (abi.KVPage, error) {
	c := w.call(callKVList, kvCall{Key: prefix, After: opts.After, Limit: opts.Limit})
	page, err := w.real.KV.List(ctx, namespace, prefix, opts)
	answer, _ := marshal(page)
	w.end(c, answer, err)
	return page, err
}

// Fetch makes an outbound request, and keeps its answer as far as it is read.
func (w *watch) Fetch(ctx context.Context, req plugins.FetchRequest) (*plugins.FetchResponse, error) {
	c := w.call(callFetch, fetchCallOf(req))
	r, err := w.real.Fetcher.Fetch(ctx, req)
	if err != nil {
		w.end(c, nil, err)
		return nil, err
	}
	a := &readAnswer{ReadCloser: r.Body, head: fetchAnswer{Status: r.Status, Headers: slices.Clone(r.Headers)}}
	if r.URL != req.URL {
		a.head.URL = r.URL
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c.answer, c.over = a, true
	watched := *r
	watched.Body = a
	return &watched, nil
}

// End notes how the request was decided.
func (w *watch) End(d abi.Decision, err error, e *abi.Explanation) {
	l := &w.line
	l.Explanation = new(*e)
	l.Request.Body, l.Request.Unread = w.read.end()
	r, responds := d.(*abi.Respond)
	streams := responds && r.Stream != nil // the plugin still has the request
	if responds && !streams && len(r.Body) <= maxPiece {
		l.Body = r.Body
	}
	if w.read != nil && !streams {
		w.asked.Body = w.body
	}
	l.Edited, l.Undecided = w.edited(d), undecided(err)
}

// Over hands the line to the writer.
func (w *watch) Over() {
	w.seal()
	w.recorder.offer(w)
}

// undecided is the code of an error that says nothing of the plugin.
func undecided(err error) abi.Code {
	if err == nil {
		return ""
	}
	var chosen interface{ Chosen() bool }
	if errors.As(err, &chosen) && chosen.Chosen() {
		return ""
	}
	switch code := abi.AsError(err).Code; code {
	case abi.CodeTimeout, abi.CodeCanceled, abi.CodePluginOverloaded:
		return code
	}
	return ""
}

// edited is the request as it goes on, if the plugin changed it.
func (w *watch) edited(d abi.Decision) *Request {
	switch d.(type) {
	case *abi.Next, *abi.Proxy, *abi.Connect, *abi.Plan:
	default:
		return nil
	}
	after, before := requestOf(w.asked), w.line.Request
	if after.Method == before.Method && after.URL == before.URL && after.Path == before.Path && slices.Equal(after.Headers, before.Headers) {
		return nil
	}
	return &Request{Method: after.Method, URL: after.URL, Path: after.Path, Headers: after.Headers}
}

// seal puts the calls into the line. What comes later is not kept.
func (w *watch) seal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sealed = true
	for _, c := range w.calls {
		call := c.Call
		switch {
		case c.answer != nil:
			call.Answer, call.Missing = c.answer.end()
		case !c.over:
			call.Missing = missingPending
		}
		w.line.Calls = append(w.line.Calls, call)
	}
	w.line.More = w.more
}

// readBody is a request's body that is kept as it is read.
type readBody struct {
	io.Reader

	mu    sync.Mutex
	kept  []byte
	whole bool // it was read to its end
	over  bool // more than maxPiece was read
	done  bool // nothing is kept any more
}

// Read reads the client's next bytes.
func (b *readBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.done:
		return n, err
	case len(b.kept)+n > maxPiece:
		b.over = true
	case !b.over:
		b.kept = append(b.kept, p[:n]...)
	}
	b.whole = b.whole || err == io.EOF
	return n, err
}

// end returns what was read, and whether there may be more.
func (b *readBody) end() (kept Text, unread bool) {
	if b == nil {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = true
	return b.kept, b.over || !b.whole
}

// deadlineBody is a readBody whose reads can be ended.
type deadlineBody struct {
	*readBody
	deadliner interface{ SetReadDeadline(time.Time) error }
}

// SetReadDeadline ends the reads of the body that is read.
func (b deadlineBody) SetReadDeadline(t time.Time) error { return b.deadliner.SetReadDeadline(t) }

// readAnswer is the body of a fetch's answer that is kept as it is read.
type readAnswer struct {
	io.ReadCloser
	head fetchAnswer

	mu    sync.Mutex
	whole bool
	over  bool
	done  bool
}

// Read reads the answer's next bytes.
func (a *readAnswer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.done:
		return n, err
	case len(a.head.Body)+n > maxPiece:
		a.over = true
	case !a.over:
		a.head.Body = append(a.head.Body, p[:n]...)
	}
	a.whole = a.whole || err == io.EOF
	return n, err
}

// end returns the answer, or why it is missing.
func (a *readAnswer) end() (json.RawMessage, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = true
	if a.over {
		return nil, missingLarge
	}
	a.head.Unread = !a.whole
	text, err := marshal(a.head)
	if err != nil {
		return nil, err.Error()
	}
	return text, ""
}
