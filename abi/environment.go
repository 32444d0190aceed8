package abi

import "encoding/json"

// Environment is what environment answers: the names under which a plugin finds
// what it was granted. No name is in two of the parts.
type Environment struct {
	// Sandboxes maps a name to the binding of sandboxes that it stands for.
	Sandboxes map[string]string `json:"sandboxes"`
	// Config is the plugin's configuration, as config_get answers it.
	Config map[string]json.RawMessage `json:"config"`
	// Secrets are the names that secret_get knows, sorted; never their values.
	Secrets []string `json:"secrets"`
	// KV maps a name to the prefix that its keys have in the plugin's namespace.
	KV map[string]string `json:"kv"`
	// Development: the host is the plugin's developer's own, who may be told in
	// answers, too, why the plugin failed.
	Development bool `json:"development,omitempty"`
}

// The hashes of digest. DigestHMAC added to one makes it an HMAC (RFC 2104), also
// with an empty key.
const (
	DigestSHA1   = 1
	DigestSHA256 = 2
	DigestSHA384 = 3
	DigestSHA512 = 4
	DigestHMAC   = 16
)
