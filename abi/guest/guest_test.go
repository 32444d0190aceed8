//go:build !wasip1

package guest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"edge/abi"
	"edge/abi/guest"
	"edge/abi/guest/guesttest"
)

// handled runs one request through a handler.
func handled(req *abi.Request, h guest.Handler) *guesttest.Result {
	return (&guesttest.Host{Handler: h}).Do(req)
}

// answered returns the answer, and fails if there is none.
func answered(t *testing.T, r *guesttest.Result) *abi.Respond {
	t.Helper()
	if r.Errno != abi.OK || r.Respond() == nil {
		t.Fatalf("errno %v, decision %+v; want an answer; log %+v", r.Errno, r.Decision, r.Logs)
	}
	return r.Respond()
}

// failed returns the error that the request failed with, and fails if it did not.
func failed(t *testing.T, r *guesttest.Result) *abi.Error {
	t.Helper()
	if r.Errno != abi.OK || r.Failed() == nil || r.Decision != nil {
		t.Fatalf("errno %v, decision %+v; want an error; log %+v", r.Errno, r.Decision, r.Logs)
	}
	return r.Failed()
}

func header(hs []abi.Header, name string) string {
	v, _ := (&abi.Request{Headers: hs}).Header(name)
	return v
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		answer      *guest.Answer
		status      int
		contentType string
		body        string
	}{
		{"text", guest.Text(200, "hi"), 200, "text/plain; charset=utf-8", "hi"},
		{"empty text", guest.Text(204, ""), 204, "text/plain; charset=utf-8", ""},
		{"html", guest.HTML(404, "<p>no"), 404, "text/html; charset=utf-8", "<p>no"},
		{"json", guest.JSON(201, map[string]int{"n": 1}), 201, "application/json", `{"n":1}`},
		{"bytes without a type", guest.Bytes(200, "", []byte{0, 255}), 200, "", "\x00\xff"},
		{"stream", guest.Stream(200, []guest.Header{{Name: "Content-Type", Value: "text/event-stream"}}, func(w io.Writer) error {
			for i := range 3 {
				if n, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil || n != 9 {
					return fmt.Errorf("wrote %d: %w", n, err)
				}
			}
			_, err := w.Write(nil)
			return err
		}), 200, "text/event-stream", "data: 0\n\ndata: 1\n\ndata: 2\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result := handled(guesttest.Request("GET", "/"), func(*guest.Request) (guest.Response, error) {
				return tt.answer.WithHeader("X-Extra", "1"), nil
			})
			got := answered(t, result)
			if got.Status != tt.status || string(got.Body) != tt.body || header(got.Headers, "Content-Type") != tt.contentType ||
				header(got.Headers, "X-Extra") != "1" || result.Broken {
				t.Errorf("got %d %q %v, broken %v", got.Status, got.Body, got.Headers, result.Broken)
			}
		})
	}
}

// TestErrorsAreAnswered holds what the package doc promises of a handler's error.
func TestErrorsAreAnswered(t *testing.T) {
	t.Parallel()
	exists := guest.Errorf(abi.CodeProcessAlreadyExists, "process %q already exists", "web").WithDetails(map[string]int{"pid": 7}).WithSuggestion("take it")
	wait := guest.Errorf(abi.CodeSandboxAsleep, "asleep")
	wait.RetryAfterMs = 1500
	returns := func(err error) guest.Handler {
		return func(*guest.Request) (guest.Response, error) { return nil, err }
	}
	answers := func(r guest.Response) guest.Handler {
		return func(*guest.Request) (guest.Response, error) { return r, nil }
	}
	pluginFailed := abi.Errorf(abi.CodePluginFailed, "the plugin failed; the edge's log has the details")
	for _, tt := range []struct {
		name    string
		handler guest.Handler
		want    *abi.Error // whole, or
		code    abi.Code   // the code, and
		text    string     // what the message contains
		logs    int
	}{
		{"an Error", returns(exists), exists, "", "", 0},
		{"an Error, wrapped", returns(fmt.Errorf("secret: %w", exists)), exists, "", "", 0},
		{"with a time to wait", returns(wait), wait, "", "", 1},
		{"a target of errors.Is", returns(guest.ErrFileNotFound), nil, abi.CodeFileNotFound, "not found", 0},
		{"no upgrade", func(req *guest.Request) (guest.Response, error) {
			return guest.GetSandbox("Sandbox", "a").WSConnect(req, 8080)
		}, nil, abi.CodeUpgradeRequired, "WebSocket", 0},
		{"another error", returns(errors.New("secret")), pluginFailed, "", "", 1},
		{"neither", answers(nil), pluginFailed, "", "", 1},
		{"a code that there is not", returns(guest.Errorf("SECRET", "secret")), pluginFailed, "", "", 2},
		{"a code that is too long", returns(guest.Errorf(guest.Code(strings.Repeat("SECRET", 20_000)), "secret")), pluginFailed, "", "", 2},
		{"details that are no JSON", returns(&guest.Error{Code: abi.CodeNotFound, Message: "secret", Details: json.RawMessage("{")}), pluginFailed, "", "", 1},
		{"JSON that cannot be", answers(guest.JSON(200, func() {})), pluginFailed, "", "", 1},
		{"a status that cannot be", answers(guest.Text(99, "")), nil, abi.CodeInvalidRequest, "99", 0},
		{"a header of the edge's own", answers(guest.Text(426, "").WithHeader("Upgrade", "websocket")), nil, abi.CodeInvalidRequest, "own", 0},
		{"a header that cannot be", answers(guest.Text(200, "").WithHeader("A", "b\r\nc: d")), nil, abi.CodeInvalidRequest, "cannot be sent", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result := handled(guesttest.Request("GET", "/"), tt.handler)
			got := failed(t, result)
			if tt.want != nil && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if tt.want == nil && (got.Code != tt.code || !strings.Contains(got.Message, tt.text)) {
				t.Errorf("got %v; want %s with %q", got, tt.code, tt.text)
			}
			if len(result.Logs) != tt.logs {
				t.Errorf("%d log lines, want %d: %+v", len(result.Logs), tt.logs, result.Logs)
			}
		})
	}
}

// TestLargeErrorsAreCut answers with errors that the host would not take whole.
func TestLargeErrorsAreCut(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"é", "\x01", "\xff"} {
		long := strings.Repeat(text, 70_000)
		e := guest.Errorf(abi.CodeCommandNotFound, "%s", "x"+long).WithSuggestion("%s", long).WithDetails(map[string]string{"long": "x"})
		e.Operation = long
		got := failed(t, handled(guesttest.Request("GET", "/"), func(*guest.Request) (guest.Response, error) { return nil, e }))
		if got.Code != e.Code || !strings.HasPrefix(got.Message, "x") || got.Details != nil {
			t.Errorf("got %.100v and the details %s", got, got.Details)
		}
		if len(e.Message) < 70_000 || e.Details == nil {
			t.Error("the plugin's own error was changed")
		}
	}
	whole := guest.Errorf(abi.CodeNotFound, "%s", strings.Repeat("x", 60_000))
	got := failed(t, handled(guesttest.Request("GET", "/"), func(*guest.Request) (guest.Response, error) { return nil, whole }))
	if got.Message != whole.Message {
		t.Errorf("a message of %d bytes was cut to %d", len(whole.Message), len(got.Message))
	}
}

func TestPanicFailsTheInstance(t *testing.T) {
	t.Parallel()
	result := handled(guesttest.Request("GET", "/"), func(*guest.Request) (guest.Response, error) { panic("secret") })
	if result.Errno != abi.Internal || result.Decision != nil {
		t.Errorf("errno %v, decision %v; want INTERNAL and none, so that the instance is thrown away", result.Errno, result.Decision)
	}
	if len(result.Logs) != 1 || result.Logs[0].Level != guest.LevelError || !slices.Contains(result.Logs[0].Fields, "secret") {
		t.Errorf("log %+v", result.Logs)
	}
}

func TestStreamThatFailsBreaksOff(t *testing.T) {
	t.Parallel()
	result := handled(guesttest.Request("GET", "/"), func(*guest.Request) (guest.Response, error) {
		return guest.Stream(200, nil, func(w io.Writer) error {
			if _, err := io.WriteString(w, "half"); err != nil {
				return err
			}
			return errors.New("no more")
		}), nil
	})
	if got := answered(t, result); !result.Broken || string(got.Body) != "half" {
		t.Errorf("broken %v after %q", result.Broken, got.Body)
	}
	if len(result.Logs) != 1 {
		t.Errorf("log %+v", result.Logs)
	}
}

func TestRequestView(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3000)
	req := guesttest.Request("POST", "/a%20b/c?id=one&id=two&q=%41&bad=%zz&long="+long)
	req.ID = "r-1"
	req.Headers = append(req.Headers, abi.Header{Name: "Accept", Value: "a"}, abi.Header{Name: "accept", Value: "b"},
		abi.Header{Name: "Empty"}, abi.Header{Name: "Long", Value: long})
	req.Body = io.MultiReader(strings.NewReader("first "), strings.NewReader("second"))
	checks := func(r *guest.Request) error {
		for _, c := range []struct{ what, got, want string }{
			{"method", r.Method(), "POST"}, {"scheme", r.Scheme(), "http"}, {"host", r.Host(), "edge.test"}, {"path", r.Path(), "/a%20b/c"},
			{"remote address", r.RemoteAddr(), "192.0.2.1:1234"}, {"id", r.ID(), "r-1"},
			{"first of a parameter", r.Query().Get("id"), "one"}, {"decoded parameter", r.Query().Get("q"), "A"}, {"long parameter", r.Query().Get("long"), long},
			{"bad parameter", r.Query().Get("bad"), ""}, {"no parameter", r.Query().Get("none"), ""},
			{"header", r.Header("ACCEPT"), "a"}, {"header values", strings.Join(r.HeaderValues("accept"), ","), "a,b"},
			{"empty header", fmt.Sprint(r.HeaderValues("empty")), "[]"}, {"no header", fmt.Sprint(r.HeaderValues("none") == nil), "true"},
			{"long header", r.Header("long"), long},
		} {
			if c.got != c.want {
				return fmt.Errorf("%s is %.40q, want %.40q", c.what, c.got, c.want)
			}
		}
		hs, err := r.Headers()
		if err != nil || len(hs) != 5 || hs[2].Name != "accept" {
			return fmt.Errorf("headers %d, %v", len(hs), err)
		}
		b, err := r.ReadBody(12)
		if err != nil || string(b) != "first second" {
			return fmt.Errorf("body %q, %v", b, err)
		}
		if n, err := r.Body().Read(make([]byte, 1)); n != 0 || err != io.EOF {
			return fmt.Errorf("after the body: %d, %v", n, err)
		}
		return nil
	}
	answer := answered(t, handled(req, func(r *guest.Request) (guest.Response, error) {
		if err := checks(r); err != nil {
			return guest.Text(500, err.Error()), nil
		}
		return guest.Text(200, ""), nil
	}))
	if answer.Status != 200 {
		t.Errorf("%s", answer.Body)
	}
}

func TestRequestURL(t *testing.T) {
	t.Parallel()
	result := handled(guesttest.Request("GET", "/a%20b?x=1"), func(r *guest.Request) (guest.Response, error) {
		u, err := r.URL()
		if err != nil {
			return nil, err
		}
		return guest.Text(200, u.Host+"|"+u.Path+"|"+u.RawQuery), nil
	})
	if got := answered(t, result); string(got.Body) != "edge.test|/a b|x=1" {
		t.Errorf("URL %s", got.Body)
	}
	result = handled(guesttest.Request("GET", "/%zz"), func(r *guest.Request) (guest.Response, error) {
		_, err := r.URL()
		return nil, err
	})
	if got := failed(t, result); got.Code != abi.CodeInvalidRequest {
		t.Errorf("a URL that cannot be parsed: %v", got)
	}
}

func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]abi.Code{9: "", 10: "", 11: abi.CodeBodyTooLarge} {
		req := guesttest.Request("POST", "/")
		req.Body = strings.NewReader(strings.Repeat("x", size))
		got := handled(req, func(r *guest.Request) (guest.Response, error) {
			b, err := r.ReadBody(10)
			return guest.Text(200, fmt.Sprint(len(b))), err
		})
		if e := got.Failed(); (e == nil) != (want == "") || e != nil && e.Code != want {
			t.Errorf("a body of %d bytes with a limit of 10 fails with %v, want %q", size, e, want)
		}
	}
}

func TestRequestEdits(t *testing.T) {
	t.Parallel()
	result := handled(guesttest.Request("GET", "/old?a=1"), func(r *guest.Request) (guest.Response, error) {
		if r.Path() != "/old" || r.Query().Get("a") != "1" {
			return nil, errors.New("not the request that was made")
		}
		err := errors.Join(r.SetMethod("PUT"), r.SetPath("/new"), r.SetRawQuery("b=2"), r.SetHeader("X-A", "1"), r.AddHeader("X-A", "2"),
			r.AddHeader("X-B", "3"), r.DelHeader("X-B"))
		if err != nil {
			return nil, err
		}
		if r.Path() != "/new" || r.Query().Get("b") != "2" || r.Method() != "PUT" {
			return nil, errors.New("an edit does not show")
		}
		for name, err := range map[string]error{
			"CONNECTION is DENIED": r.SetHeader("Connection", "close"), "HOST is DENIED": r.DelHeader("Host"),
			"a line break is INVALID": r.AddHeader("X-C", "a\nb"), "a blank is INVALID": r.SetPath("/a b"),
		} {
			if code := guest.CodeOf(err); !strings.HasSuffix(name, strings.TrimSuffix(string(code), "_REQUEST")) || code == "" {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return guest.GetSandbox("Sandbox", "a").ProxyTo(r, 8080)
	})
	if _, ok := result.Decision.(*abi.Proxy); !ok {
		t.Fatalf("decision %T; log %+v", result.Decision, result.Logs)
	}
	got := result.Request
	if got.Method != "PUT" || got.Target() != "/new?b=2" || !slices.Equal(got.HeaderValues("x-a"), []string{"1", "2"}) || got.HeaderValues("x-b") != nil {
		t.Errorf("edited to %+v", got)
	}
}

func TestHandlesEndWithTheirRequest(t *testing.T) {
	// Before Parallel: nothing else runs, so there is no request.
	if _, err := guest.GetSandbox("Sandbox", "a").Exec("ls"); guest.CodeOf(err) != guest.CodeInvalidRequest {
		t.Errorf("without a request: %v", err)
	}
	t.Parallel()
	var kept *guest.Sandbox
	var request *guest.Request
	host := guesttest.Host{Handler: func(r *guest.Request) (guest.Response, error) {
		if kept == nil {
			kept, request = r.Sandbox("Sandbox", "a"), r
			return guest.Next(), nil
		}
		if _, err := kept.Exec("ls"); guest.CodeOf(err) != guest.CodeInvalidRequest || !strings.Contains(err.Error(), "over") {
			return nil, fmt.Errorf("an old sandbox: %w", err)
		}
		if p := request.Path(); p != "" {
			return nil, fmt.Errorf("an old request has the path %q", p)
		}
		return guest.Next(), nil
	}}
	host.Do(guesttest.Request("GET", "/first"))
	if result := host.Do(guesttest.Request("GET", "/second")); result.Failed() != nil {
		t.Errorf("%v %+v", result.Failed(), result.Logs)
	}
}

func TestConfigAndFeatures(t *testing.T) {
	t.Parallel()
	host := guesttest.Host{Config: map[string]any{"limit": 5, "long": strings.Repeat("x", 2000), "word": "text"}}
	host.Handler = func(*guest.Request) (guest.Response, error) {
		limit, missing, long := 1, 2, ""
		found, err := guest.Config("limit", &limit)
		if err != nil || !found || limit != 5 {
			return nil, fmt.Errorf("limit %d, %v, %w", limit, found, err)
		}
		if found, err := guest.Config("missing", &missing); err != nil || found || missing != 2 {
			return nil, fmt.Errorf("missing %d, %v, %w", missing, found, err)
		}
		if _, err := guest.Config("long", &long); err != nil || len(long) != 2000 {
			return nil, fmt.Errorf("long %d, %w", len(long), err)
		}
		if found, err := guest.Config("word", &limit); err == nil || !found || guest.CodeOf(err) != guest.CodeInvalidRequest {
			return nil, fmt.Errorf("a text as a number: %v, %w", found, err)
		}
		if !guest.Feature("ws_open") || !guest.Feature("plan") || guest.Feature("kv_start") {
			return nil, errors.New("features")
		}
		guest.Log(guest.LevelInfo, "hello", "n", 1, "odd")
		return guest.Next(), nil
	}
	result := host.Do(guesttest.Request("GET", "/"))
	if result.Failed() != nil {
		t.Fatalf("%+v", result.Logs)
	}
	if len(result.Logs) != 1 || !slices.Equal(result.Logs[0].Fields, []string{"n", "1", "odd", ""}) {
		t.Errorf("log %+v", result.Logs)
	}
}
