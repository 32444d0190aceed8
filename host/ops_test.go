package host

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"edge/abi"
	"edge/sandboxmgr"
)

// TestEveryRowIsBound wants each row of the operation table bound exactly once,
// in its order.
func TestEveryRowIsBound(t *testing.T) {
	t.Parallel()
	if len(bindings) != len(abi.Operations) {
		t.Errorf("%d bindings for %d rows", len(bindings), len(abi.Operations))
	}
	for i, row := range abi.Operations {
		if i < len(bindings) && bindings[i].row != row {
			t.Errorf("row %d is %s and binding %d is %s", i, row.Name(), i, bindings[i].row.Name())
		}
	}
}

// TestEveryMethodHasARow wants no method of a sandbox that has the shape of an
// operation, (context, *request) to (*response, error), without its row.
func TestEveryMethodHasARow(t *testing.T) {
	t.Parallel()
	box := reflect.TypeFor[*sandboxmgr.Sandbox]()
	operations := 0
	for m := range box.Methods() {
		f := m.Type // In(0) is the receiver
		stream := f.NumOut() == 2 && f.Out(0) == reflect.TypeFor[abi.Socket]()
		if f.NumIn() != 3 || f.NumOut() != 2 || f.In(1) != reflect.TypeFor[context.Context]() ||
			f.In(2).Kind() != reflect.Pointer || f.Out(0).Kind() != reflect.Pointer && !stream {
			continue
		}
		operations++
		name := strings.ToLower(m.Name[:1]) + m.Name[1:]
		row := abi.Lookup(name)
		if row == nil || row.Name() != name {
			t.Errorf("method %s has no row in abi.Operations", m.Name)
			continue
		}
		if stream != (row.Kind() != abi.KindCall) || reflect.TypeOf(row.NewRequest()) != f.In(2) ||
			!stream && reflect.TypeOf(row.NewResponse()) != f.Out(0) {
			t.Errorf("row %s and method %s have different types or kinds", name, m.Name)
		}
	}
	if operations != len(abi.Operations) {
		t.Errorf("%d methods for %d rows", operations, len(abi.Operations))
	}
}

func TestOperateRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, op, body string
		code           abi.Code
		operation      string
	}{
		{"unknown", "fly", `{}`, abi.CodeUnknownOperation, ""},
		{"no JSON", "exec", `{`, abi.CodeInvalidRequest, "exec"},
		{"no sandbox", "exec", `{"command":"ls"}`, abi.CodeInvalidRequest, "exec"},
		{"unknown field", "exec", `{"sandbox":{"binding":"S","id":"a"},"comand":"ls"}`, abi.CodeInvalidRequest, "exec"},
		{"no runtime", "closePort", `{"sandbox":{"binding":"S","id":"a"},"port":8080}`, abi.CodeRuntimeUnavailable, "unexposePort"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Operations{}.Operate(t.Context(), tt.op, json.RawMessage(tt.body))
			var e *abi.Error
			if !errors.As(err, &e) || e.Code != tt.code || e.Operation != tt.operation {
				t.Errorf("got %v (operation %q), want %s of %q", err, e.Operation, tt.code, tt.operation)
			}
		})
	}
}

// TestNamedDoesNotChangeASharedError wants the operation's name in a copy.
func TestNamedDoesNotChangeASharedError(t *testing.T) {
	t.Parallel()
	shared := abi.Errorf(abi.CodeRuntimeUnavailable, "down")
	if err := named(shared, abi.Exec); shared.Operation != "" || err.(*abi.Error).Operation != "exec" {
		t.Errorf("got %v, shared %v", err, shared)
	}
}
