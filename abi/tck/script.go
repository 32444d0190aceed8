//go:build !wasip1

package tck

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"edge/abi"
)

// Host says what the services around a guest answer.
type Host struct {
	// Operations are answered one after the other by name, the last one again and
	// again.
	Operations map[string][]Answer `json:"operations,omitempty"`
	// Streams and Sockets are what op_open and ws_open open.
	Streams map[string]*Socket `json:"streams,omitempty"`
	Sockets *Socket            `json:"sockets,omitempty"`
	// Preview says that the request is for a preview.
	Preview bool `json:"preview,omitempty"`
	// Fetch answers every fetch; nil denies it.
	Fetch *Fetched `json:"fetch,omitempty"`
	// KV is what the store holds at first, by key; each was set once, in the order
	// of the keys.
	KV map[string]string `json:"kv,omitempty"`
}

// Answer is an answer as JSON, a text of so many bytes at "stdout", or an error.
type Answer struct {
	Answer json.RawMessage `json:"answer,omitempty"`
	Size   int             `json:"size,omitempty"`
	Error  *abi.Error      `json:"error,omitempty"`
}

// Socket sends its messages and ends.
type Socket struct {
	Messages []string `json:"messages,omitempty"` // texts
	Binary   []string `json:"binary,omitempty"`   // after them, in base 64
	// Size sends a binary message of so many bytes after them.
	Size int `json:"size,omitempty"`
	// End is how it closes; nil leaves it open and silent. Failure is how a stream
	// fails instead.
	End     *abi.SocketClosed `json:"end,omitempty"`
	Failure *abi.Error        `json:"failure,omitempty"`
	// Refusal is why it cannot be opened.
	Refusal *abi.Error `json:"refusal,omitempty"`
}

// Fetched is the answer to a fetch.
type Fetched struct {
	Status  int         `json:"status,omitempty"`
	URL     string      `json:"url,omitempty"` // default: what was asked for
	Headers [][2]string `json:"headers,omitempty"`
	Body    string      `json:"body,omitempty"`
	Error   *abi.Error  `json:"error,omitempty"`
}

// Script plays the services of one request and keeps what they were asked. Its
// methods are what a host's own services need; they may be called by several
// goroutines.
type Script struct {
	host Host

	mu       sync.Mutex
	calls    []map[string]any
	answered map[string]int
	store    *store
}

// NewScript returns a script of a case's host.
func NewScript(h Host) *Script {
	return &Script{host: h, answered: map[string]int{}, store: newStore(h.KV)}
}

// Calls returns what was asked, in order, each as a JSON object.
func (s *Script) Calls() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *Script) note(name string, fields ...any) {
	call := map[string]any{"name": name}
	for i := 0; i+1 < len(fields); i += 2 {
		if v := plain(fields[i+1]); v != nil {
			call[fields[i].(string)] = v
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

// plain is a value as it comes back from JSON; what is empty is nil.
func plain(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	var back any
	_ = json.Unmarshal(b, &back) // it was written a moment ago
	switch b := back.(type) {
	case map[string]any:
		if len(b) == 0 {
			return nil
		}
	case []any:
		if len(b) == 0 {
			return nil
		}
	case string:
		if b == "" {
			return nil
		}
	}
	return back
}

// Operate answers an operation; body is what the guest gave.
func (s *Script) Operate(_ context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	row := abi.Lookup(name)
	if row == nil {
		return nil, abi.Errorf(abi.CodeUnknownOperation, "there is no operation %q", name)
	}
	ref, in, err := abi.SplitCall(row, body)
	if err != nil {
		return nil, err
	}
	s.note(row.Name(), "sandbox", ref, "request", in)
	list := s.host.Operations[row.Name()]
	if len(list) == 0 {
		return nil, abi.Errorf(abi.CodeUnsupported, "the case answers no %s", row.Name())
	}
	s.mu.Lock()
	a := list[min(s.answered[row.Name()], len(list)-1)]
	s.answered[row.Name()]++
	s.mu.Unlock()
	switch {
	case a.Error != nil:
		return nil, a.Error
	case a.Size > 0:
		return json.Marshal(map[string]any{"success": true, "stdout": strings.Repeat("x", a.Size)})
	case a.Answer == nil:
		return json.RawMessage("{}"), nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, a.Answer); err != nil {
		return nil, fmt.Errorf("tck: %w", err)
	}
	return compact.Bytes(), nil
}

// Open begins a stream.
func (s *Script) Open(_ context.Context, name string, body json.RawMessage) (abi.Socket, error) {
	row := abi.Lookup(name)
	if row == nil {
		return nil, abi.Errorf(abi.CodeUnknownOperation, "there is no operation %q", name)
	}
	ref, in, err := abi.SplitCall(row, body)
	if err != nil {
		return nil, err
	}
	s.note(row.Name(), "sandbox", ref, "request", in)
	return s.open(s.host.Streams[row.Name()])
}

// OpenSocket opens a WebSocket.
func (s *Script) OpenSocket(_ context.Context, ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
	s.note("wsOpen", "sandbox", ref, "port", port, "options", opts)
	return s.open(s.host.Sockets)
}

// OpenURL opens a WebSocket to a URL.
func (s *Script) OpenURL(url string, opts abi.WebSocketURLOptions) (abi.Socket, error) {
	s.note("wsURL", "url", url, "options", opts)
	return s.open(s.host.Sockets)
}

func (s *Script) open(spec *Socket) (abi.Socket, error) {
	switch {
	case spec == nil:
		return nil, abi.Errorf(abi.CodePortNotListening, "the case has no socket")
	case spec.Refusal != nil:
		return nil, spec.Refusal
	}
	k := &socket{script: s, end: spec.End, failure: spec.Failure}
	for _, m := range spec.Messages {
		k.messages = append(k.messages, message{abi.OpcodeText, []byte(m)})
	}
	for _, m := range spec.Binary {
		b, err := base64.StdEncoding.DecodeString(m)
		if err != nil {
			return nil, fmt.Errorf("tck: %w", err)
		}
		k.messages = append(k.messages, message{abi.OpcodeBinary, b})
	}
	if spec.Size > 0 {
		k.messages = append(k.messages, message{abi.OpcodeBinary, bytes.Repeat([]byte("x"), spec.Size)})
	}
	return k, nil
}

// NamesPreview tells whether the request is for a preview.
func (s *Script) NamesPreview(*abi.Request) bool { return s.host.Preview }

// Fetch answers a request to somewhere else.
func (s *Script) Fetch(method, url string, headers []abi.Header, redirect abi.Redirect, body []byte) (Fetched, error) {
	pairs := make([][2]string, 0, len(headers))
	for _, h := range headers {
		pairs = append(pairs, [2]string{h.Name, h.Value})
	}
	if redirect == abi.RedirectFollow {
		redirect = "" // the default
	}
	s.note("fetch", "method", method, "url", url, "headers", pairs, "redirect", redirect, "body", string(body))
	f := s.host.Fetch
	switch {
	case f == nil:
		return Fetched{}, abi.Errorf(abi.CodeDenied, "the case fetches nothing")
	case f.Error != nil:
		return Fetched{}, f.Error
	}
	answer := *f
	if answer.Status == 0 {
		answer.Status = 200
	}
	if answer.URL == "" {
		answer.URL = url
	}
	return answer, nil
}

// Count and Observe take what the guest measured.
func (s *Script) Count(name string, labels []string, value float64) error {
	return s.measure("count", name, labels, value)
}

// Observe is as Count.
func (s *Script) Observe(name string, labels []string, value float64) error {
	return s.measure("observe", name, labels, value)
}

func (s *Script) measure(kind, name string, labels []string, value float64) error {
	if name == "full" {
		return abi.Errorf(abi.CodeQuotaExceeded, "there is no room for another series")
	}
	s.note(kind, "metric", name, "labels", labels, "value", value)
	return nil
}
