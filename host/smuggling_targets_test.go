package host

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
)

// countingBackend is a server behind a proxy that notes each request that came whole,
// byte for byte as it reads them: strictly.
type countingBackend struct {
	addr string

	mu    sync.Mutex
	cases map[int][]upstreamRequest // by the number in the target; -1 without one
}

// upstreamRequest is one request that reached a backend.
type upstreamRequest struct {
	line string
	odd  string // what is wrong with its head; readers could differ about it
}

// caseNumber finds which case a target belongs to.
var caseNumber = regexp.MustCompile(`c(\d{3})\b`)

func startCountingBackend(t testing.TB) *countingBackend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &countingBackend{addr: ln.Addr().String(), cases: map[int][]upstreamRequest{}}
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	all.Go(func() { b.accept(ctx, ln, &all) })
	t.Cleanup(func() {
		cancel()
		ln.Close()
		all.Wait()
	})
	return b
}

func (b *countingBackend) accept(ctx context.Context, ln net.Listener, all *sync.WaitGroup) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			stop := context.AfterFunc(ctx, func() { c.Close() })
			defer stop()
			defer c.Close()
			b.serve(bufio.NewReaderSize(c, 64<<10), c)
		})
	}
}

// serve answers each request with its own target.
func (b *countingBackend) serve(r *bufio.Reader, w net.Conn) {
	for {
		head, err := readHead(r)
		if err != nil {
			return
		}
		req := upstreamRequest{odd: oddHead(head)}
		req.line, _, _ = strings.Cut(head, "\r\n")
		if req.odd == "" && readBody(r, head) != nil {
			return
		}
		_, target, _ := strings.Cut(req.line, " ")
		target, _, _ = strings.Cut(target, " ")
		b.note(req, target)
		switch {
		case req.odd != "":
			return
		case strings.Contains(target, "/ws") && headerOf(head, "Upgrade") != "":
			fmt.Fprintf(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
				accept(headerOf(head, "Sec-WebSocket-Key")))
			_ = w.SetReadDeadline(time.Now().Add(shortPatience))
			_, _ = io.Copy(io.Discard, r) // no HTTP any more
			return
		case strings.HasPrefix(head, "HEAD "):
			target = ""
			fallthrough
		default:
			fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
		}
	}
}

func (b *countingBackend) note(req upstreamRequest, target string) {
	id := -1
	if m := caseNumber.FindStringSubmatch(target); m != nil {
		id, _ = strconv.Atoi(m[1])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cases[id] = append(b.cases[id], req)
}

// of returns what came of a case.
func (b *countingBackend) of(id int) []upstreamRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]upstreamRequest(nil), b.cases[id]...)
}

// forget has a case begin anew.
func (b *countingBackend) forget(id int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.cases, id)
}

// readHead reads up to and with the empty line.
func readHead(r *bufio.Reader) (string, error) {
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		line, err := r.ReadBytes('\n')
		if head = append(head, line...); err != nil {
			return "", err
		}
	}
	return string(head), nil
}

// oddHead says what in a head could be read in two ways, or "".
func oddHead(head string) string {
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	if strings.Count(lines[0], " ") != 2 || !strings.HasSuffix(lines[0], " HTTP/1.1") && !strings.HasSuffix(lines[0], " HTTP/1.0") {
		return fmt.Sprintf("request line %q", lines[0])
	}
	count := map[string]int{}
	for i, l := range lines {
		if strings.ContainsAny(l, "\r\n\x00") {
			return fmt.Sprintf("control characters in %q", l)
		}
		if i == 0 {
			continue
		}
		name, value, ok := strings.Cut(l, ":")
		if value = strings.Trim(value, " \t"); !ok || !abi.ValidToken(name) {
			return fmt.Sprintf("header %q", l)
		}
		switch name = strings.ToLower(name); {
		case name == "content-length" && strings.Trim(value, "0123456789") != "", name == "content-length" && value == "",
			name == "transfer-encoding" && value != "chunked":
			return fmt.Sprintf("framing %q", l)
		}
		count[name]++
	}
	if count["content-length"]+count["transfer-encoding"] > 1 || count["host"] != 1 {
		return fmt.Sprintf("%d lengths, %d codings, %d hosts", count["content-length"], count["transfer-encoding"], count["host"])
	}
	return ""
}

// headerOf is the value of a header; "" if there is none.
func headerOf(head, name string) string {
	for l := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(l, ":"); ok && strings.EqualFold(n, name) {
			return strings.Trim(v, " \t")
		}
	}
	return ""
}

// readBody reads what a head announces.
func readBody(r *bufio.Reader, head string) error {
	if headerOf(head, "Transfer-Encoding") == "" {
		n, _ := strconv.ParseInt(headerOf(head, "Content-Length"), 10, 64)
		_, err := io.CopyN(io.Discard, r, n)
		return err
	}
	_, err := io.Copy(io.Discard, httputil.NewChunkedReader(r))
	if err != nil {
		return err
	}
	for { // trailers
		l, err := r.ReadString('\n')
		if err != nil || l == "\r\n" {
			return err
		}
	}
}

// target is a proxy in front of a backend of its own.
type smugglingTarget struct {
	name    string
	backend *countingBackend
	dial    func() (net.Conn, error)
}

// shortPatience is how long each of the proxies waits for what does not come.
const shortPatience = 3 * time.Second

// edgeTarget is the edge itself.
func edgeTarget(t *testing.T) *smugglingTarget {
	b := startCountingBackend(t)
	box := newBox("a", map[int]string{8080: b.addr})
	s := &Server{boxes: boxes(box), HeadTimeout: shortPatience, BodyTimeout: shortPatience}
	r := start(t, s, all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080})))
	return &smugglingTarget{"edge", b, func() (net.Conn, error) { return net.Dial("tcp", r.addr) }}
}

// goTarget is the standard library's proxy.
func goTarget(t *testing.T) *smugglingTarget {
	b := startCountingBackend(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	quiet := log.New(io.Discard, "", 0)
	to := &url.URL{Scheme: "http", Host: b.addr}
	s := &http.Server{ReadTimeout: shortPatience, ErrorLog: quiet, Handler: &httputil.ReverseProxy{
		Transport: transport, ErrorLog: quiet,
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
	}}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		<-served
		transport.CloseIdleConnections()
	})
	return &smugglingTarget{"net/http", b, func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) }}
}

// nginxTarget is Debian's nginx on a socket in a folder of the test; nil where there
// is none.
func nginxTarget(t *testing.T) *smugglingTarget {
	program, err := exec.LookPath("nginx")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/nginx") // not on everybody's PATH
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("nginx is not installed, and must be here: apt-get install nginx")
		}
		return nil
	}
	b := startCountingBackend(t)
	dir, err := os.MkdirTemp("", "nginx") // short enough for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	config := filepath.Join(dir, "nginx.conf")
	var temps strings.Builder
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temps, "  %s_temp_path %s/%s;\n", what, dir, what)
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	text := fmt.Sprintf(`%[1]sdaemon off; master_process off; pid %[2]s/pid; error_log %[2]s/error crit;
events { worker_connections 4096; }
http {
%[3]s  access_log off; client_header_timeout %[6]s; client_body_timeout %[6]s; keepalive_timeout %[6]s; lingering_timeout %[6]s; reset_timedout_connection off;
  upstream backend { server %[4]s; keepalive 64; }
  server {
    listen unix:%[5]s;
    location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_next_upstream off; }
  }
}
`, user, dir, temps.String(), b.addr, socket, shortPatience)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(program, "-p", dir, "-e", filepath.Join(dir, "error"), "-c", config)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	dial := func() (net.Conn, error) { return net.Dial("unix", socket) }
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if c, err := dial(); err == nil {
			c.Close()
			return &smugglingTarget{"nginx", b, dial}
		}
		if time.Since(begun) > patience {
			more, _ := os.ReadFile(filepath.Join(dir, "error"))
			t.Fatalf("nginx does not listen: %s %s", said.String(), more)
		}
	}
}
