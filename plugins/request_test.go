package plugins

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"testing/iotest"

	"edge/abi"
)

func TestSurroundings(t *testing.T) {
	t.Parallel()
	g := newAsm()
	small, big := g.buffer(4), g.buffer(64)
	b := newBench(t, Config{})
	p := b.load(t, g.script(
		g.record("feature", "op_start"),
		g.record("feature", "plan"),
		g.record("feature", "nonsense"),
		g.record("config_get", "limit", big),
		g.record("config_get", "missing", big),
		g.record("config_get", "greeting", small),
		g.record("result_read", 0, 0, 0, big),
		g.record("result_read", 0, 0, 8, small),
		g.record("result_read", 0, 0, 4000, small),
		g.record("last_error", req(), big),
		g.record("log", req(), 4, "careful", abi.AppendValues(nil, []string{"who", "me"})),
		g.record("log", 0, 0, "no request", ""),
		g.record("log", req(), 0, "odd", abi.AppendValues(nil, []string{"key"})),
		g.record("log", req(), 0, "torn", "\xff\xff\xff\xff"),
		g.record("log", 0, 0, strings.Repeat("x", maxLogLine+100), ""),
		g.record("plan", req(), "{}"), // of no binding
		g.record("feature", "fail"),
	), func(s *Spec) {
		s.Config = map[string]json.RawMessage{"limit": json.RawMessage(`10`), "greeting": json.RawMessage(`"good morning"`)}
	})
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	a.want(0, "feature op_start", abi.OK, 1)
	a.want(1, "feature plan", abi.OK, 1)
	a.want(2, "feature nonsense", abi.Unsupported, 0)
	a.want(3, "config_get", abi.OK, 2)
	a.want(4, "config_get missing", abi.NotFound, 0)
	a.want(5, "config_get too small", abi.OK, 14)
	a.want(6, "result_read", abi.OK, 14)
	a.want(7, "result_read offset", abi.OK, 4)
	a.want(8, "result_read beyond", abi.OK, 0)
	a.want(9, "last_error", abi.NotFound, 0)
	a.want(16, "feature fail", abi.OK, 1)
	a.want(10, "log", abi.OK, 0)
	a.want(12, "log odd fields", abi.Invalid, 0)
	a.want(13, "log torn fields", abi.Invalid, 0)
	a.want(15, "plan", abi.NotFound, 0)
	if got := string(a.bytes(big, 14)); got != `"good morning"` {
		t.Errorf("kept config value is %q", got)
	}
	if got := string(a.bytes(small, 4)); got != "rnin" {
		t.Errorf("kept value from 8 is %q", got)
	}
	log := b.book.String()
	for _, want := range []string{"level=WARN msg=careful", "who=me", "request=r1", "no request", strings.Repeat("x", maxLogLine)} {
		if !strings.Contains(log, want) {
			t.Errorf("log lacks %.40q", want)
		}
	}
	if strings.Contains(log, strings.Repeat("x", maxLogLine+1)) {
		t.Error("a line longer than 8 KiB was logged")
	}
}

func TestRequestFields(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		field int
		want  string
	}{
		"method": {1, "GET"}, "scheme": {2, "http"}, "host": {3, "a.localhost:8787"}, "path": {4, "/x%20y"},
		"query": {5, "q=1"}, "remote address": {6, "127.0.0.1:5"}, "id": {7, "r1"},
		"url": {8, "http://a.localhost:8787/x%20y?q=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newAsm()
			out := g.buffer(64)
			a := newBench(t, Config{}).run(t, g, newRequest(), g.record("req_get", req(), tt.field, out))
			a.want(0, name, abi.OK, uint32(len(tt.want)))
			if got := string(a.bytes(out, uint32(len(tt.want)))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRequestEdits(t *testing.T) {
	t.Parallel()
	g := newAsm()
	r := newRequest()
	a := newBench(t, Config{}).run(t, g, r,
		g.record("req_set", req(), 1, "PATCH"),
		g.record("req_set", req(), 4, "/new"),
		g.record("req_set", req(), 5, ""),
		g.record("req_set", req(), 3, "other"),
		g.record("req_set", req(), 4, "relative"),
		g.record("req_set", req(), 4, "/a b"),
		g.record("req_set", req(), 4, "/a\r\nX: y"),
		g.record("req_set", req(), 1, "GE T"),
		g.record("req_set", req(), 5, "a#b"),
		g.record("req_get", req(), 99, ""),
		g.record("req_header_set", req(), "X-One", "1"),
		g.record("req_header_add", req(), "x-one", "2"),
		g.record("req_header_del", req(), "ACCEPT"),
		g.record("req_header_set", req(), "Bad Name", "1"),
		g.record("req_header_set", req(), "X", "a\nb"),
		g.record("req_header_set", req(), "X", "a\x01b"),
		g.record("req_header_set", req(), "host", "b"),
		g.record("req_header_add", req(), "Content-Length", "1"),
		g.record("req_header_del", req(), "Connection"),
		g.record("req_header_set", req(), "X-Big", strings.Repeat("v", abi.MaxHeaderBytes)),
	)
	wants := []abi.Errno{
		abi.OK, abi.OK, abi.OK, abi.Invalid, abi.Invalid, abi.Invalid, abi.Invalid, abi.Invalid, abi.Invalid, abi.Invalid,
		abi.OK, abi.OK, abi.OK, abi.Invalid, abi.Invalid, abi.Invalid, abi.Denied, abi.Denied, abi.Denied, abi.TooLarge,
	}
	for i, want := range wants {
		if e, _ := a.result(i); e != want {
			t.Errorf("step %d: got %s, want %s", i, e, want)
		}
	}
	if r.Method != "PATCH" || r.Target() != "/new" {
		t.Errorf("request line is %s %s", r.Method, r.Target())
	}
	if got := r.HeaderValues("X-One"); strings.Join(got, ",") != "1,2" {
		t.Errorf("X-One is %v", got)
	}
	if got := r.HeaderValues("Accept"); got != nil {
		t.Errorf("Accept is still %v", got)
	}
}

func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	g := newAsm()
	list, block := g.buffer(64), g.buffer(256)
	r := newRequest()
	a := newBench(t, Config{}).run(t, g, r,
		g.record("req_header", req(), "ACCEPT", list),
		g.record("req_header", req(), "X-None", list),
		g.record("req_headers", req(), block),
	)
	a.want(0, "req_header", abi.OK, 10)
	a.want(1, "req_header missing", abi.NotFound, 0)
	if got := hex.EncodeToString(a.bytes(list, 10)); got != "01000000610100000062" {
		t.Errorf("value list is %s", got)
	}
	want := abi.AppendHeaders(nil, r.Headers)
	a.want(2, "req_headers", abi.OK, uint32(len(want)))
	if got := a.bytes(block, uint32(len(want))); string(got) != string(want) {
		t.Errorf("header block is %x, want %x", got, want)
	}
}

func TestRequestBody(t *testing.T) {
	t.Parallel()
	g := newAsm()
	one, two := g.buffer(4), g.buffer(4)
	r := newRequest()
	r.Body = iotest.DataErrReader(strings.NewReader("abcdef"))
	a := newBench(t, Config{}).run(t, g, r,
		g.record("req_body_read", req(), one),
		g.record("req_body_read", req(), two),
		g.record("req_body_read", req(), two.ptr, 0),
		g.record("req_body_read", req(), one.ptr, 1),
		g.record("req_body_read", 77, one.ptr, 1),
	)
	a.want(0, "first piece", abi.OK, 4)
	a.want(1, "second piece", abi.OK, 2)
	a.want(2, "no room", abi.Invalid, 0)
	a.want(3, "end", abi.OK, 0)
	a.want(4, "unknown request", abi.Closed, 0)
	if got := string(a.bytes(one, 4)) + string(a.bytes(two, 2)); got != "abcdef" {
		t.Errorf("body is %q", got)
	}
}

func TestRequestBodyFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want abi.Errno
	}{
		"broken off": {iotest.ErrTimeout, abi.Closed},
		"too large":  {abi.Errorf(abi.CodeBodyTooLarge, "more than 1 MiB"), abi.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newAsm()
			out := g.buffer(256)
			r := newRequest()
			r.Body = iotest.ErrReader(tt.err)
			a := newBench(t, Config{}).run(t, g, r,
				g.record("req_body_read", req(), out), g.record("last_error", req(), out))
			a.want(0, "read", tt.want, 0)
			_, n := a.result(1)
			var e abi.Error
			if err := json.Unmarshal(a.bytes(out, n), &e); err != nil || e.Code.Errno() != tt.want {
				t.Errorf("last error is %s (%v)", a.bytes(out, n), err)
			}
		})
	}
}

func TestKeptResult(t *testing.T) {
	t.Parallel()
	g := newAsm()
	small, big := g.buffer(2), g.buffer(64)
	a := newBench(t, Config{}).run(t, g, newRequest(),
		g.record("req_get", req(), 3, small),
		g.record("req_get", req(), 1, big), // fits: what is kept stays
		g.record("result_read", req(), 0, 0, big),
		g.record("result_read", req(), 9, 0, big),
		g.record("result_read", 77, 0, 0, big),
	)
	a.want(0, "too small", abi.OK, 16)
	a.want(2, "kept", abi.OK, 16)
	a.want(3, "unknown call", abi.Closed, 0)
	a.want(4, "unknown request", abi.Closed, 0)
	if got := string(a.bytes(big, 16)); got != "a.localhost:8787" {
		t.Errorf("kept result is %q", got)
	}
}
