// Command edge-bench measures what the edge costs, beside a connection without a
// proxy and beside other proxies.
//
// It is three programs in one. `edge-bench run` starts every server that is
// installed, checks that each behaves, loads them in turn, and writes a report.
// `edge-bench echo` is the backend behind all of them: for the edge it runs
// inside of a sandbox. `edge-bench reverseproxy` is Go's own proxy, one of the
// servers. `edge-bench report` writes the report of an earlier run again.
//
// The load and the backend are one thread each on raw epoll, with frames that are
// made before; proxies have the machine's last core for themselves, the load and
// the backend share its first. Each round measures every mode, and within a mode
// one server after the other, so that a ratio is of two figures that were taken a
// moment apart. The report tells the median of the rounds' ratios with the least
// and the greatest, and the CPU time that the proxy's processes used for one
// operation, which a noisy machine disturbs least.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "edge-bench:", err)
		os.Exit(1)
	}
}

// errCommand is that there is no such command.
var errCommand = errors.New("want run, report, echo or reverseproxy; each tells its flags with -h")

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errCommand
	}
	switch args[0] {
	case "run":
		return runCommand(ctx, args[1:], stdout, stderr)
	case "report":
		return reportCommand(args[1:], stdout, stderr)
	case "echo":
		return echoCommand(ctx, args[1:], stderr)
	case "reverseproxy":
		return reverseProxyCommand(ctx, args[1:], stderr)
	}
	return fmt.Errorf("%q: %w", args[0], errCommand)
}

// window is how long a load runs: warm-up first, then what is measured.
type window struct{ warm, measure time.Duration }

// options are what a run can be told.
type options struct {
	edge, plugin, workerd string
	outDir                string
	rounds                int
	only, want            []string // modes and servers; all if there are none
	window                window
	settle                time.Duration
	bridges               int
	conns                 int // of the modes that say none of their own
	profile               bool
}

// Bounds of a full run and of a quick one.
const (
	fullRounds, quickRounds   = 5, 1
	fullMeasure, quickMeasure = time.Second, 200 * time.Millisecond
	fullBridges, quickBridges = 9000, 500
	fullSettle, quickSettle   = 10 * time.Second, 500 * time.Millisecond
)

// parseRun reads the flags of a run.
func parseRun(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.edge, "edge", "bin/edge", "the edge's binary")
	flags.StringVar(&o.plugin, "plugin", "build/bench/route.wasm", "the plugin that routes")
	flags.StringVar(&o.workerd, "workerd", "bin/peers/workerd", "workerd's binary")
	flags.StringVar(&o.outDir, "out", "build/bench", "folder for the report, its figures and results.json")
	only := flags.String("only", "", "modes to run, separated by commas; all if empty")
	want := flags.String("peers", "", "servers to measure, separated by commas; all that are installed if empty")
	quick := flags.Bool("quick", false, "one short round, to see that everything works")
	flags.IntVar(&o.rounds, "rounds", 0, fmt.Sprintf("rounds (default %d, quick %d)", fullRounds, quickRounds))
	flags.DurationVar(&o.window.measure, "for", 0, fmt.Sprintf("time of one measurement (default %v, quick %v)", fullMeasure, quickMeasure))
	flags.IntVar(&o.bridges, "bridges", 0, fmt.Sprintf("idle bridges (default %d, quick %d)", fullBridges, quickBridges))
	flags.IntVar(&o.conns, "conns", 32, "connections of the modes with messages below 1 MiB")
	flags.BoolVar(&o.profile, "perf", false, "after the rounds, profile the edge in each mode with perf, into the folder of the report")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	o.only, o.want = split(*only), split(*want)
	pick(&o.rounds, *quick, quickRounds, fullRounds)
	pick(&o.window.measure, *quick, quickMeasure, fullMeasure)
	pick(&o.bridges, *quick, quickBridges, fullBridges)
	pick(&o.settle, *quick, quickSettle, fullSettle)
	o.window.warm = max(o.window.measure/4, 100*time.Millisecond)
	if o.rounds < 1 || o.window.measure < 10*time.Millisecond || o.bridges < 1 || o.conns < 1 {
		return o, errors.New("want at least one round, 10ms, one bridge and one connection")
	}
	return o, o.absolute()
}

// pick fills in what was not said.
func pick[T comparable](v *T, quick bool, short, full T) {
	var zero T
	switch {
	case *v != zero:
	case quick:
		*v = short
	default:
		*v = full
	}
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// absolute makes the paths good for processes that run elsewhere.
func (o *options) absolute() error {
	for _, p := range []*string{&o.edge, &o.plugin, &o.workerd, &o.outDir} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	return nil
}

func runCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseRun(args, stderr)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.outDir, 0o755); err != nil {
		return err
	}
	r, err := measure(ctx, o, stderr)
	if r == nil || ctx.Err() != nil {
		return err
	}
	return errors.Join(err, r.save(filepath.Join(o.outDir, resultsFile)), r.write(o.outDir, stdout))
}

// reportCommand writes the report of the results that a run left, and with
// -readme puts the table and the figure into the README.
func reportCommand(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("out", "build/bench", "folder with results.json")
	readme := flags.String("readme", "", "README to put the table into")
	figure := flags.String("figure", "", "file for the README's figure")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r, err := loadResults(filepath.Join(*dir, resultsFile))
	if err != nil {
		return err
	}
	if *readme != "" {
		return r.intoReadme(*readme, *figure)
	}
	return r.write(*dir, stdout)
}
