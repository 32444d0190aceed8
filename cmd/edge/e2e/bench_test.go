package e2e

import (
	"fmt"
	"os"
	"testing"
)

// BenchmarkUpgrade is a whole WebSocket connection: TCP, the plugin's decision
// (a Go module that asks for its process first), the backend's handshake, one
// echo and the close. BenchmarkRespond is a request that a plugin answers.
func BenchmarkUpgrade(b *testing.B) {
	e := newEdge(b, examples("process"))
	if err := echo(e.dial("/ws/echo?id=bench"), "warm"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		ws, err := dialURL("ws://" + e.addr + "/ws/echo?id=bench")
		if err != nil {
			b.Fatal(err)
		}
		if err := echo(ws, "x"); err != nil {
			b.Fatal(err)
		}
		ws.Close()
	}
}

// BenchmarkColdStart is a request for a sandbox that does not exist yet, until
// its answer: start, init, a command. The command is the runtime's share, not a
// server's.
func BenchmarkColdStart(b *testing.B) {
	for _, runtime := range []string{"process", "docker"} {
		b.Run(runtime, func(b *testing.B) {
			if runtime == "docker" {
				needDocker(b)
			}
			e := newEdge(b, withProbe(b, examples(runtime)))
			n := 0
			for b.Loop() {
				n++
				if _, err := e.get(fmt.Sprintf("/probe/exec?id=cold-%d", n), 200); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBinarySize reports the size of the static binary.
func BenchmarkBinarySize(b *testing.B) {
	st, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
	}
	b.ReportMetric(float64(st.Size())/(1<<20), "MiB")
	b.ReportMetric(0, "ns/op")
}
