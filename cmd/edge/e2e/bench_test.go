package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// ready is a host whose every operation has been done already.
type ready struct{}

func (ready) Operate(context.Context, string, json.RawMessage) (json.RawMessage, error) {
	return json.RawMessage(`{"port":8080,"elapsed":0}`), nil
}

// BenchmarkDecision is the plugin's own time for a WebSocket: the shipped echo
// example, a Go module, asks whether its server is ready and says connect.
// Pooling, host calls and JSON are in it; the operation itself takes no time.
func BenchmarkDecision(b *testing.B) {
	r, err := plugins.NewRegistry(plugins.Config{Services: plugins.Services{Operations: ready{}}, CacheDir: filepath.Join(root, "build", "cache")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	p, err := r.Load(b.Context(), plugins.Spec{Name: "echo", Source: filepath.Join(root, "bin", "wasm", "echo.wasm")})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		d, err := p.Decide(b.Context(), upgrade())
		if err != nil {
			b.Fatal(err)
		}
		if c, ok := d.(*abi.Connect); !ok || c.Port != 8080 {
			b.Fatalf("decision %#v", d)
		}
	}
}

func upgrade() *abi.Request {
	return &abi.Request{
		ID: "bench", Method: "GET", Scheme: "http", Host: "localhost:8787", Path: "/ws/echo", Query: "id=bench", HasQuery: true, RemoteAddr: "127.0.0.1:1",
		Headers: []abi.Header{
			{Name: "Host", Value: "localhost:8787"}, {Name: "Upgrade", Value: "websocket"}, {Name: "Connection", Value: "Upgrade"},
			{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="}, {Name: "Sec-WebSocket-Version", Value: "13"},
		},
	}
}

// BenchmarkRespond is a whole request over a kept connection that a plugin
// answers (the page), beside one that the edge answers itself: the difference is
// the plugin.
func BenchmarkRespond(b *testing.B) {
	e := newEdge(b, examples("process"))
	client := http.Client{Transport: &http.Transport{}}
	b.Cleanup(client.CloseIdleConnections)
	for _, path := range []string{"/healthz", "/"} {
		b.Run("path="+path, func(b *testing.B) {
			for b.Loop() {
				resp, err := client.Get("http://" + e.addr + path)
				if err != nil {
					b.Fatal(err)
				}
				if err := drain(resp); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkUpgrade is a whole WebSocket: TCP, the plugin's decision with its
// question to the sandbox, the backend's handshake, one echo, the close. direct
// is the same against a server without an edge, for the ratio.
func BenchmarkUpgrade(b *testing.B) {
	e := newEdge(b, examples("process"))
	if err := echo(e.dial("/ws/echo?id=bench"), "warm"); err != nil {
		b.Fatal(err)
	}
	direct := bunEcho(b)
	for name, url := range map[string]string{"edge": "ws://" + e.addr + "/ws/echo?id=bench", "direct": "ws://" + direct} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				ws, err := dialURL(url)
				if err != nil {
					b.Fatal(err)
				}
				if err := echo(ws, "x"); err != nil {
					b.Fatal(err)
				}
				ws.Close()
			}
		})
	}
}

// BenchmarkColdStart is a request for a sandbox that does not exist yet, until
// the answer of a command that ran in it.
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
