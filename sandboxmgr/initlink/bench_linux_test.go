package initlink

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
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

// The rate at which a large file goes in and out. `docker cp` of the same file is
// the measure that it has to reach half of.
const largeFile = 1 << 30

func BenchmarkReadFileStream(b *testing.B) {
	if testing.Short() {
		b.Skip("moves 1 GiB")
	}
	s := newSandbox(b)
	path := s.init.work + "/f"
	if err := os.WriteFile(path, make([]byte, largeFile), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(largeFile)
	for b.Loop() {
		sock, err := s.Open(b.Context(), abi.ReadFileStream.Name(), abi.ReadFileStreamRequest{Path: path})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for err == nil {
			var data []byte
			var op byte
			if op, data, err = sock.Receive(b.Context()); op == abi.OpcodeBinary {
				n += len(data)
			}
		}
		if sock.Close(normalClosure, ""); n != largeFile {
			b.Fatalf("%d bytes, then %v", n, err)
		}
	}
	b.ReportMetric(float64(statusKiB(b, s.init.cmd.Process.Pid, "VmHWM")), "init-peak-KiB")
}

func BenchmarkWriteFileStream(b *testing.B) {
	if testing.Short() {
		b.Skip("moves 1 GiB")
	}
	s := newSandbox(b)
	piece := make([]byte, abi.MaxStreamBinary)
	b.SetBytes(largeFile)
	for b.Loop() {
		sock, err := s.Open(b.Context(), abi.WriteFileStream.Name(), abi.WriteFileStreamRequest{Path: s.init.work + "/f"})
		for n := 0; err == nil && n < largeFile; n += len(piece) {
			err = sock.Send(b.Context(), abi.OpcodeBinary, piece)
		}
		if err == nil {
			err = sock.Send(b.Context(), abi.OpcodeText, []byte(`{"type":"end"}`))
		}
		if err == nil {
			_, _, err = sock.Receive(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
		sock.Close(normalClosure, "")
	}
	b.ReportMetric(float64(statusKiB(b, s.init.cmd.Process.Pid, "VmHWM")), "init-peak-KiB")
}

// statusKiB is a figure of a process's memory in /proc.
func statusKiB(t testing.TB, pid int, field string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), field+":")
	kib, err := strconv.Atoi(strings.Fields(rest + " -")[0])
	if err != nil {
		t.Fatalf("%s of process %d: %v", field, pid, err)
	}
	return kib
}
