package bridge

import (
	"strings"
	"testing"
)

// TestTokenBytes holds the two words of tokenByte beside the list of RFC 9110,
// section 5.6.2.
func TestTokenBytes(t *testing.T) {
	t.Parallel()
	const tchar = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for c := range 256 {
		if got, want := tokenByte(byte(c)), strings.IndexByte(tchar, byte(c)) >= 0; got != want {
			t.Errorf("tokenByte(%q) = %v, want %v", byte(c), got, want)
		}
	}
}
