package worker

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"edge/plugins/worker/link"
)

// shim holds the runtime's JavaScript: the platform's classes, the vendor's package,
// and what they have in common. index.js is where it begins.
//
//go:embed shim
var shim embed.FS

// runtimeName is what stack traces call the runtime.
const runtimeName = "edge:runtime"

// runtimeModules are what Workers import of the runtime, and the files below shim
// that export it. index.js offers the same under the same names.
func runtimeModules() map[string]string {
	return map[string]string{
		"@cloudflare/sandbox": "sandbox/index.js",
		"cloudflare:workers":  "workers.js",
	}
}

// runtime is what is evaluated before any Worker.
type runtime struct {
	script link.Script
	// exports are the names that each of runtimeModules exports, in order.
	exports map[string][]string
	// traces is Config.Traces.
	traces bool
	// bundlers are those of the Workers that were built last, by their sources.
	bundlers map[string]*bundler
}

// bundleRuntime makes one script of the files below shim.
func bundleRuntime(files fs.FS) (*runtime, error) {
	source, err := bundleFiles(files, "index.js", api.FormatIIFE)
	if err != nil {
		return nil, err
	}
	r := &runtime{script: link.Script{Name: runtimeName, Source: naming(source.OutputFiles[0].Contents)}, exports: map[string][]string{}, bundlers: map[string]*bundler{}}
	for name, file := range runtimeModules() {
		out, err := bundleFiles(files, file, api.FormatESModule)
		if err != nil {
			return nil, err
		}
		var meta metafile
		if err := json.Unmarshal([]byte(out.Metafile), &meta); err != nil {
			return nil, err
		}
		r.exports[name] = meta.exports()
	}
	return r, nil
}

// bundleFiles bundles one of the files below shim with what it imports.
func bundleFiles(files fs.FS, entry string, format api.Format) (api.BuildResult, error) {
	res := api.Build(api.BuildOptions{
		EntryPoints: []string{entry}, Bundle: true, Format: format, Target: api.ES2022, Platform: api.PlatformNeutral, Charset: api.CharsetUTF8,
		Outfile: "runtime.js", LegalComments: api.LegalCommentsNone, Metafile: true,
		KeepNames: true,
		Plugins: []api.Plugin{{Name: "shim", Setup: func(b api.PluginBuild) {
			b.OnResolve(api.OnResolveOptions{Filter: `.*`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
				return api.OnResolveResult{Path: path.Join(path.Dir(a.Importer), a.Path), Namespace: "shim"}, nil
			})
			b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "shim"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
				text, err := fs.ReadFile(files, path.Join("shim", a.Path))
				if err != nil {
					return api.OnLoadResult{}, err
				}
				contents, loader := string(text), api.LoaderJS
				if path.Ext(a.Path) == ".json" {
					loader = api.LoaderJSON
				}
				return api.OnLoadResult{Contents: &contents, Loader: loader}, nil
			})
		}}},
	})
	if len(res.Errors) > 0 {
		return res, fmt.Errorf("%s: %v", entry, sourceErrors("", res.Errors)) // no source of a Worker is to blame
	}
	return res, nil
}

// stand is the text of a module that hands on what the runtime holds. The first one
// takes the runtime's door from globalThis, before any line of the Worker.
func (r *runtime) stand(name string) string {
	if name == runtimeName {
		return "const door = globalThis.__edge;\ndelete globalThis.__edge;\nexport const modules = door.modules, serve = door.serve;\n"
	}
	if module, export, one := strings.Cut(name, exportMark); one {
		return fmt.Sprintf("import { modules } from %q;\nexport const %s = modules[%q].%s;\n", runtimeName, export, module, export)
	}
	var text strings.Builder
	for _, e := range r.exports[name] {
		fmt.Fprintf(&text, "export { %s } from %q;\n", e, name+exportMark+e)
	}
	return text.String()
}
