package initlink

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
)

// otherFS returns a folder on another file system than the tests' own.
func otherFS(t testing.TB) string {
	t.Helper()
	var here, other syscall.Stat_t
	err := syscall.Stat(os.TempDir(), &here)
	if err == nil {
		err = syscall.Stat("/dev/shm", &other)
	}
	if err != nil || here.Dev == other.Dev {
		if os.Getenv("CI") == "true" {
			t.Fatalf("/dev/shm is no other file system: %v", err)
		}
		t.Skipf("NOT TESTED: /dev/shm is no other file system than %s: %v", os.TempDir(), err)
	}
	dir, err := os.MkdirTemp("/dev/shm", "edge-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestMoveFile(t *testing.T) {
	t.Parallel()
	type pair [2]string
	at := func(dir string, p pair) abi.MoveFileRequest {
		return abi.MoveFileRequest{SourcePath: in(dir, p[0]), DestinationPath: in(dir, p[1])}
	}
	runTree(t, abi.MoveFile, at, []treeCase[pair]{
		{"file", "a", pair{"a", "b"}, "", "b"},
		{"to itself", "a", pair{"a", "a"}, "", "a"},
		{"replaces a file", "a; b", pair{"a", "b"}, "", "b"},
		{"missing folders", "a", pair{"a", "x/y/b"}, "", "x/ x/y/ x/y/b"},
		{"into a folder", "a; x/", pair{"a", "x"}, "", "x/ x/a"},
		{"into a link to a folder", "a; x/; l -> x", pair{"a", "l"}, "", "l->x x/ x/a"},
		{"into a folder that is to be made", "a", pair{"a", "x/"}, "", "x/ x/a"},
		{"folder into a folder", "a/b; x/", pair{"a", "x"}, "", "x/ x/a/ x/a/b"},
		{"folder over an empty one", "a/b; x/a/", pair{"a", "x"}, "", "x/ x/a/ x/a/b"},
		{"folder over a full one", "a/b; x/a/c", pair{"a", "x"}, abi.CodeFileExists, "a/ a/b x/ x/a/ x/a/c"},
		{"file over a folder", "a; x/a/", pair{"a", "x"}, abi.CodeIsDirectory, "a x/ x/a/"},
		{"folder over a file", "a/; x/a", pair{"a", "x"}, abi.CodeNotDirectory, "a/ x/ x/a"},
		{"into itself", "a/", pair{"a", "a/b/c"}, abi.CodeInvalidRequest, "a/"},
		{"into itself, as a folder", "a/", pair{"a", "a"}, abi.CodeInvalidRequest, "a/"},
		{"link", "a; l -> a", pair{"l", "m"}, "", "a m->a"},
		{"nothing", "", pair{"a", "x/b"}, abi.CodeFileNotFound, ""},
		{"to below a file", "a; b", pair{"a", "b/x"}, abi.CodeNotDirectory, "a b"},
		{"root", "", pair{"/", "w"}, abi.CodeInvalidRequest, ""},
		{"empty source", "", pair{"", "w"}, abi.CodeInvalidRequest, ""},
		{"empty destination", "a", pair{"a", ""}, abi.CodeInvalidRequest, "a"},
		{"NUL", "a", pair{"a", "!b\x00"}, abi.CodeInvalidRequest, "a"},
		{"path too long", "a", pair{"a", longPath}, abi.CodeInvalidRequest, "a"},
	})
}

// TestMoveAcross: from one file system to another everything stays as it was, and
// a failure leaves both sides as they were.
func TestMoveAcross(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir, other := s.init.work, otherFS(t)
	put(t, dir, "d/sub/f", "d/l -> sub/f", "d/dangling -> nowhere", "d/empty/", "d/sparse", "plain")
	when := time.Unix(1_500_000_000, 123_456_789)
	for _, err := range []error{
		os.Chmod(dir+"/d/sub/f", 0o751|os.ModeSetuid), os.Chmod(dir+"/d/empty", 0o500), os.Truncate(dir+"/d/sparse", 8<<20), syscall.Mkfifo(dir+"/d/pipe", 0o600),
		os.Chtimes(dir+"/d/sub/f", when, when), os.Chtimes(dir+"/d/sub", when, when), os.Chtimes(dir+"/d", when, when),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	before := there(t, dir+"/d")
	call(t, s.Link, abi.MoveFile, abi.MoveFileRequest{SourcePath: dir + "/d", DestinationPath: other + "/x/moved"})
	if got := there(t, other+"/x"); got != "moved/ "+prefixed("moved/", before) {
		t.Errorf("moved %q", got)
	}
	if got := there(t, dir); got != "plain" {
		t.Errorf("left %q", got)
	}
	for name, mode := range map[string]os.FileMode{"/sub/f": 0o751 | os.ModeSetuid, "/empty": 0o500 | os.ModeDir, "/pipe": os.ModeNamedPipe | 0o600, "/sparse": 0o644} {
		if st, err := os.Lstat(other + "/x/moved" + name); err != nil || st.Mode() != mode {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
	for _, name := range []string{"/sub/f", "/sub", ""} {
		if st, err := os.Lstat(other + "/x/moved" + name); err != nil || !st.ModTime().Equal(when) {
			t.Errorf("%s: %v, %v", name, st.ModTime(), err)
		}
	}
	if got := readHost(t, other+"/x/moved/sub/f"); got != "d/sub/f" {
		t.Errorf("content %q", got)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(other+"/x/moved/sparse", &st); err != nil || st.Size != 8<<20 || st.Blocks > 64 {
		t.Errorf("sparse: %d bytes in %d blocks, %v", st.Size, st.Blocks, err)
	}
	put(t, other, "full/plain/x", "file")
	for to, code := range map[string]abi.Code{"/full": abi.CodeIsDirectory, "/file/x": abi.CodeNotDirectory} {
		_, err := try(t, s.Link, abi.MoveFile, abi.MoveFileRequest{SourcePath: dir + "/plain", DestinationPath: other + to})
		wantCode(t, err, code)
	}
	put(t, dir, "plain2/x", "plain3/y")
	_, err := try(t, s.Link, abi.MoveFile, abi.MoveFileRequest{SourcePath: dir + "/plain2", DestinationPath: other + "/file"})
	wantCode(t, err, abi.CodeNotDirectory)
	put(t, other, "full/plain2/z")
	_, err = try(t, s.Link, abi.MoveFile, abi.MoveFileRequest{SourcePath: dir + "/plain2", DestinationPath: other + "/full"})
	wantCode(t, err, abi.CodeFileExists)
	call(t, s.Link, abi.MoveFile, abi.MoveFileRequest{SourcePath: dir + "/plain", DestinationPath: other + "/file"})
	if got := there(t, other+"/full") + " " + readHost(t, other+"/file"); got != "plain/ plain/x plain2/ plain2/z plain" {
		t.Errorf("there is %q", got)
	}
}

func prefixed(prefix, list string) string {
	names := strings.Fields(list)
	for i := range names {
		names[i] = prefix + names[i]
	}
	return strings.Join(names, " ")
}

func TestExists(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	put(t, dir, "f", "d/", "l -> f", "dangling -> nowhere", "self -> self")
	if err := syscall.Mkfifo(dir+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir+"/f", 0o711|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]abi.FileInfo{
		"f": {Type: abi.FileTypeFile, Size: 1, Mode: "4711"}, "d": {Type: abi.FileTypeDirectory, Mode: "0755"},
		"l": {Type: abi.FileTypeSymlink, Size: 1, Mode: "0777", Target: "f"}, "dangling": {Type: abi.FileTypeSymlink, Size: 7, Mode: "0777", Target: "nowhere"},
		"pipe": {Type: abi.FileTypeOther, Mode: "0600"}, "self": {Type: abi.FileTypeSymlink, Size: 4, Mode: "0777", Target: "self"},
	} {
		got := call(t, s.Link, abi.Exists, abi.PathRequest{Path: dir + "/" + name})
		if !got.Exists || got.Info == nil {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		info := *got.Info
		if time.Since(info.ModifiedAt).Abs() > time.Hour || info.ModifiedAt.Location() != time.UTC {
			t.Errorf("%s: modified at %v", name, info.ModifiedAt)
		}
		want.Name, want.Path, want.ModifiedAt = name, dir+"/"+name, info.ModifiedAt
		if want.Type == abi.FileTypeDirectory {
			want.Size = info.Size
		}
		if info != want {
			t.Errorf("%s: %+v, want %+v", name, info, want)
		}
	}
	for _, path := range []string{dir + "/no", dir + "/d/no/no", "surely/not/there"} {
		if got := call(t, s.Link, abi.Exists, abi.PathRequest{Path: path}); got.Exists || got.Info != nil {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if got := call(t, s.Link, abi.Exists, abi.PathRequest{Path: "/"}); !got.Exists || got.Info.Path != "/" {
		t.Errorf("root: %+v", got)
	}
	for path, code := range map[string]abi.Code{
		dir + "/f/x": abi.CodeNotDirectory, dir + "/self/x": abi.CodeInvalidRequest, "": abi.CodeInvalidRequest, "a\x00": abi.CodeInvalidRequest,
		longPath: abi.CodeInvalidRequest, dir + "/" + longName + "n": abi.CodeInvalidRequest,
	} {
		_, err := try(t, s.Link, abi.Exists, abi.PathRequest{Path: path})
		wantCode(t, err, code)
	}
}

func TestSetPermissions(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	put(t, dir, "f", "outside", "d/f", "d/sub/g", "d/l -> ../outside", "l -> f", "dangling -> nowhere")
	modes := func(names ...string) string {
		var all []string
		for _, name := range names {
			st, err := os.Stat(dir + "/" + name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprintf("%o", st.Mode().Perm()))
		}
		return strings.Join(all, " ")
	}
	set := func(path, mode string, recursive bool) {
		t.Helper()
		call(t, s.Link, abi.SetPermissions, abi.SetPermissionsRequest{Path: dir + "/" + path, Mode: mode, Recursive: recursive})
	}
	set("f", "0755", false)
	set("d", "711", false)
	if got := modes("f", "d", "d/f", "d/sub"); got != "755 711 644 755" {
		t.Errorf("one by one: %s", got)
	}
	set("l", "0600", true)
	set("d", "0750", true)
	if got := modes("f", "d", "d/f", "d/sub", "d/sub/g", "outside"); got != "600 750 750 750 750 644" {
		t.Errorf("recursive: %s", got)
	}
	set("d", "0", true) // also what nobody may enter afterwards
	set("d", "0777", true)
	if got := modes("d", "d/f", "d/sub", "d/sub/g", "outside"); got != "777 777 777 777 644" {
		t.Errorf("back and forth: %s", got)
	}
	for _, tt := range []struct {
		req  abi.SetPermissionsRequest
		code abi.Code
	}{
		{abi.SetPermissionsRequest{Path: dir + "/no", Mode: "0644"}, abi.CodeFileNotFound},
		{abi.SetPermissionsRequest{Path: dir + "/no", Mode: "0644", Recursive: true}, abi.CodeFileNotFound},
		{abi.SetPermissionsRequest{Path: dir + "/dangling", Mode: "0644"}, abi.CodeFileNotFound},
		{abi.SetPermissionsRequest{Path: dir + "/f/x", Mode: "0644"}, abi.CodeNotDirectory},
		{abi.SetPermissionsRequest{Path: dir + "/f"}, abi.CodeInvalidRequest},
		{abi.SetPermissionsRequest{Path: dir + "/f", Mode: "0o644"}, abi.CodeInvalidRequest},
		{abi.SetPermissionsRequest{Path: dir + "/f", Mode: "-1"}, abi.CodeInvalidRequest},
		{abi.SetPermissionsRequest{Path: dir + "/f", Mode: "1000"}, abi.CodeInvalidRequest},
		{abi.SetPermissionsRequest{Path: "", Mode: "0644"}, abi.CodeInvalidRequest},
	} {
		_, err := try(t, s.Link, abi.SetPermissions, tt.req)
		wantCode(t, err, tt.code)
	}
}

// newUser is newSandbox with an init that is nobody in particular, where that is
// possible: only root can make one.
func newUser(t testing.TB) *sandbox {
	t.Helper()
	if os.Getuid() != 0 {
		return newSandbox(t)
	}
	dir := shortDir(t)
	l := openLink(t, dir)
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(dir+"/s", 0o777)); err != nil {
		t.Fatal(err)
	}
	p := startRole(t, dir, "nobody", nil)
	if err := os.Chown(p.work, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	l.SetPeer(p.cmd.Process.Pid)
	if _, err := l.Ready(within(t)); err != nil {
		t.Fatal(err)
	}
	return &sandbox{Link: l, init: p, dir: dir}
}

// TestFilesDenied: what the sandbox's user may not do is PERMISSION_DENIED in every
// operation.
func TestFilesDenied(t *testing.T) {
	t.Parallel()
	s := newUser(t)
	dir := s.init.work + "/locked"
	put(t, dir, "f", "d/f", "closed/f")
	for _, err := range []error{os.Chmod(dir+"/f", 0), os.Chmod(dir+"/closed", 0), os.Chmod(dir, 0o555)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		os.Chmod(dir, 0o755)
		os.Chmod(dir+"/closed", 0o755)
	})
	for op, req := range map[abi.Row]any{
		abi.ReadFile:       abi.ReadFileRequest{Path: dir + "/f"},
		abi.WriteFile:      abi.WriteFileRequest{Path: dir + "/new"},
		abi.Mkdir:          abi.MkdirRequest{Path: dir + "/new"},
		abi.DeleteFile:     abi.DeleteFileRequest{Path: dir + "/d", Recursive: true},
		abi.RenameFile:     abi.RenameFileRequest{OldPath: dir + "/f", NewPath: dir + "/g"},
		abi.MoveFile:       abi.MoveFileRequest{SourcePath: dir + "/f", DestinationPath: s.init.work + "/g"},
		abi.Exists:         abi.PathRequest{Path: dir + "/closed/f"},
		abi.SetPermissions: abi.SetPermissionsRequest{Path: dir + "/closed/f", Mode: "0644"},
		abi.ListFiles:      abi.ListFilesRequest{Path: dir + "/closed"},
		abi.SearchFiles:    abi.SearchFilesRequest{Path: dir + "/closed", Glob: "*"},
	} {
		t.Run(op.Name(), func(t *testing.T) {
			e := wantCode(t, s.Call(within(t), op.Name(), req, nil), abi.CodePermissionDenied)
			if !strings.Contains(e.Message, dir) || e.Suggestion == "" {
				t.Errorf("says %q and suggests %q", e.Message, e.Suggestion)
			}
		})
	}
	list := call(t, s.Link, abi.ListFiles, abi.ListFilesRequest{Path: dir, Recursive: true})
	if len(list.Files) != 4 || !list.Truncated {
		t.Errorf("listed %+v", list)
	}
	found := call(t, s.Link, abi.SearchFiles, abi.SearchFilesRequest{Path: dir, Text: "f"})
	if len(found.Matches) != 1 || found.Matches[0].Path != "d/f" || !found.Truncated {
		t.Errorf("found %+v", found)
	}
}
