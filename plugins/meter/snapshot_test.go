package meter_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"edge/plugins/meter"
)

// keeper is a module with a mutable global of each type, the exports "set", which
// changes all of them, "changed", which tells how many are not as they were, and
// one export for each instruction that changes a table or drops a segment.
func keeper() []byte {
	globals := []struct{ kind, zero, other []byte }{
		{[]byte{0x7f}, []byte{0x41, 5}, []byte{0x41, 7}},
		{[]byte{0x7e}, []byte{0x42, 5}, []byte{0x42, 7}},
		{[]byte{0x7d}, []byte{0x43, 0, 0, 0x80, 0x3f}, []byte{0x43, 0, 0, 0, 0x40}},
		{[]byte{0x7c}, []byte{0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, []byte{0x44, 0, 0, 0, 0, 0, 0, 0, 0x40}},
		{[]byte{0x7b}, append([]byte{0xfd, 12}, make([]byte, 16)...), append([]byte{0xfd, 12, 1}, make([]byte, 15)...)},
		{[]byte{0x70}, []byte{0xd0, 0x70}, []byte{0xd2, 0}},
	}
	// Whether the global on the stack is its other value.
	differs := [][]byte{{0x41, 7, 0x46}, {0x42, 7, 0x51}, {0x43, 0, 0, 0, 0x40, 0x5b}, {0x44, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x61}, {0xfd, 83}, {0xd1, 0x45}}
	var global, set, changed []byte
	for i, g := range globals {
		global = append(append(append(append(global, g.kind...), 1), g.zero...), 0x0b)
		set = append(append(set, g.other...), 0x24, byte(i))
		changed = append(append(changed, 0x23, byte(i)), differs[i]...)
		if i > 0 {
			changed = append(changed, 0x6a)
		}
	}
	bodies := [][]byte{set, changed}
	names := []string{"set", "changed"}
	for _, b := range lasting() {
		bodies, names = append(bodies, b.code), append(names, b.name)
	}
	var functions, exports, code []byte
	for i, b := range bodies {
		kind := byte(0)
		if i == 1 {
			kind = 1
		}
		functions = append(functions, kind)
		exports = append(append(append(append(exports, byte(len(names[i]))), names[i]...), 0), byte(i))
		code = append(append(append(code, byte(len(b)+2), 0), b...), 0x0b)
	}
	n := byte(len(bodies))
	module := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range []struct {
		id      byte
		content []byte
	}{
		{1, []byte{2, 0x60, 0, 0, 0x60, 0, 1, 0x7f}},
		{3, append([]byte{n}, functions...)},
		{4, []byte{1, 0x70, 0, 4}},
		{5, []byte{1, 0, 1}},
		{6, append([]byte{byte(len(globals))}, global...)},
		{7, append([]byte{n}, exports...)},
		{9, []byte{1, 1, 0, 1, 0}}, // passive, of the function 0
		{12, []byte{1}},
		{10, append([]byte{n}, code...)},
		{11, []byte{1, 1, 1, 'x'}}, // passive
	} {
		module = append(append(module, s.id, byte(len(s.content)&0x7f|0x80), byte(len(s.content)>>7)), s.content...)
	}
	return module
}

// lasting is the code that Restore cannot undo.
func lasting() []struct {
	name string
	code []byte
} {
	zero := []byte{0x41, 0}
	none := []byte{0xd0, 0x70}
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	return []struct {
		name string
		code []byte
	}{
		{"table.set", join(zero, none, []byte{0x26, 0})},
		{"table.grow", join(none, zero, []byte{0xfc, 15, 0, 0x1a})},
		{"table.fill", join(zero, none, zero, []byte{0xfc, 17, 0})},
		{"table.copy", join(zero, zero, zero, []byte{0xfc, 14, 0, 0})},
		{"table.init", join(zero, zero, zero, []byte{0xfc, 12, 0, 0})},
		{"elem.drop", []byte{0xfc, 13, 0}},
		{"data.drop", []byte{0xfc, 9, 0}},
	}
}

// TestRestore brings globals of all types back, and tells of what it cannot bring
// back.
func TestRestore(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, api.CoreFeaturesV2)
	metered, err := meter.Rewrite(keeper(), options)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.InstantiateWithConfig(t.Context(), metered, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.Background())
	call := func(name string) (result uint64) {
		t.Helper()
		got, err := m.ExportedFunction(name).Call(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(got) > 0 {
			result = got[0]
		}
		return result
	}
	call(options.Save)
	for range 2 {
		call("set")
		if n := call("changed"); n != 6 {
			t.Fatalf("%d globals are changed, want 6", n)
		}
		if tainted := call(options.Restore); tainted != 0 {
			t.Error("globals alone cannot be brought back")
		}
		if n := call("changed"); n != 0 {
			t.Errorf("%d globals are still changed", n)
		}
	}
	call("set")
	call(options.Save)
	call(options.Restore)
	if n := call("changed"); n != 6 {
		t.Errorf("Save kept %d of 6 values", n)
	}
	for _, l := range lasting() {
		call(l.name)
		if tainted := call(options.Restore); tainted != 1 {
			t.Errorf("after %s, Restore says that all is as before", l.name)
		}
		call(options.Save)
		if tainted := call(options.Restore); tainted != 0 {
			t.Errorf("after Save, Restore says that %s happened", l.name)
		}
	}
}

// TestReservedExports refuses a module that exports a name which is the host's.
func TestReservedExports(t *testing.T) {
	t.Parallel()
	for _, name := range []string{options.Fuel, options.Save, options.Restore} {
		o := meter.Options{Module: "m", Name: "n"}
		switch name {
		case options.Fuel:
			o.Fuel = "set"
		case options.Save:
			o.Save, o.Restore = "set", "other"
		default:
			o.Save, o.Restore = "other", "set"
		}
		if _, err := meter.Rewrite(keeper(), o); !errors.Is(err, meter.ErrReserved) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if _, err := meter.Rewrite(keeper(), meter.Options{Module: "m", Name: "n", Save: "s"}); err == nil {
		t.Error("Save without Restore was taken")
	}
}
