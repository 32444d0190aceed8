package initd

import (
	"errors"
	"strings"
	"testing"

	"edge/abi"
)

func TestParseRepository(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text, name, host string
		local            bool
		remote           bool
	}{
		{"https://example.org/a/repo.git", "repo", "example.org", false, true},
		{"https://u:p@example.org:8443/a/repo/", "repo", "example.org:8443", false, true},
		{"HTTPS://example.org/repo", "repo", "example.org", false, true},
		{"ssh://git@example.org/repo/.git", "repo", "example.org", false, true},
		{"git@example.org:group/repo.git", "repo", "example.org", false, true},
		{"example.org:repo", "repo", "example.org", false, true},
		{"git://localhost/repo", "repo", "localhost", false, false},
		{"http://127.0.0.1:80/repo", "repo", "127.0.0.1:80", false, false},
		{"http://[::1]:80/repo", "repo", "[::1]:80", false, false},
		{"file:///srv/repo.git", "repo", "", false, false},
		{"/srv/repo.git", "repo", "", true, false},
		{"srv/repo", "repo", "", true, false},
		{"./a:b", "a:b", "", true, false},
		{"https://example.org", "", "example.org", false, true},
		{"https://example.org/..", "", "example.org", false, true},
		{"/", "", "", true, false},
	}
	for _, tt := range tests {
		r, err := parseRepository(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if r.name != tt.name || r.host != tt.host || r.local != tt.local || r.remote() != tt.remote {
			t.Errorf("%s: %+v, remote %t", tt.text, r, r.remote())
		}
	}
	for _, text := range []string{"", "-x", "ext::sh -c x", "fd::17", "ftp://x/y", "javascript://x", "a\nb", "a\x00b", strings.Repeat("a", abi.MaxPathBytes+1)} {
		if _, err := parseRepository(text); !errors.Is(err, abi.CodeInvalidRequest.Err()) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestRedactor(t *testing.T) {
	t.Parallel()
	tests := []struct{ asked, text, want string }{
		{"https://u:secret@h/r", "fatal: unable to access 'https://u:secret@h/r/': no", "fatal: unable to access 'https://h/r/': no"},
		{"https://u:p%40ss-w@h/r", "p@ss-w and p%40ss-w", "*** and ***"},
		{"https://u:a@b@h/r", "at https://u:a@b@h/r.", "at https://h/r."},
		{"https://token-1@h/r", "token-1 of https://token-1@h", "*** of https://h"},
		{"ssh://root@h/r", "root of ssh://root@h", "root of ssh://h"},
		{"https://h/r", "see http://x:y@other/ and mail@example.org", "see http://other/ and mail@example.org"},
		{"git@h:r", "git@h: Permission denied", "git@h: Permission denied"},
	}
	for _, tt := range tests {
		if got := newRedactor(tt.asked).clean(tt.text); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.asked, got, tt.want)
		}
	}
}

// FuzzRedactor: the password of a URL that git would take is in nothing that is
// cleaned.
func FuzzRedactor(f *testing.F) {
	f.Add("user", "secret", "fatal: ")
	f.Add("", "a@b:c", "'")
	f.Fuzz(func(t *testing.T, user, password, around string) {
		if len(password) < minSecret || strings.ContainsAny(user+password, "/") || strings.Contains("***", password) {
			return
		}
		asked := "https://" + user + ":" + password + "@example.org/r"
		if strings.Contains(user, ":") || strings.Contains("https://example.org/r***", password) {
			return
		}
		clean := newRedactor(asked).clean("'" + asked + "' " + password)
		if strings.Contains(clean, password) {
			t.Fatalf("%q is in %q", password, clean)
		}
		newRedactor(around).clean(around + asked)
	})
}
