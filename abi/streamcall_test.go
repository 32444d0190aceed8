package abi_test

import (
	"encoding/json"
	"testing"

	"edge/abi"
)

func TestStreamCall(t *testing.T) {
	t.Parallel()
	ref := abi.SandboxRef{Binding: "Sandbox", ID: "a"}
	for _, tt := range []struct {
		name, op, request string
		want              string // the JSON
		code              abi.Code
	}{
		{"terminal", "terminal", `{"cols":100,"rows":30}`, `{"cols":100,"rows":30,"sandbox":{"binding":"Sandbox","id":"a"}}`, ""},
		{"no request", "terminal", ``, `{"sandbox":{"binding":"Sandbox","id":"a"}}`, ""},
		{"null", "terminal", `null`, `{"sandbox":{"binding":"Sandbox","id":"a"}}`, ""},
		{"events", "streamLogs", `{"processId":"p"}`, `{"processId":"p","sandbox":{"binding":"Sandbox","id":"a"}}`, ""},
		{"another sandbox", "terminal", `{"sandbox":{"binding":"Sandbox","id":"b"}}`, "", abi.CodeInvalidRequest},
		{"in other letters", "terminal", `{"Sandbox":{"binding":"Sandbox","id":"b"}}`, "", abi.CodeInvalidRequest},
		{"unknown field", "terminal", `{"columns":100}`, "", abi.CodeInvalidRequest},
		{"no object", "terminal", `[]`, "", abi.CodeInvalidRequest},
		{"no operation", "teleport", `{}`, "", abi.CodeUnknownOperation},
		{"no stream", "exec", `{"command":"x"}`, "", abi.CodeUnsupported},
		{"download", "readFileStream", `{"path":"/x"}`, "", abi.CodeUnsupported},
		{"upload", "writeFileStream", `{"path":"/x"}`, "", abi.CodeUnsupported},
		{"no name", "", `{}`, "", abi.CodeUnknownOperation},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := (&abi.StreamCall{Name: tt.op, Request: json.RawMessage(tt.request)}).Call(ref)
			if code := abi.AsError(err); (code == nil) != (tt.code == "") || code != nil && code.Code != tt.code || string(got) != tt.want {
				t.Errorf("got %s, %v; want %s %s", got, err, tt.want, tt.code)
			}
		})
	}
}
