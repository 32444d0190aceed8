package process

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/sandboxmgr"
	"edge/sandboxmgr/process/stage"
	"edge/sandboxmgr/runtimetest"
)

// TestConfined: what a machine must not see or do, and what it must.
func TestConfined(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, g := b.Start(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, script, want string }{
		{"processes", "ls /proc | grep -c '^[0-9]*$' | awk '$1 < 8 {print \"few\"}'", "few"},
		{"host process", fmt.Sprintf("grep -c process.test /proc/%d/comm 2>/dev/null; true", os.Getpid()), ""},
		{"host files", "cat " + secret + " 2>&1 | grep -c 'No such file'", "1"},
		{"host homes", "ls -A /root /home | grep -v ':$' | grep -c .; true", "0"},
		{"host run and var", "ls -A /run /var | xargs", "/run: /var: run tmp"},
		{"top folders", "ls -d /sys /boot /srv 2>/dev/null | wc -l", "0"},
		{"write /usr", "touch /usr/x 2>&1 | grep -c 'Read-only'", "1"},
		{"write /", "touch /x 2>&1 | grep -c 'Read-only'", "1"},
		{"write /etc", "touch /etc/x 2>&1 | grep -c 'Read-only'", "1"},
		{"write the init", "touch /.edge/init 2>&1 | grep -c 'Read-only\\|denied\\|busy'", "1"},
		{"write the run folder", "touch /.edge/run/x 2>&1 | grep -c 'Read-only'", "1"},
		{"remove the socket", "rm -f /.edge/run/s 2>&1 | grep -c 'Read-only'", "1"},
		{"write a kernel setting", "touch /proc/sys/kernel/hostname 2>&1 | grep -c 'Read-only\\|denied'", "1"},
		{"capabilities", "grep -c '^Cap.*:.0000000000000000$' /proc/self/status", "5"},
		{"new privileges", "grep NoNewPrivs /proc/self/status | cut -f2", "1"},
		{"set-user-id", "awk '$6 !~ /nosuid/' /proc/self/mountinfo", ""},
		{"mount", "mount -t tmpfs x /tmp >/dev/null 2>&1 || echo no", "no"},
		{"user namespace", "unshare -Ur true >/dev/null 2>&1 || echo no", "no"},
		{"chroot", "chroot / true 2>&1 | grep -c 'not permitted'", "1"},
		{"interfaces", "tail -n +3 /proc/net/dev | cut -d: -f1 | xargs", "lo"},
		{"device nodes", "mknod /tmp/d c 1 3 2>&1 | grep -c 'not permitted'", "1"},
		{"disks", "ls /dev | xargs", "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"},
		{"host loopback", fmt.Sprintf("bash -c 'echo > /dev/tcp/127.0.0.1/%d' 2>&1 | grep -c -m1 'Connection refused'", port), "1"},
		{"descriptors of the edge", "ls -l /proc/$$/fd > /tmp/fds; grep -c -v 'total\\|null\\|pipe\\|/tmp/fds' /tmp/fds; true", "0"},
		{"environment of the edge", "env | grep -c GOMAXPROCS; true", "0"},
		{"core dumps", "ulimit -c", "0"},
		{"use /workspace", "touch /workspace/ok && echo ok", "ok"},
		{"use /tmp", "touch /tmp/ok /var/tmp/ok2 && echo ok", "ok"},
		{"use /dev/shm", "touch /dev/shm/ok && echo ok", "ok"},
		{"use devices", "echo x > /dev/null && head -c 4 /dev/zero | wc -c", "4"},
		{"use names", "getent hosts localhost >/dev/null && whoami", "sandbox"},
	}
	for _, tt := range tests {
		if got := g.Shell(t, tt.script); got != tt.want {
			t.Errorf("%s: %s\ngot  %q\nwant %q", tt.name, tt.script, got, tt.want)
		}
	}
}

// TestBounds: memory and processes are bounded where control groups can be made.
func TestBounds(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(s *sandboxmgr.MachineSpec) {
		s.MemoryBytes, s.PIDs, s.CPUs = 96<<20, 40, 0.5
		// Not this program: the race detector maps more than an rlimit allows.
		s.InitPath = buildProgram(t, guestProgram)
	})
	group := b.rt.groups.make(b.Spec.Name)
	missing := group.set(&b.Spec)
	group.remove()
	m, g := b.Start(t)
	// By the control group, or else by the limit on processes: that one is the user's, and
	// when other tests' sandboxes have used it up the first shell cannot fork either.
	got, err := g.Call(runtimetest.Command{Shell: "bash -c 'for i in $(seq 60); do sleep 100 & done' 2>&1 | grep -c -m1 fork; true"})
	refused := strings.Contains(got.Text, "Cannot fork") || strings.Contains(got.Err, syscall.EAGAIN.Error())
	switch {
	case err != nil:
		t.Fatal(err)
	case got.Err != "" && !refused:
		t.Errorf("%s: %s", got.Err, got.Text)
	case strings.TrimSpace(got.Text) == "0":
		t.Error("60 processes were started where 40 are allowed")
	}
	if _, err := g.Call(runtimetest.Command{Eat: 512 << 20}); err == nil {
		t.Error("512 MiB were used where 96 are allowed")
	}
	if len(missing) > 0 {
		t.Logf("not bounded by control groups on this computer: %v", missing)
		return
	}
	if exit := runtimetest.WaitEnd(t, m); !exit.OOMKilled {
		t.Errorf("exit %+v, want OOMKilled", exit)
	}
	// The counters of one start are not those of the next.
	m, _ = b.Start(t)
	if err := m.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if exit := runtimetest.WaitEnd(t, m); exit.OOMKilled {
		t.Errorf("exit of the next start %+v, want not OOMKilled", exit)
	}
}

const bunServer = `
Bun.serve({port: 9000, hostname: "127.0.0.1", fetch: (r: Request) => new Response("from bun " + new URL(r.url).pathname)})
console.log("ready")
`

// TestTools: Bun, from a folder of the host, runs on the host's libraries.
func TestTools(t *testing.T) {
	t.Parallel()
	tools := findBun(t)
	b := newBench(t, func(s *sandboxmgr.MachineSpec) { s.Tools = []string{t.TempDir(), tools} })
	m, g := b.Start(t)
	if got := g.Shell(t, "command -v bun; bun --version | grep -c '^1[.]'"); got != stage.ToolsTarget+"/1/bun\n1" {
		t.Errorf("bun: %q", got)
	}
	g.Shell(t, "cat > server.ts <<'EOF'"+bunServer+"EOF\n"+
		"mkfifo out; bun server.ts > out 2>&1 & exec 3< out; read line <&3; sleep 1000 <&3 >/dev/null 2>&1 & echo $line")
	if os.Geteuid() != 0 {
		return
	}
	c, err := m.Dial(t.Context(), 9000)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /x HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n")
	c.SetReadDeadline(time.Now().Add(time.Minute))
	if text, err := io.ReadAll(c); !strings.Contains(string(text), "from bun /x") {
		t.Errorf("bun answered %q, %v", text, err)
	}
}

// findBun returns the folder of Bun's executable: npm's, in this repository, or
// what is on PATH.
func findBun(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("../../node_modules/@oven/bun-linux-*/bin/bun")
	if p, err := exec.LookPath("bun"); err == nil {
		found = append(found, p)
	}
	for _, p := range found {
		if exec.Command(p, "--version").Run() == nil {
			abs, err := filepath.Abs(p)
			if err != nil {
				t.Fatal(err)
			}
			return filepath.Dir(abs)
		}
	}
	runtimetest.Skip(t, "no Bun: run npm ci at the top of the repository")
	return ""
}

// TestWithoutRoot runs this package's tests again as a plain user.
func TestWithoutRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // this run is that one
	}
	const user = 54321
	home, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(home, "process.test")
	// By another process: a file that this one has open for writing is still so
	// in whatever another test forks just then, and cannot be executed.
	if out, err := exec.Command("cp", program, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Chown(home, user, user); err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{guestProgram, initProgram} {
		copyTo(t, filepath.Join(home, filepath.Base(pkg)), buildProgram(t, pkg))
	}
	cmd := exec.CommandContext(t.Context(), copied, "-test.v", "-test.skip", "TestTools|TestMany")
	cmd.Env = append(os.Environ(), "TMPDIR="+home, "HOME="+home, programsEnv+"="+home,
		runtimetest.EnvWicked+"="+runtimetest.BuildWicked(t, home))
	cmd.Dir = home
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "SKIP") {
		runtimetest.Skip(t, "without root: %s", out)
	}
}
