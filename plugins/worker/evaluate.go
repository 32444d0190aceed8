package worker

import (
	"context"
	"errors"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"edge/plugins/worker/link"
)

// guest is an engine at work.
type guest struct {
	ctx context.Context
	mod api.Module
}

func (g guest) Call(name string, args ...uint64) (uint64, error) {
	res, err := g.mod.ExportedFunction(name).Call(g.ctx, args...)
	if err != nil || len(res) == 0 {
		return 0, err
	}
	return res[0], nil
}

func (g guest) Read(at, n uint32) ([]byte, bool) {
	b, ok := g.mod.Memory().Read(at, n)
	return slices.Clone(b), ok
}

func (g guest) Write(at uint32, b []byte) bool { return g.mod.Memory().Write(at, b) }
func (g guest) Size() uint32                   { return g.mod.Memory().Size() }

// evaluate runs the scripts in a fresh engine and returns its memory afterwards.
// What a script sees of the world is the same each time: the clock stands at 0,
// randomness is none, and nothing of edge1 is there.
func evaluate(ctx context.Context, module *link.Module, cache wazero.CompilationCache, scripts []link.Script, limit uint64) ([]byte, error) {
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(1024)
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	r := wazero.NewRuntimeWithConfig(ctx, config)
	defer r.Close(ctx)
	code, err := r.CompileModule(ctx, module.Building())
	if err != nil {
		return nil, err
	}
	var said []byte
	if err := pretend(ctx, r, code, &said); err != nil {
		return nil, err
	}
	m, err := r.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, err
	}
	memory, err := module.Prepare(guest{ctx, m}, scripts, limit)
	if err == nil && len(said) > 0 {
		err = errors.New(string(said))
	}
	return memory, err
}

// pretend gives the module its imports.
func pretend(ctx context.Context, r wazero.Runtime, code wazero.CompiledModule, said *[]byte) error {
	builders := map[string]wazero.HostModuleBuilder{}
	for _, def := range code.ImportedFunctions() {
		module, name, _ := def.Import()
		if module == "edge.meter" {
			continue
		}
		if builders[module] == nil {
			builders[module] = r.NewHostModuleBuilder(module)
		}
		f := func(_ context.Context, m api.Module, stack []uint64) {
			if stack[0] = 11 << 32; name == "respond" {
				stack[0] = 0
			}
		}
		if module != "edge1" {
			f = func(_ context.Context, m api.Module, stack []uint64) {
				if name == "clock_time_get" {
					m.Memory().WriteUint64Le(uint32(stack[2]), 0)
				}
				if name == "random_get" {
					m.Memory().Write(uint32(stack[0]), make([]byte, uint32(stack[1])))
				}
				stack[0] = 0
			}
		}
		if name == "log" {
			f = func(_ context.Context, m api.Module, stack []uint64) {
				b, _ := m.Memory().Read(uint32(stack[2]), uint32(stack[3]))
				*said = append(append(*said, b...), '\n')
				stack[0] = 0
			}
		}
		builders[module].NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(f), def.ParamTypes(), def.ResultTypes()).Export(name)
	}
	for _, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}
