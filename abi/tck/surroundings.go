//go:build !wasip1

package tck

import "encoding/json"

// Config is what every case finds in its configuration.
func Config() map[string]json.RawMessage {
	return map[string]json.RawMessage{"greeting": json.RawMessage(`"hello"`), "limits": json.RawMessage(`{"n":3}`)}
}

// Secrets are what secret_get knows in every case.
func Secrets() map[string]string { return map[string]string{"TOKEN": "s3cret"} }
