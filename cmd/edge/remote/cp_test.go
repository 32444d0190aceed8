package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// fileServer carries file operations out in a folder of this machine, which is
// the sandbox's /workspace.
type fileServer struct {
	t   *testing.T
	dir string
	// more is added to every list: what a sandbox may claim to have.
	more []abi.FileInfo
}

func (f *fileServer) at(file string) string {
	return filepath.Join(f.dir, strings.TrimPrefix(path.Join("/workspace", strings.TrimPrefix(file, "/workspace")), "/workspace"))
}

func (f *fileServer) info(file string) (abi.FileInfo, error) {
	st, err := os.Lstat(f.at(file))
	if err != nil {
		return abi.FileInfo{}, abi.Errorf(abi.CodeFileNotFound, "there is no %s", file)
	}
	info := abi.FileInfo{Name: st.Name(), Path: file, Type: abi.FileTypeFile, Size: st.Size(), Mode: fmt.Sprintf("%04o", st.Mode().Perm()), ModifiedAt: st.ModTime()}
	switch st.Mode().Type() {
	case fs.ModeDir:
		info.Type = abi.FileTypeDirectory
	case fs.ModeSymlink:
		info.Type = abi.FileTypeSymlink
		info.Target, _ = os.Readlink(f.at(file))
	}
	return info, nil
}

func (f *fileServer) serve(w http.ResponseWriter, r *http.Request, name string) bool {
	var req struct {
		Path, Mode string
		Recursive  bool
	}
	if name == "writeFileStream" {
		f.write(w, r)
		return true
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		f.t.Error(err)
	}
	info, err := f.info(req.Path)
	switch name {
	case "exists":
		answer(w, 200, abi.ExistsResponse{Exists: err == nil, Info: &info})
	case "mkdir":
		mode, _ := strconv.ParseUint(req.Mode, 8, 32)
		if err := os.MkdirAll(f.at(req.Path), os.FileMode(mode)); err != nil {
			f.t.Error(err)
		}
		answer(w, 200, abi.Empty{})
	case "setPermissions":
		mode, _ := strconv.ParseUint(req.Mode, 8, 32)
		if err := os.Chmod(f.at(req.Path), os.FileMode(mode)); err != nil {
			f.t.Error(err)
		}
		answer(w, 200, abi.Empty{})
	case "listFiles":
		list, err := f.list(req.Path, req.Recursive)
		if err != nil {
			refuse(w, err)
			return true
		}
		answer(w, 200, list)
	case "readFileStream":
		b, err := os.ReadFile(f.at(req.Path))
		if err != nil {
			refuse(w, abi.Errorf(abi.CodeFileNotFound, "there is no %s", req.Path))
			return true
		}
		head, _ := json.Marshal(info)
		w.Header().Set(fileInfoHeader, string(head))
		_, _ = w.Write(b)
	default:
		return false
	}
	return true
}

func (f *fileServer) write(w http.ResponseWriter, r *http.Request) {
	file, mode := f.at(r.URL.Query().Get("path")), os.FileMode(0o644)
	if text := r.URL.Query().Get("mode"); text != "" {
		n, _ := strconv.ParseUint(text, 8, 32)
		mode = os.FileMode(n)
	}
	b, err := io.ReadAll(r.Body)
	if st, statErr := os.Stat(filepath.Dir(file)); statErr == nil && st.Mode()&0o200 == 0 {
		err = fs.ErrPermission // which root, as whom tests may run, is never told
	}
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, b, mode), os.Chmod(file, mode))
	}
	if err != nil {
		refuse(w, abi.Errorf(abi.CodePermissionDenied, "%v", err))
		return
	}
	answer(w, 200, abi.WriteFileResponse{Path: file, Size: int64(len(b))})
}

func (f *fileServer) list(dir string, recursive bool) (*abi.ListFilesResponse, error) {
	root := f.at(dir)
	if st, err := os.Stat(root); err != nil || !st.IsDir() {
		return nil, abi.Errorf(abi.CodeNotDirectory, "%s is no folder", dir)
	}
	list := &abi.ListFilesResponse{Files: f.more}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, file)
		if err != nil || rel == "." {
			return err
		}
		info, _ := f.info(path.Join(dir, rel))
		info.Path = rel
		list.Files = append(list.Files, info)
		if d.IsDir() && !recursive {
			return fs.SkipDir
		}
		return nil
	})
	return list, err
}

// tree writes files with their content, folders for names that end in "/", and
// symlinks for contents that begin with "->".
func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, isLink := strings.CutPrefix(content, "->"); isLink {
			err = os.Symlink(target, file)
		} else if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(file, 0o755)
		} else {
			err = os.WriteFile(file, []byte(content), 0o640)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// untree is what tree would write.
func untree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, file)
		switch {
		case d.IsDir():
			if entries, _ := os.ReadDir(file); len(entries) == 0 && rel != "." {
				files[rel+"/"] = ""
			}
		case d.Type() == fs.ModeSymlink:
			target, _ := os.Readlink(file)
			files[rel] = "->" + target
		default:
			b, err := os.ReadFile(file)
			files[rel] = string(b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCp(t *testing.T) {
	t.Parallel()
	type files = map[string]string
	tests := []struct {
		name           string
		here, there    files
		source, target string // HERE/ is this machine's folder
		follow         bool
		wantHere       files // nil is unchanged
		wantThere      files
		says, fails    string
	}{
		{name: "file up", here: files{"a": "\x00\xff"}, source: "HERE/a", target: "one:b", wantThere: files{"b": "\x00\xff"}},
		{name: "file up into a folder", here: files{"a": "1"}, there: files{"d/x": ""}, source: "HERE/a", target: "one:d", wantThere: files{"d/x": "", "d/a": "1"}},
		{name: "file up into no folder", here: files{"a": "1"}, source: "HERE/a", target: "one:d/", fails: "FILE_NOT_FOUND: there is no folder d/ in Sandbox/one"},
		{name: "folder up", here: files{"d/a": "1", "d/e/b": "2", "d/f/": ""}, source: "HERE/d", target: "one:n", wantThere: files{"n/a": "1", "n/e/b": "2", "n/f/": ""}},
		{name: "folder up into a folder", here: files{"d/a": "1"}, there: files{"n/": ""}, source: "HERE/d", target: "one:n", wantThere: files{"n/d/a": "1"}},
		{name: "content up", here: files{"d/a": "1"}, there: files{"n/b": ""}, source: "HERE/d/.", target: "one:n", wantThere: files{"n/a": "1", "n/b": ""}},
		{name: "folder up onto a file", here: files{"d/a": "1"}, there: files{"n": ""}, source: "HERE/d", target: "one:n", fails: "NOT_DIRECTORY: n in Sandbox/one is a file, and HERE/d a folder"},
		{name: "symlinks up", here: files{"d/a": "1", "d/l": "->a"}, source: "HERE/d", target: "one:n", wantThere: files{"n/a": "1"}, says: "edge: left out HERE/d/l: it is a symlink; -L copies what it names\n"},
		{name: "symlinks up, followed", here: files{"d/a": "1", "d/l": "->a", "d/gone": "->nowhere"}, follow: true, source: "HERE/d", target: "one:n", wantThere: files{"n/a": "1", "n/l": "1"},
			says: "edge: left out HERE/d/gone: it is not there any more, or leads nowhere\n"},
		{name: "to the workspace", here: files{"a": "1"}, there: files{"x": ""}, source: "HERE/a", target: "Sandbox/one:", wantThere: files{"a": "1", "x": ""}},
		{name: "file down", there: files{"a": "\x00\xff"}, source: "one:a", target: "HERE/b", wantHere: files{"b": "\x00\xff"}},
		{name: "file down over a file", here: files{"b": "old"}, there: files{"a": "new"}, source: "one:a", target: "HERE/b", wantHere: files{"b": "new"}},
		{name: "file down into a folder", here: files{"d/": ""}, there: files{"a": "1"}, source: "one:/workspace/a", target: "HERE/d", wantHere: files{"d/a": "1"}},
		{name: "file down into no folder", there: files{"a": "1"}, source: "one:a", target: "HERE/d/", fails: "there is no folder HERE/d/"},
		{name: "nothing down", source: "one:a", target: "HERE/b", fails: "FILE_NOT_FOUND: there is no a in Sandbox/one"},
		{name: "folder down", there: files{"d/a": "1", "d/e/b": "2", "d/f/": ""}, source: "one:d", target: "HERE/n", wantHere: files{"n/a": "1", "n/e/b": "2", "n/f/": ""}},
		{name: "folder down into a folder", here: files{"n/": ""}, there: files{"d/a": "1"}, source: "one:d", target: "HERE/n", wantHere: files{"n/d/a": "1"}},
		{name: "content down", here: files{"n/b": ""}, there: files{"d/a": "1"}, source: "one:d/.", target: "HERE/n", wantHere: files{"n/a": "1", "n/b": ""}},
		{name: "folder down onto a file", here: files{"n": ""}, there: files{"d/a": "1"}, source: "one:d", target: "HERE/n", fails: "HERE/n is a file, and d a folder"},
		{name: "symlinks down", there: files{"d/a": "1", "d/l": "->/etc/passwd"}, source: "one:d", target: "HERE/n", wantHere: files{"n/a": "1"}, says: "edge: left out l: it is a symlink to /etc/passwd\n"},
		{name: "both there", source: "one:a", target: "two:b", fails: "INVALID_REQUEST: cp: both places are in sandboxes"},
		{name: "both here", source: "a", target: "./two:b", fails: "INVALID_REQUEST: cp: neither place is in a sandbox"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, s, here := startEdge(t), &screen{}, t.TempDir()
			e.files = &fileServer{t: t, dir: t.TempDir()}
			tree(t, here, tt.here)
			tree(t, e.files.dir, tt.there)
			local := func(text string) string { return strings.ReplaceAll(text, "HERE", here) }
			err := (&cpCommand{Source: local(tt.source), Target: local(tt.target), Follow: tt.follow}).Run(t.Context(), s.env(e))
			if tt.fails != "" {
				if err == nil || err.Error() != local(tt.fails) {
					t.Errorf("err = %v, want %s", err, local(tt.fails))
				}
			} else if err != nil {
				t.Fatal(err)
			}
			same := func(what, dir string, want files, otherwise files) {
				if want == nil {
					want = otherwise
				}
				if got := untree(t, dir); fmt.Sprint(got) != fmt.Sprint(want) && len(got)+len(want) > 0 {
					t.Errorf("%s = %q, want %q", what, got, want)
				}
			}
			same("here", here, tt.wantHere, tt.here)
			same("there", e.files.dir, tt.wantThere, tt.there)
			if s.err.String() != local(tt.says) {
				t.Errorf("said %q, want %q", &s.err, local(tt.says))
			}
		})
	}
}

func TestCpKeepsModesAndTimes(t *testing.T) {
	t.Parallel()
	e, s, here := startEdge(t), &screen{}, t.TempDir()
	e.files = &fileServer{t: t, dir: t.TempDir()}
	tree(t, e.files.dir, map[string]string{"d/a": "1"})
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	file := filepath.Join(e.files.dir, "d/a")
	if err := errors.Join(os.Chmod(file, 0o751), os.Chtimes(file, old, old), os.Chmod(filepath.Dir(file), 0o700), os.Chtimes(filepath.Dir(file), old, old)); err != nil {
		t.Fatal(err)
	}
	if err := (&cpCommand{Source: "one:d", Target: here + "/n"}).Run(t.Context(), s.env(e)); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"n": 0o700, "n/a": 0o751} {
		st, err := os.Stat(filepath.Join(here, name))
		if err != nil || st.Mode().Perm() != mode || !st.ModTime().Equal(old) {
			t.Errorf("%s: %v %v, %v", name, st.Mode(), st.ModTime(), err)
		}
	}
	if err := (&cpCommand{Source: here + "/n/a", Target: "one:b"}).Run(t.Context(), s.env(e)); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(filepath.Join(e.files.dir, "b")); err != nil || st.Mode().Perm() != 0o751 {
		t.Errorf("up: %v, %v", st, err)
	}
}

// TestCpFolderThatIsReadOnly copies a folder that its owner cannot write to.
func TestCpFolderThatIsReadOnly(t *testing.T) {
	t.Parallel()
	e, s, here := startEdge(t), &screen{}, t.TempDir()
	e.files = &fileServer{t: t, dir: t.TempDir()}
	tree(t, here, map[string]string{"d/a": "1", "d/e/b": "2"})
	modes := map[string]os.FileMode{"d": 0o555, "d/e": 0o500}
	for name, mode := range modes {
		if err := os.Chmod(filepath.Join(here, name), mode); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(filepath.Join(here, name), 0o700)
		defer os.Chmod(filepath.Join(e.files.dir, name), 0o700)
	}
	if err := (&cpCommand{Source: here + "/d", Target: "one:d"}).Run(t.Context(), s.env(e)); err != nil {
		t.Fatal(err)
	}
	if got, want := untree(t, e.files.dir), untree(t, here); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("copied %q, want %q", got, want)
	}
	for name, mode := range modes {
		if st, err := os.Stat(filepath.Join(e.files.dir, name)); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", name, st.Mode(), err, mode)
		}
	}
}

// TestCpNamesThatJSONHasNot copies around files whose names are not UTF-8, which
// operations cannot name.
func TestCpNamesThatJSONHasNot(t *testing.T) {
	t.Parallel()
	e, s, here := startEdge(t), &screen{}, t.TempDir()
	e.files = &fileServer{t: t, dir: t.TempDir()}
	tree(t, here, map[string]string{"d/a": "1", "d/b\xff": "2", "d/c": "3"})
	tree(t, e.files.dir, map[string]string{"d/a": "1", "d/b\xff": "2", "d/c": "3"})
	want := map[string]string{"a": "1", "c": "3"}
	if err := (&cpCommand{Source: "one:d", Target: here + "/n"}).Run(t.Context(), s.env(e)); err != nil {
		t.Error(err)
	}
	if got := untree(t, here+"/n"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("down: %q, want %q", got, want)
	}
	if err := (&cpCommand{Source: here + "/d", Target: "one:n"}).Run(t.Context(), s.env(e)); err != nil {
		t.Error(err)
	}
	if got := untree(t, e.files.dir+"/n"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("up: %q, want %q", got, want)
	}
	if got := s.err.String(); strings.Count(got, "left out") != 2 || strings.Count(got, "not UTF-8") != 2 {
		t.Errorf("said %q", got)
	}
}

// TestCpBelievesNoNames copies from a sandbox whose names lead elsewhere.
func TestCpBelievesNoNames(t *testing.T) {
	t.Parallel()
	e, s, here := startEdge(t), &screen{}, t.TempDir()
	e.files = &fileServer{t: t, dir: t.TempDir(), more: []abi.FileInfo{
		{Path: "../evil", Type: abi.FileTypeFile}, {Path: "/evil", Type: abi.FileTypeDirectory}, {Path: "a/../../evil", Type: abi.FileTypeDirectory},
	}}
	tree(t, e.files.dir, map[string]string{"d/a/x": "1", "d/out/evil": "2"})
	tree(t, here, map[string]string{"n/": "", "n/out": "->" + t.TempDir()})
	err := (&cpCommand{Source: "one:d/.", Target: here + "/n"}).Run(t.Context(), s.env(e))
	if err == nil {
		t.Error("a symlink led out of the folder")
	}
	for _, name := range []string{"../evil", "/evil", "a/../../evil"} {
		if !strings.Contains(s.err.String(), "left out "+name+": its name leads out of the folder\n") {
			t.Errorf("not said of %s: %q", name, &s.err)
		}
	}
	if _, err := os.Stat(here + "/evil"); err == nil {
		t.Error("a name led out of the folder")
	}
}

func TestCpStandardStreams(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	e.files = &fileServer{t: t, dir: t.TempDir()}
	content := bytes.Repeat([]byte(allBytes()), 1000)
	if err := (&cpCommand{Source: "-", Target: "one:a"}).Run(t.Context(), (&screen{in: bytes.NewReader(content)}).env(e)); err != nil {
		t.Fatal(err)
	}
	s := &screen{}
	if err := (&cpCommand{Source: "one:a", Target: "-"}).Run(t.Context(), s.env(e)); err != nil || !bytes.Equal(s.out.Bytes(), content) {
		t.Errorf("%v; %d of %d bytes", err, s.out.Len(), len(content))
	}
}

func TestLs(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	e.files = &fileServer{t: t, dir: t.TempDir()}
	tree(t, e.files.dir, map[string]string{"a": "123", "d/x": "", "l": "->a", "esc\x1b[2J": ""})
	when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.Local)
	for _, name := range []string{"a", "d", "esc\x1b[2J"} {
		if err := os.Chtimes(filepath.Join(e.files.dir, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		ls   lsCommand
		want string
	}{
		{lsCommand{Place: "one"}, "a\nd/\nesc\uFFFD[2J\nl\n"},
		{lsCommand{Place: "one:d"}, "x\n"},
		{lsCommand{Place: "one:a", Long: true}, "-rw-r-----  3  Feb  3  2001  a\n"},
	}
	for _, tt := range tests {
		s := &screen{}
		if err := tt.ls.Run(t.Context(), s.env(e)); err != nil || s.out.String() != tt.want {
			t.Errorf("ls %+v: %v, %q, want %q", tt.ls, err, &s.out, tt.want)
		}
	}
	s := &screen{}
	if err := (&lsCommand{Place: "one", Long: true}).Run(t.Context(), s.env(e)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"drwxr-xr-x  4096  Feb  3  2001  d\n", "  l -> a\n"} {
		if !strings.Contains(s.out.String(), want) && !strings.HasPrefix(want, "d") { // a folder's size is the file system's
			t.Errorf("ls -l printed\n%s\nwithout %q", &s.out, want)
		}
	}
	if err := (&lsCommand{Place: "one:nowhere"}).Run(t.Context(), s.env(e)); err == nil {
		t.Error("ls of nothing")
	}
}
