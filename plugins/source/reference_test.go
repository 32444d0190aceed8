package source

import (
	"strings"
	"testing"
)

func TestParseRegistry(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("5f", 32)
	for _, tt := range []struct {
		text, want    string
		plain, pinned bool
	}{
		{"oci://registry.example/chat", "registry.example/chat:latest", false, false},
		{"oci://registry.example:5000/team/chat:v1", "registry.example:5000/team/chat:v1", false, false},
		{"oci://registry.example/chat@" + digest, "registry.example/chat@" + digest, false, true},
		{"oci+http://registry.example/chat:v1", "registry.example/chat:v1", true, false},
		{"oci://127.0.0.1:5000/chat:v1", "127.0.0.1:5000/chat:v1", true, false},
		{"oci://127.9.9.9/chat:v1", "127.9.9.9/chat:v1", true, false},
		{"oci://[::1]:5000/chat:v1", "[::1]:5000/chat:v1", true, false},
		{"oci://localhost/chat:v1", "localhost/chat:v1", true, false},
		{"oci://a.localhost:80/chat:v1", "a.localhost:80/chat:v1", true, false},
		{"oci://localhost.example/chat:v1", "localhost.example/chat:v1", false, false},
		{"oci://10.0.0.1:5000/chat:v1", "10.0.0.1:5000/chat:v1", false, false},
	} {
		ref, err := ParseRegistry(tt.text)
		if err != nil || ref.Reference.String() != tt.want || ref.Plain != tt.plain || ref.Pinned() != tt.pinned {
			t.Errorf("%s: %s, plain %t, pinned %t, %v; want %s, %t, %t", tt.text, ref.Reference, ref.Plain, ref.Pinned(), err, tt.want, tt.plain, tt.pinned)
		}
	}
	for _, text := range []string{"", "oci:/a/b", "docker://a/b", "oci://", "oci://a", "oci:///b", "oci://a/B", "oci://a/b:", "oci://a/b:c d", "oci://a/b@sha256:1", "oci://user@a/b"} {
		if ref, err := ParseRegistry(text); err == nil {
			t.Errorf("%q is taken for %s", text, ref.Reference)
		}
	}
}

func TestParseLayout(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("5f", 32)
	for text, want := range map[string]LayoutReference{
		"oci-layout:/a/b":              {"/a/b", ""},
		"oci-layout:/a/b:v1":           {"/a/b", "v1"},
		"oci-layout:/a:b/c":            {"/a:b/c", ""},
		"oci-layout:/a@b/c:v.1-x_y":    {"/a@b/c", "v.1-x_y"},
		"oci-layout:/a/b@" + digest:    {"/a/b", digest},
		"oci-layout:a":                 {"a", ""},
		"oci-layout:../a b/c:latest":   {"../a b/c", "latest"},
		"oci-layout:/a/sha256:" + "00": {"/a/sha256", "00"},
	} {
		got, err := ParseLayout(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v (%s), %v; want %+v", text, got, got, err, want)
		}
	}
	for _, text := range []string{"", "/a/b", "oci-layout:", "oci-layout::v1", "oci-layout:a:", "oci-layout:a@", "oci-layout:a@v1", "oci-layout:a:b/:"} {
		if ref, err := ParseLayout(text); err == nil {
			t.Errorf("%q is taken for %+v", text, ref)
		}
	}
}

// FuzzParse wants references that are taken to read the same when written.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"oci-layout:/a/b:v1", "oci-layout:a@sha256:" + strings.Repeat("0", 64), "oci://registry.example:5000/team/chat:v1", "oci+http://[::1]/a@sha256:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if ref, err := ParseLayout(text); err == nil {
			if again, err := ParseLayout(ref.String()); err != nil || again != ref {
				t.Errorf("%q: %+v, and of its own text %+v, %v", text, ref, again, err)
			}
		}
		if ref, err := ParseRegistry(text); err == nil {
			if again, err := ParseRegistry(RegistryScheme + ref.Reference.String()); err != nil || again.Reference != ref.Reference {
				t.Errorf("%q: %s, and of its own text %s, %v", text, ref.Reference, again.Reference, err)
			}
		}
	})
}
