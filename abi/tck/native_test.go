//go:build !wasip1

package tck_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"edge/abi"
	"edge/abi/guest"
	"edge/abi/guest/guesttest"
	"edge/abi/tck"
	"edge/abi/tck/guests/go/cases"
)

// TestNative has the Go guest carry out the cases on the fake host that plugins'
// unit tests run on: what it answers there it answers on the edge.
func TestNative(t *testing.T) {
	t.Parallel()
	all, err := tck.GuestCases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			script := tck.NewScript(c.Host)
			result := nativeHost(c.Host, script).Do(c.Request.New(c.Name))
			if result.Errno != abi.OK && c.Want.Code == abi.CodePluginFailed {
				return // the edge answers it with that
			}
			for _, line := range c.Want.Differences(nativeOutcome(t, &c.Want, result, script)) {
				t.Error(line)
			}
		})
	}
}

// nativeHost is a fake edge whose sandboxes are the script's.
func nativeHost(h tck.Host, script *tck.Script) *guesttest.Host {
	host := &guesttest.Host{Handler: cases.Decide, Config: map[string]any{}, Secrets: tck.Secrets(), IsPreview: script.NamesPreview}
	for key, value := range tck.Config() {
		host.Config[key] = value
	}
	for _, key := range slices.Sorted(maps.Keys(h.KV)) {
		host.KV.Put(key, h.KV[key])
	}
	host.OpenSocket = func(ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
		return script.OpenSocket(context.Background(), ref, port, opts)
	}
	host.Fetch = func(f guesttest.Fetch) (*guest.FetchResponse, error) {
		answer, err := script.Fetch(f.Method, f.URL, f.Headers, f.Redirect, f.Body)
		if err != nil {
			return nil, err
		}
		out := &guest.FetchResponse{Status: answer.Status, URL: answer.URL, Body: io.NopCloser(strings.NewReader(answer.Body))}
		for _, p := range answer.Headers {
			out.Headers = append(out.Headers, guest.Header{Name: p[0], Value: p[1]})
		}
		return out, nil
	}
	operations(host, script)
	return host
}

// operations has the script answer every operation that the cases use.
func operations(host *guesttest.Host, script *tck.Script) {
	for _, op := range []*abi.Operation[abi.Empty, abi.SandboxState]{abi.Start, abi.Touch, abi.Pause, abi.Resume, abi.GetState} {
		answer(host, script, op)
	}
	answer(host, script, abi.Stop)
	answer(host, script, abi.Destroy)
	answer(host, script, abi.SetEnvVars)
	answer(host, script, abi.CreateSession)
	answer(host, script, abi.DeleteSession)
	answer(host, script, abi.Exec)
	answer(host, script, abi.StartProcess)
	answer(host, script, abi.GetProcess)
	answer(host, script, abi.ListProcesses)
	answer(host, script, abi.KillProcess)
	answer(host, script, abi.GetLogs)
	answer(host, script, abi.WaitForPort)
	answer(host, script, abi.WaitForLog)
	answer(host, script, abi.WaitForExit)
	answer(host, script, abi.WriteFile)
	answer(host, script, abi.ReadFile)
	answer(host, script, abi.Mkdir)
	answer(host, script, abi.DeleteFile)
	answer(host, script, abi.RenameFile)
	answer(host, script, abi.MoveFile)
	answer(host, script, abi.Exists)
	answer(host, script, abi.SetPermissions)
	answer(host, script, abi.ListFiles)
	answer(host, script, abi.ExposePort)
	answer(host, script, abi.UnexposePort)
	answer(host, script, abi.GetExposedPorts)
	answer(host, script, abi.IsPortExposed)
	answer(host, script, abi.ValidatePortToken)
	answer(host, script, abi.CreatePreviewLink)
	begin(host, script, abi.ExecStream)
	begin(host, script, abi.ReadFileStream)
}

func answer[Req, Resp any](host *guesttest.Host, script *tck.Script, op *abi.Operation[Req, Resp]) {
	guesttest.On(host, op, func(c guesttest.Call, req *Req) (*Resp, error) {
		body, err := envelope(c.Sandbox, req)
		if err != nil {
			return nil, err
		}
		text, err := script.Operate(context.Background(), op.Name(), body)
		if err != nil {
			return nil, err
		}
		out := new(Resp)
		return out, json.Unmarshal(text, out)
	})
}

func begin[Req, Event any](host *guesttest.Host, script *tck.Script, op *abi.StreamOperation[Req, Event]) {
	guesttest.OnStream(host, op, func(c guesttest.Call, req *Req) (abi.Socket, error) {
		body, err := envelope(c.Sandbox, req)
		if err != nil {
			return nil, err
		}
		return script.Open(context.Background(), op.Name(), body)
	})
}

// envelope is a call as a guest gives it to a host.
func envelope(ref abi.SandboxRef, req any) ([]byte, error) {
	sandbox, err := json.Marshal(ref)
	if err != nil {
		return nil, err
	}
	fields, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	body := append([]byte(`{"sandbox":`), sandbox...)
	if !bytes.Equal(fields, []byte("{}")) {
		body = append(body, ',')
	}
	return append(body, fields[1:]...), nil
}

// nativeOutcome is what came of a case. The fake keeps a store and metrics of its
// own: those calls are not compared.
func nativeOutcome(t *testing.T, want *tck.Want, result *guesttest.Result, script *tck.Script) tck.Outcome {
	t.Helper()
	o := tck.Outcome{Decision: result.Decision, Broken: result.Broken, Streamed: want.Streamed, Request: result.Request, Calls: script.Calls()}
	if e := result.Failed(); e != nil {
		o.Decision, o.Err = nil, e
	}
	if result.Errno != abi.OK {
		o.Err = abi.Errorf(abi.CodePluginFailed, "edge_request answered %s", result.Errno)
	}
	want.Calls = slices.DeleteFunc(slices.Clone(want.Calls), func(c map[string]any) bool {
		name, _ := c["name"].(string)
		return strings.HasPrefix(name, "kv.") || name == "count" || name == "observe"
	})
	for _, l := range result.Logs {
		if l.Level >= guest.LevelInfo {
			o.Logs = append(o.Logs, tck.Line{Level: int(l.Level), Message: l.Message, Fields: l.Fields})
		}
	}
	return o
}
