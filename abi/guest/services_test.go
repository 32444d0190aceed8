//go:build !wasip1

package guest_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/abi/guest"
	"edge/abi/guest/guesttest"
)

// run runs f as the handler of a plugin at a host, and reports its error.
func run(t *testing.T, host *guesttest.Host, req *abi.Request, f func(*guest.Request) error) *guesttest.Result {
	t.Helper()
	var err error
	host.Handler = func(r *guest.Request) (guest.Response, error) {
		err = f(r)
		return guest.Next(), nil
	}
	result := host.Do(req)
	if err != nil || result.Errno != abi.OK {
		t.Errorf("%v; errno %s, log %+v", err, result.Errno, result.Logs)
	}
	return result
}

func TestStore(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	host := &guesttest.Host{Now: func() time.Time { return now }}
	host.KV.Put("there", "already")
	get := guesttest.Request("GET", "/")
	run(t, host, get, func(*guest.Request) error {
		store := guest.KV()
		if v, rev, err := store.Get("there"); err != nil || string(v) != "already" || rev != 1 {
			return fmt.Errorf("get: %q %d, %w", v, rev, err)
		}
		if _, _, err := store.Get("none"); !errors.Is(err, guest.ErrNoKey) {
			return fmt.Errorf("get of none: %w", err)
		}
		rev, err := store.Set("k", []byte("1"), guest.KVSetOptions{TTL: guest.Duration(time.Minute), IfRevision: guest.Revision(0)})
		if err != nil || rev != 2 {
			return fmt.Errorf("set: %d, %w", rev, err)
		}
		_, err = store.Set("k", []byte("2"), guest.KVSetOptions{IfRevision: guest.Revision(0)})
		if has, ok := guest.ConflictRevision(err); !errors.Is(err, guest.ErrConflict) || !ok || has != 2 {
			return fmt.Errorf("set of what exists: %d, %w", has, err)
		}
		if err := store.Delete("k", guest.KVDeleteOptions{IfRevision: guest.Revision(1)}); !errors.Is(err, guest.ErrConflict) {
			return fmt.Errorf("delete at another revision: %w", err)
		}
		if _, err := store.Set("", nil); guest.CodeOf(err) != guest.CodeInvalidRequest {
			return fmt.Errorf("set without a key: %w", err)
		}
		return store.Delete("none")
	})
	run(t, host, get, func(*guest.Request) error {
		if guest.Now() != now {
			return fmt.Errorf("now is %s", guest.Now())
		}
		page, err := guest.KV().List("", guest.KVListOptions{Limit: 1})
		if err != nil || len(page.Entries) != 1 || page.Entries[0].Key != "k" || !page.More || !page.Entries[0].ExpiresAt.Equal(now.Add(time.Minute)) {
			return fmt.Errorf("list: %+v, %w", page, err)
		}
		return nil
	})
	now = now.Add(time.Minute)
	run(t, host, get, func(*guest.Request) error {
		var keys []string
		for e, err := range guest.KV().All("t") {
			if err != nil {
				return err
			}
			keys = append(keys, e.Key)
		}
		if _, _, err := guest.KV().Get("k"); !errors.Is(err, guest.ErrNoKey) || !slices.Equal(keys, []string{"there"}) {
			return fmt.Errorf("keys %q, %w", keys, err)
		}
		return nil
	})
	if v, found := host.KV.Value("there"); !found || v != "already" {
		t.Errorf("the test finds %q, %t", v, found)
	}
}

// TestStoreWithoutARequest uses the store from a self-test, where there is no
// last_error: the codes are right all the same.
func TestStoreWithoutARequest(t *testing.T) {
	host := &guesttest.Host{Handler: func(*guest.Request) (guest.Response, error) { return guest.Next(), nil }}
	host.KV.Put("k", strings.Repeat("long", 1000))
	armed := true // hooks stay
	defer func() { armed = false }()
	guest.SelfTest(func() error {
		if !armed {
			return nil
		}
		v, _, err := guest.KV().Get("k")
		if err != nil || len(v) != 4000 {
			return fmt.Errorf("get: %d bytes, %w", len(v), err)
		}
		_, err = guest.KV().Set("k", nil, guest.KVSetOptions{IfRevision: guest.Revision(0)})
		if !errors.Is(err, guest.ErrConflict) {
			return fmt.Errorf("set: %w", err)
		}
		if _, _, err := guest.KV().Get("none"); !errors.Is(err, guest.ErrNoKey) {
			return fmt.Errorf("get of none: %w", err)
		}
		if _, err := guest.Fetch("https://a.test/"); guest.CodeOf(err) != guest.CodeInvalidRequest {
			return fmt.Errorf("fetch: %w", err)
		}
		return nil
	})
	if r := host.SelfTest(); r.Errno != abi.OK {
		t.Errorf("errno %s, log %+v", r.Errno, r.Logs)
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 2)
	host := &guesttest.Host{Fetch: func(f guesttest.Fetch) (*guest.FetchResponse, error) {
		if strings.HasSuffix(f.URL, "/down") {
			return nil, abi.Errorf(abi.CodeFetchFailed, "it is down")
		}
		return &guest.FetchResponse{Status: 404, Headers: []guest.Header{{Name: "X-A", Value: "b"}}, Body: &closing{strings.NewReader("hello world"), closed}}, nil
	}}
	req := guesttest.Request("POST", "/")
	req.Body = strings.NewReader("from the client")
	result := run(t, host, req, func(r *guest.Request) error {
		a, err := guest.Fetch("https://api.test/v1", guest.FetchOptions{
			Method: "PUT", Headers: []guest.Header{{Name: "Authorization", Value: "x"}}, SendBody: true, Redirect: guest.RedirectManual, Timeout: guest.Duration(time.Second),
		})
		if err != nil {
			return err
		}
		b, err := a.ReadBody(11)
		if err != nil || string(b) != "hello world" || a.Status != 404 || a.Header("x-a") != "b" || a.URL != "https://api.test/v1" {
			return fmt.Errorf("answer %+v %q, %w", a, b, err)
		}
		if _, err := a.Body.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			return fmt.Errorf("read after the end: %w", err)
		}
		if a, err = r.Fetch("https://api.test/again"); err != nil {
			return err
		}
		if _, err := a.ReadBody(10); guest.CodeOf(err) != abi.CodeBodyTooLarge {
			return fmt.Errorf("a body that is too long: %w", err)
		}
		for url, code := range map[string]guest.Code{"https://api.test/down": guest.CodeFetchFailed, "ftp://api.test": guest.CodeInvalidRequest} {
			if _, err := guest.Fetch(url); guest.CodeOf(err) != code {
				return fmt.Errorf("%s: %w, want %s", url, err, code)
			}
		}
		if _, err := guest.Fetch("https://api.test", guest.FetchOptions{Headers: []guest.Header{{Name: "Host", Value: "x"}}}); guest.CodeOf(err) != guest.CodeInvalidRequest {
			return fmt.Errorf("another host: %w", err)
		}
		return nil
	})
	<-closed
	<-closed
	want := guesttest.Fetch{Method: "PUT", URL: "https://api.test/v1", Headers: []abi.Header{{Name: "Authorization", Value: "x"}},
		Body: []byte("from the client"), Redirect: abi.RedirectManual, Timeout: time.Second}
	if len(result.Fetches) != 3 || fmt.Sprint(result.Fetches[0]) != fmt.Sprint(want) {
		t.Errorf("fetches %v, want %v first", result.Fetches, want)
	}
	run(t, new(guesttest.Host), guesttest.Request("GET", "/"), func(*guest.Request) error {
		if _, err := guest.Fetch("https://api.test/"); guest.CodeOf(err) != guest.CodeDenied {
			return fmt.Errorf("not granted: %w", err)
		}
		return nil
	})
}

// closing tells that it was closed.
type closing struct {
	io.Reader
	closed chan struct{}
}

func (c *closing) Close() error { c.closed <- struct{}{}; return nil }

func TestMetricsSecretsAndRandomness(t *testing.T) {
	t.Parallel()
	host := &guesttest.Host{Secrets: map[string]string{"token": "hush"}}
	result := run(t, host, guesttest.Request("GET", "/"), func(*guest.Request) error {
		if v, found := guest.Secret("token"); !found || v != "hush" {
			return fmt.Errorf("secret %q, %t", v, found)
		}
		if v, found := guest.Secret("other"); found || v != "" {
			return fmt.Errorf("no secret %q, %t", v, found)
		}
		var a, b [32]byte
		guest.Random(a[:])
		guest.Random(b[:])
		if a == b {
			return errors.New("no randomness")
		}
		if before := guest.Monotonic(); guest.Monotonic() < before {
			return errors.New("the time runs backwards")
		}
		for what, err := range map[string]error{
			"negative": guest.Count("hits", -1), "name": guest.Count("Hits", 1), "odd labels": guest.Count("hits", 1, "a"), "label": guest.Observe("hits", 1, "le", "1"),
		} {
			if guest.CodeOf(err) != guest.CodeInvalidRequest {
				return fmt.Errorf("%s: %w", what, err)
			}
		}
		return errors.Join(guest.Count("hits", 1), guest.Count("hits", 2, "path", "/"), guest.Observe("took_seconds", 0.5))
	})
	want := "[{hits false 1 []} {hits false 2 [path /]} {took_seconds true 0.5 []}]"
	if got := fmt.Sprint(result.Metrics); got != want {
		t.Errorf("metrics %s, want %s", got, want)
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	options := guest.PlanOptions{
		Port: 8080, Files: []guest.PlanFile{{Path: "/a", Content: "b"}}, Process: &guest.PlanProcess{ProcessID: "web", Command: "run"},
		Ready: &guest.PlanReady{Path: "/", Status: &guest.StatusRange{Min: 200, Max: 200}}, Policy: guest.Policy{MaxBytes: 5},
		Timeout: guest.Duration(time.Minute), Fallback: &guest.PlanAnswer{Status: 503, Body: "later"},
	}
	plan := func(req *abi.Request, o guest.PlanOptions) *guesttest.Result {
		return handled(req, func(*guest.Request) (guest.Response, error) { return guest.GetSandbox("Sandbox", "One").Plan(o) })
	}
	for then, req := range map[string]*abi.Request{guest.PlanConnect: guesttest.WebSocket("/"), guest.PlanProxy: guesttest.Request("GET", "/")} {
		p, ok := plan(req, options).Decision.(*abi.Plan)
		if !ok || p.Then != then || p.Sandbox.ID != "one" || p.Port != 8080 || p.Files[0] != options.Files[0] || p.Process.Command != "run" ||
			*p.Ready.Status != *options.Ready.Status || p.Policy.MaxBytes != 5 || p.Timeout != options.Timeout || p.Fallback.Body != "later" {
			t.Errorf("plan %+v", p)
		}
	}
	wrong := options
	wrong.Process = &guest.PlanProcess{Command: "run"}
	if e := failed(t, plan(guesttest.Request("GET", "/"), wrong)); e.Code != abi.CodeInvalidRequest {
		t.Errorf("without a process id: %v", e)
	}
	wrong = options
	wrong.Then = guest.PlanConnect
	if e := failed(t, plan(guesttest.Request("GET", "/"), wrong)); e.Code != abi.CodeUpgradeRequired {
		t.Errorf("no upgrade: %v", e)
	}
	if e := failed(t, plan(guesttest.Request("GET", "/"), guest.PlanOptions{Port: 80})); e.Code != abi.CodeInvalidPort {
		t.Errorf("port 80: %v", e)
	}
}
