package initlink

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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

// TestDeleteAtOnce: what another deletes meanwhile is no failure.
func TestDeleteAtOnce(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work + "/d"
	for i := range 200 {
		makeMany(t, fmt.Sprintf("%s/%d/sub", dir, i), 5)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			err := s.Link.Call(t.Context(), abi.DeleteFile.Name(), abi.DeleteFileRequest{Path: dir, Recursive: true}, &abi.Empty{})
			var e *abi.Error
			if err == nil || errors.As(err, &e) && e.Code == abi.CodeFileNotFound && e.Started != abi.StartedYes { // came late
				return
			}
			t.Errorf("%v, started %s", err, e.Started)
		})
	}
	wg.Wait()
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
