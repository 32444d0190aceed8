package abi_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

func TestDurationJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want time.Duration
		bad  bool
	}{
		{`"10s"`, 10 * time.Second, false},
		{`"5m"`, 5 * time.Minute, false},
		{`"1h30m"`, 90 * time.Minute, false},
		{`"250"`, 250 * time.Millisecond, false},
		{`1500`, 1500 * time.Millisecond, false},
		{`0.5`, 500 * time.Microsecond, false},
		{`1e3`, time.Second, false},
		{`0`, 0, false},
		{`null`, 0, false},
		{`9e12`, 9e12 * time.Millisecond, false},
		{`9.1e12`, 0, true},
		{`1e400`, 0, true},
		{`-1`, 0, true},
		{`"-1s"`, 0, true},
		{`"ten"`, 0, true},
		{`""`, 0, true},
		{`"10"x`, 0, true},
		{`true`, 0, true},
		{`[]`, 0, true},
		{`{}`, 0, true},
	} {
		var d abi.Duration
		err := json.Unmarshal([]byte(tt.in), &d)
		if (err != nil) != tt.bad || !tt.bad && d.D() != tt.want {
			t.Errorf("%s = %v, %v; want %v, an error: %v", tt.in, d.D(), err, tt.want, tt.bad)
		}
	}
	if b, err := json.Marshal(abi.Duration(90 * time.Second)); err != nil || string(b) != "90000" {
		t.Errorf("90s is written %s, %v", b, err)
	}
	if got := abi.Duration(0).Or(time.Second); got != time.Second {
		t.Errorf("zero.Or(1s) = %v", got)
	}
	if got := abi.Duration(time.Minute).Or(time.Second); got != time.Minute {
		t.Errorf("1m.Or(1s) = %v", got)
	}
}

func TestSignalJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]abi.Signal{`"TERM"`: "TERM", `"SIGKILL"`: "SIGKILL", `9`: "9", `"9"`: "9"} {
		var s abi.Signal
		if err := json.Unmarshal([]byte(in), &s); err != nil || s != want {
			t.Errorf("%s = %q, %v; want %q", in, s, err, want)
		}
	}
	for _, in := range []string{`true`, `[]`, `{"a":1}`} {
		var s abi.Signal
		if err := json.Unmarshal([]byte(in), &s); err == nil {
			t.Errorf("%s was taken as %q", in, s)
		}
	}
}

func TestCheckProcessID(t *testing.T) {
	t.Parallel()
	for id, ok := range map[string]bool{
		"server": true, "a b/c": true, strings.Repeat("x", 128): true, strings.Repeat("ü", 128): true,
		"": false, strings.Repeat("x", 129): false, strings.Repeat("ü", 129): false,
		"a\nb": false, "a\x00": false, "a\x7f": false, "a\u0085b": false, "a\xff": false,
	} {
		err := abi.CheckProcessID(id)
		if (err == nil) != ok || err != nil && !errors.Is(err, abi.CodeInvalidRequest.Err()) {
			t.Errorf("%.20q: %v, want it taken: %v", id, err, ok)
		}
	}
}

func TestStatusRangeJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]abi.StatusRange{
		`204`: {204, 204}, `{"min":200,"max":299}`: {200, 299}, `{"max":299}`: {200, 299}, `{"min":300}`: {300, 399}, `{}`: {200, 399},
	} {
		var r abi.StatusRange
		if err := json.Unmarshal([]byte(in), &r); err != nil || r != want {
			t.Errorf("%s = %v, %v; want %v", in, r, err, want)
		}
	}
	for _, in := range []string{`"200"`, `true`, `[200]`, `2.5`, `{"min":"a"}`, `{"min":500,"maximum":599}`} {
		var r abi.StatusRange
		if err := json.Unmarshal([]byte(in), &r); err == nil {
			t.Errorf("%s was taken as %v", in, r)
		}
	}
	for want, r := range map[string]abi.StatusRange{`204`: {204, 204}, `{"max":299,"min":200}`: {200, 299}} {
		if b, err := json.Marshal(r); err != nil || string(b) != want {
			t.Errorf("%v is written %s, %v; want %s", r, b, err, want)
		}
	}
}

func TestSplitCall(t *testing.T) {
	t.Parallel()
	ref, req, err := abi.SplitCall(abi.WaitForPort, []byte(`{"port":8080,"timeout":"10s","status":204,
		"sandbox":{"binding":"Sandbox","id":"one","keepAlive":true,"env":{"A":"b"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &abi.WaitForPortRequest{Port: 8080, Timeout: abi.Duration(10 * time.Second), Status: &abi.StatusRange{Min: 204, Max: 204}}
	if !reflect.DeepEqual(req, want) {
		t.Errorf("request %+v, want %+v", req, want)
	}
	wantRef := abi.SandboxRef{Binding: "Sandbox", ID: "one", SandboxOptions: abi.SandboxOptions{KeepAlive: true, Env: map[string]string{"A": "b"}}}
	if !reflect.DeepEqual(ref, wantRef) {
		t.Errorf("sandbox %+v, want %+v", ref, wantRef)
	}
	for name, tt := range map[string]struct{ body, says string }{
		"not JSON":             {`{`, "waitForPort"},
		"not an object":        {`[]`, "waitForPort: the request is not a JSON object: want an object, not array"},
		"no sandbox":           {`{"port":1}`, "sandbox"},
		"null sandbox field":   {`{"sandbox":{"binding":"S","id":"a","nam":1}}`, `"nam"`},
		"unknown field":        {`{"sandbox":{"binding":"S","id":"a"},"prot":1}`, `"prot"`},
		"wrong type":           {`{"sandbox":{"binding":"S","id":"a"},"port":"x"}`, "waitForPort: port: want an integer, not string"},
		"fraction":             {`{"sandbox":{"binding":"S","id":"a"},"port":1.5}`, "waitForPort: port: want an integer, not number 1.5"},
		"sandbox is a number":  {`{"sandbox":1}`, "waitForPort: sandbox: want an object, not number"},
		"wrong option":         {`{"sandbox":{"binding":"S","id":"a","keepAlive":"yes"}}`, "waitForPort: sandbox: keepAlive: want true or false, not string"},
		"wrong variable":       {`{"sandbox":{"binding":"S","id":"a","env":[]}}`, "waitForPort: sandbox: env: want an object, not array"},
		"two values":           {`{"sandbox":{"binding":"S","id":"a"}} {}`, "waitForPort"},
		"duration of no sense": {`{"sandbox":{"binding":"S","id":"a"},"timeout":"soon"}`, "soon"},
	} {
		_, _, err := abi.SplitCall(abi.WaitForPort, []byte(tt.body))
		if !errors.Is(err, abi.CodeInvalidRequest.Err()) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v; want INVALID_REQUEST that says %q", name, err, tt.says)
		}
		if err != nil && strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: %v names a Go type", name, err)
		}
	}
}

// TestSplitCallNamesTheFields says which fields there are where one is unknown.
func TestSplitCallNamesTheFields(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		row  abi.Row
		want string
	}{
		{abi.SetEnvVars, "the fields of setEnvVars are envVars"},
		{abi.CreateSession, "the fields of createSession are cwd, env, id"},
		{abi.Touch, "touch has no fields"},
	} {
		_, _, err := abi.SplitCall(tt.row, []byte(`{"sandbox":{"binding":"S","id":"a"},"nam":1}`))
		if e := abi.AsError(err); e.Suggestion != tt.want || e.Message != tt.row.Name()+`: unknown field "nam"` {
			t.Errorf("%s: %q, %q; want the suggestion %q", tt.row.Name(), e.Message, e.Suggestion, tt.want)
		}
	}
	_, _, err := abi.SplitCall(abi.ExposePort, []byte(`{"sandbox":{"binding":"S","id":"a"},"port":1,"policy":{"nam":1}}`))
	if e := abi.AsError(err); !strings.Contains(e.Suggestion, "inside of another field") {
		t.Errorf("unknown in a policy: %q, %q", e.Message, e.Suggestion)
	}
}

func FuzzSplitCall(f *testing.F) {
	f.Add("exec", []byte(`{"sandbox":{"binding":"Sandbox","id":"a"},"command":"ls","timeout":"10s"}`))
	f.Add("waitForPort", []byte(`{"sandbox":{"binding":"Sandbox","id":"a"},"port":8080,"status":{"min":200,"max":299}}`))
	f.Add("killProcess", []byte(`{"sandbox":{"binding":"Sandbox","id":"a"},"processId":"p","signal":9}`))
	f.Add("exposePort", []byte(`{"sandbox":{"binding":"Sandbox","id":"a"},"port":8080,"policy":{"wait":1},"ttl":null}`))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		row := abi.Lookup(name)
		if row == nil {
			row = abi.StartProcess
		}
		ref, req, err := abi.SplitCall(row, body)
		if err != nil {
			if !errors.Is(err, abi.CodeInvalidRequest.Err()) {
				t.Errorf("%v is not INVALID_REQUEST", err)
			}
			return
		}
		if reflect.TypeOf(req) != reflect.TypeOf(row.NewRequest()) {
			t.Errorf("%s: request is %T", row.Name(), req)
		}
		// What was read can be sent on.
		for _, v := range []any{ref, req} {
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("%+v cannot be written: %v", v, err)
			}
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{`"10s"`, `1500`, `null`, `"250"`, `9e12`, `NaN`, `0x1p-2`, `"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d abi.Duration
		if err := d.UnmarshalJSON(b); err != nil {
			return
		}
		if d < 0 {
			t.Errorf("%q is the negative span %v", b, d.D())
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		var again abi.Duration
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatalf("%q was written as %s, which cannot be read: %v", b, text, err)
		}
		// Milliseconds are kept, up to what a float64 can tell apart.
		if diff := math.Abs(float64(d - again)); diff >= float64(time.Millisecond) && diff > float64(d)*1e-15 {
			t.Errorf("%q is %v, and %v after writing and reading", b, d.D(), again.D())
		}
	})
}

func FuzzSignal(f *testing.F) {
	f.Add([]byte(`"TERM"`))
	f.Add([]byte(`9`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s abi.Signal
		if json.Unmarshal(b, &s) != nil {
			return
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var again abi.Signal
		if err := json.Unmarshal(text, &again); err != nil || again != s {
			t.Errorf("%q is %q, and %q (%v) after writing and reading", b, s, again, err)
		}
	})
}

func FuzzStatusRange(f *testing.F) {
	f.Add([]byte(`204`))
	f.Add([]byte(`{"min":200,"max":399}`))
	f.Add([]byte(`{"Min":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r abi.StatusRange
		if json.Unmarshal(b, &r) != nil {
			return
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var again abi.StatusRange
		if err := json.Unmarshal(text, &again); err != nil || again != r {
			t.Errorf("%q is %v, and %v (%v) after writing and reading", b, r, again, err)
		}
	})
}

func TestParseError(t *testing.T) {
	t.Parallel()
	full := `{"code":"SANDBOX_ASLEEP","message":"asleep","operation":"exec","retryable":false,"retryAfterMs":1500,"started":"maybe","details":{"a":[1]},"suggestion":"wait"}`
	whole, err := abi.ParseError([]byte(full))
	want := &abi.Error{Code: abi.CodeSandboxAsleep, Message: "asleep", Operation: "exec", RetryAfterMs: 1500, Started: abi.StartedMaybe,
		Details: json.RawMessage(`{"a":[1]}`), Suggestion: "wait"}
	if err != nil || !reflect.DeepEqual(whole, want) {
		t.Errorf("got %+v, %v; want %+v", whole, err, want)
	}
	if b, err := json.Marshal(whole); err != nil || string(b) != full {
		t.Errorf("written again it is %s, %v", b, err)
	}
	for _, c := range abi.Codes() {
		e, err := abi.ParseError([]byte(`{"code":"` + string(c) + `","message":"m"}`))
		if err != nil || !reflect.DeepEqual(e, abi.Errorf(c, "m")) {
			t.Errorf("the least of %s: %+v, %v", c, e, err)
		}
	}
	padded := func(n int) string {
		const text = `{"code":"NOT_FOUND","message":""}`
		return strings.Replace(text, `""`, `"`+strings.Repeat("x", n-len(text))+`"`, 1)
	}
	if _, err := abi.ParseError([]byte(padded(abi.MaxErrorBytes))); err != nil {
		t.Errorf("of the largest size: %v", err)
	}
	for name, tt := range map[string]struct {
		text string
		code abi.Code
	}{
		"nothing":           {"", abi.CodeInvalidRequest},
		"no JSON":           {"not found", abi.CodeInvalidRequest},
		"null":              {"null", abi.CodeInvalidRequest},
		"no code":           {`{"message":"m"}`, abi.CodeInvalidRequest},
		"another code":      {`{"code":"MINE","message":"m"}`, abi.CodeInvalidRequest},
		"no message":        {`{"code":"NOT_FOUND"}`, abi.CodeInvalidRequest},
		"another field":     {`{"code":"NOT_FOUND","message":"m","status":404}`, abi.CodeInvalidRequest},
		"another type":      {`{"code":"NOT_FOUND","message":5}`, abi.CodeInvalidRequest},
		"a negative wait":   {`{"code":"NOT_FOUND","message":"m","retryAfterMs":-1}`, abi.CodeInvalidRequest},
		"another started":   {`{"code":"NOT_FOUND","message":"m","started":"perhaps"}`, abi.CodeInvalidRequest},
		"two of them":       {`{"code":"NOT_FOUND","message":"m"}{}`, abi.CodeInvalidRequest},
		"one byte too many": {padded(abi.MaxErrorBytes + 1), abi.CodeBodyTooLarge},
	} {
		e, err := abi.ParseError([]byte(tt.text))
		if e != nil || !errors.Is(err, tt.code.Err()) {
			t.Errorf("%s: %+v, %v; want %s", name, e, err, tt.code)
		}
	}
}

func FuzzParseError(f *testing.F) {
	f.Add([]byte(`{"code":"SANDBOX_ASLEEP","message":"asleep","retryable":true,"retryAfterMs":1500,"started":"no","details":{"a":[1]}}`))
	f.Add([]byte(`{"code":"NOT_FOUND","message":"m"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := abi.ParseError(text)
		if err != nil {
			if e != nil || abi.AsError(err).Code == abi.CodeInternal {
				t.Fatalf("%+v with %v", e, err)
			}
			return
		}
		b, err := json.Marshal(e)
		if err != nil || e.Message == "" || !slices.Contains(abi.Codes(), e.Code) {
			t.Fatalf("%q became %+v, %v", text, e, err)
		}
		if len(b) > abi.MaxErrorBytes {
			return // escaping made it longer
		}
		if again, err := abi.ParseError(b); err != nil || again.Code != e.Code || again.Message != e.Message {
			t.Fatalf("%q became %s, which is %+v, %v", text, b, again, err)
		}
	})
}
