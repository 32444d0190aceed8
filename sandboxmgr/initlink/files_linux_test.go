package initlink

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"edge/abi"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	binary := "\x00\xff\x01" + strings.Repeat("\xfe", 200<<10)
	tests := []struct {
		name  string
		write abi.WriteFileRequest
		mode  os.FileMode
		want  abi.ReadFileResponse
	}{
		{"text", abi.WriteFileRequest{Path: "a.txt", Content: "hällo <&>\n"}, 0o644, abi.ReadFileResponse{Content: "hällo <&>\n", Encoding: "utf8", Size: 11}},
		{"empty", abi.WriteFileRequest{Path: "empty"}, 0o644, abi.ReadFileResponse{Encoding: "utf8"}},
		{"missing folders", abi.WriteFileRequest{Path: "x/y/z", Content: "z"}, 0o644, abi.ReadFileResponse{Content: "z", Encoding: "utf8", Size: 1}},
		{"mode", abi.WriteFileRequest{Path: "run.sh", Content: "#!/bin/sh\n", Mode: "0777"}, 0o777, abi.ReadFileResponse{Content: "#!/bin/sh\n", Encoding: "utf8", Size: 10}},
		{"mode kept", abi.WriteFileRequest{Path: "run.sh", Content: "#!/bin/sh"}, 0o777, abi.ReadFileResponse{Content: "#!/bin/sh", Encoding: "utf8", Size: 9}},
		{"binary", abi.WriteFileRequest{Path: "b", Content: base64.StdEncoding.EncodeToString([]byte(binary)), Encoding: "base64"}, 0o644,
			abi.ReadFileResponse{Content: base64.StdEncoding.EncodeToString([]byte(binary)), Encoding: "base64", IsBinary: true, Size: int64(len(binary))}},
		{"NUL", abi.WriteFileRequest{Path: "nul", Content: "a\x00b"}, 0o644, abi.ReadFileResponse{Content: "YQBi", Encoding: "base64", IsBinary: true, Size: 3}},
		{"escapes", abi.WriteFileRequest{Path: "e", Content: "\"\\\n\r\t\x01\x1f\x7f\u2028\ufffd/"}, 0o644,
			abi.ReadFileResponse{Content: "\"\\\n\r\t\x01\x1f\x7f\u2028\ufffd/", Encoding: "utf8", Size: 15}},
		{"through a link", abi.WriteFileRequest{Path: "link", Content: "linked"}, 0o600, abi.ReadFileResponse{Content: "linked", Encoding: "utf8", Size: 6}},
	}
	if err := os.WriteFile(filepath.Join(dir, "target"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests { // in this order
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, tt.write.Path)
			tt.write.Path = path
			if got := call(t, s.Link, abi.WriteFile, tt.write); got.Path != path || got.Size != tt.want.Size {
				t.Errorf("wrote %+v", got)
			}
			st, err := os.Stat(path)
			if err != nil || st.Mode().Perm() != tt.mode {
				t.Errorf("mode %v, %v", st.Mode(), err)
			}
			if got := call(t, s.Link, abi.ReadFile, abi.ReadFileRequest{Path: path}); *got != tt.want {
				t.Errorf("read %.200v, %d bytes", fmt.Sprintf("%+v", got), len(got.Content))
			}
		})
	}
	if st, err := os.Lstat(filepath.Join(dir, "link")); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
	left, err := filepath.Glob(dir + "/.edge-*")
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
	large := strings.Repeat("line of text \u00e4\u20ac\U0001f600 <&>\"\\\n", 20<<10) // many frames
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: dir + "/large", Content: large})
	for encoding, want := range map[string]string{"utf8": large, "base64": base64.StdEncoding.EncodeToString([]byte(large))} {
		if got := call(t, s.Link, abi.ReadFile, abi.ReadFileRequest{Path: dir + "/large", Encoding: encoding}); got.Content != want {
			t.Errorf("%s: read %d bytes, want %d", encoding, len(got.Content), len(want))
		}
	}
	got := call(t, s.Link, abi.ReadFile, abi.ReadFileRequest{Path: dir + "/b", Encoding: "utf8"})
	if !strings.HasPrefix(got.Content, "\x00\uFFFD\x01") || !got.IsBinary {
		t.Errorf("binary as text: %.20q", got.Content)
	}
	if got := call(t, s.Link, abi.ReadFile, abi.ReadFileRequest{Path: "/proc/self/comm"}); got.Content == "" {
		t.Error("a file whose size the kernel does not tell read as empty")
	}
}

// TestFilesDoNotShowTheToken: the init reads its own environment for whoever asks.
func TestFilesDoNotShowTheToken(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	got := call(t, s.Link, abi.ReadFile, abi.ReadFileRequest{Path: "/proc/self/environ", Encoding: "utf8"})
	if !strings.Contains(got.Content, "EDGE_INIT_TOKEN=") || strings.Contains(got.Content, testToken) {
		t.Errorf("environment %q", got.Content)
	}
}

func TestFilesRefuse(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	for _, err := range []error{
		os.WriteFile(dir+"/f", nil, 0o644), os.Mkdir(dir+"/d", 0o755), syscall.Mkfifo(dir+"/pipe", 0o644),
		os.Truncate(dir+"/f", abi.MaxFileResponse+1), os.Symlink("loop", dir+"/loop"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	reads := []struct {
		path string
		code abi.Code
	}{
		{dir + "/no", abi.CodeFileNotFound}, {dir + "/d", abi.CodeIsDirectory}, {dir + "/f/x", abi.CodeNotDirectory},
		{dir + "/f", abi.CodeFileTooLarge}, {dir + "/pipe", abi.CodeInvalidRequest}, {"/dev/zero", abi.CodeInvalidRequest},
		{"", abi.CodeInvalidRequest}, {"a\x00b", abi.CodeInvalidRequest}, {"/" + strings.Repeat("a/", 2048), abi.CodeInvalidRequest},
		{dir + "/" + strings.Repeat("n", 300), abi.CodeInvalidRequest}, {dir + "/loop", abi.CodeInvalidRequest},
		{"surely/not/there", abi.CodeFileNotFound},
	}
	for _, tt := range reads {
		t.Run(fmt.Sprintf("read %.40q", tt.path), func(t *testing.T) {
			_, err := try(t, s.Link, abi.ReadFile, abi.ReadFileRequest{Path: tt.path})
			wantCode(t, err, tt.code)
		})
	}
	writes := []struct {
		req  abi.WriteFileRequest
		code abi.Code
	}{
		{abi.WriteFileRequest{Path: dir + "/d"}, abi.CodeIsDirectory}, {abi.WriteFileRequest{Path: dir + "/new/"}, abi.CodeIsDirectory},
		{abi.WriteFileRequest{Path: "/"}, abi.CodeIsDirectory}, {abi.WriteFileRequest{Path: dir + "/f/x"}, abi.CodeNotDirectory},
		{abi.WriteFileRequest{Path: dir + "/pipe"}, abi.CodeInvalidRequest}, {abi.WriteFileRequest{Path: "/dev/null"}, abi.CodeInvalidRequest},
		{abi.WriteFileRequest{Path: dir + "/x", Mode: "999"}, abi.CodeInvalidRequest}, {abi.WriteFileRequest{Path: dir + "/x", Mode: "4755"}, abi.CodeInvalidRequest},
		{abi.WriteFileRequest{Path: dir + "/x", Encoding: "hex"}, abi.CodeInvalidRequest},
		{abi.WriteFileRequest{Path: dir + "/x", Encoding: "base64", Content: "*"}, abi.CodeInvalidRequest},
		{abi.WriteFileRequest{Path: ""}, abi.CodeInvalidRequest}, {abi.WriteFileRequest{Path: "/proc/x"}, abi.CodeFileNotFound},
	}
	for _, tt := range writes {
		t.Run(fmt.Sprintf("write %.40q", tt.req.Path), func(t *testing.T) {
			_, err := try(t, s.Link, abi.WriteFile, tt.req)
			wantCode(t, err, tt.code)
		})
	}
	if _, err := os.Stat(dir + "/x"); err == nil {
		t.Error("a refused write left a file")
	}
	if s.Broken() {
		t.Error("errors of users broke the link")
	}
}

// TestWriteIsAtomic: a reader sees one of the contents, never a part.
func TestWriteIsAtomic(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	path := s.init.work + "/f"
	contents := []string{strings.Repeat("a", 300<<10), strings.Repeat("b", 300<<10)}
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: path, Content: contents[0]})
	done := make(chan error, 1)
	go func() {
		for i := range 20 {
			if err := s.Call(within(t), "writeFile", abi.WriteFileRequest{Path: path, Content: contents[i%2]}, nil); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		if got := readHost(t, path); got != contents[0] && got != contents[1] {
			t.Fatalf("saw %d bytes", len(got))
		}
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}
