package abi

import (
	"encoding/json"
	"strings"
	"time"
)

// DefaultHold is how long a request waits for a sandbox to wake.
const DefaultHold = 30 * time.Second

// Wake says which requests start a sandbox that does not run: "never", "http"
// (plain requests), "ws" (WebSocket upgrades) or "hold(10s)" (both, waiting that
// long at most). The first three wait DefaultHold where they wake. Requests that
// do not wake are answered SANDBOX_ASLEEP. The zero value is "hold(30s)".
type Wake string

// The values of Wake without a span.
const (
	WakeNever Wake = "never"
	WakeHTTP  Wake = "http"
	WakeWS    Wake = "ws"
)

// Parse tells what w means. Its error is INVALID_REQUEST.
func (w Wake) Parse() (http, ws bool, hold time.Duration, err error) {
	switch w {
	case WakeNever:
		return false, false, 0, nil
	case WakeHTTP:
		return true, false, DefaultHold, nil
	case WakeWS:
		return false, true, DefaultHold, nil
	case "", "hold":
		return true, true, DefaultHold, nil
	}
	span, ok := strings.CutPrefix(string(w), "hold(")
	span, ok2 := strings.CutSuffix(span, ")")
	d, derr := ParseDuration(span)
	if !ok || !ok2 || derr != nil || d <= 0 {
		return false, false, 0, Errorf(CodeInvalidRequest, "wake %.40q: want never, http, ws or hold with a span, like \"hold(10s)\"", string(w))
	}
	return true, true, d.D(), nil
}

// UnmarshalJSON reads a string that Parse understands.
func (w *Wake) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if _, _, _, err := Wake(s).Parse(); err != nil {
		return err
	}
	*w = Wake(s)
	return nil
}
