package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"edge/abi"
	"edge/abi/tck"
)

// conformanceGuests builds the guest programs by language.
func conformanceGuests() map[string]func(t testing.TB) string {
	return map[string]func(t testing.TB) string{
		"rust":           func(t testing.TB) string { return buildRustGuest(t, "1", "../abi/tck/guests/rust/lib.rs") },
		"c":              func(t testing.TB) string { return buildCGuest(t, "-Os", "../abi/tck/guests/c/guest.c") },
		"go":             func(t testing.TB) string { return buildGuest(t, "../abi/tck/guests/go") },
		"assemblyscript": func(t testing.TB) string { return compileAssemblyScript(t, "../abi/tck/guests/assemblyscript") },
	}
}

// stageHand has the services of a registry be those of one script after another,
// one request at a time.
type stageHand struct {
	current atomic.Pointer[tck.Script]

	mu   sync.Mutex
	logs []tck.Line
}

func (h *stageHand) script() *tck.Script { return h.current.Load() }

// begin puts a script on.
func (h *stageHand) begin(s *tck.Script) {
	h.current.Store(s)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logs = nil
}

// said returns what the guest logged from level info on.
func (h *stageHand) said() []tck.Line {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.logs)
}

func (h *stageHand) services() Services {
	return Services{Operations: h, Streams: h, Sockets: h, Previews: h, Fetcher: h, URLs: h, KV: h, Metrics: h}
}

func (h *stageHand) Operate(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	return h.script().Operate(ctx, name, body)
}

func (h *stageHand) Open(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error) {
	return h.script().Open(ctx, name, body)
}

func (h *stageHand) OpenSocket(ctx context.Context, ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
	return h.script().OpenSocket(ctx, ref, port, opts)
}

func (h *stageHand) OpenURL(_ context.Context, r SocketRequest) (abi.Socket, error) {
	if err := r.Allow(r.URL.Scheme, r.URL.Hostname(), 443); err != nil {
		return nil, err
	}
	return h.script().OpenURL(r.URL.String(), r.Options)
}

func (h *stageHand) NamesPreview(r *abi.Request) bool { return h.script().NamesPreview(r) }

func (h *stageHand) Fetch(_ context.Context, r FetchRequest) (*FetchResponse, error) {
	body := r.Data
	if r.Stream != nil {
		var err error
		if body, err = io.ReadAll(r.Stream); err != nil {
			return nil, err
		}
		if err := r.Stream.Close(); err != nil {
			return nil, err
		}
	}
	u, err := url.Parse(r.URL)
	if err == nil {
		err = r.Allow(u.Scheme, u.Hostname(), 443)
	}
	if err != nil {
		return nil, err
	}
	f, err := h.script().Fetch(r.Method, r.URL, r.Headers, r.Redirect, body)
	if err != nil {
		return nil, err
	}
	answer := &FetchResponse{Status: f.Status, URL: f.URL, Body: io.NopCloser(strings.NewReader(f.Body))}
	for _, p := range f.Headers {
		answer.Headers = append(answer.Headers, abi.Header{Name: p[0], Value: p[1]})
	}
	return answer, nil
}

func (h *stageHand) Get(_ context.Context, _, key string) (KVValue, error) {
	value, revision, err := h.script().Get(key)
	return KVValue{Value: value, Revision: revision}, err
}

func (h *stageHand) Set(_ context.Context, _, key string, value []byte, opts abi.KVSetOptions) (uint64, error) {
	return h.script().Set(key, value, opts)
}

func (h *stageHand) Delete(_ context.Context, _, key string, opts abi.KVDeleteOptions) error {
	return h.script().Delete(key, opts)
}

func (h *stageHand) List(_ context.Context, _, prefix string, opts abi.KVListOptions) (abi.KVPage, error) {
	return h.script().List(prefix, opts)
}

func (h *stageHand) Count(_, name string, labels []string, value float64) error {
	return h.script().Count(name, labels, value)
}

func (h *stageHand) Observe(_, name string, labels []string, value float64) error {
	return h.script().Observe(name, labels, value)
}

// Enabled, Handle, WithAttrs and WithGroup make it the guest's log.
func (h *stageHand) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps a line; what the edge adds of its own is left out.
func (h *stageHand) Handle(_ context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		return nil
	}
	line := tck.Line{Level: int(r.Level), Message: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "request" {
			line.Fields = append(line.Fields, a.Key, a.Value.String())
		}
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logs = append(h.logs, line)
	return nil
}

func (h *stageHand) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h *stageHand) WithGroup(string) slog.Handler { return h }

// conformanceSpec is the configuration of every case.
func conformanceSpec(source string) Spec {
	everything := &Grants{Sandboxes: map[string][]string{"Sandbox": {"*"}}, Fetch: []string{"api.example.com"}, KV: "tck"}
	return unhurried(Spec{Name: "tck", Source: source, MaxInstances: 1, Config: tck.Config(), Secrets: tck.Secrets(), Grants: everything})
}

// decider is a host under test.
type decider func(ctx context.Context, req *abi.Request) (abi.Decision, error)

// TestConformance has the guests of every language carry out the kit's cases, on
// the edge's own host and in a trial, whose services a test brings.
func TestConformance(t *testing.T) {
	t.Parallel()
	cases, err := tck.GuestCases()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range slices.Sorted(maps.Keys(conformanceGuests())) {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			source, cache := conformanceGuests()[lang](t), t.TempDir()
			t.Run("registry", func(t *testing.T) {
				hand := new(stageHand)
				hand.begin(tck.NewScript(tck.Host{}))
				b := newBench(t, Config{Services: hand.services(), CacheDir: cache, GuestLog: slog.New(hand)})
				p, err := b.Load(t.Context(), conformanceSpec(source))
				if err != nil {
					t.Fatal(err)
				}
				conform(t, cases, hand, p.Decide)
			})
			t.Run("trial", func(t *testing.T) {
				hand := new(stageHand)
				hand.begin(tck.NewScript(tck.Host{}))
				module, err := readModule(source)
				if err != nil {
					t.Fatal(err)
				}
				trial, err := OpenTrial(t.Context(), Config{Services: hand.services(), CacheDir: cache}, conformanceSpec(source), module.Bytes)
				if err != nil {
					t.Fatal(err)
				}
				defer trial.Close()
				conform(t, withoutLogs(cases), hand, func(ctx context.Context, req *abi.Request) (abi.Decision, error) {
					d, e, err := trial.Decide(ctx, req, hand.services())
					if r, ok := d.(*abi.Respond); ok && e.Verdict.Streamed {
						r.Stream = io.NopCloser(strings.NewReader(string(r.Body)))
					}
					return d, err
				})
			})
		})
	}
}

// withoutLogs leaves out what a trial keeps to itself.
func withoutLogs(cases []tck.GuestCase) []tck.GuestCase {
	cases = slices.Clone(cases)
	for i := range cases {
		cases[i].Want.Logs = nil
	}
	return cases
}

func conform(t *testing.T, cases []tck.GuestCase, hand *stageHand, decide decider) {
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			script := tck.NewScript(c.Host)
			hand.begin(script)
			req := c.Request.New(c.Name)
			d, err := decide(t.Context(), req)
			for _, line := range c.Want.Differences(outcomeOf(d, err, req, script, hand)) {
				t.Error(line)
			}
		})
	}
}

// outcomeOf is what came of a case; a streamed answer is read to its end.
func outcomeOf(d abi.Decision, err error, req *abi.Request, script *tck.Script, hand *stageHand) tck.Outcome {
	o := tck.Outcome{Decision: d, Err: err, Request: req}
	if r, ok := d.(*abi.Respond); ok && r.Stream != nil {
		body, broken := io.ReadAll(r.Stream)
		o.Streamed, o.Broken = true, broken != nil
		_ = r.Stream.Close()
		o.Decision = &abi.Respond{Status: r.Status, Headers: r.Headers, Body: body}
	}
	var e *abi.Error
	if err != nil && !errors.As(err, &e) {
		o.Err = abi.Errorf(abi.CodeInternal, "the host answered with an error of its own: %v", err)
	}
	o.Calls, o.Logs = script.Calls(), hand.said()
	return o
}
