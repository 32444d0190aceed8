package admin

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"

	"edge/abi"
)

// tape is a stream that goes on as fast as it is taken: n messages of bytes.
type tape struct {
	piece []byte
	n     int
	told  bool
}

func (s *tape) Receive(context.Context) (byte, []byte, error) {
	switch {
	case !s.told:
		s.told = true
		return abi.OpcodeText, []byte(`{"name":"f"}`), nil
	case s.n == 0:
		return 0, nil, &abi.SocketClosed{Code: closeNormal}
	}
	s.n--
	return abi.OpcodeBinary, s.piece, nil
}

func (s *tape) Send(context.Context, byte, []byte) error { return nil }
func (s *tape) Close(int, string) error                  { return nil }

// BenchmarkDownload is the cost of the HTTP side alone: a file of 64 MiB out of
// memory, over loopback, to a Go client.
func BenchmarkDownload(b *testing.B) {
	const pieces = 1024
	s := &Server{Token: testToken, Operations: &fakeOperations{open: func(context.Context, string, json.RawMessage) (abi.Socket, error) {
		return &tape{piece: make([]byte, abi.MaxStreamBinary), n: pieces}, nil
	}}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	client := &http.Client{Transport: &http.Transport{ReadBufferSize: 64 << 10}}
	b.SetBytes(pieces * abi.MaxStreamBinary)
	b.ReportAllocs()
	for b.Loop() {
		r, err := http.NewRequest("POST", "http://"+ln.Addr().String()+box+"/readFileStream", nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+testToken)
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil || n != pieces*abi.MaxStreamBinary {
			b.Fatalf("%d bytes, %v", n, err)
		}
	}
	client.CloseIdleConnections()
	if err := s.Shutdown(context.Background()); err != nil {
		b.Error(err)
	}
	if err := <-served; err != nil {
		b.Error(err)
	}
}
