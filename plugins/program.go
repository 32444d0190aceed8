package plugins

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// program is compiled code in a runtime of its own, with what it imports: closing one
// compiled module would break another with the same bytes in the same runtime.
// Instances of it have nothing in common.
type program struct {
	runtime wazero.Runtime
	cache   wazero.CompilationCache // nil without a folder
	code    wazero.CompiledModule

	hosting sync.Mutex
	hosted  bool // what it imports is there

	// programs.mu guards these.
	key  programKey
	refs int // generations that have it
}

// programOptions is what a program is compiled for.
type programOptions struct {
	cacheDir string // of compiled code; empty: none
	memory   uint64 // that an instance may have, in bytes
	stopBy   stopBy
}

// newProgram compiles a module. The program is never nil; close it after an error, too.
func newProgram(ctx context.Context, module []byte, o programOptions) (*program, error) {
	p := &program{}
	err := p.compile(ctx, module, o)
	if err != nil && o.cacheDir != "" && ctx.Err() == nil {
		// The folder may be full, or an entry of it broken: do without.
		p.close()
		o.cacheDir = ""
		err = p.compile(ctx, module, o)
	}
	return p, err
}

// opening lets programs of a process be opened one after the other: wazero looks for its
// version when it is first asked, and keeps it in a variable that nothing guards.
var opening sync.Mutex

func (p *program) compile(ctx context.Context, module []byte, o programOptions) error {
	if err := p.open(ctx, module, o); err != nil {
		return err
	}
	// Half the processors: the others go on serving.
	workers := max(1, runtime.GOMAXPROCS(0)/2)
	code, err := p.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, workers), module)
	p.code = code
	return err
}

// open makes the runtime, and opens the module's folder of machine code if there is one.
func (p *program) open(ctx context.Context, module []byte, o programOptions) error {
	opening.Lock()
	defer opening.Unlock()
	config := wazero.NewRuntimeConfig().
		WithMemoryLimitPages(uint32(o.memory / wasmPage)).
		WithCloseOnContextDone(o.stopBy == byOption)
	if o.cacheDir != "" {
		cache, err := compiledCache(o.cacheDir, module)
		if err != nil {
			return err
		}
		p.cache = cache
		config = config.WithCompilationCache(cache)
	}
	p.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	return nil
}

// close frees the code. No instance of it is left.
func (p *program) close() {
	ctx := context.Background()
	if p.runtime != nil {
		_ = p.runtime.Close(ctx) // modules without files have nothing that can fail to close
	}
	if p.cache != nil {
		_ = p.cache.Close(ctx)
	}
	p.runtime, p.cache, p.code = nil, nil, nil
}

// host puts what the program imports into its runtime with build, unless that was done
// before.
func (p *program) host(build func() error) error {
	p.hosting.Lock()
	defer p.hosting.Unlock()
	if p.hosted {
		return nil
	}
	err := build()
	p.hosted = err == nil
	return err
}

// imported returns the functions that the guest itself imports.
func imported(code wazero.CompiledModule) []api.FunctionDefinition {
	return slices.DeleteFunc(slices.Clone(code.ImportedFunctions()), func(def api.FunctionDefinition) bool {
		module, _, _ := def.Import()
		return module == meterModule
	})
}

// hostMeter puts the function that metered code asks into the runtime.
func (p *program) hostMeter(ctx context.Context, refuel api.GoFunc) error {
	options := meterOptions()
	_, err := p.runtime.NewHostModuleBuilder(options.Module).NewFunctionBuilder().
		WithGoFunction(refuel, i32s(1), i32s(1)).Export(options.Name).Instantiate(ctx)
	if err != nil {
		return fmt.Errorf("host module %s: %w", options.Module, err)
	}
	return nil
}
