package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"edge/plugins"
	"edge/plugins/worker/link"
)

// quickJSName is what modules say of their engine. The version is that of the package
// which package.json pins.
const quickJSName = "QuickJS-NG (quickjs-wasi 3.6.2)"

// Bounds of a Worker's code while it is built.
const (
	buildCompute = 5 * time.Second
	buildMemory  = 64 << 20
	// runtimeCompute bounds the runtime, which needs a fifth of a second and no mistake of
	// the Worker's can make longer: a machine that has no time for it may take its time.
	runtimeCompute = time.Minute
	// maxSaid bounds what is kept of the console, in bytes.
	maxSaid = 256 << 10
)

// quickJS is QuickJS-NG as the npm package quickjs-wasi has it.
type quickJS struct {
	module    *link.Module
	evaluator *plugins.Evaluator
	bounds    bounds
	// base is the memory after the runtime, the same for every Worker.
	base  []byte
	bases baseStore
	warn  *slog.Logger
	// said are the lines of the Make under way, and room is for how many bytes more.
	said []string
	room int
	// warnings are what the runtime tells the author meanwhile.
	warnings []string
}

// bounds are how long code may compute while a Worker is built.
type bounds struct {
	runtime time.Duration // what is evaluated before any Worker, each of its two parts
	worker  time.Duration // each of the Worker's scripts
}

// errRuntime is that a Worker cannot be built for a reason that has nothing to do with it.
var errRuntime = errors.New("the runtime of Workers does not start")

// noticeLevel is the level of lines with which the runtime tells the author what of the
// Worker does not count (shim/sandbox/classes.js). No line of a console has it.
const noticeLevel = 5

var _ Engine = (*quickJS)(nil)

func newQuickJS(config Config, b bounds) (*quickJS, error) {
	module, err := link.Link(config.Engine)
	if err != nil {
		return nil, err
	}
	q := &quickJS{module: module, bounds: b, warn: config.Log}
	if config.CacheDir != "" {
		q.bases.dir = filepath.Join(config.CacheDir, "worker")
	}
	q.evaluator = plugins.NewEvaluator(plugins.EvaluateOptions{CacheDir: config.CacheDir, Memory: buildMemory, Log: q.log})
	return q, nil
}

// log keeps a line of the console, as far as there is room.
func (q *quickJS) log(level int, text string) {
	if level == noticeLevel {
		q.warnings = append(q.warnings, text)
		return
	}
	room := q.room
	q.room -= len(text) + 1
	switch {
	case room <= 0:
		return
	case q.room <= 0:
		text = strings.ToValidUTF8(text[:min(len(text), room)], "") + " ... (the rest of what it says is left out)"
	}
	q.said = append(q.said, text)
}

// Name implements Engine.
func (q *quickJS) Name() string { return quickJSName }

// Make implements Engine.
func (q *quickJS) Make(ctx context.Context, runtime link.Script, worker []link.Script, about Section) (Made, error) {
	q.said, q.room, q.warnings = nil, maxSaid, nil
	if err := q.begin(ctx, runtime); err != nil {
		return Made{Said: q.said}, err
	}
	section, err := json.Marshal(about)
	if err != nil {
		return Made{}, err
	}
	memory := q.base
	for _, script := range worker {
		err = q.evaluator.RunFor(ctx, q.bounds.worker, q.module.Building(), func(g plugins.Guest) (err error) {
			memory, err = q.module.Continue(g, memory, []link.Script{script})
			return err
		})
		if err != nil {
			break
		}
	}
	made := Made{Said: q.said, Warnings: q.warnings}
	if err == nil {
		made.Module = q.module.Bake(memory, section)
	}
	return made, err
}

// begin makes the base, unless there is one.
func (q *quickJS) begin(ctx context.Context, runtime link.Script) error {
	if q.base != nil {
		return nil
	}
	key := baseKey(q.module.Building(), runtime)
	if q.base = q.bases.load(key); q.base != nil {
		return nil
	}
	base, err := q.start(ctx, runtime)
	if err != nil {
		return fmt.Errorf("%w: %w", errRuntime, err)
	}
	q.base = base
	if err := q.bases.keep(key, base); err != nil {
		q.warn.Warn("the runtime of Workers is not kept for the next start", "error", err)
	}
	return nil
}

// start makes the base in two guests: what compiling leaves in memory would stay there.
func (q *quickJS) start(ctx context.Context, runtime link.Script) (base []byte, err error) {
	var code []byte
	err = q.evaluator.RunFor(ctx, q.bounds.runtime, q.module.Building(), func(g plugins.Guest) (err error) {
		code, err = q.module.Compile(g, runtime)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = q.evaluator.RunFor(ctx, q.bounds.runtime, q.module.Building(), func(g plugins.Guest) (err error) {
		base, err = q.module.Start(g, code)
		return err
	})
	return base, err
}

// Close implements Engine.
func (q *quickJS) Close() error { return q.evaluator.Close() }
