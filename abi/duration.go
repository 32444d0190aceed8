package abi

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Duration is a time span as users write it: "10s", "5m", "1h30m", or a number
// of milliseconds. It is always written back as milliseconds.
type Duration time.Duration

// D returns the span as the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// Or returns the span, or def if it is zero (not given).
func (d Duration) Or(def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return time.Duration(d)
}

// MarshalJSON writes whole milliseconds.
func (d Duration) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, time.Duration(d).Milliseconds(), 10), nil
}

// UnmarshalJSON reads a string with a unit or a number of milliseconds. A
// negative span is refused.
func (d *Duration) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		v, err := ParseDuration(s)
		*d = v
		return err
	}
	if string(b) == "null" {
		return nil
	}
	ms, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(ms >= 0 && ms <= 9e12) { // so written, NaN is refused too
		return fmt.Errorf("duration %s: want milliseconds or a string like \"10s\"", b)
	}
	*d = Duration(ms * float64(time.Millisecond))
	return nil
}

// ParseDuration reads "10s", "5m", "1h" or a bare number of milliseconds.
func ParseDuration(s string) (Duration, error) {
	if ms, err := strconv.ParseUint(s, 10, 42); err == nil {
		return Duration(ms) * Duration(time.Millisecond), nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return 0, fmt.Errorf("duration %q: want a number with a unit, like \"10s\", \"5m\" or \"1h\"", s)
	}
	return Duration(v), nil
}
