package bridge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The benchmarks of the HTTP relay measure the processor time of this process, in
// which nothing but the proxy runs: client and backend are a process of their
// own, this program again. The wall clock on a busy machine says little.

// peerVariable is set in the environment of the process that is client and backend.
const peerVariable = "BRIDGE_BENCH_PEER"

// small is an answer as an application gives it.
const small = "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	"Cache-Control: no-store\r\nContent-Length: 13\r\n\r\nHello, world!"

// BenchmarkHTTPSmall is a GET with browser-like headers and a short answer, over
// 16 connections that are kept.
func BenchmarkHTTPSmall(b *testing.B) { benchmarkHTTP(b, small, 16) }

// BenchmarkHTTP1MiB is an answer of 1 MiB with its length.
func BenchmarkHTTP1MiB(b *testing.B) {
	b.SetBytes(1 << 20)
	benchmarkHTTP(b, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n"+text(1<<20), 4)
}

// BenchmarkHTTPChunked is an answer of 1 MiB in chunks of 4 KiB.
func BenchmarkHTTPChunked(b *testing.B) {
	b.SetBytes(1 << 20)
	chunk := "1000\r\n" + text(4096) + "\r\n"
	benchmarkHTTP(b, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+strings.Repeat(chunk, 256)+"0\r\n\r\n", 4)
}

func benchmarkHTTP(b *testing.B, answer string, conns int) {
	b.Run("relay", func(b *testing.B) {
		p := startPeer(b, answer)
		e := newEdge(b, p.backend, func(e *edge) { e.quiet = true })
		p.load(b, e.addr, conns)
	})
	b.Run("ReverseProxy", func(b *testing.B) {
		p := startPeer(b, answer)
		rp := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: p.backend})
		rp.Transport = &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}
		rp.BufferPool = &slices32{}
		ln := listen(b)
		s := &http.Server{Handler: rp}
		go s.Serve(ln)
		defer s.Close()
		p.load(b, ln.Addr().String(), conns)
	})
}

// slices32 is a pool of 32 KiB buffers, which ReverseProxy is best with.
type slices32 struct{ pool sync.Pool }

func (p *slices32) Get() []byte {
	if b, ok := p.pool.Get().(*[32 << 10]byte); ok {
		return b[:]
	}
	return make([]byte, 32<<10)
}
func (p *slices32) Put(b []byte) { p.pool.Put((*[32 << 10]byte)(b)) }

// peer is the process with client and backend.
type peer struct {
	backend string
	in      io.Writer
	out     *bufio.Reader
}

func startPeer(b *testing.B, answer string) *peer {
	b.Helper()
	file := b.TempDir() + "/answer"
	if err := os.WriteFile(file, []byte(answer), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestBenchPeer$")
	cmd.Env = append(os.Environ(), peerVariable+"="+file, "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	p := &peer{in: in, out: bufio.NewReader(out)}
	p.backend = p.line(b)
	return p
}

func (p *peer) line(b *testing.B) string {
	s, err := p.out.ReadString('\n')
	if err != nil {
		b.Fatal("peer: ", err)
	}
	return strings.TrimSpace(s)
}

// load has b.N requests made to addr and reports what each cost this process.
func (p *peer) load(b *testing.B, addr string, conns int) {
	ask := func(n int) {
		fmt.Fprintln(p.in, addr, conns, n)
		if got := p.line(b); got != "done" {
			b.Fatal("peer: ", got)
		}
	}
	ask(10 * conns)
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	ask(b.N)
	b.ReportMetric(float64(processorTime(b)-before)/float64(time.Microsecond)/float64(b.N), "cpu-us/op")
}

func processorTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// TestBenchPeer is client and backend of the benchmarks, in a process that one of
// them has started; anywhere else it has nothing to test.
func TestBenchPeer(t *testing.T) {
	file := os.Getenv(peerVariable)
	if file == "" {
		return
	}
	answer, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(backend(t, func(c *raw) {
		for buf := make([]byte, 8<<10); ; {
			if n, err := c.TCPConn.Read(buf); err != nil || n < 4 { // one request a read: they are short
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}))
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		f := strings.Fields(in.Text())
		conns, _ := strconv.Atoi(f[1])
		n, _ := strconv.Atoi(f[2])
		if err := requestAll(f[0], conns, n); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("done")
	}
	os.Exit(0)
}

// requestAll makes n requests over so many connections.
func requestAll(addr string, conns, n int) error {
	errs := make(chan error, conns)
	for i := range conns {
		share := n / conns
		if i < n%conns {
			share++
		}
		go func() { errs <- requestOn(addr, share) }()
	}
	var failed error
	for range conns {
		if err := <-errs; err != nil {
			failed = err
		}
	}
	return failed
}

// requestOn makes n requests on one connection.
func requestOn(addr string, n int) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	ask := []byte("GET /api/items?page=2 HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) bench\r\n" +
		"Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip\r\nCookie: session=0123456789abcdef\r\n\r\n")
	br := bufio.NewReaderSize(c, 64<<10)
	size := int64(-1)
	for range n {
		if _, err := c.Write(ask); err != nil {
			return err
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			return err
		}
		body, err := io.Copy(io.Discard, resp.Body)
		if err != nil || resp.StatusCode != 200 || size >= 0 && body != size {
			return fmt.Errorf("status %d, %d bytes: %v", resp.StatusCode, body, err)
		}
		size = body
	}
	return nil
}
