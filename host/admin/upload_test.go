package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"edge/abi"
)

// uploadSink takes an upload and answers with its size, if it was ended.
func uploadSink(took *bytes.Buffer, ended *atomic.Bool) func(*fakeStream, json.RawMessage) error {
	return func(s *fakeStream, body json.RawMessage) error {
		for {
			m, err := s.next()
			if err != nil {
				return err
			}
			if m.opcode == abi.OpcodeText {
				ended.Store(string(m.payload) == `{"type":"end"}`)
				return s.event(fmt.Sprintf(`{"size":%d,"asked":%s}`, took.Len(), body))
			}
			took.Write(m.payload)
		}
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	large := bytes.Repeat([]byte("0123456789"), 1<<17) // 1.25 MiB, no multiple of a message
	for _, tt := range []struct {
		name, method, query, contentType string
		body                             []byte
		chunked                          bool
		want                             string
	}{
		{"put", "PUT", "path=/tmp/a%20b&mode=0600", "", []byte("hello"), false, `{"size":5,"asked":{"sandbox":{"binding":"Sandbox","id":"a"},"mode":"0600","path":"/tmp/a b"}}`},
		{"digits are a text", "PUT", "path=7", "text/plain", nil, false, `{"size":0,"asked":{"sandbox":{"binding":"Sandbox","id":"a"},"path":"7"}}`},
		{"post", "POST", "path=a", "application/octet-stream", []byte{0}, false, `{"size":1,`},
		{"large", "PUT", "path=a", "", large, false, `{"size":1310720,`},
		{"in chunks", "PUT", "path=a", "", large, true, `{"size":1310720,`},
		{"options", "PUT", `path=a&sandbox={"keepAlive":true}`, "", nil, false, `{"size":0,"asked":{"path":"a","sandbox":{"binding":"Sandbox","id":"a","keepAlive":true}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var took bytes.Buffer
			var ended atomic.Bool
			w := start(t, &Server{Operations: opening(t, uploadSink(&took, &ended))})
			var body io.Reader = bytes.NewReader(tt.body)
			if tt.chunked {
				body = io.MultiReader(body)
			}
			r := w.request(tt.method, box+"/writeFileStream?"+tt.query, body)
			if tt.contentType != "" {
				r.Header.Set("Content-Type", tt.contentType)
			}
			got := w.do(r)
			if got.StatusCode != 200 || !strings.HasPrefix(got.body, tt.want) || !bytes.Equal(took.Bytes(), tt.body) || !ended.Load() {
				t.Errorf("%d %s, ended %v", got.StatusCode, got.body, ended.Load())
			}
		})
	}
	w := start(t, &Server{Operations: opening(t, uploadSink(new(bytes.Buffer), new(atomic.Bool)))})
	for name, query := range map[string]string{"twice": "path=a&path=b", "bad escape": "path=%zz"} {
		if got := w.do(w.request("PUT", box+"/writeFileStream?"+query, nil)); got.StatusCode != 400 {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
	if got := w.ask("POST", box+"/writeFileStream?path=a", `{"path":"a"}`); got.StatusCode != 400 || !strings.Contains(got.body, "octet-stream") {
		t.Errorf("JSON as a file: %d %s", got.StatusCode, got.body)
	}
}

// TestHalfUpload wants the sandbox never to hear of the end of an upload that
// its client broke off.
func TestHalfUpload(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"with a length": "Content-Length: 1000\r\n\r\nhalf",
		"in chunks":     "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var took bytes.Buffer
			var ended atomic.Bool
			half, over := make(chan struct{}), make(chan struct{})
			w := start(t, &Server{Operations: opening(t, func(s *fakeStream, body json.RawMessage) error {
				defer close(over)
				close(half)
				return uploadSink(&took, &ended)(s, body)
			})})
			c, err := net.Dial("tcp", w.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "PUT %s/writeFileStream?path=a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n%s", box, testToken, head)
			await(t, "the upload", half)
			_ = c.Close()
			await(t, "the upload's end", over)
			if ended.Load() {
				t.Error("half an upload was ended as if it were whole")
			}
		})
	}
}

// TestUploadRefusedBeforeBytes wants a client that asks first (Expect) refused
// before it sends anything.
func TestUploadRefusedBeforeBytes(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{open: func(context.Context, string, json.RawMessage) (abi.Socket, error) {
		return nil, abi.Errorf(abi.CodeIsDirectory, "a folder")
	}}})
	got := raw(t, "tcp", w.addr, "PUT "+box+"/writeFileStream?path=a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+testToken+
		"\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 400") || !strings.Contains(got, "IS_DIRECTORY") {
		t.Errorf("got %.200s", got)
	}
}

// TestUploadBackPressure wants a client held back by a sandbox that does not
// take its bytes.
func TestUploadBackPressure(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	var took bytes.Buffer
	var ended atomic.Bool
	w := start(t, &Server{Operations: opening(t, func(s *fakeStream, body json.RawMessage) error {
		<-goOn
		return uploadSink(&took, &ended)(s, body)
	})})
	const size = 32 << 20
	var sent atomic.Int64
	r := w.request("PUT", box+"/writeFileStream?path=a", io.TeeReader(io.LimitReader(zeros{}, size), counter{&sent}))
	answered := make(chan result, 1)
	go func() { answered <- w.do(r) }()
	held := settle(t, &sent)
	if held == size {
		t.Error("the edge took everything while the sandbox took nothing")
	}
	close(goOn)
	if got := <-answered; got.StatusCode != 200 || took.Len() != size || !ended.Load() {
		t.Errorf("%d %s, %d bytes", got.StatusCode, got.body, took.Len())
	}
	t.Logf("held back after %d KiB", held>>10)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) { c.n.Add(int64(len(p))); return len(p), nil }
