package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins"
)

// services are made-up sandboxes and everything else that a plugin reaches: each
// function answers one kind of call, nil leaves it unanswered.
type services struct {
	operate func(name string, body json.RawMessage) (any, error)
	open    func(name string, body json.RawMessage) (abi.Socket, error)
	socket  func(ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error)
	fetch   func(r plugins.FetchRequest) (*plugins.FetchResponse, error)
	preview func(r *abi.Request) bool
	url     func(r plugins.SocketRequest) (abi.Socket, error)

	mu    sync.Mutex
	asked []string // "name {fields}", the sandbox left out
	kv    map[string]entry
}

// entry is a value of the store and what was said of its life.
type entry struct {
	value    []byte
	opts     abi.KVSetOptions
	revision uint64
}

// note writes down what was asked, and returns the sandbox.
func (s *services) note(name string, body json.RawMessage) string {
	fields := map[string]json.RawMessage{}
	_ = json.Unmarshal(body, &fields)
	sandbox := string(fields["sandbox"])
	delete(fields, "sandbox")
	rest, _ := json.Marshal(fields) // in the order of the names
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, name+" "+string(rest))
	return sandbox
}

// take returns what was asked since the last time.
func (s *services) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// Operate checks the call as the edge does and answers it.
func (s *services) Operate(_ context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	s.note(name, body)
	if _, _, err := abi.SplitCall(abi.Lookup(name), body); err != nil {
		return nil, err
	}
	if s.operate == nil {
		return nil, abi.Errorf(abi.CodeUnsupported, "nothing answers %s", name)
	}
	v, err := s.operate(name, body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func (s *services) Open(_ context.Context, name string, body json.RawMessage) (abi.Socket, error) {
	s.note(name, body)
	if _, _, err := abi.SplitCall(abi.Lookup(name), body); err != nil {
		return nil, err
	}
	return s.open(name, body)
}

func (s *services) OpenSocket(_ context.Context, ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
	return s.socket(ref, port, opts)
}

func (s *services) OpenURL(_ context.Context, r plugins.SocketRequest) (abi.Socket, error) {
	if !strings.HasSuffix(r.URL.Hostname(), ".localhost") {
		if err := r.Allow(r.URL.Scheme, r.URL.Hostname(), 443); err != nil {
			return nil, err
		}
	}
	return s.url(r)
}

func (s *services) NamesPreview(r *abi.Request) bool { return s.preview != nil && s.preview(r) }

func (s *services) Fetch(_ context.Context, r plugins.FetchRequest) (*plugins.FetchResponse, error) {
	if r.Stream != nil {
		b, err := io.ReadAll(r.Stream)
		_ = r.Stream.Close()
		if err != nil {
			return nil, err
		}
		r.Data = b
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, err
	}
	if r.Port == 0 && !strings.HasSuffix(u.Hostname(), ".localhost") { // those are the edge's own
		if err := r.Allow(u.Scheme, u.Hostname(), 443); err != nil {
			return nil, err
		}
	}
	return s.fetch(r)
}

func (s *services) Get(_ context.Context, namespace, key string) (plugins.KVValue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.kv[key]
	if !ok {
		return plugins.KVValue{}, abi.Errorf(abi.CodeNotFound, "there is no key %q", key)
	}
	return plugins.KVValue{Value: e.value, Revision: e.revision}, nil
}

func (s *services) Set(_ context.Context, namespace, key string, value []byte, opts abi.KVSetOptions) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kv == nil {
		s.kv = map[string]entry{}
	}
	s.kv[key] = entry{slices.Clone(value), opts, uint64(len(s.kv) + 1)}
	return s.kv[key].revision, nil
}

func (s *services) Delete(_ context.Context, namespace, key string, _ abi.KVDeleteOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kv, key)
	return nil
}

func (s *services) List(_ context.Context, namespace, prefix string, opts abi.KVListOptions) (abi.KVPage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for k := range s.kv {
		if strings.HasPrefix(k, prefix) && k > opts.After {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	page := abi.KVPage{Entries: []abi.KVEntry{}}
	for _, k := range keys {
		if page.More = len(page.Entries) == opts.Limit; page.More {
			break
		}
		page.Entries = append(page.Entries, abi.KVEntry{Key: k, Revision: s.kv[k].revision, Size: len(s.kv[k].value)})
	}
	return page, nil
}

// with serves a Worker with these services.
func (s *services) with(t testing.TB, source string, change ...func(*plugins.Spec)) (*plugins.Plugin, *book) {
	t.Helper()
	all := plugins.Services{Operations: s, Streams: s, Previews: s, Fetcher: s, KV: s}
	if s.socket != nil {
		all.Sockets = s
	}
	if s.url != nil {
		all.URLs = s
	}
	r, log := register(t, all)
	return load(t, r, build(t, source), change...), log
}

// tell is what became of a request, in words.
func tell(t testing.TB, p *plugins.Plugin, r *abi.Request) string {
	t.Helper()
	d, err := p.Decide(t.Context(), r)
	switch d := d.(type) {
	case *abi.Respond:
		body := d.Body
		if d.Stream != nil {
			var rerr error
			if body, rerr = io.ReadAll(d.Stream); rerr != nil {
				return fmt.Sprintf("%d %s, broken off: %v", d.Status, body, rerr)
			}
			_ = d.Stream.Close()
		}
		return fmt.Sprintf("%d %s", d.Status, body)
	case *abi.Connect:
		return fmt.Sprintf("connect %s/%s:%d", d.Sandbox.Binding, d.Sandbox.ID, d.Port)
	case *abi.Proxy:
		return fmt.Sprintf("proxy %s/%s:%d", d.Sandbox.Binding, d.Sandbox.ID, d.Port)
	case *abi.Next:
		return "next"
	}
	return fmt.Sprint("error ", err)
}

// played is a stream whose messages are written down: what it is sent is kept.
type played struct {
	mu       sync.Mutex
	messages []any // a string, bytes or an error; at the end it is closed with 1000
	sent     []string
	more     chan struct{} // if set, what is sent comes back, and there is no end
	closed   chan struct{}
	once     sync.Once
}

func play(messages ...any) *played { return &played{messages: messages, closed: make(chan struct{})} }

// echo is a stream that sends back what it is sent.
func echo() *played { return &played{more: make(chan struct{}, 1), closed: make(chan struct{})} }

func (s *played) Receive(ctx context.Context) (byte, []byte, error) {
	for {
		s.mu.Lock()
		if len(s.messages) > 0 {
			m := s.messages[0]
			s.messages = s.messages[1:]
			s.mu.Unlock()
			switch m := m.(type) {
			case string:
				return 1, []byte(m), nil
			case []byte:
				return 2, m, nil
			case error:
				return 0, nil, m
			}
		}
		s.mu.Unlock()
		if s.more == nil {
			return 0, nil, &abi.SocketClosed{Code: 1000}
		}
		select {
		case <-s.more:
		case <-s.closed:
			return 0, nil, &abi.SocketClosed{Code: 1000}
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
}

func (s *played) Send(_ context.Context, opcode byte, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, fmt.Sprintf("%d %s", opcode, payload))
	if s.more == nil {
		return nil
	}
	if opcode == 1 {
		s.messages = append(s.messages, "echo "+string(payload))
	} else {
		s.messages = append(s.messages, slices.Clone(payload))
	}
	select {
	case s.more <- struct{}{}:
	default: // it is told already
	}
	return nil
}

func (s *played) Close(code int, reason string) error {
	s.once.Do(func() {
		s.mu.Lock()
		s.sent = append(s.sent, fmt.Sprintf("close %d %s", code, reason))
		s.mu.Unlock()
		close(s.closed)
	})
	return nil
}

// Handshake is one in which the server chose p2.
func (s *played) Handshake() abi.WebSocketHead {
	return abi.WebSocketHead{Status: 101, Protocol: "p2", Headers: [][2]string{{"X-From", "server"}}}
}

// log is what was sent, once the stream is closed: the request's end does that, if
// nothing else does.
func (s *played) log(t testing.TB) string {
	t.Helper()
	select {
	case <-s.closed:
	case <-time.After(patience):
		t.Fatal("the stream is open still")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.sent, "; ")
}
