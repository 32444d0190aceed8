// Package worker makes edge plugins of Workers: TypeScript or JavaScript that is
// bundled, evaluated once when it is built, and stored with the JavaScript engine as
// one WebAssembly module, which speaks the edge's ABI as any other does.
package worker

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/tetratelabs/wazero"

	"edge/plugins/worker/link"
)

//go:embed shim
var shim embed.FS

// Options are of Build.
type Options struct {
	// Engine is quickjs.wasm of the npm package quickjs-wasi.
	Engine []byte
	// Limit is how long one entry may compute before JavaScript is interrupted, for
	// its request alone; 0 leaves it to fuel, which ends the instance.
	Limit time.Duration
	// Cache, if set, keeps the compiled engine.
	Cache wazero.CompilationCache
}

// Build makes a plugin of a Worker's source file.
func Build(ctx context.Context, file string, o Options) ([]byte, error) {
	source, err := bundle(file)
	if err != nil {
		return nil, err
	}
	runtime, err := shim.ReadFile("shim/runtime.js")
	if err != nil {
		return nil, err
	}
	module, err := link.Link(o.Engine)
	if err != nil {
		return nil, err
	}
	memory, err := evaluate(ctx, module, o.Cache, []link.Script{{Name: "edge:runtime", Source: string(runtime)}, {Name: "worker.js", Source: source}}, uint64(o.Limit))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return module.Bake(memory), nil
}

// bundle makes one script of the source and what it imports.
func bundle(file string) (string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	res := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: fmt.Sprintf("import w from %q; globalThis.__serve(w);", path), ResolveDir: filepath.Dir(path)},
		Bundle: true, Format: api.FormatIIFE, Target: api.ES2022, Platform: api.PlatformNeutral, Write: false, Sourcemap: api.SourceMapExternal, Outfile: "worker.js", SourcesContent: api.SourcesContentExclude,
		Plugins: []api.Plugin{{Name: "edge", Setup: func(b api.PluginBuild) {
			b.OnResolve(api.OnResolveOptions{Filter: `^@cloudflare/sandbox$`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
				return api.OnResolveResult{Path: "sandbox.js", Namespace: "edge"}, nil
			})
			b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "edge"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
				d, err := shim.ReadFile("shim/" + a.Path)
				s := string(d)
				return api.OnLoadResult{Contents: &s, Loader: api.LoaderJS}, err
			})
		}}},
	})
	if len(res.Errors) > 0 {
		return "", errors.New(strings.Join(api.FormatMessages(res.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage}), ""))
	}
	source := ""
	for _, f := range res.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			source = "globalThis.__positions(" + strings.ReplaceAll(string(f.Contents), "\n", "") + ");" + source
		} else {
			source += string(f.Contents)
		}
	}
	return source, nil
}
