package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
)

func TestAdmission(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{operate: echoed}, Hosts: []string{"Edge.example"}})
	_, port, err := net.SplitHostPort(w.addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"token", func(*http.Request) {}, 200},
		{"scheme in lower case", func(r *http.Request) { r.Header.Set("Authorization", "bearer "+testToken) }, 200},
		{"no token", func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		{"empty token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, 401},
		{"half a token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+testToken[:16]) }, 401},
		{"longer token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+testToken+"0") }, 401},
		{"wrong scheme", func(r *http.Request) { r.Header.Set("Authorization", "Basic "+testToken) }, 401},
		{"token in the query", func(r *http.Request) { r.Header.Del("Authorization"); r.URL.RawQuery = "token=" + testToken }, 401},

		{"localhost", func(r *http.Request) { r.Host = "localhost:" + port }, 200},
		{"localhost with a dot", func(r *http.Request) { r.Host = "LOCALHOST." }, 200},
		{"another loopback address", func(r *http.Request) { r.Host = "127.9.9.9" }, 200},
		{"IPv6 loopback", func(r *http.Request) { r.Host = "[::1]:" + port }, 200},
		{"configured", func(r *http.Request) { r.Host = "edge.EXAMPLE:1" }, 200},
		{"rebound name", func(r *http.Request) { r.Host = "attacker.example:" + port }, 403},
		{"preview name", func(r *http.Request) { r.Host = "8080-a.localhost:" + port }, 403},
		{"foreign address", func(r *http.Request) { r.Host = "192.0.2.1" }, 403},
		{"name with a token too", func(r *http.Request) { r.Host = "127.0.0.1.attacker.example" }, 403},

		{"own origin", func(r *http.Request) { r.Header.Set("Origin", w.base); r.Header.Set("Sec-Fetch-Site", "same-origin") }, 200},
		{"typed", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") }, 200},
		{"foreign origin", func(r *http.Request) { r.Header.Set("Origin", "http://attacker.example") }, 403},
		{"sandboxed origin", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"origin of another port", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, 403},
		{"two origins", func(r *http.Request) { r.Header["Origin"] = []string{w.base, "http://attacker.example"} }, 403},
		{"cross site", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"same site", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := w.request("GET", box, nil)
			tt.change(r)
			got := w.do(r)
			if got.StatusCode != tt.status {
				t.Errorf("%d %s, want %d", got.StatusCode, got.body, tt.status)
			}
			if tt.status != 200 && got.code() != abi.CodeDenied {
				t.Errorf("code %s", got.code())
			}
			if challenge := got.Header.Get("WWW-Authenticate"); (challenge != "") != (tt.status == 401) {
				t.Errorf("challenge %q with status %d", challenge, got.StatusCode)
			}
		})
	}
	t.Run("health without a token", func(t *testing.T) {
		t.Parallel()
		r := w.request("GET", "/healthz", nil)
		r.Header.Del("Authorization")
		if got := w.do(r); got.StatusCode != 200 {
			t.Errorf("%d %s", got.StatusCode, got.body)
		}
	})
	t.Run("options of everything without a token", func(t *testing.T) {
		t.Parallel()
		if got := raw(t, "tcp", w.addr, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 401") {
			t.Errorf("got %.100q", got)
		}
	})
	t.Run("long head", func(t *testing.T) {
		t.Parallel()
		if got := raw(t, "tcp", w.addr, "GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 2*maxHeadBytes)+"\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 431") {
			t.Errorf("got %.100q", got)
		}
	})
}

// raw sends bytes and returns what comes until the connection is closed.
func raw(t *testing.T, network, addr, send string) string {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, send) // may be cut off by an early answer
	b, _ := io.ReadAll(c)
	return string(b)
}

func TestNoTokenNoServer(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Server{}).Serve(ln); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("got %v", err)
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("Linux alone names a socket's peer")
	}
	w := start(t, &Server{Operations: &fakeOperations{operate: echoed}})
	st, err := os.Stat(w.socket)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", st.Mode(), err)
	}
	// No token, any name.
	got := raw(t, "unix", w.socket, "GET "+box+" HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("got %s", got)
	}
	if want := fmt.Sprintf("remote=unix:%d", os.Geteuid()); !strings.Contains(w.log.String(), want) {
		t.Errorf("the log does not say %s:\n%s", want, w.log)
	}
}

// TestUnixSocketRefusesOthers connects as another user, who could only get that
// far if somebody had opened the socket to all.
func TestUnixSocketRefusesOthers(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("only root on Linux can become another user")
	}
	dir, err := os.MkdirTemp("", "edge-admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := Listen(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o755, filepath.Join(dir, "s"): 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	s := &Server{Operations: &fakeOperations{operate: echoed}}
	served := make(chan error, 1)
	go func() { served <- s.ServeUnix(ln) }()
	curl, err := exec.LookPath("curl")
	if err != nil {
		missing(t, "curl is not installed")
	}
	cmd := exec.CommandContext(t.Context(), curl, "-s", "--unix-socket", filepath.Join(dir, "s"), "http://edge"+box)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := (result{body: string(out)}); got.code() != abi.CodeDenied {
		t.Errorf("got %s", out)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// missing skips a test for which this machine lacks something; never in CI.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s, and CI tests everything", why)
	}
	t.Skipf("NOT TESTED: %s", why)
}

func TestListen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another edge") {
		t.Errorf("a second edge: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	// One that a killed edge left.
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = dead.Close()
	second, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	// A successor's socket stays when this one is closed.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	successor, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = second.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the successor's socket is gone: %v", err)
	}
	_ = successor.Close()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestLoadToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "admin.token")
	first, err := LoadToken(path)
	if err != nil || len(first) != 2*tokenBytes {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := LoadToken(path); err != nil || again != first {
		t.Errorf("%q, %v; want the same", again, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadToken(path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) || strings.Contains(err.Error(), first) {
		t.Errorf("readable by others: %v", err)
	}
	for name, tt := range map[string]struct {
		content string
		ok      bool
	}{
		"own":      {strings.Repeat("a", minTokenLength) + "\r\n", true},
		"longest":  {strings.Repeat("a", maxTokenLength) + "\n", true},
		"short":    {strings.Repeat("a", minTokenLength-1), false},
		"too long": {strings.Repeat("a", maxTokenLength+1), false},
		"endless":  {strings.Repeat("a", 1<<20), false},
		"blank":    {strings.Repeat("a", 40) + " b", false},
		"umlaut":   {strings.Repeat("ä", 40), false},
		"empty":    {"", false},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := LoadToken(path); (err == nil) != tt.ok || tt.ok && got != strings.TrimSpace(tt.content) {
			t.Errorf("%s: %.20q, %v", name, got, err)
		}
	}
	if _, err := LoadToken(dir); err == nil {
		t.Error("a folder is a token")
	}
	if _, err := LoadToken(filepath.Join(dir, "none", "t")); err == nil {
		t.Error("a missing folder was made")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestLoadTokenRace wants one token however many begin at once.
func TestLoadTokenRace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t")
	tokens := make(chan string, 8)
	for range cap(tokens) {
		go func() {
			token, err := LoadToken(path)
			if err != nil {
				t.Error(err)
			}
			tokens <- token
		}()
	}
	first := <-tokens
	for range cap(tokens) - 1 {
		if other := <-tokens; other != first {
			t.Errorf("%s and %s", first, other)
		}
	}
}

// TestAccessLog wants one line a request that tells what matters and no secret.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{operate: func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
		return nil, abi.Errorf(abi.CodeFileNotFound, "no")
	}}})
	r := w.request("POST", box+"/readFile?pretty=SECRETQUERY", strings.NewReader(`{"path":"/SECRETBODY"}`))
	r.Header.Set("X-Any", "SECRETHEADER")
	got := w.do(r)
	w.client.CloseIdleConnections()
	var lines []string
	// The line follows the answer.
	for end := time.Now().Add(patience); len(lines) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		for sc := bufio.NewScanner(strings.NewReader(w.log.String())); sc.Scan(); {
			if strings.Contains(sc.Text(), "admin request") {
				lines = append(lines, sc.Text())
			}
		}
	}
	if len(lines) != 1 {
		t.Fatalf("lines: %q", lines)
	}
	for _, want := range []string{"request=" + got.Header.Get("X-Request-Id"), "method=POST", "path=" + box + "/readFile", "status=404",
		"binding=Sandbox", "sandbox=a", "operation=readFile", "code=FILE_NOT_FOUND", "in=22", "remote=127.0.0.1"} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %s in %s", want, lines[0])
		}
	}
	if strings.Contains(w.log.String(), "SECRET") {
		t.Errorf("a secret in the log:\n%s", w.log)
	}
}
