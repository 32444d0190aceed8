//go:build !wasip1

package guest

import (
	"bytes"
	"testing"
)

// TestTextsAreTheirOwners takes texts of all sizes as the host writes them, and looks
// at the earlier ones afterwards.
func TestTextsAreTheirOwners(t *testing.T) {
	t.Parallel()
	var mem texts
	var taken [][]byte
	for i := range 1000 {
		room := mem.room()
		if len(room) < textRoom {
			t.Fatalf("text %d: a room of %d bytes, want at least %d", i, len(room), textRoom)
		}
		n := i % (textRoom + 1)
		for at := range room { // the host may write anywhere in it
			room[at] = byte(i)
		}
		taken = append(taken, mem.take(room, n))
	}
	for i, b := range taken {
		if want := bytes.Repeat([]byte{byte(i)}, i%(textRoom+1)); !bytes.Equal(b, want) || cap(b) != len(b) {
			t.Errorf("text %d is %v (cap %d), want %d of %d", i, b, cap(b), len(want), byte(i))
		}
	}
}

func TestCutValue(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]struct {
		value, rest string
		ok          bool
	}{
		"\x01\x00\x00\x00a\x00\x00\x00\x00": {"a", "\x00\x00\x00\x00", true},
		"\x00\x00\x00\x00":                  {"", "", true},
		"\x02\x00\x00\x00a":                 {},
		"\xff\xff\xff\xffa":                 {},
		"\x00\x00\x00":                      {},
		"":                                  {},
	} {
		value, rest, ok := cutValue([]byte(list))
		if string(value) != want.value || string(rest) != want.rest || ok != want.ok {
			t.Errorf("cutValue(%q) = %q, %q, %v; want %q, %q, %v", list, value, rest, ok, want.value, want.rest, want.ok)
		}
	}
}
