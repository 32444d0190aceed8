package replay

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// TestRedact replaces what is confidential wherever it stands; "<x>" in want is the
// placeholder of x.
func TestRedact(t *testing.T) {
	t.Parallel()
	r := newRedactor()
	r.know(map[string]string{"KEY": "s3cret", "LONG": "s3cret-and-more", "SHORT": "abc", "URL": "https://a b/"})
	header := func(name, value string) func() string {
		return func() string { return r.header(abi.Header{Name: name, Value: value}).Value }
	}
	text := func(s string) func() string { return func() string { return r.text(s) } }
	js := func(s string) func() string { return func() string { return string(r.json(json.RawMessage(s))) } }
	for _, tt := range []struct {
		name string
		got  func() string
		want string
	}{
		{"credentials behind their scheme", header("Authorization", "Bearer abcDEF.1-2"), "Bearer <abcDEF.1-2>"},
		{"credentials without a scheme", header("authorization", "abcDEF"), "<abcDEF>"},
		{"a proxy's", header("Proxy-Authorization", "Basic QQ=="), "Basic <QQ==>"},
		{"cookies by name", header("Cookie", "a=1; b=2;c"), "a=<1>; b=<2>;c"},
		{"a cookie that is set", header("Set-Cookie", "a=xY z; Path=/; HttpOnly"), "a=<xY z>; Path=/; HttpOnly"},
		{"a header by its name", header("X-Gitlab-Token", "Tok"), "<Tok>"},
		{"another", header("X-Api-Key", "Key"), "<Key>"},
		{"no such name", header("Accept", "text/html"), "text/html"},
		{"a preview's host", header("Host", "8080-my-box-tok12.localhost:8787"), "8080-my-box-<tok12>.localhost:8787"},
		{"a host that is none", header("Host", "api.example.com"), "api.example.com"},
		{"a preview's URL", text("see http://8080-my-box-tok12.localhost:8787/x."), "see http://8080-my-box-<tok12>.localhost:8787/x."},
		{"a preview's path", text("http://h/_preview/8080/my-box-tok12/x"), "http://h/_preview/8080/my-box-<tok12>/x"},
		{"a parameter", text("/x?a=1&token=Tok&b=2"), "/x?a=1&token=<Tok>&b=2"},
		{"a form", text("user=ann&password=Pa%20ss"), "user=ann&password=<Pa%20ss>"},
		{"JSON in a text", text(`{"user":"ann","apiKey": "K\"ey"}`), `{"user":"ann","apiKey": "<K\"ey>"}`},
		{"a secret", text("x s3cret y"), "x <s3cret> y"},
		{"the longer secret first", text("s3cret-and-more"), "<s3cret-and-more>"},
		{"a secret behind a scheme", header("X-Auth", "Bearer s3cret"), "Bearer <s3cret>"},
		{"a secret that is too short", text("abc"), "abc"},
		{"a field", js(`{"a":{"clientSecret":"S S","n":1.50}}`), `{"a":{"clientSecret":"<S S>","n":1.50}}`},
		{"a preview's token", js(`{"port":8080,"token":"tok12","url":"http://8080-a-tok12.localhost/"}`), `{"port":8080,"token":"<tok12>","url":"http://8080-a-<tok12>.localhost/"}`},
		{"header pairs", js(`[["Authorization","Bearer X1"],["Accept","a"]]`), `[["Authorization","Bearer <X1>"],["Accept","a"]]`},
		{"names that only sound like it", js(`{"session":"main","maxTokens":5,"keys":["a"]}`), `{"session":"main","maxTokens":5,"keys":["a"]}`},
		{"a placeholder", text("token=" + r.placeholder("Tok")), "token=<Tok>"},
		{"no text", text("\xff s3cret"), "\xff <s3cret>"},
	} {
		want := regexp.MustCompile(`<[^>]*>`).ReplaceAllStringFunc(tt.want, func(s string) string { return r.placeholder(s[1 : len(s)-1]) })
		if got := tt.got(); got != want {
			t.Errorf("%s: got %q, want %q", tt.name, got, want)
		}
	}
	if a, b := r.placeholder("a b"), r.placeholder("a c"); a == b || a != r.placeholder("a b") || !regexp.MustCompile(`^redacted:[0-9a-f]{8}$`).MatchString(a) {
		t.Errorf("placeholders %q and %q", a, b)
	}
	if p := r.placeholder("tok_12"); !urlToken.MatchString(p) || p == newRedactor().placeholder("tok_12") {
		t.Errorf("the placeholder of a token is %q", p)
	}
}

// TestRecordingSecrets serves a plugin with secrets everywhere: none of them is in
// the file, the recording still decides alike, and --record-secrets keeps them.
func TestRecordingSecrets(t *testing.T) {
	t.Parallel()
	const url = "http://8080-a-pr1v8tok.localhost:8787/"
	services := real{answer: func(string, json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(`{"url":"` + url + `","token":"pr1v8tok","stdout":"my s3cretKEY"}`), nil
	}}.services()
	guest := func() []byte { // answers with what exposePort said, which holds both
		return newGuest().op("exposePort", `{"port":8080,"token":"pr1v8tok","sandbox":{"binding":"S","id":"a"}}`).
			respond(200, abi.Header{Name: "Set-Cookie", Value: "id=COOKIEvalue; Path=/"}, abi.Header{Name: "Location", Value: url}).module()
	}
	q := func() *abi.Request {
		r := request("/login", abi.Header{Name: "Authorization", Value: "Bearer s3cretKEY"}, abi.Header{Name: "Cookie", Value: "id=COOKIEvalue"})
		r.Query, r.HasQuery = "access_token=QUERYtoken", true
		return withBody(r, `{"password":"PASSword1"}`)
	}
	spec := plugins.Spec{Secrets: map[string]string{"KEY": "s3cretKEY"}}
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	confidential := []string{"s3cretKEY", "pr1v8tok", "COOKIEvalue", "QUERYtoken"}
	file := recorded(t, guest(), Options{}, spec, services, q())
	text := read(file)
	for _, s := range confidential {
		if strings.Contains(text, s) {
			t.Errorf("%q is in the file:\n%s", s, text)
		}
	}
	if s, results := again(t, file, guest()); s.Same != 1 {
		t.Errorf("%s: %+v", s.String(), results)
	}
	kept := read(recorded(t, guest(), Options{KeepSecrets: true}, spec, services, q()))
	for _, s := range confidential {
		if !strings.Contains(kept, s) {
			t.Errorf("%q is not in the file that keeps secrets", s)
		}
	}
}

// TestRecordingSecretsStayEqual has a module compare a secret with a header, both
// of which are placeholders when it is decided again.
func TestRecordingSecretsStayEqual(t *testing.T) {
	t.Parallel()
	guest := func() []byte { // answers with the secret and the header, one after the other
		g := newGuest()
		g.do("req_header", req(), "Authorization", int(g.buf), bufSize)
		g.do("secret_get", "KEY", int(g.buf)+4, bufSize-4) // over the value, behind its length
		return g.respond(200).module()
	}
	file := recorded(t, guest(), Options{}, plugins.Spec{Secrets: map[string]string{"KEY": "open sesame"}}, plugins.Services{},
		request("/", abi.Header{Name: "Authorization", Value: "Bearer open sesame"}))
	list := lines(t, file)
	bearer := list[1].Request.Headers[1].Value
	if secret := list[0].Settings.Secrets["KEY"]; bearer != "Bearer "+secret || !strings.HasPrefix(secret, "redacted:") {
		t.Errorf("the secret is %q, the header %q", secret, bearer)
	}
}

// FuzzRedact never fails, leaves placeholders alone and lets no secret through.
func FuzzRedact(f *testing.F) {
	for _, s := range []string{"", "a=b", `{"token":"x"}`, "http://8080-a-b.c/", "Bearer s3cretKEY", "\xff=\x00", `"a":"\`} {
		f.Add(s)
	}
	r := newRedactor()
	r.know(map[string]string{"KEY": "s3cretKEY"})
	f.Fuzz(func(t *testing.T, s string) {
		once := r.text(s)
		if strings.Contains(once, "s3cretKEY") {
			t.Errorf("%q became %q", s, once)
		}
		if j := r.json(json.RawMessage(s)); json.Valid([]byte(s)) && !json.Valid(j) {
			t.Errorf("%q became %q, which is no JSON", s, j)
		}
	})
}

// FuzzReader reads anything, and what it takes for a line can be decided.
func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"request":{"method":"GET","url":"http://h/x?y"},"explanation":{"verdict":{"decision":"next"}}}`))
	f.Add([]byte(`{"dropped":1}` + "\n{}\n\n{\"settings\":{}}"))
	f.Add([]byte(`{"request":{"method":"","url":"://","body":{"base64":"AA=="},"headers":{"a":["b"]}},"calls":[{"name":"x"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := NewReader(strings.NewReader(string(text)))
		for range 100 {
			l, err := r.Next()
			if err != nil {
				if _, ok := err.(errLine); ok {
					continue
				}
				return
			}
			if l.Request != nil {
				l.Request.request()
				_, _ = newReplies(l).answer(&Call{Name: "x"})
			}
		}
	})
}
