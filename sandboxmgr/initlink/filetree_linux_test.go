package initlink

import (
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

// put makes files below dir: a path that ends in "/" is a folder, "a -> b" a
// link, and every other one a file that holds its own path.
func put(t testing.TB, dir string, paths ...string) {
	t.Helper()
	for _, p := range paths {
		link, target, isLink := strings.Cut(p, " -> ")
		full := filepath.Join(dir, link)
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(target, full)
		case strings.HasSuffix(p, "/"):
			err = os.MkdirAll(full, 0o755)
		default:
			err = os.WriteFile(full, []byte(p), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// there lists what is below dir, as put makes it, by path.
func there(t testing.TB, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		switch {
		case d.IsDir():
			name += "/"
		case d.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			name += "->" + target
		}
		all = append(all, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

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

// treeCase is one operation on a tree of files: what it is sent, the code it fails
// with ("" for none), and what is there afterwards.
type treeCase[In any] struct {
	name string
	put  string // separated by "; "
	in   In     // paths relative to the tree
	code abi.Code
	want string
}

// runTree runs the cases, each in a folder of its own, which request puts in front
// of the paths.
func runTree[In, Req, Resp any](t *testing.T, op *abi.Operation[Req, Resp], request func(dir string, in In) Req, cases []treeCase[In]) {
	s := newSandbox(t)
	for i, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(s.init.work, fmt.Sprint("case", i))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if tt.put != "" {
				put(t, dir, strings.Split(tt.put, "; ")...)
			}
			_, err := try(t, s.Link, op, request(dir, tt.in))
			switch {
			case tt.code != "":
				e := wantCode(t, err, tt.code)
				if len(e.Message) < 15 {
					t.Errorf("message %q", e.Message)
				}
			case err != nil:
				t.Fatal(err)
			}
			if got := there(t, dir); got != tt.want {
				t.Errorf("there is %q, want %q", got, tt.want)
			}
		})
	}
	if s.Broken() {
		t.Error("errors of users broke the link")
	}
}

// in puts dir in front of a path, which may be meant to stay as it is.
func in(dir, path string) string {
	if path == "" || path[0] == '/' || path[0] == '!' {
		return strings.TrimPrefix(path, "!")
	}
	return dir + "/" + path
}

var (
	longName = strings.Repeat("n", 255)
	longPath = "/" + strings.Repeat("./", abi.MaxPathBytes/2) // one byte more than is allowed
)

func TestMkdir(t *testing.T) {
	t.Parallel()
	type req = abi.MkdirRequest
	runTree(t, abi.Mkdir, func(dir string, r req) req { r.Path = in(dir, r.Path); return r }, []treeCase[req]{
		{"plain", "", req{Path: "a"}, "", "a/"},
		{"slash at the end", "", req{Path: "a/"}, "", "a/"},
		{"missing parent", "", req{Path: "a/b"}, abi.CodeFileNotFound, ""},
		{"recursive", "", req{Path: "a/b/c", Recursive: true}, "", "a/ a/b/ a/b/c/"},
		{"exists", "a/", req{Path: "a"}, abi.CodeFileExists, "a/"},
		{"exists, recursive", "a/b", req{Path: "a", Recursive: true}, "", "a/ a/b"},
		{"a file is there", "a", req{Path: "a"}, abi.CodeFileExists, "a"},
		{"a file is there, recursive", "a", req{Path: "a", Recursive: true}, abi.CodeFileExists, "a"},
		{"a link to a folder is there", "a/; l -> a", req{Path: "l"}, abi.CodeFileExists, "a/ l->a"},
		{"a link to a folder is there, recursive", "a/; l -> a", req{Path: "l", Recursive: true}, "", "a/ l->a"},
		{"a link to nothing is there", "l -> x", req{Path: "l"}, abi.CodeFileExists, "l->x"},
		{"a link to nothing is there, recursive", "l -> x", req{Path: "l", Recursive: true}, abi.CodeFileExists, "l->x"},
		{"below a file", "a", req{Path: "a/b"}, abi.CodeNotDirectory, "a"},
		{"below a file, recursive", "a", req{Path: "a/b/c", Recursive: true}, abi.CodeNotDirectory, "a"},
		{"through a link", "a/; l -> a", req{Path: "l/b"}, "", "a/ a/b/ l->a"},
		{"dots", "a/", req{Path: "a/../b"}, "", "a/ b/"},
		{"unicode", "", req{Path: "ä €"}, "", "ä €/"},
		{"the longest name", "", req{Path: longName}, "", longName + "/"},
		{"a name too long", "", req{Path: longName + "n"}, abi.CodeInvalidRequest, ""},
		{"root", "", req{Path: "/"}, abi.CodeFileExists, ""},
		{"bad mode", "", req{Path: "a", Mode: "0800"}, abi.CodeInvalidRequest, ""},
		{"mode above", "", req{Path: "a", Mode: "1000"}, abi.CodeInvalidRequest, ""},
		{"not to be written", "", req{Path: "/proc/x"}, abi.CodeFileNotFound, ""},
		{"empty path", "", req{}, abi.CodeInvalidRequest, ""},
		{"NUL", "", req{Path: "!a\x00"}, abi.CodeInvalidRequest, ""},
		{"path too long", "", req{Path: longPath}, abi.CodeInvalidRequest, ""},
		{"a path as long as may be", "", req{Path: longPath[:len(longPath)-1]}, abi.CodeFileExists, ""},
	})
}

func TestMkdirModes(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for mode, want := range map[string]os.FileMode{"": 0o755, "0777": 0o777, "700": 0o700, "0": 0} {
		path := s.init.work + "/m" + mode
		call(t, s.Link, abi.Mkdir, abi.MkdirRequest{Path: path, Mode: mode})
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("mode %q: %v, %v", mode, st.Mode(), err)
		}
	}
}

func TestDeleteFile(t *testing.T) {
	t.Parallel()
	type req = abi.DeleteFileRequest
	runTree(t, abi.DeleteFile, func(dir string, r req) req { r.Path = in(dir, r.Path); return r }, []treeCase[req]{
		{"file", "a; b", req{Path: "a"}, "", "b"},
		{"file, recursive", "a", req{Path: "a", Recursive: true}, "", ""},
		{"nothing", "", req{Path: "a"}, abi.CodeFileNotFound, ""},
		{"nothing, recursive", "", req{Path: "a", Recursive: true}, abi.CodeFileNotFound, ""},
		{"folder", "a/", req{Path: "a"}, abi.CodeIsDirectory, "a/"},
		{"folder, recursive", "a/b/c; a/d; a/.h; e", req{Path: "a", Recursive: true}, "", "e"},
		{"link to a folder", "a/b; l -> a", req{Path: "l"}, "", "a/ a/b"},
		{"link to a folder, recursive", "a/b; l -> a", req{Path: "l/", Recursive: true}, "", "a/ a/b"},
		{"link to nothing", "l -> x", req{Path: "l"}, "", ""},
		{"links inside", "a/l -> ../b; b/c", req{Path: "a", Recursive: true}, "", "b/ b/c"},
		{"below a file", "a", req{Path: "a/b"}, abi.CodeNotDirectory, "a"},
		{"in a circle", "l -> l", req{Path: "l/x"}, abi.CodeInvalidRequest, "l->l"},
		{"root", "", req{Path: "/"}, abi.CodeInvalidRequest, ""},
		{"workspace", "", req{Path: "/workspace"}, abi.CodeInvalidRequest, ""},
		{"workspace as a dot", "", req{Path: "!."}, abi.CodeInvalidRequest, ""},
		{"workspace by detours", "", req{Path: "/workspace/../proc/self/root/workspace/"}, abi.CodeInvalidRequest, ""},
		{"the edge's folder", "", req{Path: "/.edge"}, abi.CodeInvalidRequest, ""},
		{"in the edge's folder", "", req{Path: "/.edge/run/s"}, abi.CodeInvalidRequest, ""},
		{"empty path", "", req{}, abi.CodeInvalidRequest, ""},
		{"NUL", "", req{Path: "!a\x00"}, abi.CodeInvalidRequest, ""},
		{"path too long", "", req{Path: longPath}, abi.CodeInvalidRequest, ""},
	})
}

// TestDeleteMuch: a folder with very many entries and one that is deeper than any
// path is long.
func TestDeleteMuch(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work + "/d"
	makeMany(t, dir, 10_000)
	makeDeep(t, dir, 600)
	call(t, s.Link, abi.DeleteFile, abi.DeleteFileRequest{Path: dir, Recursive: true})
	if got := there(t, s.init.work); got != "" {
		t.Errorf("there is %.200q", got)
	}
}

// makeMany makes a folder with n files.
func makeMany(t testing.TB, dir string, n int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(fmt.Sprintf("%s/f%05d", dir, i), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// makeDeep makes n folders with long names, each in the one before.
func makeDeep(t testing.TB, dir string, n int) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := root.Mkdir("deep-in-the-folder", 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := root.OpenRoot("deep-in-the-folder")
		root.Close()
		if err != nil {
			t.Fatal(err)
		}
		root = next
	}
	root.Close()
}

func TestRenameFile(t *testing.T) {
	t.Parallel()
	type pair [2]string
	at := func(dir string, p pair) abi.RenameFileRequest {
		return abi.RenameFileRequest{OldPath: in(dir, p[0]), NewPath: in(dir, p[1])}
	}
	runTree(t, abi.RenameFile, at, []treeCase[pair]{
		{"file", "a", pair{"a", "b"}, "", "b"},
		{"to itself", "a", pair{"a", "a"}, "", "a"},
		{"replaces a file", "a; b", pair{"a", "b"}, "", "b"},
		{"folder", "a/x", pair{"a", "b"}, "", "b/ b/x"},
		{"folder over an empty one", "a/x; b/", pair{"a", "b"}, "", "b/ b/x"},
		{"folder over a full one", "a/x; b/y", pair{"a", "b"}, abi.CodeFileExists, "a/ a/x b/ b/y"},
		{"file over a folder", "a; b/", pair{"a", "b"}, abi.CodeIsDirectory, "a b/"},
		{"folder over a file", "a/; b", pair{"a", "b"}, abi.CodeNotDirectory, "a/ b"},
		{"into itself", "a/", pair{"a", "a/b"}, abi.CodeInvalidRequest, "a/"},
		{"link", "a; l -> a", pair{"l", "m"}, "", "a m->a"},
		{"nothing", "", pair{"a", "b"}, abi.CodeFileNotFound, ""},
		{"into nothing", "a", pair{"a", "x/b"}, abi.CodeFileNotFound, "a"},
		{"from below a file", "a", pair{"a/x", "b"}, abi.CodeNotDirectory, "a"},
		{"to below a file", "a; b", pair{"a", "b/x"}, abi.CodeNotDirectory, "a b"},
		{"name too long", "a", pair{"a", longName + "n"}, abi.CodeInvalidRequest, "a"},
		{"to another file system", "a", pair{"a", "/dev/shm/edge-test-rename"}, abi.CodeInvalidRequest, "a"},
		{"workspace", "", pair{"/workspace", "w"}, abi.CodeInvalidRequest, ""},
		{"root", "", pair{"/", "w"}, abi.CodeInvalidRequest, ""},
		{"empty old path", "", pair{"", "w"}, abi.CodeInvalidRequest, ""},
		{"empty new path", "a", pair{"a", ""}, abi.CodeInvalidRequest, "a"},
		{"NUL", "a", pair{"a", "!b\x00"}, abi.CodeInvalidRequest, "a"},
		{"path too long", "a", pair{"a", longPath}, abi.CodeInvalidRequest, "a"},
	})
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
