package initlink

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"

	"edge/abi"
)

// openStream opens a stream; the test's end closes it.
func openStream(t testing.TB, l *Link, op abi.Row, req any) abi.Socket {
	t.Helper()
	sock, err := l.Open(within(t), op.Name(), req)
	if err != nil {
		t.Fatalf("%s: %v", op.Name(), err)
	}
	t.Cleanup(func() { sock.Close(normalClosure, "") })
	return sock
}

// download reads a file as a stream: what it is, and its bytes.
func download(t testing.TB, sock abi.Socket, to io.Writer) (info abi.FileInfo, n int64) {
	t.Helper()
	op, b, err := sock.Receive(within(t))
	if err != nil || op != abi.OpcodeText || json.Unmarshal(b, &info) != nil {
		t.Fatalf("first came %d %.100q, %v", op, b, err)
	}
	for {
		op, b, err := sock.Receive(within(t))
		if err != nil {
			wantClosed(t, err, normalClosure)
			return info, n
		}
		if op != abi.OpcodeBinary {
			t.Fatalf("a text among the bytes: %.100q", b)
		}
		n += int64(len(b))
		if _, err := to.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

// send sends messages of an upload.
func send(t testing.TB, sock abi.Socket, pieces ...string) {
	t.Helper()
	for _, p := range pieces {
		opcode := abi.OpcodeBinary
		if strings.HasPrefix(p, "{") {
			opcode = abi.OpcodeText
		}
		if err := sock.Send(within(t), opcode, []byte(p)); err != nil {
			t.Fatalf("send %.20q: %v", p, err)
		}
	}
}

const endOfUpload = `{"type":"end"}`

// uploaded is an upload's answer, or how the stream ended without one.
func uploaded(t testing.TB, sock abi.Socket) (*abi.WriteFileResponse, error) {
	t.Helper()
	op, b, err := sock.Receive(within(t))
	if err != nil {
		return nil, err
	}
	resp := new(abi.WriteFileResponse)
	if err := json.Unmarshal(b, resp); err != nil || op != abi.OpcodeText {
		t.Fatalf("answer %d %.100q", op, b)
	}
	_, _, err = sock.Receive(within(t))
	wantClosed(t, err, normalClosure)
	return resp, nil
}

func TestReadFileStream(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	path := s.init.work + "/f"
	content := strings.Repeat("0123456789abcdef", 10_000) // not a multiple of a frame
	size := int64(len(content))
	if err := errors.Join(os.WriteFile(path, []byte(content), 0o640), os.Symlink("f", s.init.work+"/l")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name           string
		offset, length int64
		want           string
	}{
		{"all", 0, 0, content}, {"one byte", 0, 1, "0"}, {"a part", 10, 20, content[10:30]}, {"to the end", size - 3, 0, "def"},
		{"just to the end", 16, size - 16, content[16:]}, {"one below the end", 16, size - 17, content[16 : size-1]}, {"beyond the end", 16, size, content[16:]},
		{"from the end", size, 0, ""}, {"from beyond the end", size + 1, 5, ""}, {"from far beyond", math.MaxInt64, math.MaxInt64, ""},
		{"one frame", 0, abi.MaxStreamBinary, content[:abi.MaxStreamBinary]}, {"one frame and a byte", 0, abi.MaxStreamBinary + 1, content[:abi.MaxStreamBinary+1]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got bytes.Buffer
			sock := openStream(t, s.Link, abi.ReadFileStream, abi.ReadFileStreamRequest{Path: s.init.work + "/l", Offset: tt.offset, Length: tt.length})
			info, _ := download(t, sock, &got)
			if got.String() != tt.want {
				t.Errorf("%d bytes, want %d", got.Len(), len(tt.want))
			}
			modified := info.ModifiedAt
			if info != (abi.FileInfo{Name: "l", Path: s.init.work + "/l", Type: abi.FileTypeFile, Size: size, Mode: "0640", ModifiedAt: modified}) || modified.IsZero() {
				t.Errorf("info %+v", info)
			}
		})
	}
	var got bytes.Buffer
	if info, _ := download(t, openStream(t, s.Link, abi.ReadFileStream, abi.ReadFileStreamRequest{Path: "/proc/self/comm"}), &got); info.Size != 0 || got.Len() == 0 {
		t.Errorf("a file whose size the kernel does not tell: %+v, %q", info, got.String())
	}
	got.Reset()
	download(t, openStream(t, s.Link, abi.ReadFileStream, abi.ReadFileStreamRequest{Path: "/proc/self/comm", Offset: math.MaxInt64 - 1}), &got)
	if got.Len() > 0 {
		t.Errorf("beyond it: %q", got.String())
	}
}

func TestReadFileStreamRefuses(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	put(t, dir, "f", "d/", "loop -> loop", "dangling -> no")
	sock, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		defer syscall.Close(sock)
		err = errors.Join(syscall.Bind(sock, &syscall.SockaddrUnix{Name: dir + "/sock"}), syscall.Mkfifo(dir+"/pipe", 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	type req = abi.ReadFileStreamRequest
	for _, tt := range []struct {
		req  req
		code abi.Code
	}{
		{req{Path: dir + "/no"}, abi.CodeFileNotFound}, {req{Path: dir + "/dangling"}, abi.CodeFileNotFound}, {req{Path: dir + "/d"}, abi.CodeIsDirectory},
		{req{Path: dir + "/f/x"}, abi.CodeNotDirectory}, {req{Path: dir + "/loop"}, abi.CodeInvalidRequest}, {req{Path: dir + "/pipe"}, abi.CodeInvalidRequest},
		{req{Path: dir + "/sock"}, abi.CodeInvalidRequest}, {req{Path: "/dev/zero"}, abi.CodeInvalidRequest}, {req{Path: "/dev/tty"}, abi.CodeInvalidRequest},
		{req{Path: dir + "/f", Offset: -1}, abi.CodeInvalidRequest}, {req{Path: dir + "/f", Length: -1}, abi.CodeInvalidRequest},
		{req{}, abi.CodeInvalidRequest}, {req{Path: "a\x00"}, abi.CodeInvalidRequest}, {req{Path: longPath}, abi.CodeInvalidRequest},
	} {
		_, err := s.Open(within(t), "readFileStream", tt.req)
		wantCode(t, err, tt.code)
	}
	if s.Broken() {
		t.Error("errors of users broke the link")
	}
}

// TestReadFileStreamChanges: a file that is replaced while it is read is read as it
// was, one that is cut ends early, one that grows ends where it ended.
func TestReadFileStreamChanges(t *testing.T) {
	t.Parallel()
	const size = 8 << 20 // more than what lies between the two ends
	tests := []struct {
		name   string
		change func(path string) error
		want   func(n int64) bool
	}{
		{"replaced", func(path string) error {
			return errors.Join(os.WriteFile(path+".new", []byte("new"), 0o600), os.Rename(path+".new", path))
		}, func(n int64) bool { return n == size }},
		{"deleted", os.Remove, func(n int64) bool { return n == size }},
		{"cut", func(path string) error { return os.Truncate(path, 0) }, func(n int64) bool { return n < size }},
		{"grown", func(path string) error { return os.Truncate(path, 2*size) }, func(n int64) bool { return n == size }},
	}
	s := newSandbox(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := s.init.work + "/" + tt.name
			if err := os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
				t.Fatal(err)
			}
			sock := openStream(t, s.Link, abi.ReadFileStream, abi.ReadFileStreamRequest{Path: path})
			if err := tt.change(path); err != nil {
				t.Fatal(err)
			}
			info, n := download(t, sock, io.Discard)
			if info.Size != size || !tt.want(n) {
				t.Errorf("%d of %d bytes", n, info.Size)
			}
		})
	}
}

func TestWriteFileStream(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	put(t, dir, "old", "link -> old", "dir/")
	if err := os.Chmod(dir+"/old", 0o640); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", abi.MaxStreamBinary)
	tests := []struct {
		name   string
		req    abi.WriteFileStreamRequest
		pieces []string
		mode   os.FileMode
	}{
		{"pieces", abi.WriteFileStreamRequest{Path: "new"}, []string{"hello ", "world", "", "\x00\xff"}, 0o644},
		{"empty", abi.WriteFileStreamRequest{Path: "empty"}, nil, 0o644},
		{"mode", abi.WriteFileStreamRequest{Path: "x/y/run", Mode: "0755"}, []string{large, large, "end"}, 0o755},
		{"mode kept", abi.WriteFileStreamRequest{Path: "old"}, []string{"kept"}, 0o640},
		{"mode changed", abi.WriteFileStreamRequest{Path: "old", Mode: "600"}, []string{"changed"}, 0o600},
		{"through a link", abi.WriteFileStreamRequest{Path: "link"}, []string{"linked"}, 0o600},
	}
	for _, tt := range tests { // in this order
		t.Run(tt.name, func(t *testing.T) {
			tt.req.Path = dir + "/" + tt.req.Path
			sock := openStream(t, s.Link, abi.WriteFileStream, tt.req)
			send(t, sock, tt.pieces...)
			send(t, sock, endOfUpload)
			want := strings.Join(tt.pieces, "")
			if resp, err := uploaded(t, sock); err != nil || *resp != (abi.WriteFileResponse{Path: tt.req.Path, Size: int64(len(want))}) {
				t.Fatalf("answer %+v, %v", resp, err)
			}
			st, err := os.Stat(tt.req.Path)
			if err != nil || st.Mode().Perm() != tt.mode || readHost(t, tt.req.Path) != want {
				t.Errorf("mode %v, %v, content %.50q", st.Mode(), err, readHost(t, tt.req.Path))
			}
		})
	}
	if got := there(t, dir); got != "dir/ empty link->old new old x/ x/y/ x/y/run" {
		t.Errorf("there is %q", got)
	}
}

func TestWriteFileStreamRefuses(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := s.init.work
	put(t, dir, "f", "d/")
	if err := syscall.Mkfifo(dir+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	before := there(t, dir)
	type req = abi.WriteFileStreamRequest
	for _, tt := range []struct {
		req  req
		code abi.Code
	}{
		{req{Path: dir + "/d"}, abi.CodeIsDirectory}, {req{Path: dir + "/new/"}, abi.CodeIsDirectory}, {req{Path: "/"}, abi.CodeIsDirectory},
		{req{Path: dir + "/f/x"}, abi.CodeNotDirectory}, {req{Path: dir + "/pipe"}, abi.CodeInvalidRequest}, {req{Path: "/dev/null"}, abi.CodeInvalidRequest},
		{req{Path: dir + "/x", Mode: "8"}, abi.CodeInvalidRequest}, {req{Path: dir + "/x", Mode: "1000"}, abi.CodeInvalidRequest},
		{req{}, abi.CodeInvalidRequest}, {req{Path: "a\x00"}, abi.CodeInvalidRequest}, {req{Path: longPath}, abi.CodeInvalidRequest},
		{req{Path: dir + "/" + longName + "n"}, abi.CodeInvalidRequest},
	} {
		_, err := s.Open(within(t), "writeFileStream", tt.req)
		wantCode(t, err, tt.code)
	}
	if got := there(t, dir); got != before {
		t.Errorf("there is %q", got)
	}
}

// TestUploadThatDoesNotEnd: whatever ends an upload but its end leaves the old
// content, and nothing beside it.
func TestUploadThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	tests := []struct {
		name string
		end  func(t *testing.T, sock abi.Socket)
	}{
		{"hung up", func(t *testing.T, sock abi.Socket) { sock.Close(normalClosure, "") }},
		{"a text that is none", func(t *testing.T, sock abi.Socket) {
			send(t, sock, "{")
			_, err := uploaded(t, sock)
			wantCode(t, err, abi.CodeInvalidRequest)
		}},
		{"another text", func(t *testing.T, sock abi.Socket) {
			send(t, sock, `{"type":"resize"}`)
			_, err := uploaded(t, sock)
			wantCode(t, err, abi.CodeInvalidRequest)
		}},
		{"its folder has gone", func(t *testing.T, sock abi.Socket) {
			if err := os.RemoveAll(s.init.work + "/its folder has gone"); err != nil {
				t.Fatal(err)
			}
			send(t, sock, endOfUpload)
			_, err := uploaded(t, sock)
			wantCode(t, err, abi.CodeFileNotFound)
			put(t, s.init.work, "its folder has gone/f")
		}},
		{"a folder came in its place", func(t *testing.T, sock abi.Socket) {
			path := s.init.work + "/a folder came in its place/f"
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil {
				t.Fatal(err)
			}
			send(t, sock, endOfUpload)
			_, err := uploaded(t, sock)
			wantCode(t, err, abi.CodeIsDirectory)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			put(t, s.init.work, "a folder came in its place/f")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := s.init.work + "/" + tt.name
			put(t, dir, "f")
			sock := openStream(t, s.Link, abi.WriteFileStream, abi.WriteFileStreamRequest{Path: dir + "/f"})
			send(t, sock, strings.Repeat("new", 1000))
			tt.end(t, sock)
			until(t, "only the old file is there", func() bool { return there(t, dir) == "f" })
			if got := readHost(t, dir+"/f"); !strings.HasSuffix(got, "f") {
				t.Errorf("content %.50q", got)
			}
		})
	}
}

// TestUploadFillsTheDisk: no space left is QUOTA_EXCEEDED in the midst of the stream,
// and leaves the space that there was.
func TestUploadFillsTheDisk(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := smallDisk(t)
	put(t, dir, "f")
	sock := openStream(t, s.Link, abi.WriteFileStream, abi.WriteFileStreamRequest{Path: dir + "/f"})
	ended := make(chan error, 1)
	go func() {
		_, _, err := sock.Receive(within(t))
		ended <- err
	}()
	piece := make([]byte, abi.MaxStreamBinary)
	for n := 0; sock.Send(within(t), abi.OpcodeBinary, piece) == nil; n += len(piece) {
		if n > 64<<20 {
			t.Fatal("a disk of 1 MiB takes 64")
		}
	}
	e := wantCode(t, <-ended, abi.CodeQuotaExceeded)
	if !strings.Contains(e.Message, dir+"/f") {
		t.Errorf("message %q", e.Message)
	}
	if there(t, dir) != "f" || readHost(t, dir+"/f") != "f" {
		t.Errorf("there is %q", there(t, dir))
	}
	_, err := try(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: dir + "/f", Content: strings.Repeat("x", 2<<20)})
	wantCode(t, err, abi.CodeQuotaExceeded)
	put(t, s.init.work, "big")
	if err := os.WriteFile(s.init.work+"/big", make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = try(t, s.Link, abi.MoveFile, abi.MoveFileRequest{SourcePath: s.init.work + "/big", DestinationPath: dir + "/big"})
	wantCode(t, err, abi.CodeQuotaExceeded)
	if there(t, dir) != "f" || there(t, s.init.work) != "big" {
		t.Errorf("there is %q and %q", there(t, dir), there(t, s.init.work))
	}
}

// smallDisk mounts a file system of 1 MiB, which only root can.
func smallDisk(t testing.TB) string {
	t.Helper()
	dir := shortDir(t)
	if err := syscall.Mount("edge-test", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount: %v", err)
		}
		t.Skipf("NOT TESTED: mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFileStreamsWait: neither end takes more than it can put away, and a stream
// that nobody reads ends when it is closed.
func TestFileStreamsWait(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	path := s.init.work + "/f"
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<40); err != nil { // a hole
		t.Fatal(err)
	}
	before := statusKiB(t, s.init.cmd.Process.Pid, "VmRSS")
	for range 8 {
		sock := openStream(t, s.Link, abi.ReadFileStream, abi.ReadFileStreamRequest{Path: path})
		for range 3 {
			if _, _, err := sock.Receive(within(t)); err != nil {
				t.Fatal(err)
			}
		}
		defer sock.Close(normalClosure, "")
	}
	call(t, s.Link, abi.Exists, abi.PathRequest{Path: path}) // the others go on
	if after := statusKiB(t, s.init.cmd.Process.Pid, "VmRSS"); after > before+16<<10 {
		t.Errorf("eight streams that nobody reads took %d KiB", after-before)
	}
}

// TestLargeFileStreams moves much through a real init and back, with every byte
// checked, and the init stays small.
func TestLargeFileStreams(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	path := s.init.work + "/f"
	const pieces = 1600 // 100 MiB
	sock := openStream(t, s.Link, abi.WriteFileStream, abi.WriteFileStreamRequest{Path: path})
	piece := make([]byte, abi.MaxStreamBinary)
	sum := sha256.New()
	for i := range pieces {
		for j := range piece {
			piece[j] = byte(i*7 + j*13 + j>>8)
		}
		sum.Write(piece)
		if err := sock.Send(within(t), abi.OpcodeBinary, piece); err != nil {
			t.Fatal(err)
		}
	}
	send(t, sock, endOfUpload)
	if resp, err := uploaded(t, sock); err != nil || resp.Size != pieces*abi.MaxStreamBinary {
		t.Fatalf("answer %+v, %v", resp, err)
	}
	back := sha256.New()
	if _, n := download(t, openStream(t, s.Link, abi.ReadFileStream, abi.ReadFileStreamRequest{Path: path}), back); n != pieces*abi.MaxStreamBinary {
		t.Errorf("%d bytes came back", n)
	}
	if !bytes.Equal(sum.Sum(nil), back.Sum(nil)) {
		t.Error("other bytes came back")
	}
	peak := statusKiB(t, s.init.cmd.Process.Pid, "VmHWM")
	t.Logf("the init had at most %d KiB", peak)
	if peak > 64<<10 {
		t.Errorf("the init grew to %d KiB", peak)
	}
}
