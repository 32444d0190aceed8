package initlink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
)

// watching is a watch, with its first event received.
type watching struct {
	abi.Socket
	t   *testing.T
	dir string
	n   int
}

func newWatching(t *testing.T, l *Link, req abi.WatchRequest) *watching {
	t.Helper()
	w := &watching{Socket: openStream(t, l, abi.Watch, req), t: t, dir: req.Path}
	if got := w.next(); got != "ready" {
		t.Fatalf("first came %q", got)
	}
	return w
}

// next returns the next event: "create path", "move old > new", with a slash after
// folders.
func (w *watching) next() string {
	w.t.Helper()
	e, err := w.event()
	if err != nil {
		w.t.Fatalf("no event but %v", err)
	}
	text := string(e.Type)
	if e.OldPath != "" {
		text += " " + e.OldPath + " >"
	}
	if e.Path != "" {
		text += " " + e.Path
	}
	if e.IsDir {
		text += "/"
	}
	return text
}

func (w *watching) event() (e abi.WatchEvent, err error) {
	w.t.Helper()
	op, b, err := w.Receive(within(w.t))
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(b, &e); err != nil || op != abi.OpcodeText {
		w.t.Fatalf("event %d %.100q", op, b)
	}
	return e, nil
}

// want reads the events up to one that the test makes itself, and compares them.
// "modify" of what the kernel tells more often than once counts once.
func (w *watching) want(want ...string) {
	w.t.Helper()
	w.n++
	marker := fmt.Sprintf("zz-marker%d", w.n)
	if err := os.Mkdir(filepath.Join(w.dir, marker), 0o755); err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for {
		e := w.next()
		if e == "create "+marker+"/" {
			break
		}
		if len(got) == 0 || got[len(got)-1] != e {
			got = append(got, e)
		}
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		w.t.Errorf("got  %q\nwant %q", got, want)
	}
}

// must fails the test for any error.
func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work + "/w"
	put(t, dir, "old", "sub/deep/f", "folder/")
	w := newWatching(t, s.Link, abi.WatchRequest{Path: dir, Recursive: true})
	write := func(name, content string) { must(t, os.WriteFile(dir+"/"+name, []byte(content), 0o644)) }

	write("new", "x")
	w.want("create new", "modify new")
	write("sub/deep/f", "changed")
	w.want("modify sub/deep/f")
	must(t, os.Chmod(dir+"/old", 0o600))
	w.want("modify old")
	must(t, os.Remove(dir+"/old"))
	w.want("delete old")
	must(t, os.Rename(dir+"/new", dir+"/sub/new"))
	w.want("move new > sub/new")
	must(t, os.Rename(dir+"/sub", dir+"/bus"))
	w.want("move sub > bus/")
	write("bus/deep/g", "")
	w.want("create bus/deep/g")
	must(t, os.Rename(dir+"/bus/deep", s.init.work+"/outside"))
	w.want("delete bus/deep/")
	must(t, os.WriteFile(s.init.work+"/outside/g", []byte("not ours"), 0o644))
	w.want()
	must(t, os.Rename(s.init.work+"/outside", dir+"/inside"))
	w.want("create inside/", "create inside/f", "create inside/g")
	must(t, os.Symlink("/", dir+"/link"))
	w.want("create link")
	must(t, os.RemoveAll(dir+"/inside"))
	w.want("delete inside/f", "delete inside/g", "delete inside/")
	must(t, os.Rename(dir+"/folder", dir+"/f\xff"))
	w.want("move folder > f\ufffd/")

	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: dir + "/made", Content: "1"})
	w.want("create made")
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: dir + "/made", Content: "2"})
	w.want("modify made")

	must(t, os.RemoveAll(dir))
	for last := ""; ; {
		e, err := w.event()
		if err != nil {
			wantClosed(t, err, normalClosure)
			if last != "delete ." {
				t.Errorf("the last event was %q", last)
			}
			break
		}
		last = string(e.Type) + " " + e.Path
	}
}

func TestWatchFlat(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work + "/w"
	put(t, dir, "sub/f", "a")
	w := newWatching(t, s.Link, abi.WatchRequest{Path: dir})
	must(t, os.WriteFile(dir+"/sub/f", []byte("x"), 0o644), os.Mkdir(dir+"/new", 0o755), os.WriteFile(dir+"/new/f", nil, 0o644))
	w.want("create new/")
	must(t, os.Rename(dir+"/a", dir+"/sub/a"))
	w.want("delete a")
	must(t, os.Rename(dir, dir+"2"))
	if got := w.next(); got != "delete ./" {
		t.Errorf("got %q", got)
	}
	_, err := w.event()
	wantClosed(t, err, normalClosure)
}

func TestWatchFile(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work + "/w"
	put(t, dir, "f", "beside", "link -> f", "marks/")
	w := newWatching(t, s.Link, abi.WatchRequest{Path: dir + "/link", Recursive: true})
	step := func(want string, errs ...error) {
		t.Helper()
		must(t, errs...)
		if got := w.next(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	must(t, os.WriteFile(dir+"/beside", []byte("not watched"), 0o644))
	step("modify link", os.Chmod(dir+"/f", 0o600))
	step("modify link", os.WriteFile(dir+"/f.tmp", nil, 0o644), os.Rename(dir+"/f.tmp", dir+"/f"))
	step("delete link", os.Remove(dir+"/f"))
	step("create link", os.Mkdir(dir+"/link2", 0o755), os.Link(dir+"/beside", dir+"/f"))
	step("delete link", os.Rename(dir+"/f", dir+"/g"))
	step("create link", os.Rename(dir+"/g", dir+"/f"))
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: dir + "/link", Content: "1"})
	step("modify link")
	step("delete link", os.RemoveAll(dir))
	_, err := w.event()
	wantClosed(t, err, normalClosure)
}

func TestWatchFilters(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	tests := []struct {
		name             string
		include, exclude []string
		want             []string
	}{
		{"nothing said", nil, nil, []string{"create a.go", "create b.ts", "create src/c.go", "create node_modules/", "create .git/", "move b.ts > d.go", "delete d.go"}},
		{"include", []string{"*.go", "zz-*"}, nil, []string{"create a.go", "create src/c.go", "create d.go", "delete d.go"}},
		{"exclude", nil, []string{"*.go"}, []string{"create b.ts", "create node_modules/", "create .git/", "delete b.ts"}},
		{"exclude a folder", nil, []string{"src", "*.ts"}, []string{"create a.go", "create node_modules/", "create .git/", "create d.go", "delete d.go"}},
		{"exclude what is in a folder", nil, []string{"src/**", "?.*"}, []string{"create node_modules/", "create .git/"}},
		{"include what is left out", []string{"node_modules/**", "zz-*"}, nil, []string{"create node_modules/x"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := fmt.Sprintf("%s/%d", s.init.work, i)
			put(t, dir, "src/")
			w := newWatching(t, s.Link, abi.WatchRequest{Path: dir, Recursive: true, Include: tt.include, Exclude: tt.exclude})
			for _, name := range []string{"a.go", "b.ts", "src/c.go"} {
				must(t, os.Symlink("x", dir+"/"+name)) // one event each
			}
			for _, name := range []string{"node_modules", ".git"} {
				must(t, os.Mkdir(dir+"/"+name, 0o755), os.Symlink("x", dir+"/"+name+"/x"))
			}
			must(t, os.Rename(dir+"/b.ts", dir+"/d.go"), os.Remove(dir+"/d.go"))
			w.want(tt.want...)
		})
	}
}

// TestWatchNewFolders: whatever is made in a folder that was just made is told
// exactly once.
func TestWatchNewFolders(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work + "/w"
	put(t, dir, "x/")
	w := newWatching(t, s.Link, abi.WatchRequest{Path: dir, Recursive: true})
	const folders, files = 40, 5
	made := make(chan error, 1)
	go func() {
		for i := range folders {
			path := fmt.Sprintf("%s/x/d%d/e/f", dir, i)
			if err := os.MkdirAll(path, 0o755); err != nil {
				made <- err
				return
			}
			for j := range files {
				if err := os.Symlink("x", fmt.Sprintf("%s/l%d", path, j)); err != nil {
					made <- err
					return
				}
			}
		}
		made <- nil
	}()
	seen := make(map[string]int)
	for len(seen) < folders*(3+files) {
		seen[w.next()]++
	}
	must(t, <-made)
	w.want()
	for e, n := range seen {
		if n != 1 || !strings.HasPrefix(e, "create x/d") {
			t.Errorf("%s was told %d times", e, n)
		}
	}
}

// TestWatchOverflow: a reader that is too slow is told so, takes no memory, and
// misses nothing of what comes after.
func TestWatchOverflow(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work + "/w"
	put(t, dir, "a/")
	w := newWatching(t, s.Link, abi.WatchRequest{Path: dir, Recursive: true})
	before := statusKiB(t, s.init.cmd.Process.Pid, "VmRSS")
	queued, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	var queue int
	if _, err := fmt.Sscan(string(queued), &queue); err != nil || queue > 1<<17 {
		t.Skipf("NOT TESTED: the kernel queues %q events", queued)
	}
	for i := range queue + 10_000 {
		must(t, os.Symlink("x", fmt.Sprint(dir, "/a/", i)))
	}
	must(t, os.MkdirAll(dir+"/late/sub", 0o755)) // nobody tells of these
	if grown := statusKiB(t, s.init.cmd.Process.Pid, "VmRSS") - before; grown > 16<<10 {
		t.Errorf("a reader that is too slow took %d KiB", grown)
	}
	for w.next() != "overflow" {
	}
	must(t, os.Symlink("x", dir+"/late/sub/f"))
	w.want("create late/sub/f")
}

func TestWatchRefuses(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	put(t, dir, "f", "dangling -> no", "loop -> loop")
	for _, tt := range []struct {
		req  abi.WatchRequest
		code abi.Code
	}{
		{abi.WatchRequest{Path: dir + "/no"}, abi.CodeFileNotFound}, {abi.WatchRequest{Path: dir + "/dangling"}, abi.CodeFileNotFound},
		{abi.WatchRequest{Path: dir + "/f/x"}, abi.CodeNotDirectory}, {abi.WatchRequest{Path: dir + "/loop"}, abi.CodeInvalidRequest},
		{abi.WatchRequest{Path: dir, Include: []string{"["}}, abi.CodeInvalidRequest}, {abi.WatchRequest{Path: dir, Exclude: []string{""}}, abi.CodeInvalidRequest},
		{abi.WatchRequest{}, abi.CodeInvalidRequest}, {abi.WatchRequest{Path: "a\x00"}, abi.CodeInvalidRequest}, {abi.WatchRequest{Path: longPath}, abi.CodeInvalidRequest},
	} {
		_, err := s.Open(within(t), "watch", tt.req)
		wantCode(t, err, tt.code)
	}
}

// TestWatchEndsWithItsReader: closing a watch ends it inside, also while it waits
// for its reader.
func TestWatchEndsWithItsReader(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	put(t, s.init.work, "w/")
	inotifies := func() int {
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.init.cmd.Process.Pid))
		must(t, err)
		n := 0
		for _, fd := range fds {
			if target, err := os.Readlink(fd); err == nil && strings.Contains(target, "inotify") {
				n++
			}
		}
		return n
	}
	for i := range 3 {
		w := newWatching(t, s.Link, abi.WatchRequest{Path: s.init.work + "/w", Recursive: true})
		if i == 1 {
			makeMany(t, s.init.work+"/w", 3000)
		}
		if n := inotifies(); n != 1 {
			t.Errorf("%d watches are open", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, _, _ = w.Receive(ctx) // a wait that ends is no end of the stream
		cancel()
		must(t, w.Close(normalClosure, ""))
		until(t, "the watch has ended", func() bool { return inotifies() == 0 })
	}
}

// TestWatchLimits: what the kernel does not allow is QUOTA_EXCEEDED and names the
// sysctl, before the watch begins and later.
func TestWatchLimits(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	l := openLink(t, dir)
	self := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	p := startRole(t, dir, "few watches", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: self})
	l.SetPeer(p.cmd.Process.Pid)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := l.Ready(ctx); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("NOT TESTED: no init in a user namespace: %v: %s", err, p.out.String())
	}
	refused := func(req abi.WatchRequest, sysctl string) {
		t.Helper()
		_, err := l.Open(within(t), "watch", req)
		if e := wantCode(t, err, abi.CodeQuotaExceeded); !strings.Contains(e.Suggestion, sysctl) {
			t.Errorf("suggests %q", e.Suggestion)
		}
	}
	put(t, p.work, "three/a/", "three/b/", "four/a/b/c/", "five/a/b/c/d/")
	refused(abi.WatchRequest{Path: p.work + "/five", Recursive: true}, "fs.inotify.max_user_watches")
	four := openStream(t, l, abi.Watch, abi.WatchRequest{Path: p.work + "/four", Recursive: true})
	must(t, four.Close(normalClosure, ""))
	watchAgain := func(req abi.WatchRequest) (w *watching) {
		t.Helper()
		until(t, "what was closed is given back", func() bool {
			sock, err := l.Open(within(t), "watch", req)
			w = &watching{Socket: sock, t: t, dir: req.Path}
			return err == nil
		})
		t.Cleanup(func() { w.Close(normalClosure, "") })
		return w
	}
	w := watchAgain(abi.WatchRequest{Path: p.work + "/three", Recursive: true})
	flat := watchAgain(abi.WatchRequest{Path: p.work})
	refused(abi.WatchRequest{Path: p.work}, "fs.inotify.max_user_instances")
	must(t, flat.Close(normalClosure, ""))
	must(t, os.MkdirAll(p.work+"/three/c/d/e", 0o755))
	for {
		if _, err := w.event(); err != nil {
			wantCode(t, err, abi.CodeQuotaExceeded)
			break
		}
	}
}
