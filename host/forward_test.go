package host

import (
	"testing"
	"time"

	"edge/abi"
)

func TestStricter(t *testing.T) {
	t.Parallel()
	a := abi.Policy{IdleTimeout: abi.Duration(time.Second), MaxBytes: 10, MaxMessageBytes: 5}
	b := abi.Policy{IdleTimeout: abi.Duration(time.Minute), MaxBytes: 3, MaxDuration: abi.Duration(time.Hour)}
	want := abi.Policy{IdleTimeout: abi.Duration(time.Second), MaxBytes: 3, MaxMessageBytes: 5, MaxDuration: abi.Duration(time.Hour)}
	if got := stricter(a, b); !got.Equal(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := stricter(b, a); !got.Equal(want) {
		t.Errorf("the other way round: %+v, want %+v", got, want)
	}
}

func TestSameSite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		origin, host string
		want         bool
	}{
		{"http://a:80", "a:80", true}, {"https://A", "a", true}, {"http://a", "a:80", false}, {"null", "a", false}, {"", "a", false},
		{"http://a.b", "a", false}, {"http://evil?http://a", "a", false}, {"ftp://a", "a", false}, {"http://a/", "a", false},
	} {
		if got := sameSite(tt.origin, tt.host); got != tt.want {
			t.Errorf("origin %q of host %q: %v", tt.origin, tt.host, got)
		}
	}
}

func TestLogged(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"8080-my-app-tok.localhost": "8080-my-app-*.localhost", "x.8080-a-tok.b": "x.8080-a-*.b", "app.example": "app.example",
		"3-way.example": "3-way.example", "my-app.example": "my-app.example", "8080-a-tok-.localhost": "8080-a-*.localhost", "8080-a_tok.localhost": "8080-*.localhost",
	} {
		if got := loggedHost(in); got != want {
			t.Errorf("host %s is logged as %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"/_preview/8080/my-app-tok/x/y": "/_preview/8080/my-app-*/x/y", "/%5fpreview//8080/a-tok": "/_preview/8080/a-*", "/_preview/a-tok": "/_preview/a-*/",
		"/x/../_preview/1/a-tok/": "/_preview/1/a-*/", "/a-b/c": "/a-b/c", "/_PREVIEW/1/a-tok/": "/_PREVIEW*", "/x/_preview/1/a-tok": "/x/_preview*",
		"/_preview/1/a-tok/_preview/1/b-tok/": "/_preview/1/a-*/_preview*", "/\xff_Preview/1/a-tok": "/\xff_Preview*",
	} {
		if got := loggedPath(in); got != want {
			t.Errorf("path %s is logged as %s, want %s", in, got, want)
		}
	}
}
