package plugins

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// minSecret is the shortest secret that is looked for in what a guest says:
// shorter ones would be found in everything.
const minSecret = 4

// redactor takes a plugin's secrets out of what its guests say in the log. What a
// guest makes of a secret passes, such as its Base64 or its halves on two lines, and
// a printed line longer than maxLogLine is two. A nil one changes nothing.
type redactor struct {
	replacer *strings.Replacer
	longest  int // of the secrets, in bytes
}

func newRedactor(secrets map[string]string) *redactor {
	names := slices.SortedFunc(maps.Keys(secrets), func(a, b string) int { // a secret within another comes after it
		return cmp.Or(cmp.Compare(len(secrets[b]), len(secrets[a])), cmp.Compare(a, b))
	})
	var pairs []string
	for _, name := range names {
		if value := secrets[name]; len(value) >= minSecret {
			pairs = append(pairs, value, "[secret "+name+"]")
		}
	}
	if pairs == nil {
		return nil
	}
	return &redactor{strings.NewReplacer(pairs...), len(pairs[0])}
}

// text is s without secrets.
func (r *redactor) text(s string) string {
	if r == nil {
		return s
	}
	return r.replacer.Replace(s)
}

// line is the text of what b says up to a line's limit. No part of a secret remains
// at the cut.
func (r *redactor) line(b []byte) string {
	if r == nil {
		return string(b[:min(len(b), maxLogLine)])
	}
	s := r.text(string(b[:min(len(b), maxLogLine+r.longest)]))
	return s[:min(len(s), maxLogLine)]
}
