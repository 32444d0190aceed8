package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// benchEngines are the engines that are compared; nil is no bridge at all.
var benchEngines = []struct {
	name string
	make func() Engine
}{
	{"direct", func() Engine { return nil }},
	{"loop", func() Engine { return new(Loop) }},
	{"pair", func() Engine { return new(Pair) }},
}

// load is what a load generator is to do. It is a process of its own, so that the
// CPU time of this one is the bridge's.
type load struct {
	Client, Backend string // addresses to connect to; Backend empty: the generator's own ends meet
	Conns, InFlight int
	Size, Messages  int
}

const loadEnv = "BRIDGE_BENCH_LOAD"

// runLoadChild is the generator if this process is one, and says whether it was.
func runLoadChild() bool {
	if os.Getenv(loadEnv) == "" {
		return false
	}
	if err := runLoad(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	return true
}

// runLoad is the generator: the clients and the backends of all bridges on one
// thread. It says "ready" when it is connected and then awaits a line.
func runLoad() error {
	var l load
	if err := json.Unmarshal([]byte(os.Getenv(loadEnv)), &l); err != nil {
		return err
	}
	g := &generator{load: l, left: l.Messages}
	if err := g.connect(); err != nil {
		return err
	}
	fmt.Println("ready")
	var line [1]byte
	os.Stdin.Read(line[:])
	begun := time.Now()
	if err := g.run(); err != nil {
		return err
	}
	fmt.Println(time.Since(begun).Nanoseconds())
	os.Stdin.Read(line[:])
	return nil
}

// generator is an epoll loop over talkers.
type generator struct {
	load
	ep      int
	talkers map[int32]*talker
	buf     []byte
	left    int // messages still to come back
	unsent  int
}

// talker is one socket: for each whole frame that it gets it sends one.
type talker struct {
	fd        int
	in, got   int    // a frame's bytes, and how many of one came
	out       []byte // the frame that is sent
	owed, off int    // bytes to send, and where in out they begin
	client    bool
	waits     bool
}

func (g *generator) connect() error {
	var err error
	if g.ep, err = syscall.EpollCreate1(0); err != nil {
		return err
	}
	g.talkers = make(map[int32]*talker)
	g.buf = make([]byte, 1<<20)
	up, down := frame(0x82, text(g.Size), true), frame(0x82, text(g.Size), false)
	for range g.Conns {
		a, b, err := g.pair()
		if err != nil {
			return err
		}
		g.add(&talker{fd: a, in: len(down), out: up, client: true})
		g.add(&talker{fd: b, in: len(up), out: down})
		if g.Backend == "" { // nobody masks or unmasks between them
			g.talkers[int32(a)].in = len(down)
		}
	}
	return nil
}

func (g *generator) pair() (client, backend int, err error) {
	if g.Backend != "" {
		if client, err = dialFD(g.Client); err == nil {
			backend, err = dialFD(g.Backend)
		}
		return client, backend, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	defer ln.Close()
	if client, err = dialFD(ln.Addr().String()); err != nil {
		return 0, 0, err
	}
	c, err := ln.Accept()
	if err != nil {
		return 0, 0, err
	}
	fd, err := duplicate(c.(syscall.Conn))
	c.Close()
	return client, int(fd), err
}

func dialFD(addr string) (int, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return -1, err
	}
	defer c.Close()
	fd, err := duplicate(c.(syscall.Conn))
	return int(fd), err
}

func (g *generator) add(t *talker) {
	g.talkers[int32(t.fd)] = t
	syscall.EpollCtl(g.ep, syscall.EPOLL_CTL_ADD, t.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(t.fd)})
}

func (g *generator) run() error {
	g.unsent = g.Messages
	for _, t := range g.talkers {
		for i := 0; t.client && i < g.InFlight && g.unsent > 0; i++ {
			g.unsent--
			t.owed += len(t.out)
		}
		g.send(t)
	}
	events := make([]syscall.EpollEvent, 64)
	for g.left > 0 {
		// A raw call: nothing else runs here, and the scheduler would take notice of
		// each wait.
		n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(g.ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 10000, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		if n == 0 || errno != 0 {
			return fmt.Errorf("nothing came: %d left, %w", g.left, errno)
		}
		for i := range n {
			t := g.talkers[events[i].Fd]
			if events[i].Events&^syscall.EPOLLOUT != 0 {
				if err := g.read(t); err != nil {
					return err
				}
			}
			g.send(t)
		}
	}
	return nil
}

func (g *generator) read(t *talker) error {
	n, errno := receive(int32(t.fd), g.buf)
	if errno == syscall.EAGAIN {
		return nil
	}
	if n == 0 {
		return fmt.Errorf("the connection ended: %w", errno)
	}
	for t.got += n; t.got >= t.in; t.got -= t.in {
		if t.client {
			if g.left--; g.unsent == 0 {
				continue
			}
			g.unsent--
		}
		t.owed += len(t.out)
	}
	return nil
}

func (g *generator) send(t *talker) {
	for t.owed > 0 {
		p := t.out[t.off:min(len(t.out), t.off+t.owed)]
		if t.off == 0 && t.owed >= 2*len(t.out) && len(t.out) <= 4096 { // several small ones at once
			p = g.buf[:0]
			for range min(t.owed/len(t.out), 64) {
				p = append(p, t.out...)
			}
		}
		n, errno := transmit(int32(t.fd), p)
		if errno != 0 {
			break
		}
		t.owed -= n
		t.off = (t.off + n) % len(t.out)
	}
	if waits := t.owed > 0; waits != t.waits {
		t.waits = waits
		ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(t.fd)}
		if waits {
			ev.Events |= syscall.EPOLLOUT
		}
		syscall.EpollCtl(g.ep, syscall.EPOLL_CTL_MOD, t.fd, &ev)
	}
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bridged starts the generator with bridges of e between its ends. run lets it go
// and returns how long it took; it is called once.
func bridged(tb testing.TB, e Engine, l load) (run func() time.Duration) {
	var ended sync.WaitGroup
	var clients, backends net.Listener
	if e != nil {
		clients, backends = listen(tb), listen(tb)
		l.Client, l.Backend = clients.Addr().String(), backends.Addr().String()
	}
	conf, _ := json.Marshal(l)
	name, args := os.Args[0], []string{"-test.run=^$"}
	if cpu := os.Getenv("BRIDGE_BENCH_CPU"); cpu != "" {
		name, args = "taskset", append([]string{"-c", cpu, os.Args[0]}, args...)
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), loadEnv+"="+string(conf), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	for i := 0; e != nil && i < l.Conns; i++ {
		c, err := clients.Accept()
		if err != nil {
			tb.Fatal(err)
		}
		b, err := backends.Accept()
		if err != nil {
			tb.Fatal(err)
		}
		ended.Add(1)
		e.Bridge(c, b, nil, Policy{}, func(Summary) { ended.Done() })
	}
	line := make([]byte, 64)
	read := func() string {
		n, err := out.Read(line)
		if err != nil {
			tb.Fatal(err)
		}
		return strings.TrimSpace(string(line[:n]))
	}
	read() // ready
	return func() time.Duration {
		in.Write([]byte("\n"))
		ns, err := strconv.ParseInt(read(), 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		in.Close()
		if err := cmd.Wait(); err != nil {
			tb.Fatal(err)
		}
		ended.Wait()
		return time.Duration(ns)
	}
}

// BenchmarkMessages is messages there and back through one engine or none: the CPU
// time that the bridge took for one, and how many bytes went by both ways.
func BenchmarkMessages(b *testing.B) {
	for _, tc := range []load{
		{Size: 64, Conns: 1, InFlight: 1},
		{Size: 64, Conns: 32, InFlight: 1},
		{Size: 1 << 10, Conns: 1, InFlight: 16},
		{Size: 1 << 10, Conns: 32, InFlight: 16},
		{Size: 16 << 10, Conns: 8, InFlight: 1},
		{Size: 1 << 20, Conns: 4, InFlight: 1},
	} {
		for _, engine := range benchEngines {
			b.Run(fmt.Sprintf("size=%d/conns=%d/inflight=%d/%s", tc.Size, tc.Conns, tc.InFlight, engine.name), func(b *testing.B) {
				tc.Messages = b.N
				run := bridged(b, engine.make(), tc)
				b.SetBytes(2 * int64(tc.Size))
				b.ResetTimer()
				before := cpuTime()
				took := run()
				cpu := cpuTime() - before
				b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/op")
				b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// BenchmarkNeighbour is a round trip between two goroutines over a socket of their
// own while the bridges of the same process are busy: what an HTTP exchange beside
// them has to wait for. Run it with -cpu 1.
func BenchmarkNeighbour(b *testing.B) {
	for _, engine := range benchEngines {
		b.Run(engine.name, func(b *testing.B) {
			near, far := tcpPair(b)
			far.SetDeadline(time.Time{})
			echoed := make(chan struct{})
			go func() { defer close(echoed); io.Copy(near, near); near.Close() }()
			busy := make(chan time.Duration, 1)
			if e := engine.make(); e != nil {
				run := bridged(b, e, load{Size: 1 << 10, Conns: 32, InFlight: 16, Messages: 1 << 20})
				go func() { busy <- run() }()
			} else {
				busy <- 0
			}
			var waits []time.Duration
			msg := make([]byte, 64)
			for b.Loop() {
				begun := time.Now()
				far.Write(msg)
				if _, err := io.ReadFull(far.br, msg); err != nil {
					b.Fatal(err)
				}
				waits = append(waits, time.Since(begun))
			}
			if engine.name != "direct" && len(busy) > 0 {
				b.Log("the bridges were done first")
			}
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-us")
			far.Close()
			<-echoed
			<-busy
		})
	}
}

// BenchmarkIdleBridges is the memory of a bridge on which nothing happens: what the
// process holds for it, sockets of the edge included, those of the other ends not.
func BenchmarkIdleBridges(b *testing.B) {
	const n = 4000
	for _, engine := range benchEngines[1:] {
		b.Run(engine.name, func(b *testing.B) {
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				rss := resident()
				run := bridged(b, engine.make(), load{Size: 64, Conns: n, InFlight: 1, Messages: 2 * n})
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/n, "B/bridge")
				b.ReportMetric(float64(resident()-rss)/n, "rss/bridge")
				b.ReportMetric(float64(runtime.NumGoroutine())/n, "goroutines/bridge")
				run()
			}
		})
	}
}

// resident is this process's memory as the kernel counts it.
func resident() int {
	p, _ := os.ReadFile("/proc/self/statm")
	var size, pages int
	fmt.Sscan(string(p), &size, &pages)
	return pages * os.Getpagesize()
}
