package initlink

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"edge/abi"
)

// TestSessions: cwd and variables are shared, a call's own come first, and a
// relative cwd is relative to the session's.
func TestSessions(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	if err := os.Mkdir(s.init.work+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	made := call(t, s.Link, abi.CreateSession, abi.CreateSessionRequest{ID: "a", Cwd: s.init.work, Env: map[string]string{"A": "1", "B": "2"}})
	if made.ID != "a" || made.Cwd != s.init.work || made.Env["A"] != "1" || made.CreatedAt.IsZero() || made.Processes != 0 {
		t.Errorf("made %+v", made)
	}
	const show = `echo "$A $B $PWD"`
	want := "1 3 " + s.init.work + "/sub\n"
	env := map[string]string{"B": "3"}
	if got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: show, Session: "a", Cwd: "sub", Env: env}); got.Stdout != want {
		t.Errorf("exec %q", got.Stdout)
	}
	stdout, _, _, err := execEvents(t, opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{Command: show, Session: "a", Cwd: "sub", Env: env}))
	if wantClosed(t, err, 1000); stdout != want {
		t.Errorf("execStream %q", stdout)
	}
	p := call(t, s.Link, abi.StartProcess, abi.StartProcessRequest{ProcessID: "p", Command: show + "; exec sleep 941", Session: "a", Cwd: "sub", Env: env})
	if p.Session != "a" || get(t, s, "p").Session != "a" {
		t.Errorf("process %+v", p)
	}
	call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "p", Pattern: strings.TrimSpace(want)})
	if got := call(t, s.Link, abi.GetSession, abi.SessionRequest{ID: "a"}); got.Processes != 1 || got.CreatedAt != made.CreatedAt {
		t.Errorf("got %+v", got)
	}
	if got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: show, Session: "a", Cwd: "/"}); got.Stdout != "1 2 /\n" {
		t.Errorf("absolute cwd: %q", got.Stdout)
	}
	other := call(t, s.Link, abi.CreateSession, abi.CreateSessionRequest{})
	if other.ID == "" || other.Cwd != abi.DefaultCwd || other.Env == nil {
		t.Errorf("other %+v", other)
	}
	if got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: `echo "$A"`, Session: other.ID}); got.Stdout != "\n" {
		t.Errorf("another session's variables: %q", got.Stdout)
	}
	_, err = try(t, s.Link, abi.CreateSession, abi.CreateSessionRequest{ID: "a"})
	if e := wantCode(t, err, abi.CodeSessionAlreadyExists); !strings.Contains(e.Message, "already exists") {
		t.Errorf("message %q", e.Message)
	}
	call(t, s.Link, abi.DeleteSession, abi.SessionRequest{ID: "a"})
	if alive(t, "sleep 941") || get(t, s, "p").Status != abi.StatusKilled {
		t.Errorf("process %+v", get(t, s, "p"))
	}
}

// TestDeleteSession kills what the session started, whatever became of it, and
// nothing else.
func TestDeleteSession(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, id := range []string{"a", "b"} {
		call(t, s.Link, abi.CreateSession, abi.CreateSessionRequest{ID: id})
	}
	start(t, s, "none", "exec sleep 951")
	for id, n := range map[string]int{"a": 960, "b": 970} {
		call(t, s.Link, abi.StartProcess, abi.StartProcessRequest{
			Session: id, Command: fmt.Sprintf("setsid sleep %d & (setsid sleep %d &); exec sleep %d", n, n+1, n+2)})
		call(t, s.Link, abi.Exec, abi.ExecRequest{Session: id, Command: fmt.Sprintf("setsid sleep %d >/dev/null 2>&1 &", n+3)}) // left behind
	}
	stream := opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{Command: "exec sleep 964", Session: "a"})
	until(t, "all run", func() bool {
		for _, n := range []int{951, 960, 961, 962, 963, 964, 970, 971, 972, 973} {
			if !alive(t, fmt.Sprintf("sleep %d", n)) {
				return false
			}
		}
		return true
	})
	call(t, s.Link, abi.DeleteSession, abi.SessionRequest{ID: "a"})
	for n := 960; n <= 964; n++ {
		if alive(t, fmt.Sprintf("sleep %d", n)) {
			t.Errorf("sleep %d was left", n)
		}
	}
	for _, n := range []int{951, 970, 971, 972, 973} {
		if !alive(t, fmt.Sprintf("sleep %d", n)) {
			t.Errorf("sleep %d was killed", n)
		}
	}
	_, _, exit, err := execEvents(t, stream)
	if wantClosed(t, err, 1000); exit.Signal != "SIGTERM" {
		t.Errorf("exit %+v", exit)
	}
	for _, op := range []string{"getSession", "deleteSession"} {
		wantCode(t, s.Call(within(t), op, abi.SessionRequest{ID: "a"}, nil), abi.CodeSessionNotFound)
	}
	_, err = try(t, s.Link, abi.StartProcess, abi.StartProcessRequest{Command: "true", Session: "a"})
	wantCode(t, err, abi.CodeSessionNotFound)
	_, err = s.Open(within(t), "terminal", abi.TerminalRequest{Session: "a"})
	wantCode(t, err, abi.CodeSessionNotFound)
}

func TestSessionRefuses(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, req := range map[string]abi.CreateSessionRequest{
		"id": {ID: "a\nb"}, "long id": {ID: strings.Repeat("x", abi.MaxSessionIDLength+1)}, "cwd": {Cwd: "a\x00"},
		"variable": {Env: map[string]string{"A=B": "c"}}, "large variables": {Env: map[string]string{"A": strings.Repeat("x", 1<<20)}},
	} {
		if _, err := try(t, s.Link, abi.CreateSession, req); err == nil {
			t.Errorf("%s was taken", name)
		} else {
			wantCode(t, err, abi.CodeInvalidRequest)
		}
	}
	for range abi.MaxSessions {
		call(t, s.Link, abi.CreateSession, abi.CreateSessionRequest{})
	}
	_, err := try(t, s.Link, abi.CreateSession, abi.CreateSessionRequest{})
	wantCode(t, err, abi.CodeQuotaExceeded)
	call(t, s.Link, abi.DeleteSession, abi.SessionRequest{ID: "session-7"})
	call(t, s.Link, abi.CreateSession, abi.CreateSessionRequest{ID: "session-7"})
}

// TestSetEnvVars: variables reach everything that is started later, until they
// are unset.
func TestSetEnvVars(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	text := func(s string) *string { return &s }
	call(t, s.Link, abi.CreateSession, abi.CreateSessionRequest{ID: "a", Env: map[string]string{"B": "session"}})
	call(t, s.Link, abi.SetEnvVars, abi.SetEnvVarsRequest{EnvVars: map[string]*string{"A": text("1"), "B": text("2"), "C": text("3")}})
	const show = `echo "$A $B $C ${HOME-none}"`
	call(t, s.Link, abi.SetEnvVars, abi.SetEnvVarsRequest{EnvVars: map[string]*string{"A": nil, "HOME": nil}})
	if got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: show, Env: map[string]string{"C": "call"}}); got.Stdout != " 2 call none\n" {
		t.Errorf("exec %q", got.Stdout)
	}
	if got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: show, Session: "a"}); got.Stdout != " session 3 none\n" {
		t.Errorf("in a session %q", got.Stdout)
	}
	start(t, s, "p", show)
	call(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "p"})
	if got := logs(t, s, "p", ""); got.Stdout != " 2 3 none\n" {
		t.Errorf("process %q", got.Stdout)
	}
	call(t, s.Link, abi.SetEnvVars, abi.SetEnvVarsRequest{EnvVars: map[string]*string{"PATH": text("/nowhere")}})
	_, err := try(t, s.Link, abi.Exec, abi.ExecRequest{Argv: []string{"true"}})
	wantCode(t, err, abi.CodeCommandNotFound)
	call(t, s.Link, abi.SetEnvVars, abi.SetEnvVarsRequest{EnvVars: map[string]*string{"PATH": nil}})
	call(t, s.Link, abi.Exec, abi.ExecRequest{Argv: []string{"true"}})
	_, err = try(t, s.Link, abi.SetEnvVars, abi.SetEnvVarsRequest{EnvVars: map[string]*string{"A=": nil}})
	wantCode(t, err, abi.CodeInvalidRequest)
}

// TestUser runs commands as another user, kills them and what they left.
func TestUser(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	s := newSandbox(t)
	const nobody = "65534"
	const who = `echo "$(id -u):$(id -g):$(id -G) $HOME $USER"`
	for user, want := range map[string]string{
		nobody: "65534:65534:65534 ", "nobody": "65534:65534:65534 ", "4711": "4711:0:0 / ", "4711:4712": "4711:4712:4712 / ", "root": "0:0:0 ",
	} {
		if got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: who, User: user, Cwd: "/"}); !strings.HasPrefix(got.Stdout, want) {
			t.Errorf("%s: %q and %q, want %q", user, got.Stdout, got.Stderr, want)
		}
	}
	stdout, _, _, err := execEvents(t, opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{Command: "id -u", User: nobody, Cwd: "/"}))
	if wantClosed(t, err, 1000); stdout != nobody+"\n" {
		t.Errorf("execStream %q", stdout)
	}
	for user, code := range map[string]abi.Code{"no-such-user": abi.CodeInvalidRequest, "root:no-such-group": abi.CodeInvalidRequest, ":": abi.CodeInvalidRequest} {
		_, err := try(t, s.Link, abi.Exec, abi.ExecRequest{Command: "true", User: user})
		wantCode(t, err, code)
	}
	private := filepath.Join(s.init.work, "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = try(t, s.Link, abi.Exec, abi.ExecRequest{Command: "true", User: nobody, Cwd: private})
	wantCode(t, err, abi.CodePermissionDenied)
	call(t, s.Link, abi.StartProcess, abi.StartProcessRequest{
		ProcessID: "p", User: nobody, Cwd: "/", Command: "(setsid sleep 981 >/dev/null 2>&1 &); exec sleep 982"})
	until(t, "all run", func() bool { return alive(t, "sleep 981") && alive(t, "sleep 982") })
	if k := call(t, s.Link, abi.KillProcess, abi.KillRequest{ProcessID: "p"}); k.Status != abi.StatusKilled {
		t.Errorf("killed %+v", k)
	}
	if alive(t, "sleep 981") || alive(t, "sleep 982") {
		t.Error("something was left")
	}
}

// TestUserWithoutRights: an init that is not root, or whose user namespace has no
// other user, runs commands as itself alone.
func TestUserWithoutRights(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	one := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	for _, tt := range []struct {
		name     string
		attr     syscall.SysProcAttr
		uid      string
		own, not []string
	}{
		{"not root", syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4711, Gid: 4712}}, "4711",
			[]string{"", "4711", "4711:4712"}, []string{"root", "4711:0", "nobody", "4712"}},
		{"alone", syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: one, GidMappings: one}, "0",
			[]string{"", "0", "root", "0:0"}, []string{"4711", "nobody", "0:4711"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, bin := shortDir(t), shortDir(t)
			for _, d := range []string{dir, bin} {
				if err := os.Chmod(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			l := openLink(t, dir)
			p := startExecutable(t, copySelf(t, bin), dir, "init", &tt.attr)
			l.SetPeer(p.cmd.Process.Pid)
			for _, user := range tt.own {
				if got := call(t, l, abi.Exec, abi.ExecRequest{Command: "id -u", User: user, Cwd: "/"}); got.Stdout != tt.uid+"\n" {
					t.Errorf("%q: %+v", user, got)
				}
			}
			for _, user := range tt.not {
				_, err := try(t, l, abi.Exec, abi.ExecRequest{Command: "id -u", User: user, Cwd: "/"})
				if e := wantCode(t, err, abi.CodePermissionDenied); e.Suggestion == "" {
					t.Errorf("%q: %+v", user, e)
				}
			}
		})
	}
}

// copySelf copies the test binary to where every user can execute it.
func copySelf(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err == nil {
		// A process that another test forks meanwhile would have the file open for
		// writing until it executes, and nobody could execute this one.
		syscall.ForkLock.RLock()
		err = os.WriteFile(dir+"/init", b, 0o755)
		syscall.ForkLock.RUnlock()
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir + "/init"
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root")
	}
	t.Skip("NOT RUN: needs root")
}
