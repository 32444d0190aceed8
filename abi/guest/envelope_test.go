//go:build !wasip1

package guest

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// TestEnvelope holds what is written by hand against encoding/json.
func TestEnvelope(t *testing.T) {
	t.Parallel()
	full := abi.WaitForPortRequest{
		Port: 8080, ProcessID: "ws-echo", Mode: "http", Path: "/health?a=1&b=<2>",
		Timeout: Duration(90 * time.Second), Interval: Duration(1500 * time.Microsecond),
	}
	ranged := full
	ranged.Status = &abi.StatusRange{Min: 200, Max: 204}
	options := SandboxOptions{SleepAfter: Duration(time.Minute), Env: map[string]string{"A": "b"}}
	for name, tt := range map[string]struct {
		ref abi.SandboxRef
		in  any
	}{
		"empty":              {abi.SandboxRef{Binding: "Sandbox", ID: "one"}, &abi.Empty{}},
		"process":            {abi.SandboxRef{Binding: "Sandbox", ID: "one"}, &abi.ProcessRequest{ProcessID: "p"}},
		"process without id": {abi.SandboxRef{Binding: "Sandbox", ID: "one"}, &abi.ProcessRequest{}},
		"port":               {abi.SandboxRef{Binding: "Sandbox", ID: "one"}, &abi.WaitForPortRequest{Port: -1}},
		"port with all":      {abi.SandboxRef{Binding: "Sandbox", ID: "one"}, &full},
		"port with a status": {abi.SandboxRef{Binding: "Sandbox", ID: "one"}, &ranged},
		"short wait":         {abi.SandboxRef{Binding: "Sandbox", ID: "one"}, &abi.WaitForPortRequest{Timeout: 1}},
		"no names":           {abi.SandboxRef{}, &abi.Empty{}},
		"odd names":          {abi.SandboxRef{Binding: "a\"b\\c\n", ID: "é\xff\u2028\x7f"}, &abi.ProcessRequest{ProcessID: "\t<&>"}},
		"options":            {abi.SandboxRef{Binding: "Sandbox", ID: "one", SandboxOptions: options}, &abi.ProcessRequest{ProcessID: "p"}},
		"another operation":  {abi.SandboxRef{Binding: "Sandbox", ID: "one"}, &abi.ExecRequest{Command: "true"}},
		"nothing set":        {abi.SandboxRef{Binding: "Sandbox", ID: "one"}, &abi.StopRequest{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Sandbox{ref: tt.ref}
			want := `{"sandbox":` + marshalled(t, &tt.ref)
			if fields := marshalled(t, tt.in); fields != "{}" {
				want += "," + fields[1:]
			} else {
				want += "}"
			}
			for range 2 {
				got, err := s.envelope(tt.in)
				if err != nil || string(got) != want {
					t.Errorf("got  %s, %v\nwant %s", got, err, want)
				}
			}
		})
	}
}

// TestTargetOptions holds a decision's options against encoding/json.
func TestTargetOptions(t *testing.T) {
	t.Parallel()
	all := Policy{
		Wait: Duration(time.Second), IdleTimeout: Duration(time.Hour), MaxDuration: Duration(24 * time.Hour), MaxMessageBytes: 1 << 30,
		MaxBytes: 1 << 40, MessagesPerSecond: 10, PingInterval: Duration(30 * time.Second),
	}
	origins, protocols := all, all
	origins.AllowOrigins, protocols.Protocols = []string{"app.example.com"}, []string{}
	for name, policy := range map[string]Policy{
		"all": all, "origins": origins, "protocols": protocols, "first": {Wait: 1}, "last": {PingInterval: Duration(time.Minute)},
		"number": {MaxBytes: 5}, "negative": {MaxBytes: -1, IdleTimeout: Duration(-time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, options := range []SandboxOptions{{}, {KeepAlive: true}} {
				s := Sandbox{ref: abi.SandboxRef{Binding: "Sandbox", ID: "one", SandboxOptions: options}}
				o := target{sandbox: &s, policy: wanted([]Policy{{MaxBytes: 1}, policy})}
				got, err := o.options()
				if want := marshalled(t, abi.TargetOptions{Policy: policy, Sandbox: s.options()}); err != nil || string(got) != want {
					t.Errorf("got  %s, %v\nwant %s", got, err, want)
				}
			}
		})
	}
	for name, policies := range map[string][]Policy{"none": nil, "zero": {{}}, "taken back": {all, {}}} {
		o := target{sandbox: &Sandbox{}, policy: wanted(policies)}
		if got, err := o.options(); err != nil || got != nil {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}

// TestEnvelopeKnowsAllFields fails when a request that is written by hand gets a
// field: write it there, and set it in the tests above.
func TestEnvelopeKnowsAllFields(t *testing.T) {
	t.Parallel()
	for typ, want := range map[reflect.Type]string{
		reflect.TypeFor[abi.Empty]():              "",
		reflect.TypeFor[abi.ProcessRequest]():     "ProcessID",
		reflect.TypeFor[abi.WaitForPortRequest](): "Port ProcessID Mode Path Status Timeout Interval",
		reflect.TypeFor[abi.SandboxRef]():         "Binding ID SandboxOptions",
		reflect.TypeFor[abi.SandboxOptions]():     "SleepAfter KeepAlive Env Labels",
		reflect.TypeFor[abi.Policy]():             "Wait IdleTimeout MaxDuration MaxMessageBytes MaxBytes MessagesPerSecond PingInterval AllowOrigins Protocols",
	} {
		var names []string
		for i := range typ.NumField() {
			names = append(names, typ.Field(i).Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s has %q, want %q", typ, got, want)
		}
	}
}

// FuzzString holds appendString against encoding/json.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", "a\"b", `\`, "<script>", "\x00\x1f\x7f", "é\xff", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := string(appendString(nil, s)), marshalled(t, s); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func marshalled(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
