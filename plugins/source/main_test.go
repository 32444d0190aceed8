package source

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testleak.Settle(m)) }

// patience bounds what a test waits for; it never decides a result.
const patience = time.Minute

// module is a module's bytes, as far as sources look at them.
func module(text string) []byte { return append([]byte("\x00asm\x01\x00\x00\x00"), text...) }

// artifact is a manifest with one layer.
type artifact struct {
	layer     []byte
	mediaType string // of the layer; the first of moduleTypes by default
	signature []byte
	size      int64 // what the manifest says of the layer, if not the truth
	more      []ocispec.Descriptor
}

func (a artifact) manifest() []byte {
	layer := ocispec.Descriptor{MediaType: a.mediaType, Digest: digest.FromBytes(a.layer), Size: int64(len(a.layer))}
	if layer.MediaType == "" {
		layer.MediaType = moduleTypes[0]
	}
	if a.size != 0 {
		layer.Size = a.size
	}
	config := ocispec.DescriptorEmptyJSON
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: append([]ocispec.Descriptor{layer}, a.more...)}
	m.SchemaVersion = 2
	if a.signature != nil {
		m.Annotations = map[string]string{SignatureAnnotation: base64.StdEncoding.EncodeToString(a.signature)}
	}
	return encoded(m)
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// registryServer is a registry of one repository, as far as pulling goes (OCI
// distribution specification, "pull").
type registryServer struct {
	*httptest.Server

	mu    sync.Mutex
	tags  map[string]string // to digests
	blobs map[string][]byte // manifests too, by digest
	types map[string]string // media types of manifests
	// answer, if set, is asked first; true is that it answered.
	answer func(w http.ResponseWriter, r *http.Request) bool
	asked  []string
}

func startRegistry(t *testing.T) *registryServer {
	t.Helper()
	s := &registryServer{tags: map[string]string{}, blobs: map[string][]byte{}, types: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

// push puts an artifact under a tag and returns its digest.
func (s *registryServer) push(tag string, a artifact) string {
	s.mu.Lock()
	s.blobs[digest.FromBytes(a.layer).String()] = a.layer
	s.mu.Unlock()
	return s.pushManifest(tag, ocispec.MediaTypeImageManifest, a.manifest())
}

func (s *registryServer) pushManifest(tag, mediaType string, manifest []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := digest.FromBytes(manifest).String()
	s.blobs[d], s.types[d], s.tags[tag] = manifest, mediaType, d
	return d
}

// intercept has f asked first.
func (s *registryServer) intercept(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// requests are those since the last call.
func (s *registryServer) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *registryServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	answer := s.answer
	s.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if d, ok := s.tags[name]; ok {
		name = d
	}
	content, ok := s.blobs[name]
	mediaType, isManifest := s.types[name]
	if !ok || isManifest != strings.Contains(r.URL.Path, "/manifests/") || !strings.HasPrefix(r.URL.Path, "/v2/team/chat/") {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
		return
	}
	if !isManifest {
		mediaType = "application/octet-stream"
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", name)
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(content)
	}
}

// reference is how the edge's configuration names the server's repository.
func (s *registryServer) reference(tag string) string {
	return RegistryScheme + strings.TrimPrefix(s.URL, "http://") + "/team/chat" + tag
}

// source is the repository as a source; credentials is Docker's file.
func (s *registryServer) source(t *testing.T, tag, credentials string) *Registry {
	t.Helper()
	ref, err := ParseRegistry(s.reference(tag))
	if err != nil {
		t.Fatal(err)
	}
	return NewRegistry(ref, RegistryConfig{Client: s.Client(), Credentials: credentials})
}

// logLines is a log that a test reads.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logLines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// count tells in how many lines a text is.
func (l *logLines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// offers is a plugin that takes modules, and what it took.
type offers struct {
	taken chan Module
	// refuse, if set, is the error of an offer.
	refuse func(Module) error
}

func newOffers() *offers { return &offers{taken: make(chan Module, 16)} }

func (o *offers) offer(_ context.Context, m Module) error {
	if o.refuse != nil {
		if err := o.refuse(m); err != nil {
			return err
		}
	}
	o.taken <- m
	return nil
}

// next is the module that is taken next.
func (o *offers) next(t *testing.T) Module {
	t.Helper()
	select {
	case m := <-o.taken:
		return m
	case <-time.After(patience):
		t.Fatal("no module was taken")
		return Module{}
	}
}

// none wants nothing to have been taken.
func (o *offers) none(t *testing.T) {
	t.Helper()
	select {
	case m := <-o.taken:
		t.Errorf("%s was taken", m.Origin)
	default:
	}
}

// run runs a follower until the test ends.
func run(t *testing.T, f *Follower) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx) }()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-done }) }
	t.Cleanup(stop)
	return stop
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so: %s", what)
		}
	}
}
