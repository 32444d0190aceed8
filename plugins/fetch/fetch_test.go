package fetch

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edge/abi"
	"edge/cmd/edge/testleak"
	"edge/plugins"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testleak.Settle(m)) }

// patience bounds what a test waits for; it never decides a result.
const patience = time.Minute

// granted returns a request for a URL with grants.
func granted(url string, grants ...string) plugins.FetchRequest {
	g := &plugins.Grants{Fetch: grants}
	return plugins.FetchRequest{Plugin: "p", Method: "GET", URL: url, Redirect: abi.RedirectFollow, Allow: g.FetchHost, AllowAddr: g.FetchAddr}
}

// newClient returns a client that is closed at the test's end.
func newClient(t *testing.T) *Client {
	t.Helper()
	c := &Client{connect: patience}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// serve runs a server at a loopback address until the test's end.
func serve(t *testing.T, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s
}

// get fetches and reads the whole answer.
func get(t *testing.T, c *Client, r plugins.FetchRequest) (*plugins.FetchResponse, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := c.Fetch(ctx, r)
	if err != nil {
		return nil, "", err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	return a, string(b), err
}

// want checks an error's code and that its text holds some words, and no Go type.
func want(t *testing.T, err error, code abi.Code, words ...string) {
	t.Helper()
	var e *abi.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("got error %v, want %s", err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("the error is %q, want %q in it", e.Message, w)
		}
	}
	for _, inside := range []string{"tcp", "net/", "0x", "goroutine"} {
		if strings.Contains(e.Message, inside) {
			t.Errorf("the plugin is told %q", e.Message)
		}
	}
}

func TestFetchSendsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	type seen struct {
		method, uri, body string
		header            http.Header
		length            int64
	}
	got := make(chan seen, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- seen{r.Method, r.RequestURI, string(b), r.Header, r.ContentLength}
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
		w.Header().Set("Content-Encoding", "gzip") // a lie: nothing is decoded
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	})
	r := granted(s.URL+"/a%2Fb?q=1", s.URL)
	r.Method, r.Data = "PUT", []byte("data")
	r.Headers = []abi.Header{{Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}}
	a, body, err := get(t, newClient(t), r)
	if err != nil {
		t.Fatal(err)
	}
	g := <-got
	if g.method != "PUT" || g.uri != "/a%2Fb?q=1" || g.body != "data" || g.length != 4 {
		t.Errorf("the server saw %+v", g)
	}
	if fmt.Sprint(g.header["X-A"]) != "[1 2]" || g.header.Get("User-Agent") != userAgent || g.header["Accept-Encoding"] != nil {
		t.Errorf("the server saw the headers %v", g.header)
	}
	if a.Status != http.StatusTeapot || a.URL != r.URL || body != "short and stout" {
		t.Errorf("answer %+v %q", a, body)
	}
	var two []string
	for _, h := range a.Headers {
		if h.Name == "X-Two" {
			two = append(two, h.Value)
		}
	}
	if fmt.Sprint(two) != "[1 2]" {
		t.Errorf("headers %v", a.Headers)
	}
}

func TestFetchStreams(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = fmt.Fprintf(w, "%d ", r.ContentLength)
		_, _ = io.Copy(w, r.Body)
	})
	for name, size := range map[string]int64{"of a known size": 11, "of any size": -1, "empty": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := strings.Repeat("hello world", min(1, int(size*size)))
			r := granted(s.URL, s.URL)
			stream := &closing{Reader: strings.NewReader(content), closed: make(chan struct{})}
			r.Method, r.Stream, r.Size = "POST", stream, size
			_, body, err := get(t, newClient(t), r)
			if want := fmt.Sprint(size, " ", content); err != nil || body != want {
				t.Errorf("got %q, %v; want %q", body, err, want)
			}
			<-stream.closed
		})
	}
}

// closing tells when it was closed.
type closing struct {
	io.Reader
	closed chan struct{}
}

func (c *closing) Close() error { close(c.closed); return nil }

// TestStreamIsClosed has every fetch that fails close the client's body.
func TestStreamIsClosed(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/again", http.StatusTemporaryRedirect)
	})
	for name, tt := range map[string]struct {
		url  string
		code abi.Code
	}{
		"denied":       {"http://other.test/", abi.CodeDenied},
		"no URL":       {"http://[", abi.CodeInvalidRequest},
		"sent already": {s.URL, abi.CodeFetchFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := &closing{Reader: strings.NewReader("x"), closed: make(chan struct{})}
			r := granted(tt.url, s.URL)
			r.Method, r.Stream, r.Size = "POST", stream, -1
			_, _, err := get(t, newClient(t), r)
			want(t, err, tt.code)
			<-stream.closed
		})
	}
}

// redirecting serves what redirects with the status that begins the path, "/302/end",
// to what follows it, or to another origin, "/302/other". What is asked there is the
// answer.
func redirecting(t *testing.T) (here, other *httptest.Server) {
	t.Helper()
	echo := func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s auth=%q type=%q body=%q", r.Method, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), b)
	}
	other = serve(t, echo)
	here = serve(t, func(w http.ResponseWriter, r *http.Request) {
		status, to, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if !ok {
			echo(w, r)
			return
		}
		var n int
		_, _ = fmt.Sscan(status, &n)
		if to == "other" {
			to = other.URL + "/end"
		} else {
			to = "/" + to
		}
		w.Header().Set("Location", to)
		w.WriteHeader(n)
	})
	return here, other
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	s, other := redirecting(t)
	for name, tt := range map[string]struct {
		method, path string
		want         string
	}{
		"302 of a POST":    {"POST", "/302/end", `GET /end auth="secret" type="" body=""`},
		"301 of a PUT":     {"PUT", "/301/end", `PUT /end auth="secret" type="text/plain" body="data"`},
		"303 of a PUT":     {"PUT", "/303/end", `GET /end auth="secret" type="" body=""`},
		"307 of a POST":    {"POST", "/307/end", `POST /end auth="secret" type="text/plain" body="data"`},
		"308 elsewhere":    {"POST", "/308/other", `POST /end auth="" type="text/plain" body="data"`},
		"302 of two":       {"POST", "/302/302/end", `GET /end auth="secret" type="" body=""`},
		"no redirect: 304": {"GET", "/304/end", ``},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := granted(s.URL+tt.path, s.URL, other.URL)
			r.Method, r.Data = tt.method, []byte("data")
			r.Headers = []abi.Header{{Name: "Authorization", Value: "secret"}, {Name: "Content-Type", Value: "text/plain"}}
			_, body, err := get(t, newClient(t), r)
			if err != nil || body != tt.want {
				t.Errorf("got %q, %v; want %q", body, err, tt.want)
			}
		})
	}
	t.Run("manual", func(t *testing.T) {
		t.Parallel()
		r := granted(s.URL+"/302/end", s.URL)
		r.Redirect = abi.RedirectManual
		a, _, err := get(t, newClient(t), r)
		if err != nil || a.Status != 302 || a.URL != r.URL {
			t.Errorf("got %+v, %v", a, err)
		}
	})
	t.Run("error", func(t *testing.T) {
		t.Parallel()
		r := granted(s.URL+"/302/end", s.URL)
		r.Redirect = abi.RedirectError
		_, _, err := get(t, newClient(t), r)
		want(t, err, abi.CodeFetchFailed, "302")
	})
	t.Run("final URL", func(t *testing.T) {
		t.Parallel()
		a, _, err := get(t, newClient(t), granted(s.URL+"/307/other", s.URL, other.URL))
		if err != nil || a.URL != other.URL+"/end" {
			t.Errorf("got %+v, %v", a, err)
		}
	})
}

// TestRedirectsOfStreams sends a body that cannot be sent twice: where a redirect asks
// for the same request again it is no redirect to follow.
func TestRedirectsOfStreams(t *testing.T) {
	t.Parallel()
	s, _ := redirecting(t)
	for name, tt := range map[string]struct {
		method, path string
		want         string // empty: the body would have to be sent twice
	}{
		"302 of a stream":          {"POST", "/302/end", `GET /end auth="" type="" body=""`},
		"303, then 307":            {"PUT", "/303/307/end", `GET /end auth="" type="" body=""`},
		"301 of a PUT of a stream": {"PUT", "/301/end", ""},
		"308 of a stream":          {"POST", "/308/end", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := granted(s.URL+tt.path, s.URL)
			r.Method, r.Stream, r.Size = tt.method, io.NopCloser(strings.NewReader("data")), 4
			_, body, err := get(t, newClient(t), r)
			switch {
			case tt.want == "":
				want(t, err, abi.CodeFetchFailed, "sent already")
			case err != nil || body != tt.want:
				t.Errorf("got %q, %v; want %q", body, err, tt.want)
			}
		})
	}
}

// TestRedirectsAreBounded counts how often a loop is followed.
func TestRedirectsAreBounded(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "/", http.StatusFound)
	})
	_, _, err := get(t, newClient(t), granted(s.URL, s.URL))
	want(t, err, abi.CodeFetchFailed, "10 redirects")
	if n := asked.Load(); n != MaxRedirects+1 {
		t.Errorf("asked %d times, want %d", n, MaxRedirects+1)
	}
}

// TestEachHopIsAsked redirects to places that are not granted: nothing reaches
// them.
func TestEachHopIsAsked(t *testing.T) {
	t.Parallel()
	secret := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a place that is not granted was asked") })
	for name, to := range map[string]string{
		"another port":     secret.URL,
		"metadata":         "http://169.254.169.254/latest/meta-data/",
		"a mapped address": strings.Replace(secret.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1),
		"another scheme":   "file:///etc/passwd",
		"a password":       "http://a:b@" + strings.TrimPrefix(secret.URL, "http://"),
		"a port too high":  "http://127.0.0.1:99999/",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", to)
				w.WriteHeader(302)
			})
			_, _, err := get(t, newClient(t), granted(s.URL, s.URL, "*", "http://*"))
			if abi.AsError(err) == nil || abi.AsError(err).Code != abi.CodeDenied && abi.AsError(err).Code != abi.CodeFetchFailed {
				t.Errorf("got %v", err)
			}
		})
	}
}

// overdue is a context whose deadline passes when a test says so.
type overdue struct {
	context.Context
	passed chan struct{}
}

func (o overdue) Done() <-chan struct{} { return o.passed }

func (o overdue) Err() error {
	select {
	case <-o.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// TestSlowServer has deadlines pass before an answer's head, and in its body.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "first")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	c := newClient(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Fetch(ctx, granted(s.URL+"/head", s.URL))
	want(t, err, abi.CodeTimeout)

	body := overdue{t.Context(), make(chan struct{})}
	a, err := c.Fetch(body, granted(s.URL+"/body", s.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	first := make([]byte, len("first"))
	if _, err := io.ReadFull(a.Body, first); err != nil || string(first) != "first" {
		t.Errorf("read %q before, %v", first, err)
	}
	close(body.passed)
	b, err := io.ReadAll(a.Body)
	want(t, err, abi.CodeTimeout)
	if len(b) != 0 {
		t.Errorf("read %q after", b)
	}

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = c.Fetch(ctx, granted(s.URL+"/head", s.URL))
	want(t, err, abi.CodeCanceled)
}

func TestBodyIsBounded(t *testing.T) {
	t.Parallel()
	piece := make([]byte, 1<<20)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.URL.Query().Get("n"), &n)
		for sent := 0; sent < n; sent += len(piece) {
			if _, err := w.Write(piece[:min(len(piece), n-sent)]); err != nil {
				return
			}
		}
	})
	c := newClient(t)
	for n, code := range map[int]abi.Code{MaxBody: "", MaxBody + 1: abi.CodeBodyTooLarge, 10 * MaxBody: abi.CodeBodyTooLarge} {
		a, err := c.Fetch(t.Context(), granted(fmt.Sprint(s.URL, "/?n=", n), s.URL))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.Copy(io.Discard, a.Body)
		_ = a.Body.Close()
		switch {
		case code == "" && (err != nil || got != int64(n)):
			t.Errorf("a body of %d bytes: %d, %v", n, got, err)
		case code != "":
			want(t, err, code)
			if got > MaxBody {
				t.Errorf("read %d bytes", got)
			}
		}
	}
}

func TestBigHead(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/many" {
			for i := range abi.MaxHeaders + 1 {
				w.Header().Set(fmt.Sprint("X-", i), "1")
			}
			return
		}
		w.Header().Set("X", strings.Repeat("x", MaxHeaderBytes))
	})
	c := newClient(t)
	_, _, err := get(t, c, granted(s.URL+"/long", s.URL))
	want(t, err, abi.CodeFetchFailed, "too long")
	_, _, err = get(t, c, granted(s.URL+"/many", s.URL))
	want(t, err, abi.CodeFetchFailed, "headers")
}

// TestEarlyClose closes an answer that goes on: the server learns of it, and a
// reader is told.
func TestEarlyClose(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	a, err := newClient(t).Fetch(t.Context(), granted(s.URL, s.URL))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(a.Body, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Body.Close(), a.Body.Close()); err != nil {
		t.Error(err)
	}
	_, err = a.Body.Read(make([]byte, 10))
	want(t, err, abi.CodeCanceled)
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the server still sends")
	}
}

// deaf returns an address that is taken, so that no other test comes to listen there, and
// where nobody listens.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("127.0.0.1:", name.(*syscall.SockaddrInet4).Port)
}

func TestFailuresAreNamed(t *testing.T) {
	t.Parallel()
	refused := "http://" + deaf(t)
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	broken := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = c.Close()
		}
	})
	cut := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "short")
	})
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the certificate that is refused
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for name, tt := range map[string]struct{ url, why string }{
		"refused":     {refused, "refused"},
		"broke off":   {broken.URL, "broke off"},
		"cut short":   {cut.URL, "broke off"},
		"no TLS":      {strings.Replace(plain.URL, "http:", "https:", 1), "does not speak TLS"},
		"certificate": {secure.URL, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := get(t, newClient(t), granted(tt.url, tt.url))
			want(t, err, abi.CodeFetchFailed, tt.why, "127.0.0.1:")
		})
	}
	t.Run("trusted certificate", func(t *testing.T) {
		t.Parallel()
		c := newClient(t)
		c.Roots = x509.NewCertPool()
		c.Roots.AddCert(secure.Certificate())
		if _, _, err := get(t, c, granted(secure.URL, secure.URL)); err != nil {
			t.Error(err)
		}
	})
}

// TestNothingIsKept fetches a hundred times, half of them read and half not: no
// connection, no cookie and no count is left.
func TestNothingIsKept(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Error("a cookie came back")
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		_, _ = w.Write(make([]byte, 100<<10))
	}))
	closed := make(chan struct{}, 1000)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
			closed <- struct{}{}
		}
	}
	s.Start()
	defer s.Close()
	c := newClient(t)
	for i := range 100 {
		a, err := c.Fetch(t.Context(), granted(s.URL, s.URL))
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if n, err := io.Copy(io.Discard, a.Body); err != nil || n != 100<<10 {
				t.Fatalf("read %d, %v", n, err)
			}
		}
		if err := a.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c.mu.Lock()
	left := c.pools["p"].open
	c.mu.Unlock()
	if left != 0 {
		t.Errorf("%d fetches count as open", left)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for end := time.After(patience); open.Load() > 0; {
		select {
		case <-closed:
		case <-end:
			t.Fatalf("%d connections are open", open.Load())
		}
	}
	_, err := c.Fetch(t.Context(), granted(s.URL, s.URL))
	want(t, err, abi.CodeCanceled, "going down")
}

func TestOpenFetchesAreBounded(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for range MaxOpen {
		if _, err := c.enter("p"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.Fetch(t.Context(), granted("http://a.test/", "http://a.test"))
	want(t, err, abi.CodeQuotaExceeded, `"p"`)
	if _, err := c.enter("another"); err != nil {
		t.Errorf("another plugin: %v", err)
	}
	if p := c.pools["p"].transport; p.Proxy != nil {
		t.Error("a proxy of the environment would be used")
	}
}

// inside is an edge whose previews are at *.edge.test.
type inside struct{ handler http.Handler }

func (i inside) Answers(u *url.URL) bool { return strings.HasSuffix(u.Hostname(), ".edge.test") }

func (i inside) Dial(context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	s := &http.Server{Handler: i.handler}
	go func() { _ = s.Serve(&oneConn{conn: there}) }()
	return here, nil
}

// oneConn is a listener that has one connection.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	c := l.conn
	l.conn = nil
	return c, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// TestInside fetches previews of the edge itself: nothing is granted and no socket
// is opened, and a redirect from there to elsewhere is asked for.
func TestInside(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.Inside = inside{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/out" {
			http.Redirect(w, r, "http://out.test/", http.StatusFound)
			return
		}
		b, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Host, r.URL.Path, b)
	})}
	r := granted("https://8080-a-token.edge.test:8443/path")
	r.Method, r.Data = "POST", []byte("data")
	a, body, err := get(t, c, r)
	if err != nil || body != "8080-a-token.edge.test:8443 /path data" || a.URL != r.URL {
		t.Errorf("got %+v %q, %v", a, body, err)
	}
	_, _, err = get(t, c, granted("http://8080-a-token.edge.test/out"))
	want(t, err, abi.CodeDenied, "out.test")
}
