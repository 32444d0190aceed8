package replay

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"strconv"
	"sync"

	"edge/abi"
	"edge/plugins"
)

var (
	_ plugins.Operations = (*script)(nil)
	_ plugins.Streams    = (*script)(nil)
	_ plugins.Sockets    = (*script)(nil)
	_ plugins.Previews   = (*script)(nil)
	_ plugins.Fetcher    = (*script)(nil)
	_ plugins.KV         = (*script)(nil)
	_ plugins.Metrics    = (*script)(nil)
)

// script is the services of one request that is decided on a trial: nothing is
// carried out, and every answer is made up beforehand. Several goroutines may use
// it.
type script struct {
	// answer returns the answer to a call as JSON, or its error. It is called by
	// one goroutine at a time.
	answer func(call *Call) (json.RawMessage, error)
	// store is where keys are; nil has answer asked.
	store plugins.KV
	// preview is what tells whether the request is for a preview; nil has answer
	// asked.
	preview func() bool
	// granted has hosts asked for before a fetch.
	granted bool
	// forgets has no call kept.
	forgets bool

	mu    sync.Mutex
	calls []Call
	short string // why what was decided says nothing, or empty
}

// services returns the script as what a plugin's host calls reach.
func (s *script) services() plugins.Services {
	return plugins.Services{Operations: s, Streams: s, Sockets: s, URLs: s, Previews: s, Fetcher: s, KV: s, Metrics: s}
}

// made returns the calls that were made so far.
func (s *script) made() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Call(nil), s.calls...)
}

// shorten notes why the decision cannot be compared; the first reason stays.
func (s *script) shorten(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lacks(why)
}

// lacks is shorten for answer, which is called with s.mu held.
func (s *script) lacks(why string) {
	if s.short == "" {
		s.short = why
	}
}

// call keeps a call and returns its answer.
func (s *script) call(name string, request any) (json.RawMessage, error) {
	c := Call{Name: name, Request: requestText(request)}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, err := s.answer(&c)
	c.Answer = answer
	if err != nil {
		c.Answer, c.Error = nil, abi.AsError(err)
	}
	if !s.forgets {
		s.calls = append(s.calls, c)
	}
	return answer, err
}

// keep keeps a call that was answered elsewhere.
func (s *script) keep(name string, request, answer any, err error) {
	if s.forgets {
		return
	}
	c := Call{Name: name, Request: requestText(request)}
	if err != nil {
		c.Error = abi.AsError(err)
	} else {
		c.Answer, _ = marshal(answer)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
}

// Operate answers an operation; one that there is not is refused as an edge does.
func (s *script) Operate(_ context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	if row := abi.Lookup(name); row == nil {
		return nil, abi.Errorf(abi.CodeUnknownOperation, "there is no operation %.60q", name)
	}
	answer, err := s.call(name, body)
	if err == nil && answer == nil {
		answer = json.RawMessage(`{}`)
	}
	return answer, err
}

// Open answers an operation that is a stream by one that tells what was made up.
func (s *script) Open(_ context.Context, name string, body json.RawMessage) (abi.Socket, error) {
	return s.socket(name, body)
}

// OpenSocket answers with a WebSocket on which what was made up comes.
func (s *script) OpenSocket(_ context.Context, ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
	return s.socket(callSocket, socketCall{ref, port, opts})
}

// OpenURL answers with a WebSocket on which what was made up comes.
func (s *script) OpenURL(_ context.Context, r plugins.SocketRequest) (abi.Socket, error) {
	request := urlCall{r.URL.String(), r.Options}
	if s.granted && r.Allow != nil {
		if err := r.Allow(r.URL.Scheme, r.URL.Hostname(), portOf(r.URL)); err != nil {
			s.keep(callURL, request, nil, err)
			return nil, err
		}
	}
	return s.socket(callURL, request)
}

func (s *script) socket(name string, request any) (abi.Socket, error) {
	answer, err := s.call(name, request)
	if err != nil {
		return nil, err
	}
	var a socketAnswer
	if len(answer) > 0 {
		if err := strict(answer, &a); err != nil {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "the answer to %s that was made up: %s", name, abi.JSONReason(err))
		}
	}
	return newSocket(a), nil
}

// NamesPreview tells whether the request is for a preview.
func (s *script) NamesPreview(*abi.Request) bool {
	if s.preview != nil {
		return s.preview()
	}
	answer, err := s.call(callPreview, nil)
	return err == nil && string(answer) == "true"
}

// Fetch answers an outbound request. A body that is the client's is read, as
// sending it would.
func (s *script) Fetch(_ context.Context, req plugins.FetchRequest) (*plugins.FetchResponse, error) {
	if req.Stream != nil {
		defer req.Stream.Close()
		_, _ = io.Copy(io.Discard, req.Stream) // one that broke off is the client's affair
	}
	if err := s.allow(req); err != nil {
		s.keep(callFetch, fetchCallOf(req), nil, err)
		return nil, err
	}
	text, err := s.call(callFetch, fetchCallOf(req))
	if err != nil {
		return nil, err
	}
	a := fetchAnswer{Status: 200}
	if len(text) > 0 {
		if err := strict(text, &a); err != nil {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "the answer to fetch that was made up: %s", abi.JSONReason(err))
		}
	}
	r := &plugins.FetchResponse{Status: a.Status, URL: a.URL, Headers: a.Headers, Body: &answerBody{script: s, left: a.Body, unread: a.Unread}}
	if r.URL == "" {
		r.URL = req.URL
	}
	return r, nil
}

// allow asks whether the host is granted.
func (s *script) allow(req plugins.FetchRequest) error {
	if !s.granted || req.Allow == nil {
		return nil
	}
	u, err := url.Parse(req.URL)
	if err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "fetch: %.200q is no URL", req.URL)
	}
	return req.Allow(u.Scheme, u.Hostname(), portOf(u))
}

// portOf is the port that a URL leads to.
func portOf(u *url.URL) int {
	port, err := strconv.Atoi(u.Port())
	switch {
	case err == nil:
		return port
	case u.Scheme == "http":
		return 80
	}
	return 443
}

// answerBody is the body of a fetch's answer.
type answerBody struct {
	script *script
	left   []byte
	unread bool
}

// Read reads what was made up, and says so where a recording has no more.
func (b *answerBody) Read(p []byte) (int, error) {
	switch {
	case len(b.left) > 0:
		n := copy(p, b.left)
		b.left = b.left[n:]
		return n, nil
	case b.unread:
		b.script.shorten("it reads more of a fetch's answer than was recorded")
		return 0, abi.Errorf(abi.CodeFetchFailed, "the recording has no more of the answer")
	}
	return 0, io.EOF
}

// Close does nothing.
func (b *answerBody) Close() error { return nil }

// Get reads a key.
func (s *script) Get(ctx context.Context, namespace, key string) (plugins.KVValue, error) {
	request := kvCall{Key: key}
	if s.store != nil {
		v, err := s.store.Get(ctx, namespace, key)
		s.keep(callKVGet, request, kvAnswer{v.Value, v.Revision}, err)
		return v, err
	}
	a, err := s.kvAnswer(callKVGet, request)
	return plugins.KVValue{Value: a.Value, Revision: a.Revision}, err
}

// Set stores a value.
func (s *script) Set(ctx context.Context, namespace, key string, value []byte, opts abi.KVSetOptions) (uint64, error) {
	request := kvSetCall(key, value, opts)
	if s.store != nil {
		revision, err := s.store.Set(ctx, namespace, key, value, opts)
		s.keep(callKVSet, request, kvAnswer{Revision: revision}, err)
		return revision, err
	}
	a, err := s.kvAnswer(callKVSet, request)
	return a.Revision, err
}

// Delete removes a key.
func (s *script) Delete(ctx context.Context, namespace, key string, opts abi.KVDeleteOptions) error {
	request := kvCall{Key: key, IfRevision: opts.IfRevision}
	if s.store != nil {
		err := s.store.Delete(ctx, namespace, key, opts)
		s.keep(callKVDelete, request, struct{}{}, err)
		return err
	}
	_, err := s.call(callKVDelete, request)
	return err
}

// List lists keys.
func (s *script) List(ctx context.Context, namespace, prefix string, opts abi.KVListOptions) (abi.KVPage, error) {
	request := kvCall{Key: prefix, After: opts.After, Limit: opts.Limit}
	if s.store != nil {
		page, err := s.store.List(ctx, namespace, prefix, opts)
		s.keep(callKVList, request, page, err)
		return page, err
	}
	var page abi.KVPage
	text, err := s.call(callKVList, request)
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &page)
	}
	return page, err
}

func (s *script) kvAnswer(name string, request kvCall) (a kvAnswer, err error) {
	text, err := s.call(name, request)
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &a)
	}
	return a, err
}

// Count counts nothing.
func (s *script) Count(string, string, []string, float64) error { return nil }

// Observe observes nothing.
func (s *script) Observe(string, string, []string, float64) error { return nil }
