package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"edge/abi"
)

const box = "/v1/sandboxes/Sandbox/a"

func TestCall(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{operate: echoed}})
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want                     string // the answer, or the error's code
	}{
		{"fields", "POST", box + "/exec", `{"command":"ls"}`, 200, `{"body":{"sandbox":{"binding":"Sandbox","id":"a"},"command":"ls"},"operation":"exec"}`},
		{"no body", "POST", box + "/start", ``, 200, `{"body":{"sandbox":{"binding":"Sandbox","id":"a"}},"operation":"start"}`},
		{"blanks", "POST", box + "/start", " \n{ } ", 200, `{"body":{"sandbox":{"binding":"Sandbox","id":"a"}},"operation":"start"}`},
		{"alias", "POST", box + "/closePort", `{"port":8080}`, 200, `{"body":{"sandbox":{"binding":"Sandbox","id":"a"},"port":8080},"operation":"unexposePort"}`},
		{"options", "POST", box + "/start", `{"sandbox":{"sleepAfter":"1m","labels":{"a":"b"}}}`, 200,
			`{"body":{"sandbox":{"binding":"Sandbox","id":"a","sleepAfter":60000,"labels":{"a":"b"}}},"operation":"start"}`},
		{"the same sandbox", "POST", box + "/start", `{"sandbox":{"binding":"Sandbox","id":"A"}}`, 200, `{"body":{"sandbox":{"binding":"Sandbox","id":"a"}},"operation":"start"}`},
		{"escaped", "POST", "/v1/sandboxes/San%64box/a%2Fb/start", ``, 200, `{"body":{"sandbox":{"binding":"Sandbox","id":"a/b"}},"operation":"start"}`},
		{"inspect", "GET", box, ``, 200, `{"body":{"sandbox":{"binding":"Sandbox","id":"a"}},"operation":"inspect"}`},
		{"destroy", "DELETE", box, ``, 200, `{"body":{"sandbox":{"binding":"Sandbox","id":"a"}},"operation":"destroy"}`},
		{"pretty", "GET", "/healthz?pretty", ``, 200, "{\n  \"ok\": true\n}"},

		{"another sandbox", "POST", box + "/start", `{"sandbox":{"id":"b"}}`, 400, "INVALID_REQUEST"},
		{"another binding", "POST", box + "/start", `{"sandbox":{"binding":"B"}}`, 400, "INVALID_REQUEST"},
		{"another sandbox in capitals", "POST", box + "/start", `{"SANDBOX":{"id":"b"}}`, 400, "INVALID_REQUEST"},
		{"unknown option", "POST", box + "/start", `{"sandbox":{"sleep":1}}`, 400, "INVALID_REQUEST"},
		{"sandbox is a text", "POST", box + "/start", `{"sandbox":"a"}`, 400, "INVALID_REQUEST"},
		{"two values", "POST", box + "/start", `{}{}`, 400, "INVALID_REQUEST"},
		{"a list", "POST", box + "/start", `[]`, 400, "INVALID_REQUEST"},
		{"null", "POST", box + "/start", `null`, 400, "INVALID_REQUEST"},
		{"half", "POST", box + "/start", `{"a":`, 400, "INVALID_REQUEST"},
		{"query", "POST", box + "/exec?command=ls", ``, 400, "INVALID_REQUEST"},
		{"bad escape", "POST", "/v1/sandboxes/S/%zz/start", ``, 400, ""}, // the client does not send it
		{"unknown operation", "POST", box + "/fly", ``, 404, "UNKNOWN_OPERATION"},
		{"unknown path", "GET", "/v2", ``, 404, "NOT_FOUND"},
		{"no id", "GET", "/v1/sandboxes/S", ``, 404, "NOT_FOUND"},
		{"empty id", "GET", "/v1/sandboxes/S/", ``, 404, "NOT_FOUND"},
		{"too deep", "POST", box + "/exec/more", ``, 404, "NOT_FOUND"},
		{"the form itself", "GET", "/v1/sandboxes/%7Bbinding%7D/%7Bid%7D", ``, 200, `{"body":{"sandbox":{"binding":"{binding}","id":"{id}"}},"operation":"inspect"}`},
		{"wrong method", "GET", box + "/exec", ``, 405, "INVALID_REQUEST"},
		{"wrong method of a list", "POST", "/v1/sandboxes", ``, 405, "INVALID_REQUEST"},
		{"not with a body", "POST", box + "/terminal", `{}`, 426, "UPGRADE_REQUIRED"},
		{"not without an upgrade", "GET", box + "/execStream", ``, 426, "UPGRADE_REQUIRED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.name == "bad escape" {
				if _, err := parseAddress(resources(), tt.path); abi.AsError(err).Code != abi.CodeInvalidRequest {
					t.Errorf("got %v", err)
				}
				return
			}
			got := w.ask(tt.method, tt.path, tt.body)
			if got.StatusCode != tt.status || got.Header.Get("X-Request-Id") == "" || got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("status %d, headers %v; want %d", got.StatusCode, got.Header, tt.status)
			}
			if tt.status == 200 && strings.TrimSpace(got.body) != tt.want || tt.status != 200 && got.code() != abi.Code(tt.want) {
				t.Errorf("got  %s\nwant %s", got.body, tt.want)
			}
			if got.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("another origin is allowed")
			}
		})
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{operate: echoed}})
	for _, tt := range []struct{ method, path, allow string }{
		{"OPTIONS", "/healthz", "GET, HEAD, OPTIONS"},
		{"OPTIONS", box, "GET, HEAD, DELETE, OPTIONS"},
		{"OPTIONS", box + "/exec", "POST, OPTIONS"},
		{"OPTIONS", box + "/watch", "POST, GET, OPTIONS"},
		{"OPTIONS", box + "/writeFileStream", "PUT, POST, GET, OPTIONS"},
		{"PATCH", box + "/readFileStream", "POST, GET, OPTIONS"},
		{"HEAD", box + "/exec", "POST, OPTIONS"},
	} {
		if got := w.ask(tt.method, tt.path, ""); got.Header.Get("Allow") != tt.allow {
			t.Errorf("%s %s allows %q, want %q", tt.method, tt.path, got.Header.Get("Allow"), tt.allow)
		}
	}
	for _, path := range []string{"/healthz", "/v1/openapi.json", "/v1/sandboxes", box} {
		if got := w.ask("HEAD", path, ""); got.StatusCode != 200 || got.body != "" || got.ContentLength <= 0 {
			t.Errorf("HEAD %s: %d, %d bytes of %d", path, got.StatusCode, len(got.body), got.ContentLength)
		}
	}
}

// TestErrors wants each code's own status, and the rest of what the error says.
func TestErrors(t *testing.T) {
	t.Parallel()
	var fail error
	w := start(t, &Server{Operations: &fakeOperations{operate: func(context.Context, string, json.RawMessage) (json.RawMessage, error) { return nil, fail }}})
	for _, code := range abi.Codes() {
		e := abi.Errorf(code, "why")
		e.RetryAfterMs = 1500
		fail = e
		got := w.ask("POST", box+"/exec", "{}")
		if got.StatusCode != code.Status() || got.code() != code || got.Header.Get("Retry-After") != "2" {
			t.Errorf("%s: %d %s %v", code, got.StatusCode, got.body, got.Header)
		}
	}
	fail = errors.New("secret inside")
	got := w.ask("POST", box+"/exec", "{}")
	if got.StatusCode != 500 || got.code() != abi.CodeInternal || strings.Contains(got.body, "secret") || !strings.Contains(got.body, `"operation":"exec"`) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if !strings.Contains(w.log.String(), "secret inside") || !strings.Contains(w.log.String(), got.Header.Get("X-Request-Id")) {
		t.Errorf("the log does not say what happened:\n%s", w.log)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{operate: func(context.Context, string, json.RawMessage) (json.RawMessage, error) { panic("oh") }}})
	for range 2 { // the server lives on
		if got := w.ask("POST", box+"/exec", "{}"); got.StatusCode != 500 || got.code() != abi.CodeInternal {
			t.Errorf("%d %s", got.StatusCode, got.body)
		}
	}
	if !strings.Contains(w.log.String(), "TestPanicIsAnswered") {
		t.Errorf("no stack in the log:\n%s", w.log)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{operate: func(_ context.Context, _ string, body json.RawMessage) (json.RawMessage, error) {
		return json.Marshal(len(body))
	}}})
	send := func(name, value, body string) result {
		r := w.request("POST", box+"/exec", strings.NewReader(body))
		r.Header.Set(name, value)
		return w.do(r)
	}
	if got := send("Content-Type", "application/json; charset=utf-8", "{}"); got.StatusCode != 200 {
		t.Errorf("with a charset: %d %s", got.StatusCode, got.body)
	}
	if got := send("Content-Type", "application/x-www-form-urlencoded", "{}"); got.StatusCode != 400 || !strings.Contains(got.body, "Content-Type: application/json") {
		t.Errorf("a form: %d %s", got.StatusCode, got.body)
	}
	if got := send("Content-Encoding", "gzip", "{}"); got.StatusCode != 400 {
		t.Errorf("compressed: %d %s", got.StatusCode, got.body)
	}
	large := `{"content":"` + strings.Repeat("x", 1<<20) + `"}`
	if got := w.ask("POST", box+"/writeFile", large); got.StatusCode != 200 {
		t.Errorf("1 MiB: %d %.200s", got.StatusCode, got.body)
	}
	// One at the bound, one above it, with and without a length. They are no
	// JSON, so that the one that is read is refused at its first byte.
	whole := strings.Repeat("x", MaxBodyBytes)
	if got := w.ask("POST", box+"/writeFile", whole); got.StatusCode != 400 || got.code() != abi.CodeInvalidRequest {
		t.Errorf("at the bound: %d %.200s", got.StatusCode, got.body)
	}
	if got := w.ask("POST", box+"/writeFile", whole+" "); got.StatusCode != 413 || got.code() != abi.CodeBodyTooLarge {
		t.Errorf("above the bound: %d %.200s", got.StatusCode, got.body)
	}
	if got := w.do(w.request("POST", box+"/writeFile", io.MultiReader(strings.NewReader(whole), strings.NewReader(" ")))); got.StatusCode != 413 {
		t.Errorf("above the bound, in chunks: %d %.200s", got.StatusCode, got.body)
	}
}

func TestTimeoutHeader(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{operate: func(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}})
	for _, tt := range []struct {
		value  string
		status int
		code   abi.Code
	}{
		{"10ms", 504, abi.CodeTimeout}, {"10", 504, abi.CodeTimeout},
		{"soon", 400, abi.CodeInvalidRequest}, {"-1s", 400, abi.CodeInvalidRequest}, {"0", 400, abi.CodeInvalidRequest},
	} {
		r := w.request("POST", box+"/exec", nil)
		r.Header.Set("Edge-Timeout", tt.value)
		if got := w.do(r); got.StatusCode != tt.status || got.code() != tt.code {
			t.Errorf("%s: %d %s", tt.value, got.StatusCode, got.body)
		}
	}
}

// TestClientGoneCancels wants a call cancelled when its client hangs up.
func TestClientGoneCancels(t *testing.T) {
	t.Parallel()
	begun, cancelled := make(chan struct{}), make(chan struct{})
	w := start(t, &Server{Operations: &fakeOperations{operate: func(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
		close(begun)
		<-ctx.Done()
		close(cancelled)
		return nil, ctx.Err()
	}}})
	ctx, cancel := context.WithCancel(t.Context())
	r := w.request("POST", box+"/exec", strings.NewReader(`{"command":"sleep 100"}`)).WithContext(ctx)
	failed := make(chan struct{})
	go func() {
		defer close(failed)
		if resp, err := w.client.Do(r); err == nil {
			_ = resp.Body.Close()
			t.Error("the request was answered")
		}
	}()
	await(t, "the call", begun)
	cancel()
	await(t, "the call's end", cancelled)
	await(t, "the client", failed)
}
