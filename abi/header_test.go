package abi

import (
	"strings"
	"testing"
)

// TestTokenBytes: each byte is one of tchar (RFC 9110, section 5.6.2), or no token
// has it.
func TestTokenBytes(t *testing.T) {
	t.Parallel()
	const tchar = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for c := range 256 {
		b := string([]byte{byte(c)})
		if got, want := ValidToken("a"+b), strings.Contains(tchar, b); got != want {
			t.Errorf("ValidToken(%q) = %v, want %v", "a"+b, got, want)
		}
	}
}
