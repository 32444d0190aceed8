package meter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"edge/plugins/meter"
)

// options are those of all tests here.
var options = meter.Options{Module: "host.meter", Name: "refuel", Fuel: "host.fuel", Save: "host.save", Restore: "host.restore"}

// newRuntime returns a runtime with the hidden function, which always says yes.
func newRuntime(t testing.TB, features api.CoreFeatures) wazero.Runtime {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfig().WithCoreFeatures(features))
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	provide(t, r, nil)
	return r
}

// provide adds the hidden function to a runtime; ask is told the fuel that is left
// and answers with more, nil is a host that always says yes.
func provide(t testing.TB, r wazero.Runtime, ask func(ctx context.Context, left int32) int32) {
	t.Helper()
	if ask == nil {
		ask = func(context.Context, int32) int32 { return meter.DefaultQuantum }
	}
	refuel := api.GoFunc(func(ctx context.Context, stack []uint64) {
		stack[0] = uint64(uint32(ask(ctx, int32(uint32(stack[0])))))
	})
	i32 := []api.ValueType{api.ValueTypeI32}
	_, err := r.NewHostModuleBuilder(options.Module).NewFunctionBuilder().WithGoFunction(refuel, i32, i32).
		Export(options.Name).Instantiate(context.Background())
	if err != nil {
		t.Fatal(err)
	}
}

// wazeroDir is where wazero's source lies, which carries the specification's
// tests.
func wazeroDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// script is one file of the specification's tests, as wast2json writes it.
type script struct {
	Commands []command `json:"commands"`
}

type command struct {
	Type       string  `json:"type"`
	Line       int     `json:"line"`
	Name       string  `json:"name"`
	Filename   string  `json:"filename"`
	As         string  `json:"as"`
	Action     action  `json:"action"`
	Expected   []value `json:"expected"`
	ModuleType string  `json:"module_type"`
	Text       string  `json:"text"`
}

type action struct {
	Type   string  `json:"type"`
	Module string  `json:"module"`
	Field  string  `json:"field"`
	Args   []value `json:"args"`
}

type value struct {
	Type     string          `json:"type"`
	LaneType string          `json:"lane_type"`
	Value    json.RawMessage `json:"value"`
}

// TestSpecification runs the tests of WebAssembly 1.0 and 2.0 with metered
// modules: each must behave as the specification says.
func TestSpecification(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(wazeroDir(t), "internal", "integration_test", "spectest")
	spectest, err := os.ReadFile(filepath.Join(dir, "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatalf("wazero's module has no specification tests: %v", err)
	}
	for version, features := range map[string]api.CoreFeatures{"v1": api.CoreFeaturesV1, "v2": api.CoreFeaturesV2} {
		files, err := filepath.Glob(filepath.Join(dir, version, "testdata", "*.json"))
		if err != nil || len(files) < 50 {
			t.Fatalf("wazero's module has %d files of specification tests for %s, %v", len(files), version, err)
		}
		for _, file := range files {
			t.Run(version+"/"+strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
				t.Parallel()
				runScript(t, features, file, spectest)
			})
		}
	}
}

// interpreter carries out a script.
type interpreter struct {
	t       *testing.T
	dir     string
	runtime wazero.Runtime
	modules map[string]api.Module
	last    api.Module
}

func runScript(t *testing.T, features api.CoreFeatures, file string, spectest []byte) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s script
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	in := &interpreter{t: t, dir: filepath.Dir(file), runtime: newRuntime(t, features), modules: map[string]api.Module{}}
	if _, err := in.instantiate(spectest, "spectest"); err != nil {
		t.Fatal(err)
	}
	for i, c := range s.Commands {
		as := ""
		if i+1 < len(s.Commands) && s.Commands[i+1].Type == "register" {
			as = s.Commands[i+1].As
		}
		if err := in.do(c, as); err != nil {
			t.Errorf("line %d: %s: %v", c.Line, c.Type, err)
		}
	}
}

// instantiate meters the module and starts it.
func (in *interpreter) instantiate(module []byte, name string) (api.Module, error) {
	metered, err := meter.Rewrite(module, options)
	if err != nil {
		return nil, err
	}
	return in.runtime.InstantiateWithConfig(in.t.Context(), metered, wazero.NewModuleConfig().WithName(name))
}

func (in *interpreter) do(c command, as string) error {
	switch c.Type {
	case "register":
		return nil
	case "module":
		module, err := os.ReadFile(filepath.Join(in.dir, c.Filename))
		if err != nil {
			return err
		}
		if in.last, err = in.instantiate(module, as); err != nil {
			return err
		}
		in.modules[c.Name] = in.last
		return nil
	case "action", "assert_return":
		return in.wantResults(c)
	case "assert_trap", "assert_exhaustion":
		if _, err := in.perform(c.Action); err == nil {
			return fmt.Errorf("%s returned, want %q", c.Action.Field, c.Text)
		}
		return nil
	}
	if c.ModuleType == "text" {
		return nil
	}
	module, err := os.ReadFile(filepath.Join(in.dir, c.Filename))
	if err != nil {
		return err
	}
	_, err = in.instantiate(module, "")
	// wazero goes on after a segment outside its table: functions of the module may
	// be in other tables by then.
	if goesOn := c.Type == "assert_uninstantiable" && c.Text == "out of bounds table access"; (err == nil) != goesOn {
		return fmt.Errorf("%s: got error %v, want %q", c.Filename, err, c.Text)
	}
	return nil
}

func (in *interpreter) perform(a action) ([]uint64, error) {
	m := in.last
	if a.Module != "" {
		m = in.modules[a.Module]
	}
	if a.Type == "get" {
		return []uint64{m.ExportedGlobal(a.Field).Get()}, nil
	}
	var args []uint64
	for _, v := range a.Args {
		args = append(args, v.words(in.t)...)
	}
	return m.ExportedFunction(a.Field).Call(in.t.Context(), args...)
}

func (in *interpreter) wantResults(c command) error {
	got, err := in.perform(c.Action)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Action.Field, err)
	}
	for i, want := range c.Expected {
		n := len(want.words(in.t))
		if len(got) < n || !want.matches(in.t, got[:n]) {
			return fmt.Errorf("%s(%s): result %d is %#x, want %s %s", c.Action.Field, c.Action.Args, i, got, want.Type, want.Value)
		}
		got = got[n:]
	}
	if len(got) > 0 {
		return fmt.Errorf("%s: %d results too many", c.Action.Field, len(got))
	}
	return nil
}

// lanes returns the parts of a value: their texts, and their type.
func (v value) lanes(t *testing.T) (texts []string, laneType string) {
	if v.Type != "v128" {
		var text string
		if len(v.Value) > 0 {
			if err := json.Unmarshal(v.Value, &text); err != nil {
				t.Fatal(err)
			}
		}
		return []string{text}, v.Type
	}
	if err := json.Unmarshal(v.Value, &texts); err != nil {
		t.Fatal(err)
	}
	return texts, v.LaneType
}

// words is the value as wazero passes it.
func (v value) words(t *testing.T) []uint64 {
	texts, laneType := v.lanes(t)
	words := make([]uint64, max(1, 2*(len(texts)/2)))
	if len(words) > 2 {
		words = words[:2]
	}
	width := 64 / max(1, len(texts)/2)
	for i, text := range texts {
		words[i*len(words)/len(texts)] |= bits(text, laneType) << (i * width % 64)
	}
	return words
}

// bits is one number or reference; NaNs are the quiet one.
func bits(text, laneType string) uint64 {
	switch {
	case text == "" || text == "null":
		return 0
	case strings.HasPrefix(text, "nan"):
		if laneType == "f32" {
			return uint64(math.Float32bits(float32(math.NaN())))
		}
		return math.Float64bits(math.NaN())
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(err)
	}
	if laneType == "externref" {
		n++ // wazero's 0 is null
	}
	return n
}

// matches compares a result; each NaN is as good as another, and a reference of no
// value is any.
func (v value) matches(t *testing.T, got []uint64) bool {
	texts, laneType := v.lanes(t)
	if texts[0] == "" {
		return true
	}
	want := v.words(t)
	width := 64 / max(1, len(texts)/2)
	for i, text := range texts {
		word, shift := i*len(want)/len(texts), i*width%64
		mask := uint64(math.MaxUint64) >> (64 - width)
		if v.Type == "i32" || v.Type == "f32" {
			mask = math.MaxUint32
		}
		g, w := got[word]>>shift&mask, want[word]>>shift&mask
		switch {
		case !strings.HasPrefix(text, "nan"):
			if g != w {
				return false
			}
		case laneType == "f32" && !math.IsNaN(float64(math.Float32frombits(uint32(g)))),
			laneType == "f64" && !math.IsNaN(math.Float64frombits(g)):
			return false
		}
	}
	return true
}
