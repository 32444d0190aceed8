package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// house is the import table of ARCHITECTURE.md: what each package may import of
// ours, and which heavy modules it alone may touch. The rule: one heavy
// dependency per package, and the packages do not know each other.
var house = map[string]struct{ ours, heavy []string }{
	"abi":                      {},
	"abi/guest":                {ours: []string{"abi", "abi/guest/internal/edge1"}},
	"abi/guest/guesttest":      {ours: []string{"abi", "abi/guest", "abi/guest/internal/edge1"}},
	"abi/guest/internal/edge1": {ours: []string{"abi"}},
	"abi/tck":                  {ours: []string{"abi"}},
	"abi/tck/guests/go":        {ours: []string{"abi/guest", "abi/tck/guests/go/cases"}},
	"abi/tck/guests/go/cases":  {ours: []string{"abi/guest"}},
	"bridge":                   {ours: []string{"bridge/socket"}, heavy: []string{"github.com/valyala/fasthttp", "github.com/fasthttp/websocket"}},
	"bridge/socket":            {heavy: []string{"golang.org/x/sys"}},
	"plugins":                  {ours: []string{"abi", "plugins/archive", "plugins/linear", "plugins/meter", "plugins/wasmbin"}, heavy: []string{"github.com/tetratelabs/wazero", "github.com/fsnotify/fsnotify"}},
	"plugins/archive":          {},
	"plugins/fetch":            {ours: []string{"abi", "plugins"}},
	"plugins/kv":               {ours: []string{"abi", "plugins"}, heavy: []string{"go.etcd.io/bbolt"}},
	"plugins/linear":           {heavy: []string{"golang.org/x/sys"}},
	"plugins/meter":            {ours: []string{"plugins/wasmbin"}},
	"plugins/replay":           {ours: []string{"abi", "plugins"}},
	"plugins/source":           {heavy: []string{"oras.land/oras-go/v2", "github.com/opencontainers", "github.com/fsnotify/fsnotify"}},
	"plugins/wasmasm":          {ours: []string{"plugins/wasmbin"}},
	"plugins/wasmbin":          {},
	"plugins/worker":           {ours: []string{"plugins", "plugins/worker/link"}, heavy: []string{"github.com/evanw/esbuild"}},
	"plugins/worker/link":      {ours: []string{"plugins/wasmbin"}},
	"plugins/worker/platform":  {}, // tests alone
	"sandboxmgr":               {ours: []string{"abi", "sandboxmgr/initlink", "sandboxmgr/initproto"}},
	"sandboxmgr/initproto":     {ours: []string{"abi"}},
	"sandboxmgr/initd":         {ours: []string{"abi", "sandboxmgr/initproto", "sandboxmgr/initrelay"}, heavy: []string{"golang.org/x/sys"}},
	"sandboxmgr/initlink":      {ours: []string{"abi", "sandboxmgr/initproto"}, heavy: []string{"golang.org/x/sys"}},
	"sandboxmgr/initrelay":     {heavy: []string{"github.com/hashicorp/yamux", "golang.org/x/sys"}},
	"sandboxmgr/netns":         {ours: []string{"bridge/socket"}, heavy: []string{"golang.org/x/sys"}},
	"sandboxmgr/docker":        {ours: []string{"abi", "sandboxmgr", "sandboxmgr/netns", "sandboxmgr/initrelay"}, heavy: []string{"github.com/docker/docker", "github.com/docker/go-connections", "github.com/moby/patternmatcher"}},
	"sandboxmgr/process":       {ours: []string{"abi", "sandboxmgr", "sandboxmgr/netns", "sandboxmgr/process/stage"}, heavy: []string{"golang.org/x/sys"}},
	"sandboxmgr/process/stage": {heavy: []string{"golang.org/x/sys"}},
	"sandboxmgr/runtimetest":   {ours: []string{"abi", "sandboxmgr", "sandboxmgr/initlink", "sandboxmgr/initrelay", "sandboxmgr/state"}},
	"sandboxmgr/state":         {ours: []string{"sandboxmgr"}, heavy: []string{"go.etcd.io/bbolt"}},
	"host":                     {ours: []string{"abi", "bridge", "sandboxmgr"}, heavy: []string{"github.com/valyala/fasthttp", "github.com/pires/go-proxyproto"}},
	"host/admin":               {ours: []string{"abi", "bridge", "host", "sandboxmgr"}, heavy: []string{"github.com/fasthttp/websocket"}},
	"host/certs":               {heavy: []string{"github.com/caddyserver/certmagic", "github.com/mholt/acmez/v3", "github.com/libdns/libdns", "go.uber.org/zap"}},
	"host/certs/acmetest":      {heavy: []string{"github.com/letsencrypt/pebble/v2", "github.com/miekg/dns"}},
	"host/metrics":             {ours: []string{"abi", "host"}, heavy: []string{"github.com/prometheus/client_golang", "github.com/prometheus/common"}},
	"cmd/edge":                 {ours: []string{"*"}, heavy: []string{"github.com/alecthomas/kong", "github.com/goccy/go-yaml", "github.com/fsnotify/fsnotify", "github.com/BurntSushi/toml", "github.com/tailscale/hujson"}},
	"cmd/edge/remote":          {ours: []string{"abi"}, heavy: []string{"github.com/fasthttp/websocket", "golang.org/x/term"}},
	"cmd/edge/acceptance":      {}, // tests alone
	"cmd/edge/e2e":             {}, // tests alone
	"cmd/edge/testleak":        {heavy: []string{"go.uber.org/goleak"}},
	"cmd/edge/testport":        {},
	"cmd/edge-bench":           {heavy: []string{"golang.org/x/sys"}},
	"cmd/edge-init":            {ours: []string{"sandboxmgr/initd", "sandboxmgr/process/stage"}},
}

// testOnly are packages that tests alone import.
var testOnly = []string{"plugins/wasmasm", "sandboxmgr/runtimetest", "host/certs/acmetest", "cmd/edge/testleak", "cmd/edge/testport"}

// examples are plugins: they see the SDK and nothing of the edge.
const examples = "examples/wasm/"

type pkg struct {
	ImportPath string
	Imports    []string
}

// TestHouse fails for a package that the table does not know and for an import
// that it does not allow.
func TestHouse(t *testing.T) {
	t.Parallel()
	for _, goos := range []string{"linux", "darwin"} {
		for _, p := range list(t, goos) {
			name := strings.TrimPrefix(p.ImportPath, "edge/")
			if strings.HasPrefix(name, examples) {
				checkExample(t, p)
				continue
			}
			row, ok := house[name]
			if !ok {
				t.Errorf("%s is not in the import table of ARCHITECTURE.md and of this test", name)
				continue
			}
			for _, imp := range p.Imports {
				switch ours, isOurs := strings.CutPrefix(imp, "edge/"); {
				case slices.Contains(testOnly, ours):
					t.Errorf("%s (%s) imports %s outside its tests", name, goos, ours)
				case isOurs:
					if !slices.Contains(row.ours, ours) && !slices.Contains(row.ours, "*") {
						t.Errorf("%s (%s) imports %s, which the table does not allow", name, goos, ours)
					}
				case strings.Contains(strings.SplitN(imp, "/", 2)[0], "."):
					if !slices.ContainsFunc(row.heavy, func(m string) bool { return imp == m || strings.HasPrefix(imp, m+"/") }) {
						t.Errorf("%s (%s) imports %s, which the table does not allow", name, goos, imp)
					}
				}
			}
		}
	}
}

func checkExample(t *testing.T, p pkg) {
	t.Helper()
	for _, imp := range p.Imports {
		first := strings.SplitN(imp, "/", 2)[0]
		if imp != "edge/abi/guest" && imp != "./..." && !strings.HasPrefix(imp, p.ImportPath+"/") && (first == "edge" || strings.Contains(first, ".")) {
			t.Errorf("%s imports %s: an example uses the SDK and the standard library only", p.ImportPath, imp)
		}
	}
}

func list(t *testing.T, goos string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	cmd.Env = append(cmd.Environ(), "GOOS="+goos, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var ps []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return ps
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		ps = append(ps, p)
	}
}

// TestHouseIsDescribed wants a row of ARCHITECTURE.md for each package.
func TestHouseIsDescribed(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range house {
		if !strings.Contains(string(page), "\n| `"+name+"` | ") {
			t.Errorf("ARCHITECTURE.md has no row for %s", name)
		}
	}
}
