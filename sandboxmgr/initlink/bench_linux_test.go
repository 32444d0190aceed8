package initlink

import (
	"io"
	"os/exec"
	"strings"
	"testing"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// BenchmarkExec runs /bin/true through the link, BenchmarkForkExec without it.
func BenchmarkExec(b *testing.B) {
	s := newSandbox(b)
	ctx := b.Context()
	for b.Loop() {
		if err := s.Call(ctx, "exec", abi.ExecRequest{Argv: []string{"/bin/true"}}, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkForkExec(b *testing.B) {
	for b.Loop() {
		if err := exec.Command("/bin/true").Run(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPing(b *testing.B) {
	s := newSandbox(b)
	ctx := b.Context()
	for b.Loop() {
		if err := s.Call(ctx, initproto.OpPing, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTunnel sends 64 bytes to an echo server and back.
func BenchmarkTunnel(b *testing.B) {
	s := newSandbox(b)
	c, err := s.Tunnel(b.Context(), serveTCP(b, "127.0.0.1:0", echo))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 64)
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTunnelStream moves 1 MiB to an echo server and back.
func BenchmarkTunnelStream(b *testing.B) {
	s := newSandbox(b)
	c, err := s.Tunnel(b.Context(), serveTCP(b, "127.0.0.1:0", echo))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	const size = 1 << 20
	b.SetBytes(2 * size)
	sent := make([]byte, size)
	errs := make(chan error, 1)
	for b.Loop() {
		go func() { _, err := c.Write(sent); errs <- err }()
		if _, err := io.CopyN(io.Discard, c, size); err != nil {
			b.Fatal(err)
		}
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteFile(b *testing.B) {
	s := newSandbox(b)
	req := abi.WriteFileRequest{Path: s.init.work + "/f", Content: strings.Repeat("x", 64<<10)}
	b.SetBytes(64 << 10)
	for b.Loop() {
		if err := s.Call(b.Context(), "writeFile", req, nil); err != nil {
			b.Fatal(err)
		}
	}
}
