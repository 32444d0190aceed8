package initd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"edge/sandboxmgr/initproto"
	"edge/sandboxmgr/initrelay"
)

// The environment variables that Main reads, and does not pass on.
const (
	envBoot = envPrefix + "BOOT" // default: random
	envDir  = envPrefix + "DIR"  // default: DefaultDir
)

// Exit codes of Main.
const (
	exitDone   = 0 // ended as asked
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the init in this process until the sandbox is to end, and returns
// the exit code. EDGE_INIT_TOKEN in the environment is the token, EDGE_INIT_BOOT
// and EDGE_INIT_DIR set the other fields of Config. It takes the exit status of
// every child of this process, so nothing else in the process can start any.
//
// With the argument "relay" this process is not the init: in a sandbox whose
// edge shares no files with it, it stands where the edge's socket would be
// (package initrelay).
func Main(args []string) int {
	if len(args) == 1 && args[0] == initrelay.Command {
		return initrelay.Main(filepath.Join(cmp.Or(os.Getenv(envDir), DefaultDir), initproto.SocketName))
	}
	if len(args) > 0 {
		fmt.Fprintf(os.Stderr, "edge init: unexpected argument %q: it takes none\n", args[0])
		return exitUsage
	}
	cfg := Config{
		Dir: os.Getenv(envDir), Token: os.Getenv(envToken), Boot: os.Getenv(envBoot),
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if cfg.Token == "" {
		fmt.Fprintf(os.Stderr, "edge init: %s is not set; an edge starts this program, not a person\n", envToken)
		return exitUsage
	}
	if err := hideToken(cfg.Token); err != nil {
		cfg.Log.Warn("the token stays in this process's environment", "err", err)
	}
	if err := run(context.Background(), cfg); err != nil {
		fmt.Fprintf(os.Stderr, "edge init: %v\n", err)
		return exitFailed
	}
	return exitDone
}

// run is the init's life.
func run(ctx context.Context, cfg Config) error {
	cfg = withDefaults(cfg)
	caught := catchSignals() // before anything can be started inside
	if err := guard(); err != nil {
		return err
	}
	sup, err := newSupervisor(cfg.Boot, os.Environ())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := newServer(cfg, sup, cancel)
	done := make(chan struct{})
	var watchers sync.WaitGroup
	watchers.Go(func() { sup.reaper.reap(done) })
	watchers.Go(func() { watchSignals(caught, done, func() { s.terminate(ctx) }) })
	err = s.run(ctx)
	if errors.Is(err, errOrphaned) {
		sup.shutdown(context.Background(), syscall.SIGTERM, time.Second)
	}
	close(done)
	watchers.Wait()
	return err
}

func withDefaults(cfg Config) Config {
	if cfg.Dir == "" {
		cfg.Dir = DefaultDir
	}
	if cfg.Boot == "" {
		cfg.Boot = fmt.Sprintf("%016x", rand.Uint64()) // no secret, only another one each time
	}
	if cfg.OrphanAfter == 0 {
		cfg.OrphanAfter = OrphanAfter
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return cfg
}
