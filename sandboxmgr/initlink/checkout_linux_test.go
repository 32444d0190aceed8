package initlink

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
)

// git runs git for a test and returns what it prints.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true" {
		t.Skip("NOT TESTED: there is no git on this machine")
	}
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// newRepository makes dir/repo.git with three commits on main, one more on topic,
// and the tag v1 on the first.
func newRepository(t testing.TB, dir string) string {
	t.Helper()
	put(t, dir, "work/")
	git(t, dir, "init", "-q", "work")
	for _, name := range []string{"one", "two", "three"} {
		put(t, dir, "work/"+name)
		git(t, dir+"/work", "add", ".")
		git(t, dir+"/work", "commit", "-q", "-m", name)
	}
	git(t, dir+"/work", "tag", "v1", "HEAD~2")
	git(t, dir+"/work", "checkout", "-q", "-b", "topic")
	git(t, dir+"/work", "commit", "-q", "--allow-empty", "-m", "four")
	git(t, dir+"/work", "checkout", "-q", "main")
	git(t, dir, "clone", "-q", "--mirror", "work", "repo.git")
	git(t, dir+"/repo.git", "update-server-info")
	return dir + "/repo.git"
}

func TestCheckout(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	repo := newRepository(t, dir)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	main, topic, first := git(t, repo, "rev-parse", "main"), git(t, repo, "rev-parse", "topic"), git(t, repo, "rev-parse", "v1")
	tests := []struct {
		name    string
		req     abi.CheckoutRequest
		branch  string
		commit  string
		commits string // that are there
	}{
		{"path", abi.CheckoutRequest{URL: repo}, "main", main, "3"},
		{"branch", abi.CheckoutRequest{URL: repo, Branch: "topic"}, "topic", topic, "4"},
		{"tag", abi.CheckoutRequest{URL: repo, Branch: "v1"}, "", first, "1"},
		{"depth", abi.CheckoutRequest{URL: repo, Depth: 1}, "main", main, "1"},
		{"depth of two", abi.CheckoutRequest{URL: repo, Depth: 2, Branch: "topic"}, "topic", topic, "2"},
		{"depth of more than there are", abi.CheckoutRequest{URL: repo, Depth: 100}, "main", main, "3"},
		{"file", abi.CheckoutRequest{URL: "file://" + repo, Depth: 1}, "main", main, "1"},
		{"http", abi.CheckoutRequest{URL: server.URL + "/repo.git"}, "main", main, "3"},
		{"missing folders", abi.CheckoutRequest{URL: repo, TargetDir: "x/y/z"}, "main", main, "3"},
		{"an empty folder", abi.CheckoutRequest{URL: repo, TargetDir: "empty"}, "main", main, "3"},
		{"unicode", abi.CheckoutRequest{URL: repo, TargetDir: "ä €"}, "main", main, "3"},
	}
	put(t, dir, "out/empty/")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.req.TargetDir == "" {
				tt.req.TargetDir = tt.name
			}
			target := dir + "/out/" + tt.req.TargetDir
			tt.req.TargetDir = target + "/"
			got := call(t, s.Link, abi.Checkout, tt.req)
			if *got != (abi.CheckoutResponse{TargetDir: target, Branch: tt.branch, Commit: tt.commit}) {
				t.Errorf("got %+v", got)
			}
			if n := git(t, target, "rev-list", "--count", "HEAD"); n != tt.commits {
				t.Errorf("%s commits are there, want %s", n, tt.commits)
			}
			if readHost(t, target+"/one") != "work/one" {
				t.Error("the files are not there")
			}
			if branches := git(t, target, "branch", "-r", "--format=%(refname:short)"); tt.req.Depth > 0 && strings.Contains(branches, "topic") && strings.Contains(branches, "main") {
				t.Errorf("more than one branch: %q", branches)
			}
		})
	}
	put(t, dir, "bare/")
	git(t, dir+"/bare", "init", "-q", "--bare")
	if got := call(t, s.Link, abi.Checkout, abi.CheckoutRequest{URL: dir + "/bare", TargetDir: dir + "/out/none"}); got.Commit != "" || got.Branch == "" {
		t.Errorf("an empty repository: %+v", got)
	}
}

func TestCheckoutRefuses(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	repo := newRepository(t, dir)
	put(t, dir, "out/full/f", "out/file", "out/empty/")
	before := there(t, dir+"/out")
	type req = abi.CheckoutRequest
	for _, tt := range []struct {
		name string
		req  req
		code abi.Code
		says string
	}{
		{"a full folder", req{URL: repo, TargetDir: dir + "/out/full"}, abi.CodeFileExists, "not empty"},
		{"a file", req{URL: repo, TargetDir: dir + "/out/file"}, abi.CodeFileExists, "already exists"},
		{"below a file", req{URL: repo, TargetDir: dir + "/out/file/x"}, abi.CodeNotDirectory, "not a directory"},
		{"no such repository", req{URL: dir + "/no", TargetDir: dir + "/out/a/b"}, abi.CodeGitFailed, "does not exist"},
		{"no such repository, into a folder", req{URL: dir + "/no", TargetDir: dir + "/out/empty"}, abi.CodeGitFailed, "does not exist"},
		{"no such branch", req{URL: repo, Branch: "nowhere", TargetDir: dir + "/out/a"}, abi.CodeGitFailed, "nowhere"},
		{"no url", req{TargetDir: dir + "/out/a"}, abi.CodeInvalidRequest, "empty"},
		{"an option as url", req{URL: "--upload-pack=touch x", TargetDir: dir + "/out/a"}, abi.CodeInvalidRequest, "-"},
		{"an option as branch", req{URL: repo, Branch: "--upload-pack=x", TargetDir: dir + "/out/a"}, abi.CodeInvalidRequest, "-"},
		{"a helper", req{URL: "ext::sh -c true", TargetDir: dir + "/out/a"}, abi.CodeInvalidRequest, "ext"},
		{"another scheme", req{URL: "ftp://example.org/x", TargetDir: dir + "/out/a"}, abi.CodeInvalidRequest, "ftp"},
		{"a line break", req{URL: "https://example.org/x\ny", TargetDir: dir + "/out/a"}, abi.CodeInvalidRequest, "control"},
		{"no name", req{URL: "https://example.org/"}, abi.CodeInvalidRequest, "name"},
		{"negative depth", req{URL: repo, Depth: -1, TargetDir: dir + "/out/a"}, abi.CodeInvalidRequest, "-1"},
		{"target too long", req{URL: repo, TargetDir: longPath}, abi.CodeInvalidRequest, "4097"},
		{"NUL in target", req{URL: repo, TargetDir: "a\x00"}, abi.CodeInvalidRequest, "NUL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := try(t, s.Link, abi.Checkout, tt.req)
			e := wantCode(t, err, tt.code)
			if !strings.Contains(e.Message, tt.says) {
				t.Errorf("%q does not say %q", e.Message, tt.says)
			}
			var details abi.CheckoutFailure
			if tt.code == abi.CodeGitFailed && (json.Unmarshal(e.Details, &details) != nil || details.ExitCode != 128 || !strings.Contains(details.Stderr, tt.says)) {
				t.Errorf("details %s", e.Details)
			}
		})
	}
	if got := there(t, dir+"/out"); got != before {
		t.Errorf("there is %q", got)
	}
	none := "/nowhere"
	call(t, s.Link, abi.SetEnvVars, abi.SetEnvVarsRequest{EnvVars: map[string]*string{"PATH": &none}})
	_, err := try(t, s.Link, abi.Checkout, req{URL: repo, TargetDir: dir + "/out/a"})
	if e := wantCode(t, err, abi.CodeGitNotAvailable); !strings.Contains(e.Suggestion, "install") {
		t.Errorf("suggests %q", e.Suggestion)
	}
}

// TestCheckoutCredentials: nobody is asked for any, those in the URL are used, and
// no error shows them.
func TestCheckoutCredentials(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	newRepository(t, dir)
	const user, password = "marie", "s3cr%40t-word"
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != "s3cr@t-word" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	call(t, s.Link, abi.Checkout, abi.CheckoutRequest{URL: "http://" + user + ":" + password + "@" + host + "/repo.git", TargetDir: dir + "/out"})
	for name, url := range map[string]string{
		"none": "http://" + host + "/repo.git", "wrong": "http://marie:wr0ng-s3cret@" + host + "/repo.git",
		"token": "http://wr0ng-s3cret@" + host + "/repo.git", "right, but no repository": "http://" + user + ":" + password + "@" + host + "/no.git",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := try(t, s.Link, abi.Checkout, abi.CheckoutRequest{URL: url, TargetDir: dir + "/failed"})
			e := wantCode(t, err, abi.CodeGitFailed)
			all, err := json.Marshal(e)
			must(t, err)
			for _, secret := range []string{"wr0ng", "s3cr", "marie:"} {
				if strings.Contains(string(all), secret) {
					t.Errorf("shows %q: %s", secret, all)
				}
			}
			if !strings.Contains(string(all), host) || e.Suggestion == "" && !strings.Contains(url, password) {
				t.Errorf("does not help: %s", all)
			}
		})
	}
	if got := there(t, dir); strings.Contains(got, "failed") {
		t.Error("a failed checkout left something")
	}
}

// TestCheckoutEnds: a checkout that takes too long, or that nobody waits for any
// more, is killed with all that it has started, and undone.
func TestCheckoutEnds(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() }) // it never answers
	url := "http://" + l.Addr().String() + "/silent.git"
	target := s.init.work + "/out/silent"
	_, err = try(t, s.Link, abi.Checkout, abi.CheckoutRequest{URL: url, TargetDir: target, Timeout: abi.Duration(300 * time.Millisecond)})
	if e := wantCode(t, err, abi.CodeTimeout); e.Suggestion == "" {
		t.Errorf("error %+v", e)
	}
	gone := func() bool {
		left, err := os.ReadDir(s.init.work)
		return err == nil && len(left) == 0 && !alive(t, url)
	}
	until(t, "nothing is left", gone)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Call(ctx, "checkout", abi.CheckoutRequest{URL: url, TargetDir: target}, nil) }()
	until(t, "it has begun", func() bool { return alive(t, url) })
	_, err = try(t, s.Link, abi.Checkout, abi.CheckoutRequest{URL: url, TargetDir: target})
	wantCode(t, err, abi.CodeFileExists)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	until(t, "nothing is left", gone)
}

// TestCheckoutWithoutNetwork: what fails for lack of a network says so and names the
// key.
func TestCheckoutWithoutNetwork(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	l := openLink(t, dir)
	p := startRole(t, dir, "init", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET, UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}})
	l.SetPeer(p.cmd.Process.Pid)
	if _, err := l.Ready(within(t)); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("NOT TESTED: no init in a network namespace: %v: %s", err, p.out.String())
	}
	for _, url := range []string{"https://git.example.org/x.git", "git@git.example.org:x.git", "git://192.0.2.1/x"} {
		_, err := try(t, l, abi.Checkout, abi.CheckoutRequest{URL: url, TargetDir: p.work + "/x"})
		e := wantCode(t, err, abi.CodeGitFailed)
		if !strings.Contains(e.Message, "no network") || !strings.Contains(e.Suggestion, "network") {
			t.Errorf("%s: %q, %q", url, e.Message, e.Suggestion)
		}
	}
	_, err := try(t, l, abi.Checkout, abi.CheckoutRequest{URL: "http://127.0.0.1:1/x", TargetDir: p.work + "/x"})
	if e := wantCode(t, err, abi.CodeGitFailed); strings.Contains(e.Message, "no network") {
		t.Errorf("the sandbox itself: %q", e.Message)
	}
}
