package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"edge/abi"
	"edge/cmd/edge/remote"
	"edge/plugins"
	"edge/plugins/replay"
)

type pluginBenchCommand struct {
	remote.Output
	Module    string        `arg:"" help:"Module (.wasm) or Worker (.ts, .js) to measure."`
	Cases     string        `arg:"" optional:"" name:"file" help:"File of cases, as of edge plugin test; their requests take turns. Without one it is GET /."`
	Number    int           `short:"n" placeholder:"N" help:"Decisions to make; by default as many as fit the time."`
	For       time.Duration `default:"2s" placeholder:"SPAN" help:"How long to decide; default 2s."`
	Callers   int           `short:"c" placeholder:"N" help:"Requests at a time; default twice the processors."`
	Isolation string        `enum:"pooled,reset,fresh" default:"pooled" placeholder:"MODE" help:"pooled, reset or fresh; default pooled."`
}

// Help is the long text of --help.
func (c *pluginBenchCommand) Help() string {
	return `Has the module decide requests as an edge would, with instances that serve one after the other, and sandboxes that answer at once: as the cases
say, or with nothing. CPU is of this whole process, what makes up the answers included; on a busy machine trust it rather than the decisions
per second.`
}

// benchReport is what was measured.
type benchReport struct {
	Module    string        `json:"module"`
	LoadCold  time.Duration `json:"loadColdNs"`
	LoadWarm  time.Duration `json:"loadCachedNs"`
	Decisions int64         `json:"decisions"`
	Failed    int64         `json:"failed"` // without a decision
	First     string        `json:"firstError,omitempty"`
	Took      time.Duration `json:"tookNs"`
	CPU       time.Duration `json:"cpuNs"`
	Allocs    uint64        `json:"allocations"`
	Bytes     uint64        `json:"allocatedBytes"`
	Fuel      uint64        `json:"fuel"` // of one decision, averaged over the cases
	Memory    uint64        `json:"instanceMemory"`
	Instances int           `json:"instances"`
}

// Run measures the module.
func (c *pluginBenchCommand) Run(ctx context.Context, t *terminal) error {
	if c.Callers <= 0 {
		c.Callers = 2 * runtime.GOMAXPROCS(0)
	}
	module, err := readPlugin(ctx, t, c.Module)
	if err != nil {
		return err
	}
	cases, err := c.cases()
	if err != nil {
		return err
	}
	b, err := newBencher(module, c, cases)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.measure(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.Module, err)
	}
	if c.Format == "json" {
		return writeJSON(t.out, b.report)
	}
	return b.report.write(t.out)
}

// cases are the requests to decide.
func (c *pluginBenchCommand) cases() ([]replay.Case, error) {
	if c.Cases == "" {
		return []replay.Case{{Name: "GET /", Request: replay.CaseRequest{URL: "/"}}}, nil
	}
	f, err := readCases(c.Cases)
	if err != nil {
		return nil, usageError{err}
	}
	var list []replay.Case
	for _, k := range f.suite.Cases {
		list = append(list, f.suite.Prepare(k))
	}
	return list, nil
}

// bencher measures one module.
type bencher struct {
	command *pluginBenchCommand
	module  []byte
	cases   []replay.Case
	dir     string // holds the module and what it compiles to
	spec    plugins.Spec
	report  benchReport
}

func newBencher(module []byte, c *pluginBenchCommand, cases []replay.Case) (*bencher, error) {
	dir, err := os.MkdirTemp("", "edge-plugin-")
	if err != nil {
		return nil, err
	}
	b := &bencher{command: c, module: module, cases: cases, dir: dir, report: benchReport{Module: c.Module}}
	b.spec = cases[0].Spec(pluginNameOf(c.Module)) // with its grants: without them no fetch is answered
	b.spec.Source, b.spec.Isolation = dir+"/module.wasm", plugins.Isolation(c.Isolation)
	b.spec.MaxInstances = max(plugins.DefaultMaxInstances, c.Callers)
	if len(b.spec.Secrets) == 0 {
		b.spec.Secrets = map[string]string{"none": "-"} // an import of secret_get wants one
	}
	if err := os.WriteFile(b.spec.Source, module, 0o600); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return b, nil
}

// measure loads the module twice, looks at single decisions, and then makes many.
func (b *bencher) measure(ctx context.Context) error {
	for _, took := range []*time.Duration{&b.report.LoadCold, &b.report.LoadWarm} {
		begun := time.Now()
		r, _, err := b.load(ctx, b.cases[0].Services())
		if err != nil {
			return err
		}
		*took = time.Since(begun)
		if err := r.Close(ctx); err != nil {
			return err
		}
	}
	if err := b.single(ctx); err != nil {
		return err
	}
	return b.many(ctx)
}

func (b *bencher) load(ctx context.Context, services plugins.Services) (*plugins.Registry, *plugins.Plugin, error) {
	r, err := plugins.NewRegistry(plugins.Config{Services: services, CacheDir: b.dir + "/cache"})
	if err != nil {
		return nil, nil, err
	}
	p, err := r.Load(ctx, b.spec)
	return r, p, err
}

// single finds fuel and memory of decisions in an instance that has served a while.
func (b *bencher) single(ctx context.Context) error {
	trial, err := plugins.OpenTrial(ctx, plugins.Config{CacheDir: b.dir + "/cache"}, b.spec, b.module)
	if err != nil {
		return err
	}
	defer trial.Close()
	const rounds = 20
	for i := range rounds {
		for k := range b.cases {
			_, e, _ := trial.Decide(ctx, b.cases[k].NewRequest(), b.cases[k].Services()) // failures are counted by many
			if i >= rounds/2 {
				b.report.Fuel += e.Fuel
			}
		}
	}
	b.report.Fuel /= uint64(rounds / 2 * len(b.cases))
	b.report.Memory = trial.Memory()
	return nil
}

// many has all callers decide at once, until the time or the number is reached.
func (b *bencher) many(ctx context.Context) error {
	// Operations are answered alike whichever case asks: cases that need different
	// answers to the same call have them told apart by match.
	all := b.cases[0]
	for _, c := range b.cases[1:] {
		all.Calls = append(all.Calls, c.Calls...)
	}
	r, p, err := b.load(ctx, all.Services())
	if err != nil {
		return err
	}
	var left, failed atomic.Int64
	left.Store(int64(b.command.Number))
	if b.command.Number == 0 {
		left.Store(1 << 62)
	}
	total := left.Load()
	var first sync.Once
	stop := time.Now().Add(b.command.For)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun, cpu := time.Now(), cpuTime()
	var callers sync.WaitGroup
	for i := range b.command.Callers {
		callers.Go(func() {
			for k := i; ctx.Err() == nil && left.Add(-1) >= 0; k++ {
				if err := decideOnce(ctx, p, &b.cases[k%len(b.cases)]); err != nil {
					failed.Add(1)
					first.Do(func() { b.report.First = err.Error() })
				}
				if b.command.Number == 0 && k%16 == 0 && time.Now().After(stop) {
					return
				}
			}
		})
	}
	callers.Wait()
	b.report.Took, b.report.CPU = time.Since(begun), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	b.report.Decisions = total - max(0, left.Load())
	b.report.Failed = failed.Load()
	b.report.Allocs, b.report.Bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	for _, s := range r.Status() {
		for _, g := range s.Generations {
			b.report.Instances = max(b.report.Instances, g.Instances)
		}
	}
	if err := r.Close(ctx); err != nil {
		return err
	}
	return ctx.Err()
}

func decideOnce(ctx context.Context, p *plugins.Plugin, c *replay.Case) error {
	d, err := p.Decide(ctx, c.NewRequest())
	if r, ok := d.(*abi.Respond); ok && r.Stream != nil {
		_, err = io.Copy(io.Discard, r.Stream)
		_ = r.Stream.Close() // it was read to its end
	}
	var chosen interface{ Chosen() bool }
	if errors.As(err, &chosen) && chosen.Chosen() {
		return nil // an error is what the plugin decided
	}
	return err
}

// cpuTime is what this process computed so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (r *benchReport) write(w io.Writer) error {
	n := max(1, r.Decisions)
	var rows columns
	rows.line(r.Module)
	for _, row := range [][2]string{
		{"load", fmt.Sprintf("%s, from the cache %s", spanText(r.LoadCold), spanText(r.LoadWarm))},
		{"decisions", fmt.Sprintf("%s in %s: %s a second", grouped(uint64(r.Decisions)), spanText(r.Took), grouped(uint64(float64(r.Decisions)/r.Took.Seconds())))},
		{"CPU", fmt.Sprintf("%.2f µs each", float64(r.CPU.Nanoseconds())/1e3/float64(n))},
		{"fuel", grouped(r.Fuel) + " each"},
		{"allocations", fmt.Sprintf("%.1f each, %s bytes", float64(r.Allocs)/float64(n), grouped(r.Bytes/uint64(n)))},
		{"instances", instancesText(r)},
		{"failed", failedText(r)},
	} {
		if row[1] != "" {
			rows.row("  "+row[0], row[1])
		}
	}
	return rows.write(w)
}

func instancesText(r *benchReport) string {
	if r.Memory == 0 {
		return fmt.Sprintf("%d, none of which is kept", r.Instances)
	}
	return fmt.Sprintf("%d, of %s each", r.Instances, formatSize(int64(r.Memory)))
}

func failedText(r *benchReport) string {
	if r.Failed == 0 {
		return ""
	}
	return fmt.Sprintf("%s, the first with %s", grouped(uint64(r.Failed)), r.First)
}

// spanText is a span for people: 1.5 ms, 2.00 s.
func spanText(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1e3)
}
