package initd

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"edge/abi"
)

// supervisor is all that the sandbox has of processes. It outlives every
// connection.
type supervisor struct {
	reaper *reaper
	pace   *pace    // of looking at what listens
	env    []string // the init's own variables, which children get before all others
	rings  *budget
	output *budget
	drains atomic.Int32

	wg       sync.WaitGroup // pumps, feeders and watchers
	stopping atomic.Bool

	table     table
	terminals terminals
	sessions  sessions
	vars      variables
}

func newSupervisor(boot string, env []string) (*supervisor, error) {
	p := newPace()
	r, err := newReaper(boot, p.stir)
	if err != nil {
		return nil, err
	}
	return &supervisor{
		reaper: r, pace: p, env: env,
		rings: newBudget(ringBudget), output: newBudget(outputBudget),
		table:     table{byID: make(map[string]*process)},
		terminals: terminals{byID: make(map[string]*terminal)},
	}, nil
}

// launch starts cmd. Its output goes to the two writers by two pumps, in this
// order; the caller has them settled or left. stdin stays the caller's.
func (s *supervisor) launch(cmd *command, stdin *os.File, stdout, stderr io.Writer) (*child, []*pump, error) {
	if s.stopping.Load() {
		return nil, nil, abi.Errorf(abi.CodeSandboxExited, "the sandbox is shutting down")
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer outW.Close()
	errR, errW, err := os.Pipe()
	if err != nil {
		outR.Close()
		return nil, nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer errW.Close()
	c, err := s.reaper.start(cmd, stdin, outW, errW)
	if err != nil {
		outR.Close()
		errR.Close()
		return nil, nil, err
	}
	pumps := []*pump{
		{file: outR, to: stdout, settled: make(chan struct{}), left: &s.drains},
		{file: errR, to: stderr, settled: make(chan struct{}), left: &s.drains},
	}
	s.wg.Add(len(pumps))
	for _, p := range pumps {
		go p.run(&s.wg)
	}
	return c, pumps, nil
}

// shutdown refuses new processes, signals every process of the sandbox, kills
// what is left after grace, and returns when nothing is.
func (s *supervisor) shutdown(ctx context.Context, sig syscall.Signal, grace time.Duration) {
	s.stopping.Store(true)
	for _, p := range s.table.list() {
		p.asked.Store(true)
	}
	s.reaper.endAll(ctx, sig, grace)
}
