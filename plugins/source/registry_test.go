package source

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// fetched looks and fetches.
func fetched(ctx context.Context, s Source) (Version, Module, error) {
	v, err := s.Look(ctx)
	if err != nil {
		return "", Module{}, err
	}
	m, err := s.Fetch(ctx, v)
	return v, m, err
}

// TestArtifacts wants the module of each shape of artifact, and a reason for those
// that have none.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	good := artifact{layer: module("one")}
	index := func(s *registryServer, platforms ...string) []byte {
		var list ocispec.Index
		list.SchemaVersion, list.MediaType = 2, ocispec.MediaTypeImageIndex
		for _, p := range platforms {
			a := artifact{layer: module(p)}
			d := s.push("", a)
			list.Manifests = append(list.Manifests, ocispec.Descriptor{
				MediaType: ocispec.MediaTypeImageManifest, Digest: digest.Digest(d), Size: int64(len(a.manifest())), Platform: &ocispec.Platform{Architecture: p, OS: "wasip1"},
			})
		}
		return encoded(list)
	}
	for _, tt := range []struct {
		name string
		push func(s *registryServer)
		want string // the layer, or
		err  error
		text string // part of the error
	}{
		{"module", func(s *registryServer) { s.push("v1", good) }, "one", nil, ""},
		{"other media type", func(s *registryServer) { s.push("v1", artifact{layer: module("two"), mediaType: moduleTypes[1]}) }, "two", nil, ""},
		{"single layer", func(s *registryServer) {
			s.push("v1", artifact{layer: module("three"), mediaType: "application/octet-stream"})
		}, "three", nil, ""},
		{"module among others", func(s *registryServer) {
			a := artifact{layer: module("four"), more: []ocispec.Descriptor{{MediaType: "text/plain", Digest: digest.FromString("x"), Size: 1}}}
			s.push("v1", a)
		}, "four", nil, ""},
		{"docker's manifest", func(s *registryServer) { s.push("x", good); s.pushManifest("v1", dockerManifest, good.manifest()) }, "one", nil, ""},
		{"index of one", func(s *registryServer) { s.pushManifest("v1", ocispec.MediaTypeImageIndex, index(s, "amd64")) }, "amd64", nil, ""},
		{"index", func(s *registryServer) {
			s.pushManifest("v1", ocispec.MediaTypeImageIndex, index(s, "amd64", "wasm", "arm64"))
		}, "wasm", nil, ""},
		{"index without", func(s *registryServer) {
			s.pushManifest("v1", ocispec.MediaTypeImageIndex, index(s, "amd64", "arm64"))
		}, "", ErrNoModule, "none of the index's 2 manifests is of the architecture wasm"},
		{"no module", func(s *registryServer) { s.push("v1", artifact{layer: []byte("hello"), mediaType: "text/plain"}) }, "", ErrNoModule, `of type "text/plain" does not begin as a WebAssembly module`},
		{"no such layer", func(s *registryServer) {
			s.push("v1", artifact{layer: []byte("a"), mediaType: "text/plain", more: []ocispec.Descriptor{{MediaType: "text/html"}}})
		}, "", ErrNoModule, "none of the manifest's 2 layers is of type application/wasm"},
		{"two modules", func(s *registryServer) {
			s.push("v1", artifact{layer: module("a"), more: []ocispec.Descriptor{{MediaType: moduleTypes[1]}}})
		}, "", nil, "2 layers of the manifest are modules"},
		{"too large", func(s *registryServer) { s.push("v1", artifact{layer: module("a"), size: MaxModuleBytes + 1}) }, "", ErrTooLarge, "a module of 268435457 bytes; at most 268435456 are taken"},
		{"negative size", func(s *registryServer) { s.push("v1", artifact{layer: module("a"), size: -1}) }, "", nil, "is said to be -1"},
		{"shorter than said", func(s *registryServer) { s.push("v1", artifact{layer: module("a"), size: 100}) }, "", nil, "fetch the module"},
		{"longer than said", func(s *registryServer) { s.push("v1", artifact{layer: module("abcdef"), size: 9}) }, "", nil, "fetch the module"},
		{"large manifest", func(s *registryServer) {
			s.pushManifest("v1", ocispec.MediaTypeImageManifest, append(good.manifest(), make([]byte, maxManifestBytes)...))
		}, "", ErrTooLarge, "a manifest of"},
		{"no JSON", func(s *registryServer) { s.pushManifest("v1", ocispec.MediaTypeImageManifest, []byte("hello")) }, "", nil, "read the manifest"},
		{"missing layer", func(s *registryServer) { s.pushManifest("v1", ocispec.MediaTypeImageManifest, good.manifest()) }, "", ErrNoModule, ""},
		{"no such tag", func(s *registryServer) { s.push("v2", good) }, "", ErrNoModule, "has no team/chat:v1"},
		{"another digest", func(s *registryServer) {
			s.push("v1", good)
			s.mu.Lock()
			s.blobs[digest.FromBytes(good.layer).String()] = module("two") // of the same size
			s.mu.Unlock()
		}, "", nil, "mismatch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startRegistry(t)
			tt.push(s)
			_, m, err := fetched(t.Context(), s.source(t, ":v1", ""))
			if tt.want != "" {
				if err != nil || string(m.Bytes) != string(module(tt.want)) {
					t.Errorf("%q, %v; want %q", m.Bytes, err, tt.want)
				}
				return
			}
			if err == nil || tt.err != nil && !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v; want %v with %q", err, tt.err, tt.text)
			}
		})
	}
}

// TestTooLargeIsNotFetched wants the size to be refused before a byte of the
// layer is asked for.
func TestTooLargeIsNotFetched(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	s.push("v1", artifact{layer: module("a"), size: MaxModuleBytes + 1})
	if _, _, err := fetched(t.Context(), s.source(t, ":v1", "")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	for _, r := range s.requests() {
		if strings.Contains(r, "/blobs/") {
			t.Errorf("%s was asked for", r)
		}
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	want := []byte(strings.Repeat("s", 64))
	d := s.push("v1", artifact{layer: module("one"), signature: want})
	v, m, err := fetched(t.Context(), s.source(t, ":v1", ""))
	name := strings.TrimPrefix(s.URL, "http://") + "/team/chat:v1@" + d
	if err != nil || string(m.Signature) != string(want) || string(v) != d || m.Origin != name {
		t.Errorf("version %s, signature %q of %s, %v; want %s, %q of %s", v, m.Signature, m.Origin, err, d, want, name)
	}
	broken := strings.Replace(string(artifact{layer: module("one"), signature: want}.manifest()), base64.StdEncoding.EncodeToString(want), "not base64!", 1)
	s.pushManifest("v1", ocispec.MediaTypeImageManifest, []byte(broken))
	if _, _, err := fetched(t.Context(), s.source(t, ":v1", "")); err == nil || !strings.Contains(err.Error(), "dev.edge.signature is not base64") {
		t.Errorf("error %v", err)
	}
}

// TestPinned wants a digest to be believed without a question, and its module
// alone to be taken.
func TestPinned(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	d := s.push("v1", artifact{layer: module("one")})
	s.push("v1", artifact{layer: module("two")})
	source := s.source(t, "@"+d, "")
	if v, err := source.Look(t.Context()); err != nil || string(v) != d || len(s.requests()) > 0 {
		t.Errorf("%s, %v; want %s and no request", v, err, d)
	}
	if m, err := source.Fetch(t.Context(), Version(d)); err != nil || string(m.Bytes) != string(module("one")) {
		t.Errorf("%q, %v", m.Bytes, err)
	}
}

// TestLookIsCheap wants one HEAD request.
func TestLookIsCheap(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	s.push("v1", artifact{layer: module("one")})
	if _, err := s.source(t, ":v1", "").Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.requests(); !slices.Equal(got, []string{"HEAD /v2/team/chat/manifests/v1"}) {
		t.Errorf("requests %q", got)
	}
}

// dockerConfig is Docker's configuration with a login.
func dockerConfig(t *testing.T, registry, user, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	text := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, registry, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantsLogin answers 401 unless the login is right.
func wantsLogin(w http.ResponseWriter, r *http.Request) bool {
	if user, password, ok := r.BasicAuth(); ok && user == "me" && password == "secret" {
		return false
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"log in"}]}`)
	return true
}

// TestCredentials wants Docker's login to be used, and one that is written later to
// count at once.
func TestCredentials(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	s.push("v1", artifact{layer: module("one")})
	s.intercept(wantsLogin)
	name := strings.TrimPrefix(s.URL, "http://")
	for _, file := range []string{"", filepath.Join(t.TempDir(), "none.json"), dockerConfig(t, "other.example", "me", "secret"), dockerConfig(t, name, "me", "wrong")} {
		_, _, err := fetched(t.Context(), s.source(t, ":v1", file))
		if !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%q: error %v", file, err)
		}
	}
	file := dockerConfig(t, name, "me", "wrong")
	source := s.source(t, ":v1", file)
	if _, _, err := fetched(t.Context(), source); !errors.Is(err, ErrDenied) {
		t.Errorf("error %v", err)
	}
	right, err := os.ReadFile(dockerConfig(t, name, "me", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, right, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, m, err := fetched(t.Context(), source); err != nil || string(m.Bytes) != string(module("one")) {
		t.Errorf("%q, %v", m.Bytes, err)
	}
}

// TestFailures wants each failure of a registry told by what it is, and no query of
// a redirection in it.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request) bool
		err    error
		text   string
	}{
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(403); return true }, ErrDenied, "answers 403 Forbidden"},
		{"down", func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }, nil, "answers 503 Service Unavailable"},
		{"cut", func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, nil, "does not answer: EOF"},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/blobs/") {
				http.Redirect(w, r, "http://127.0.0.1:1/x?sig=hidden", http.StatusTemporaryRedirect)
				return true
			}
			return false
		}, nil, "does not answer"},
		{"no digest", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
			w.Header().Set("Content-Length", "5")
			return true
		}, nil, "Docker-Content-Digest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startRegistry(t)
			s.push("v1", artifact{layer: module("one")})
			s.intercept(tt.answer)
			_, _, err := fetched(t.Context(), s.source(t, ":v1", ""))
			if err == nil || tt.err != nil && !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("error %v; want %v with %q", err, tt.err, tt.text)
			}
		})
	}
}

// TestSlowRegistry wants a deadline to end a look, and a fetch whose bytes stop
// coming.
func TestSlowRegistry(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	one := module(strings.Repeat("one", 1000))
	s.push("v1", artifact{layer: one})
	stuck := func(part string) {
		s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, part) {
				return false
			}
			if part == "/blobs/" {
				w.Header().Set("Content-Length", fmt.Sprint(len(one)))
				_, _ = w.Write(one[:len(one)/2])
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
			return true
		})
	}
	for _, part := range []string{"/manifests/", "/blobs/"} {
		stuck(part)
		f := &Follower{Source: s.source(t, ":v1", ""), LookTime: time.Second, FetchTime: time.Second, Offer: newOffers().offer}
		if part == "/blobs/" {
			f.LookTime = patience
		}
		if err := f.Sync(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v", part, err)
		}
	}
}
