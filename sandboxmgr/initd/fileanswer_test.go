package initd

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// FuzzFileAnswer compares what is sent in pieces with what encoding/json makes of
// the whole.
func FuzzFileAnswer(f *testing.F) {
	f.Add("", false)
	f.Add("\"\\\n\r\t\x00\x1f\x7f\u2028\ufffd\xff\xc3", false)
	f.Add(strings.Repeat("\xe4\xf0\x9f\x98\x80\"", 40<<10), false)
	f.Add(strings.Repeat("x", initproto.MaxFrame), true)
	f.Fuzz(func(t *testing.T, content string, binary bool) {
		resp := &abi.ReadFileResponse{Content: content, Encoding: encodingUTF8, IsBinary: binary, Size: int64(len(content))}
		want, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if binary {
			resp.Encoding = encodingBase64
			want = []byte(`"` + base64.StdEncoding.EncodeToString([]byte(content)) + `"`)
		}
		var sent bytes.Buffer
		w := initproto.NewWriter(&sent)
		a := fileAnswer{resp}
		if err := a.send(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		body, err := initproto.NewReader(&sent).Body(initproto.MaxBody, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(body) > a.size() {
			t.Errorf("%d bytes, said to be at most %d", len(body), a.size())
		}
		var got, whole abi.ReadFileResponse
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%.200q: %v", body, err)
		}
		whole = *resp
		if err := json.Unmarshal(want, &whole.Content); err != nil {
			t.Fatal(err)
		}
		if got != whole {
			t.Errorf("got %.200q, want %.200q", got.Content, whole.Content)
		}
	})
}

// TestFileIsHeldOnce reads and writes a large file with hardly more memory than
// it takes: the init has what the sandbox has, and ends with it.
func TestFileIsHeldOnce(t *testing.T) {
	const size = 8 << 20
	dir := t.TempDir()
	for name, content := range map[string]string{"text": "a", "binary": "\x00"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Repeat(content, size)), 0o600); err != nil {
			t.Fatal(err)
		}
		if n := allocated(func() {
			resp, err := readFile(&abi.ReadFileRequest{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			if err := (fileAnswer{resp}).send(initproto.NewWriter(io.Discard)); err != nil {
				t.Fatal(err)
			}
		}); n > size+size/4 {
			t.Errorf("%s: reading %d bytes took %d", name, size, n)
		}
	}
	content := base64.StdEncoding.EncodeToString(make([]byte, size))
	if n := allocated(func() {
		if _, err := writeFile(&abi.WriteFileRequest{Path: filepath.Join(dir, "w"), Content: content, Encoding: encodingBase64}); err != nil {
			t.Fatal(err)
		}
	}); n > size/4 {
		t.Errorf("writing %d bytes took %d", size, n)
	}
}

// allocated returns how much memory f takes, let go of or not. Nothing else may
// run at the same time.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
