//go:build !wasip1

package tck

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"edge/abi"
)

// Want is what must come of a case. A field that is left out is not looked at,
// except that Calls is: what is not listed must not happen.
type Want struct {
	// Decision is as in abi.Verdict: "respond", "connect", "proxy", "next", "plan"
	// or "error".
	Decision string      `json:"decision,omitempty"`
	Status   int         `json:"status,omitempty"`
	Headers  [][2]string `json:"headers,omitempty"`
	Body     *string     `json:"body,omitempty"`
	// Size is the body's, for one that is too long to write down.
	Size     int             `json:"size,omitempty"`
	Streamed bool            `json:"streamed,omitempty"`
	Broken   bool            `json:"broken,omitempty"`
	Sandbox  *abi.SandboxRef `json:"sandbox,omitempty"`
	Port     int             `json:"port,omitempty"`
	Stream   *abi.StreamCall `json:"stream,omitempty"`
	Policy   *abi.Policy     `json:"policy,omitempty"`
	Wake     abi.Wake        `json:"wake,omitempty"`
	Plan     *abi.Plan       `json:"plan,omitempty"`
	Code     abi.Code        `json:"code,omitempty"`
	Message  string          `json:"message,omitempty"`
	Details  json.RawMessage `json:"details,omitempty"`
	// Calls are what the services were asked, in order.
	Calls []map[string]any `json:"calls,omitempty"`
	// Logs are the lines of level info and above, in order.
	Logs []Line `json:"logs,omitempty"`
	// Path, Query, Method and Sent are the request with the guest's edits; Sent are
	// headers, each with all its values, none for one that is gone.
	Path   string              `json:"path,omitempty"`
	Query  *string             `json:"query,omitempty"`
	Method string              `json:"method,omitempty"`
	Sent   map[string][]string `json:"sent,omitempty"`
}

// Line is one line that the guest logged.
type Line struct {
	Level   int      `json:"level"`
	Message string   `json:"message"`
	Fields  []string `json:"fields,omitempty"` // key, value, key, value
}

// Outcome is what came of a case.
type Outcome struct {
	Decision abi.Decision // a streamed answer is read: Body has it
	Err      error
	// Streamed and Broken tell of an answer in pieces.
	Streamed, Broken bool
	Request          *abi.Request
	Calls            []map[string]any
	Logs             []Line
}

// Differences says what of an outcome is not as wanted, one line each.
func (w *Want) Differences(o Outcome) []string {
	var d differences
	v := abi.VerdictOf(o.Decision, o.Err)
	if w.Decision != "" {
		d.compare("decision", v.Decision, w.Decision)
	}
	w.answer(&d, v, o)
	w.target(&d, v)
	if w.Code != "" || v.Error != nil {
		w.failure(&d, v.Error)
	}
	d.compare("calls", normal(o.Calls), normal(w.Calls))
	if w.Logs != nil {
		d.compare("logs", o.Logs, w.Logs)
	}
	w.edits(&d, o.Request)
	return d
}

type differences []string

func (d *differences) compare(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		g, _ := json.Marshal(got) // for people
		s, _ := json.Marshal(want)
		*d = append(*d, fmt.Sprintf("%s: got %s, want %s", what, g, s))
	}
}

func (w *Want) answer(d *differences, v abi.Verdict, o Outcome) {
	if w.Status != 0 {
		d.compare("status", v.Status, w.Status)
	}
	if w.Headers != nil {
		d.compare("headers", v.Headers, w.Headers)
	}
	if r, ok := o.Decision.(*abi.Respond); ok {
		if w.Body != nil {
			d.compare("body", string(r.Body), *w.Body)
		}
		if w.Size != 0 {
			d.compare("size of the body", len(r.Body), w.Size)
		}
	}
	d.compare("streamed", o.Streamed, w.Streamed)
	d.compare("broken", o.Broken, w.Broken)
}

func (w *Want) target(d *differences, v abi.Verdict) {
	if w.Sandbox != nil {
		d.compare("sandbox", plain(v.Sandbox), plain(w.Sandbox))
	}
	if w.Port != 0 {
		d.compare("port", v.Port, w.Port)
	}
	if w.Policy != nil {
		d.compare("policy", plain(v.Policy), plain(w.Policy))
	}
	if w.Stream != nil {
		d.compare("stream", plain(v.Stream), plain(w.Stream))
	}
	if w.Wake != "" {
		d.compare("wake", v.Wake, w.Wake)
	}
	if w.Plan != nil {
		d.compare("plan", plain(v.Plan), plain(w.Plan))
	}
}

func (w *Want) failure(d *differences, e *abi.Error) {
	if e == nil {
		e = new(abi.Error)
	}
	d.compare("error", e.Code, w.Code)
	if w.Message != "" {
		d.compare("message", e.Message, w.Message)
	}
	if w.Details != nil {
		d.compare("details", plain(e.Details), plain(w.Details))
	}
}

func (w *Want) edits(d *differences, r *abi.Request) {
	if r == nil {
		return
	}
	if w.Method != "" {
		d.compare("method", r.Method, w.Method)
	}
	if w.Path != "" {
		d.compare("path", r.Path, w.Path)
	}
	if w.Query != nil {
		d.compare("query", r.Query, *w.Query)
	}
	for name, want := range w.Sent {
		if got := r.HeaderValues(name); !slices.Equal(got, want) {
			d.compare("header "+name, got, want)
		}
	}
}

// normal is calls as they compare: nil and none are the same.
func normal(calls []map[string]any) []any {
	all := make([]any, 0, len(calls))
	for _, c := range calls {
		all = append(all, plain(c))
	}
	return all
}
