package initlink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// BenchmarkExecStream runs /bin/true as a stream; BenchmarkExec is the same as a
// call.
func BenchmarkExecStream(b *testing.B) {
	s := newSandbox(b)
	for b.Loop() {
		st, err := s.Open(b.Context(), "execStream", abi.ExecStreamRequest{Argv: []string{"/bin/true"}})
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, _, err = st.Receive(b.Context())
		}
		var closed *abi.SocketClosed
		if !errors.As(err, &closed) || closed.Code != 1000 {
			b.Fatal(err)
		}
	}
}

// BenchmarkExecStreamOutput receives what a command prints: text, text that has
// to be escaped, and bytes in base64.
func BenchmarkExecStreamOutput(b *testing.B) {
	for _, bb := range []struct{ name, char, encoding string }{
		{"text", "x", "utf8"}, {"lines", `y\n`, "utf8"}, {"quotes", `"`, "utf8"}, {"base64", `\000`, "base64"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := newSandbox(b)
			const size = 64 << 20
			b.SetBytes(size)
			for b.Loop() {
				st, err := s.Open(b.Context(), "execStream", abi.ExecStreamRequest{
					Command: fmt.Sprintf("yes \"$(printf '%%1000s' | sed 's/ /%s/g')\" | head -c %d", escaped(bb.char), size), Encoding: bb.encoding,
				})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for err == nil {
					var msg []byte
					_, msg, err = st.Receive(b.Context())
					n += len(msg)
				}
				if n < size {
					b.Fatalf("%d bytes, %v", n, err)
				}
			}
		})
	}
}

// escaped is a character as sed takes it in a replacement.
func escaped(char string) string {
	switch char {
	case `"`:
		return `\"`
	case `\000`:
		return "z"
	}
	return char
}

// BenchmarkExecOutput is BenchmarkExecStreamOutput as far as one answer goes.
func BenchmarkExecOutput(b *testing.B) {
	s := newSandbox(b)
	b.SetBytes(abi.MaxMaxOutput)
	for b.Loop() {
		var got abi.ExecResponse
		req := abi.ExecRequest{Command: fmt.Sprintf("yes \"$(printf '%%1000s' | sed 's/ /x/g')\" | head -c %d", abi.MaxMaxOutput), MaxOutput: abi.MaxMaxOutput}
		if err := s.Call(b.Context(), "exec", req, &got); err != nil || len(got.Stdout) != abi.MaxMaxOutput {
			b.Fatal(err)
		}
	}
}

// BenchmarkStream moves messages between a stream of the link and a peer that
// does nothing with them.
func BenchmarkStream(b *testing.B) {
	for _, size := range []int{64, abi.MaxStreamBinary} {
		for _, up := range []bool{false, true} {
			name := map[bool]string{false: "down", true: "up"}[up]
			b.Run(fmt.Sprintf("%s %d", name, size), func(b *testing.B) { benchmarkStream(b, size, up) })
		}
	}
	b.Run("down text", func(b *testing.B) {
		body, err := json.Marshal(abi.ExecEvent{Type: abi.ExecStdout, Data: string(make([]byte, 8<<10))})
		if err != nil {
			b.Fatal(err)
		}
		benchmarkReceive(b, initproto.TypeText, body)
	})
}

func benchmarkStream(b *testing.B, size int, up bool) {
	body := make([]byte, size)
	if !up {
		benchmarkReceive(b, initproto.TypeData, body)
		return
	}
	s, c := bareStream(b)
	read := make(chan struct{})
	go func() { defer close(read); io.Copy(io.Discard, struct{ io.Reader }{c}) }()
	b.SetBytes(int64(size))
	for b.Loop() {
		if err := s.Send(b.Context(), abi.OpcodeBinary, body); err != nil {
			b.Fatal(err)
		}
	}
	s.Close(1000, "")
	<-read
}

func benchmarkReceive(b *testing.B, typ initproto.Type, body []byte) {
	s, c := bareStream(b)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for {
			if _, err := initproto.WriteFrame(c, typ, body); err != nil {
				return
			}
		}
	}()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, _, err := s.Receive(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	s.Close(1000, "")
	<-written
}
