//go:build !wasip1

package abi

import (
	"crypto/sha256"
	"encoding/hex"
)

// Explanation is how one plugin decided one request: what X-Edge-Explain shows,
// what a recording keeps and what the author's tools print.
type Explanation struct {
	Plugin     string `json:"plugin"`
	Digest     string `json:"digest"` // SHA-256 of the module, hexadecimal
	Generation uint64 `json:"generation"`
	Canary     bool   `json:"canary,omitempty"`
	// Fuel is what the guest executed, in units of the meter, up to the decision; of a
	// module that serves several requests at once, what it executed when it was
	// entered for this one.
	Fuel uint64 `json:"fuel"`
	// Queued is how long the request waited for an instance, Compute how long the
	// guest ran, Took all of it.
	Queued  Duration        `json:"queued"`
	Compute Duration        `json:"compute"`
	Took    Duration        `json:"took"`
	Calls   []ExplainedCall `json:"calls,omitzero"` // at most 64
	More    int             `json:"more,omitempty"` // calls beyond those
	Verdict Verdict         `json:"verdict"`
}

// ExplainedCall is one piece of work that the plugin asked the host for.
type ExplainedCall struct {
	Name string   `json:"name"` // "exec", "fetch", "kv.get", "wsOpen"
	Code Code     `json:"code,omitempty"`
	Took Duration `json:"took"`
}

// Verdict is a decision, or the error in its place, as JSON.
type Verdict struct {
	// Decision is "respond", "connect", "proxy", "next", "plan" or "error"; of a
	// request that no plugin was asked about, "preview" or "edge".
	Decision string      `json:"decision"`
	Status   int         `json:"status,omitempty"`
	Headers  [][2]string `json:"headers,omitzero"`
	// BodyBytes and BodySHA256 stand for an answer's body; a streamed one has none.
	BodyBytes  int         `json:"bodyBytes,omitempty"`
	BodySHA256 string      `json:"bodySha256,omitempty"`
	Streamed   bool        `json:"streamed,omitempty"`
	Sandbox    *SandboxRef `json:"sandbox,omitempty"`
	Port       int         `json:"port,omitempty"`
	Stream     *StreamCall `json:"stream,omitempty"`
	Policy     *Policy     `json:"policy,omitempty"`
	Wake       Wake        `json:"wake,omitempty"`
	Plan       *Plan       `json:"plan,omitempty"`
	Error      *Error      `json:"error,omitempty"`
}

// VerdictOf is a decision, or the error in its place, as JSON can tell it. A body is
// told by its size and digest. It refers to what d refers to.
func VerdictOf(d Decision, err error) Verdict {
	if err != nil {
		return Verdict{Decision: "error", Error: AsError(err)}
	}
	switch d := d.(type) {
	case *Respond:
		v := Verdict{Decision: "respond", Status: d.Status, Streamed: d.Stream != nil, BodyBytes: len(d.Body)}
		for _, h := range d.Headers {
			v.Headers = append(v.Headers, [2]string{h.Name, h.Value})
		}
		if len(d.Body) > 0 {
			sum := sha256.Sum256(d.Body)
			v.BodySHA256 = hex.EncodeToString(sum[:])
		}
		return v
	case *Connect:
		return Verdict{Decision: "connect", Sandbox: &d.Sandbox, Port: d.Port, Stream: d.Stream, Policy: &d.Policy, Wake: d.Wake}
	case *Proxy:
		return Verdict{Decision: "proxy", Sandbox: &d.Sandbox, Port: d.Port, Policy: &d.Policy, Wake: d.Wake}
	case *Plan:
		return Verdict{Decision: "plan", Plan: d}
	case *Next:
		return Verdict{Decision: "next"}
	}
	return Verdict{}
}
