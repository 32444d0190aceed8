package initlink

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
)

func TestListFiles(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work + "/list"
	put(t, dir, "b", "a/x", "a/.h/y", "a-b", "a.d", ".hidden", "l -> a", "dangling -> nowhere", "ä €", "line\nbreak", "a/deep/er/z")
	if err := syscall.Mkfifo(dir+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		req  abi.ListFilesRequest
		want string
		more bool
	}{
		{"plain", abi.ListFilesRequest{}, "a|a-b|a.d|b|dangling|l|line\nbreak|pipe|ä €", false},
		{"hidden", abi.ListFilesRequest{IncludeHidden: true}, ".hidden|a|a-b|a.d|b|dangling|l|line\nbreak|pipe|ä €", false},
		{"recursive", abi.ListFilesRequest{Recursive: true}, "a|a/deep|a/deep/er|a/deep/er/z|a/x|a-b|a.d|b|dangling|l|line\nbreak|pipe|ä €", false},
		{"recursive and hidden", abi.ListFilesRequest{Recursive: true, IncludeHidden: true, Limit: 5}, ".hidden|a|a/.h|a/.h/y|a/deep", true},
		{"one below", abi.ListFilesRequest{Limit: 8}, "a|a-b|a.d|b|dangling|l|line\nbreak|pipe", true},
		{"as many as there are", abi.ListFilesRequest{Limit: 9}, "a|a-b|a.d|b|dangling|l|line\nbreak|pipe|ä €", false},
		{"one above", abi.ListFilesRequest{Limit: 10}, "a|a-b|a.d|b|dangling|l|line\nbreak|pipe|ä €", false},
		{"the highest limit", abi.ListFilesRequest{Limit: abi.MaxListLimit}, "a|a-b|a.d|b|dangling|l|line\nbreak|pipe|ä €", false},
		{"through a link", abi.ListFilesRequest{Path: dir + "/l"}, "deep|x", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.req.Path == "" {
				tt.req.Path = dir
			}
			got := call(t, s.Link, abi.ListFiles, tt.req)
			var paths []string
			for _, f := range got.Files {
				paths = append(paths, f.Path)
				if f.Name != filepath.Base(f.Path) {
					t.Errorf("%s is named %s", f.Path, f.Name)
				}
			}
			if list := strings.Join(paths, "|"); list != tt.want || got.Truncated != tt.more {
				t.Errorf("got %q, truncated %t", list, got.Truncated)
			}
		})
	}
	got := call(t, s.Link, abi.ListFiles, abi.ListFilesRequest{Path: dir})
	for i, want := range map[int]abi.FileInfo{
		1: {Name: "a-b", Path: "a-b", Type: abi.FileTypeFile, Size: 3, Mode: "0644"}, 4: {Name: "dangling", Path: "dangling", Type: abi.FileTypeSymlink, Size: 7, Mode: "0777", Target: "nowhere"},
		5: {Name: "l", Path: "l", Type: abi.FileTypeSymlink, Size: 1, Mode: "0777", Target: "a"}, 7: {Name: "pipe", Path: "pipe", Type: abi.FileTypeOther, Mode: "0600"},
	} {
		info := got.Files[i]
		if time.Since(info.ModifiedAt).Abs() > time.Hour {
			t.Errorf("modified at %v", info.ModifiedAt)
		}
		if info.ModifiedAt = (time.Time{}); info != want {
			t.Errorf("got %+v, want %+v", info, want)
		}
	}
	for _, tt := range []struct {
		req  abi.ListFilesRequest
		code abi.Code
	}{
		{abi.ListFilesRequest{Path: dir + "/no"}, abi.CodeFileNotFound}, {abi.ListFilesRequest{Path: dir + "/b"}, abi.CodeNotDirectory},
		{abi.ListFilesRequest{Path: dir + "/b/x"}, abi.CodeNotDirectory}, {abi.ListFilesRequest{Path: dir + "/dangling"}, abi.CodeFileNotFound},
		{abi.ListFilesRequest{Path: dir, Limit: -1}, abi.CodeInvalidRequest}, {abi.ListFilesRequest{Path: dir, Limit: abi.MaxListLimit + 1}, abi.CodeInvalidRequest},
		{abi.ListFilesRequest{}, abi.CodeInvalidRequest}, {abi.ListFilesRequest{Path: "a\x00"}, abi.CodeInvalidRequest}, {abi.ListFilesRequest{Path: longPath}, abi.CodeInvalidRequest},
	} {
		_, err := try(t, s.Link, abi.ListFiles, tt.req)
		wantCode(t, err, tt.code)
	}
}

// TestListFilesMany: more than the default limit, names that are not UTF-8, an
// empty folder as a list and not as null, and folders too deep to be looked into.
func TestListFilesMany(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work + "/many"
	makeMany(t, dir, abi.DefaultListLimit)
	list := func(req abi.ListFilesRequest) *abi.ListFilesResponse {
		t.Helper()
		got := call(t, s.Link, abi.ListFiles, req)
		for i := 1; i < len(got.Files); i++ {
			if got.Files[i-1].Name >= got.Files[i].Name {
				t.Fatalf("%q comes before %q", got.Files[i-1].Name, got.Files[i].Name)
			}
		}
		return got
	}
	if got := list(abi.ListFilesRequest{Path: dir}); len(got.Files) != abi.DefaultListLimit || got.Truncated {
		t.Errorf("at the limit: %d, %t", len(got.Files), got.Truncated)
	}
	put(t, dir, "z")
	if got := list(abi.ListFilesRequest{Path: dir}); len(got.Files) != abi.DefaultListLimit || !got.Truncated {
		t.Errorf("above the limit: %d, %t", len(got.Files), got.Truncated)
	}
	if got := list(abi.ListFilesRequest{Path: dir, Limit: abi.MaxListLimit}); len(got.Files) != abi.DefaultListLimit+1 || got.Truncated {
		t.Errorf("with a higher limit: %d, %t", len(got.Files), got.Truncated)
	}
	put(t, s.init.work, "odd/a\xffb\xfe", "odd/\x01\x7f", "empty/")
	if got := list(abi.ListFilesRequest{Path: s.init.work + "/odd"}); len(got.Files) != 2 || got.Files[1].Path != "a\ufffdb\ufffd" {
		t.Errorf("names that are not UTF-8: %+v", got.Files)
	}
	var raw json.RawMessage
	if err := s.Call(within(t), "listFiles", abi.ListFilesRequest{Path: s.init.work + "/empty"}, &raw); err != nil || string(raw) != `{"files":[],"truncated":false}` {
		t.Errorf("empty: %s, %v", raw, err)
	}
	makeDeep(t, s.init.work+"/empty", 300)
	if got := call(t, s.Link, abi.ListFiles, abi.ListFilesRequest{Path: s.init.work + "/empty", Recursive: true}); len(got.Files) != 256 || !got.Truncated {
		t.Errorf("deep: %d, %t", len(got.Files), got.Truncated)
	}
	call(t, s.Link, abi.DeleteFile, abi.DeleteFileRequest{Path: s.init.work + "/empty", Recursive: true}) // not even the test can
}

func TestSearchFiles(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work + "/search"
	put(t, dir, "main.go", "src/", "src/deep/", ".git/", "l -> src", "empty/")
	for name, content := range map[string]string{
		"src/a.go": "package a\n\nfunc Find() {}\r\n// find me\nlast find", "src/deep/b.go": "needle\nhay\nneedle twice needle", ".git/config": "needle",
		"src/bin": "needle\x00", "src/latin": "needle \xe4", "src/long": strings.Repeat("x", 1000) + "\u20acneedle" + strings.Repeat("y", 5000) + "\nneedle",
		"src/empty": "", "src/a.txt": "a.b (c) needle-e\n",
	} {
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(dir+"/src/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1000) + "\u20acneedle" + strings.Repeat("y", 1024-1000-3-6)
	type req = abi.SearchFilesRequest
	tests := []struct {
		name string
		req  req
		want string
		more bool
	}{
		{"glob of names", req{Glob: "*.go"}, "main.go src/a.go src/deep/b.go", false},
		{"glob of paths", req{Glob: "src/*.go"}, "src/a.go", false},
		{"glob of folders", req{Glob: "{src,deep,l}"}, "l:symlink src:directory src/deep:directory", false},
		{"glob across folders", req{Glob: "**/*.{go,txt}"}, "main.go src/a.go src/a.txt src/deep/b.go", false},
		{"hidden", req{Glob: "conf[h-j]g", IncludeHidden: true}, ".git/config", false},
		{"hidden left out", req{Glob: "config"}, "", false},
		{"special", req{Glob: "pipe"}, "src/pipe:other", false},
		{"text", req{Text: "needle", Glob: "*.go"}, "src/deep/b.go:1:needle src/deep/b.go:3:needle twice needle", false},
		{"text alone", req{Text: "needle"}, "src/a.txt:1:a.b (c) needle-e src/deep/b.go:1:needle src/deep/b.go:3:needle twice needle src/long:1:" + long + " src/long:2:needle", false},
		{"text hidden", req{Text: "needle", IncludeHidden: true, Glob: ".git/**"}, ".git/config:1:needle", false},
		{"case", req{Text: "find"}, "src/a.go:4:// find me src/a.go:5:last find", false},
		{"case ignored", req{Text: "FIND", IgnoreCase: true}, "src/a.go:3:func Find() {} src/a.go:4:// find me src/a.go:5:last find", false},
		{"not an expression", req{Text: "a.b (c)"}, "src/a.txt:1:a.b (c) needle-e", false},
		{"not an expression, case ignored", req{Text: "A.B (C)", IgnoreCase: true}, "src/a.txt:1:a.b (c) needle-e", false},
		{"expression", req{Text: `^func \w+\(\) \{\}$`, Regexp: true}, "src/a.go:3:func Find() {}", false},
		{"expression, case ignored", req{Text: `^NEEDLE$`, Regexp: true, IgnoreCase: true}, "src/deep/b.go:1:needle src/long:2:needle", false},
		{"limit", req{Glob: "*.go", Limit: 2}, "main.go src/a.go", true},
		{"limit that is enough", req{Glob: "*.go", Limit: 3}, "main.go src/a.go src/deep/b.go", false},
		{"limit of lines", req{Text: "needle", Glob: "b.go", Limit: 1}, "src/deep/b.go:1:needle", true},
		{"nothing", req{Text: "nothing of that kind"}, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.req.Path = dir
			got := call(t, s.Link, abi.SearchFiles, tt.req)
			if list := matches(got); list != tt.want || got.Truncated != tt.more {
				t.Errorf("got %q, truncated %t", list, got.Truncated)
			}
		})
	}
	for _, tt := range []struct {
		req  req
		code abi.Code
		says string
	}{
		{req{Path: dir}, abi.CodeInvalidRequest, "neither"}, {req{Path: dir, Glob: "["}, abi.CodeInvalidRequest, "["},
		{req{Path: dir, Text: "(", Regexp: true}, abi.CodeInvalidRequest, "missing closing"}, {req{Path: dir, Text: "(?=x)", Regexp: true}, abi.CodeInvalidRequest, "lookahead"},
		{req{Path: dir, Text: "(x+x+)+y{1001}", Regexp: true}, abi.CodeInvalidRequest, "repeat"}, {req{Path: dir, Text: "a\nb"}, abi.CodeInvalidRequest, "line break"},
		{req{Path: dir, Glob: "*", Limit: -1}, abi.CodeInvalidRequest, "-1"}, {req{Path: dir, Glob: "*", Limit: abi.MaxSearchLimit + 1}, abi.CodeInvalidRequest, "10001"},
		{req{Path: dir + "/no", Glob: "*"}, abi.CodeFileNotFound, "no"}, {req{Path: dir + "/src/a.go", Glob: "*"}, abi.CodeNotDirectory, "a.go"},
		{req{Path: longPath, Glob: "*"}, abi.CodeInvalidRequest, "4097"}, {req{Path: "\x00", Glob: "*"}, abi.CodeInvalidRequest, "NUL"},
	} {
		_, err := try(t, s.Link, abi.SearchFiles, tt.req)
		if e := wantCode(t, err, tt.code); !strings.Contains(e.Message, tt.says) {
			t.Errorf("%q does not say %q", e.Message, tt.says)
		}
	}
}

// matches makes "path", "path:type" or "path:line:text" of each.
func matches(r *abi.SearchFilesResponse) string {
	var all []string
	for _, m := range r.Matches {
		text := m.Path
		switch {
		case m.Line > 0:
			text = fmt.Sprintf("%s:%d:%s", m.Path, m.Line, m.Text)
		case m.Type != abi.FileTypeFile:
			text += ":" + string(m.Type)
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// TestSearchLimits: the default and the highest limit, files that are too large,
// and lines that are too long.
func TestSearchLimits(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	lines := strings.Repeat("needle\n", abi.MaxSearchLimit+1)
	for name, size := range map[string]int{"below": abi.MaxSearchLimit - 1, "at": abi.MaxSearchLimit, "above": abi.MaxSearchLimit + 1} {
		put(t, dir, name+"/")
		if err := os.WriteFile(dir+"/"+name+"/f", []byte(lines[:size*len("needle\n")]), 0o644); err != nil {
			t.Fatal(err)
		}
		got := call(t, s.Link, abi.SearchFiles, abi.SearchFilesRequest{Path: dir + "/" + name, Text: "needle", Limit: abi.MaxSearchLimit})
		if len(got.Matches) != min(size, abi.MaxSearchLimit) || got.Truncated != (size > abi.MaxSearchLimit) {
			t.Errorf("%s: %d, %t", name, len(got.Matches), got.Truncated)
		}
		got = call(t, s.Link, abi.SearchFiles, abi.SearchFilesRequest{Path: dir + "/" + name, Text: "needle"})
		if len(got.Matches) != abi.DefaultSearchLimit || !got.Truncated {
			t.Errorf("%s, by default: %d, %t", name, len(got.Matches), got.Truncated)
		}
	}
	const most = 64 << 20
	for _, size := range []int64{most - 1, most, most + 1} {
		sub := fmt.Sprintf("%s/large%d", dir, size)
		put(t, sub, "f")
		f, err := os.OpenFile(sub+"/f", os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(strings.Repeat("text\n", 20_000)) // the rest is a hole, behind what tells text from binary
		if err == nil {
			_, err = f.WriteAt([]byte("\nneedle"), size-7)
		}
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		got := call(t, s.Link, abi.SearchFiles, abi.SearchFilesRequest{Path: sub, Text: "needle"})
		if want := size <= most; (len(got.Matches) == 1) != want {
			t.Errorf("%d bytes: %d matches, %t", size, len(got.Matches), got.Truncated)
		}
		os.Remove(sub + "/f")
	}
	put(t, dir, "wide/f")
	for _, size := range []int{1<<20 - 1, 1 << 20, 1<<20 + 1, 3 << 20} {
		content := "first\n" + strings.Repeat("x", size-6) + "needle\nneedle\nlast"
		if err := os.WriteFile(dir+"/wide/f", []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		got := call(t, s.Link, abi.SearchFiles, abi.SearchFilesRequest{Path: dir + "/wide", Text: "needle"})
		last := got.Matches[len(got.Matches)-1]
		if whole := size <= 1<<20; len(got.Matches) != map[bool]int{true: 2, false: 1}[whole] || got.Truncated == whole || last.Line != 3 {
			t.Errorf("a line of %d bytes: %d matches, truncated %t, last %d", size, len(got.Matches), got.Truncated, last.Line)
		}
	}
}

// TestSearchEndsWithItsCaller: a search stops when nobody waits for it any more, and
// leaves its place to others.
func TestSearchEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	if err := os.WriteFile(dir+"/f", []byte(strings.Repeat(strings.Repeat("ab", 500)+"\n", 60_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	slow := abi.SearchFilesRequest{Path: dir, Text: strings.Repeat("(a|b|ab)*", 50) + "c", Regexp: true}
	for range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := s.Call(ctx, "searchFiles", slow, nil); err == nil {
			t.Fatal("a search that takes minutes has ended")
		}
		cancel()
	}
	got := call(t, s.Link, abi.SearchFiles, abi.SearchFilesRequest{Path: dir, Glob: "f"})
	if len(got.Matches) != 1 {
		t.Errorf("found %+v", got)
	}
}
