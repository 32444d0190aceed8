package abi_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

func TestOriginPattern(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern string
		yes, no []string
	}{
		{"https://app.example.com", []string{"https://app.example.com", "https://APP.example.com", "https://app.example.com:443"},
			[]string{"http://app.example.com", "https://app.example.com:8443", "https://x.app.example.com", "https://app.example.com.evil.com",
				"https://app.example.com/", "https://app.example.com@evil.com", "https://evil.com/https://app.example.com", "null", "",
				"https://app.example.com https://evil.com", "app.example.com", "://app.example.com", "https://app.example.com."}},
		{"http://localhost:5173", []string{"http://localhost:5173"}, []string{"http://localhost", "https://localhost:5173", "http://localhost:05173", "http://localhost:51730"}},
		{"https://example.com:443", []string{"https://example.com"}, []string{"http://example.com:443"}},
		{"example.com", []string{"http://example.com", "https://example.com", "http://example.com:8080"}, []string{"ftp://example.com", "chrome-extension://example.com", "http://a.example.com", "http://notexample.com"}},
		{"example.com:8080", []string{"http://example.com:8080", "https://example.com:8080"}, []string{"http://example.com"}},
		{"example.com:443", []string{"https://example.com", "http://example.com:443"}, []string{"http://example.com"}},
		{"*.example.com", []string{"https://a.example.com", "http://a.b.example.com:81"}, []string{"https://example.com", "https://.example.com", "https://aexample.com", "https://a.example.com.evil"}},
		{"https://*.Example.com", []string{"https://a.example.com"}, []string{"http://a.example.com", "https://a.example.com:8443"}},
		{"null", []string{"null"}, []string{"", "NULL", "http://null"}},
		{"chrome-extension://abcdef", []string{"chrome-extension://abcdef"}, []string{"https://abcdef"}},
		{"http://[::1]:3000", []string{"http://[::1]:3000"}, []string{"http://[::1]", "http://[::2]:3000"}},
		{"127.0.0.1", []string{"http://127.0.0.1:9"}, []string{"http://127.0.0.2:9"}},
		{"kexample.com", []string{"http://kexample.com"}, []string{"http://\u212aexample.com"}},
	}
	for _, tt := range tests {
		p, err := abi.ParseOriginPattern(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		for _, o := range tt.yes {
			if !p.Matches(o) {
				t.Errorf("%s does not match %q", tt.pattern, o)
			}
		}
		for _, o := range tt.no {
			if p.Matches(o) {
				t.Errorf("%s matches %q", tt.pattern, o)
			}
		}
	}
}

func TestOriginPatternIsRefused(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"": "not an origin", "*": "leaving the list out", "https://*": "not an origin", "*.": "not an origin", "*.*.com": "not an origin",
		"a.*.com": "not an origin", "https://app.example.com/": "https://app.example.com\"", "wss://a.example": "want http or https",
		"://a": "no scheme", "1http://a": "no scheme", "a:0": "not an origin", "a:65536": "not an origin", "a:": "not an origin",
		"a b": "not an origin", "user@a": "not an origin", "a..b": "not an origin", "[::1": "not an origin", "*.[::1]": "not an origin",
		"[]": "not an origin", "ä.example": "xn--", strings.Repeat("a", 301): "longer than", strings.Repeat("a", 64) + ".b": "not an origin",
	} {
		_, err := abi.ParseOriginPattern(pattern)
		if !errors.Is(err, abi.CodeInvalidRequest.Err()) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.70q: %v, want %q", pattern, err, want)
		}
	}
}

// origins and patterns are tried against each other.
var (
	someOrigins = []string{
		"null", "http://a.b", "https://a.b", "https://a.b:8443", "http://a.b:443", "http://x.a.b", "https://x.a.b:1", "https://y.x.a.b", "http://b", "ftp://a.b", "ftp://x.a.b:21", "app://x.a.b",
	}
	somePatterns = []string{
		"null", "a.b", "http://a.b", "https://a.b", "https://a.b:8443", "a.b:443", "*.b", "*.a.b", "https://*.a.b", "*.a.b:1", "ftp://a.b", "ftp://*.a.b:21", "app://*.b", "x.a.b", "b", "*.x.a.b",
	}
)

func TestOriginPatternIntersect(t *testing.T) {
	t.Parallel()
	for _, p := range somePatterns {
		for _, o := range somePatterns {
			checkIntersect(t, p, o, someOrigins)
		}
	}
}

// checkIntersect compares Intersect with what both patterns match.
func checkIntersect(t *testing.T, a, b string, origins []string) {
	t.Helper()
	p, err := abi.ParseOriginPattern(a)
	o, err2 := abi.ParseOriginPattern(b)
	if err != nil || err2 != nil {
		return
	}
	both, some := p.Intersect(o)
	for _, origin := range origins {
		want := p.Matches(origin) && o.Matches(origin)
		if got := some && both.Matches(origin); got != want {
			t.Errorf("%s and %s are %s (%v), which matches %q: %v, want %v", a, b, both, some, origin, got, want)
		}
	}
	if !some {
		return
	}
	if again, err := abi.ParseOriginPattern(both.String()); err != nil || again != both {
		t.Errorf("%s and %s are %#v, which reads back as %#v, %v", a, b, both, again, err)
	}
}

// FuzzOriginPattern reads any two texts as patterns and any third as an origin.
func FuzzOriginPattern(f *testing.F) {
	for i, p := range somePatterns {
		f.Add(p, somePatterns[(i+5)%len(somePatterns)], someOrigins[i%len(someOrigins)])
	}
	f.Add("https://evil.com", "*.a.b", "https://a.b@evil.com")
	f.Fuzz(func(t *testing.T, a, b, origin string) {
		checkIntersect(t, a, b, append([]string{origin}, someOrigins...))
		p, err := abi.ParseOriginPattern(a)
		if err != nil {
			if !errors.Is(err, abi.CodeInvalidRequest.Err()) {
				t.Errorf("%q: %v", a, err)
			}
			return
		}
		if again, err := abi.ParseOriginPattern(p.String()); err != nil || again != p {
			t.Errorf("%q is written as %q, which is %+v, %v", a, p, again, err)
		}
		// A match means that the origin is the pattern's host or below it, whole.
		if p.Matches(origin) && a != "null" {
			_, host, _ := strings.Cut(p.String(), "*.")
			if host == "" {
				host = p.String()
			}
			if i := strings.Index(host, "://"); i >= 0 {
				host = host[i+3:]
			}
			name := strings.ToLower(origin[strings.Index(origin, "://")+3:])
			host = strings.TrimRight(strings.TrimRight(host, "0123456789"), ":")
			if !strings.HasPrefix(name, host) && !strings.Contains(name, "."+host) {
				t.Errorf("%q matches %q", a, origin)
			}
		}
	})
}

func TestPolicyCheck(t *testing.T) {
	t.Parallel()
	many := make([]string, abi.MaxPolicyEntries+1)
	for i := range many {
		many[i] = "a"
	}
	for _, tt := range []struct{ policy, want string }{
		{`{}`, ""},
		{`{"allowOrigins": null, "protocols": null}`, ""},
		{`{"messagesPerSecond": 5, "pingInterval": "30s", "allowOrigins": ["*.a.b"], "protocols": ["chat.v2"]}`, ""},
		{`{"maxBytes": -1}`, "maxBytes: -1 is negative"},
		{`{"maxMessageBytes": -2}`, "maxMessageBytes: -2 is negative"},
		{`{"messagesPerSecond": -3}`, "messagesPerSecond: -3 is negative"},
		{`{"allowOrigins": []}`, "allowOrigins is empty"},
		{`{"protocols": []}`, "protocols is empty"},
		{`{"allowOrigins": ["a", "a/b"]}`, `allowOrigins: "a/b" has a path`},
		{`{"protocols": ["a,b"]}`, `protocols: "a,b" is not the name`},
		{`{"protocols": [""]}`, `protocols: "" is not the name`},
		{`{"protocols": ["` + strings.Join(many, `","`) + `"]}`, "protocols has 65 entries"},
	} {
		var p abi.Policy
		if err := json.Unmarshal([]byte(tt.policy), &p); err != nil {
			t.Fatal(err)
		}
		err := p.Check()
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, abi.CodeInvalidRequest.Err()) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.policy, err, tt.want)
		}
	}
	if err := (&abi.Policy{PingInterval: -1}).Check(); err == nil || !strings.Contains(err.Error(), "pingInterval: -1ns is negative") {
		t.Errorf("negative interval: %v", err)
	}
}

// TestPolicyEqual changes each field of a policy in turn.
func TestPolicyEqual(t *testing.T) {
	t.Parallel()
	full := abi.Policy{
		Wait: 1, IdleTimeout: abi.Duration(time.Second), MaxDuration: 3, MaxMessageBytes: 4, MaxBytes: 5, MessagesPerSecond: 6, PingInterval: 7,
		AllowOrigins: []string{"a"}, Protocols: []string{"b"},
	}
	same := full
	same.AllowOrigins, same.Protocols = slices.Clone(full.AllowOrigins), slices.Clone(full.Protocols)
	if !same.Equal(full) || same.IsZero() || !(abi.Policy{}).IsZero() {
		t.Error("equal policies are told apart")
	}
	for i := range reflect.TypeFor[abi.Policy]().NumField() {
		name := reflect.TypeFor[abi.Policy]().Field(i).Name
		other := full
		reflect.ValueOf(&other).Elem().Field(i).SetZero()
		if other.Equal(full) {
			t.Errorf("a policy without %s is the same as one with it", name)
		}
		var alone abi.Policy
		reflect.ValueOf(&alone).Elem().Field(i).Set(reflect.ValueOf(full).Field(i))
		if alone.IsZero() {
			t.Errorf("a policy of %s alone is zero", name)
		}
	}
	if (abi.Policy{Protocols: []string{}}).IsZero() {
		t.Error("an empty list is taken for none")
	}
}

func TestPolicyIsWrittenAsRead(t *testing.T) {
	t.Parallel()
	type record struct {
		Policy abi.Policy `json:"policy,omitzero"`
	}
	for _, text := range []string{
		`{}`, `{"policy":{"maxBytes":7}}`,
		`{"policy":{"messagesPerSecond":5,"pingInterval":30000,"allowOrigins":["*.a.b"],"protocols":["chat"]}}`,
		`{"policy":{"allowOrigins":[]}}`,
	} {
		var r record
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(r); err != nil || string(got) != text {
			t.Errorf("%s is written as %s, %v", text, got, err)
		}
	}
}
