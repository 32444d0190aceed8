package worker

import (
	"context"
	"os"
	"path/filepath"

	"github.com/tetratelabs/wazero"

	"edge/plugins/worker/link"
)

// quickJSName is what modules say of their engine. The version is that of the package
// which package.json pins.
const quickJSName = "QuickJS-NG (quickjs-wasi 3.6.2)"

// quickJS is QuickJS-NG as the npm package quickjs-wasi has it.
type quickJS struct {
	module *link.Module
	cache  wazero.CompilationCache
}

var _ Engine = (*quickJS)(nil)

func newQuickJS(config Config) (*quickJS, error) {
	module, err := link.Link(config.Engine)
	if err != nil {
		return nil, err
	}
	q := &quickJS{module: module, cache: wazero.NewCompilationCache()}
	if config.CacheDir != "" {
		dir := filepath.Join(config.CacheDir, "worker")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if q.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// Name implements Engine.
func (q *quickJS) Name() string { return quickJSName }

// Make implements Engine.
func (q *quickJS) Make(ctx context.Context, runtime, worker link.Script, about Section) ([]byte, error) {
	memory, err := evaluate(ctx, q.module, q.cache, []link.Script{runtime, worker}, 0)
	if err != nil {
		return nil, err
	}
	return q.module.Bake(memory), nil
}

// Close implements Engine.
func (q *quickJS) Close() error { return q.cache.Close(context.Background()) }
