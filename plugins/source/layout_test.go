package source

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"
)

// layout is an OCI image layout that another program's library writes.
type layout struct {
	t     *testing.T
	dir   string
	store *oci.Store
}

func newLayout(t *testing.T) *layout {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	store, err := oci.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &layout{t, dir, store}
}

// push packs a module as an artifact and tags it; an empty tag is none.
func (l *layout) push(tag string, layer []byte) ocispec.Descriptor {
	l.t.Helper()
	ctx := context.Background()
	blob := content.NewDescriptorFromBytes(moduleTypes[0], layer)
	if there, err := l.store.Exists(ctx, blob); err != nil {
		l.t.Fatal(err)
	} else if !there {
		if err := l.store.Push(ctx, blob, bytes.NewReader(layer)); err != nil {
			l.t.Fatal(err)
		}
	}
	d, err := oras.PackManifest(ctx, l.store, oras.PackManifestVersion1_1, "application/vnd.wasm.config.v0+json", oras.PackManifestOptions{
		Layers: []ocispec.Descriptor{blob}, ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: "2026-01-02T03:04:05Z"},
	})
	if err == nil && tag != "" {
		err = l.store.Tag(ctx, d, tag)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

func (l *layout) source(tag string) *Layout { return NewLayout(LayoutReference{l.dir, tag}) }

func TestLayout(t *testing.T) {
	t.Parallel()
	l := newLayout(t)
	first := l.push("v1", module("one"))
	want := func(tag, text string) {
		t.Helper()
		_, m, err := fetched(t.Context(), l.source(tag))
		if err != nil || string(m.Bytes) != string(module(text)) {
			t.Errorf("%q: %q, %v; want %q", tag, m.Bytes, err, text)
		}
	}
	want("", "one") // the only one
	l.push("v2", module("two"))
	want("v1", "one")
	want("v2", "two")
	want(first.Digest.String(), "one")
	if _, _, err := fetched(t.Context(), l.source("")); !errors.Is(err, ErrNoModule) || !strings.Contains(err.Error(), `has no "latest"; it has v1, v2`) {
		t.Errorf("error %v", err)
	}
	l.push("latest", module("three"))
	want("", "three")
	l.push("v1", module("four")) // the tag moves
	want("v1", "four")
	if v, m, err := fetched(t.Context(), l.source("v1")); err != nil || m.Origin != "oci-layout:"+l.dir+":v1@"+string(v) {
		t.Errorf("origin %s of %s, %v", m.Origin, v, err)
	}
}

func TestBrokenLayouts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, l *layout, d ocispec.Descriptor)
		err   error
		text  string
	}{
		{"no index", func(t *testing.T, l *layout, _ ocispec.Descriptor) {
			if err := os.Remove(filepath.Join(l.dir, "index.json")); err != nil {
				t.Fatal(err)
			}
		}, ErrNoModule, "there is no index.json"},
		{"no JSON", func(t *testing.T, l *layout, _ ocispec.Descriptor) { write(t, filepath.Join(l.dir, "index.json"), "{") }, nil, "read index.json"},
		{"large index", func(t *testing.T, l *layout, _ ocispec.Descriptor) {
			write(t, filepath.Join(l.dir, "index.json"), strings.Repeat(" ", maxManifestBytes+1))
		}, ErrTooLarge, "an index of"},
		{"empty index", func(t *testing.T, l *layout, _ ocispec.Descriptor) {
			write(t, filepath.Join(l.dir, "index.json"), "{}")
		}, ErrNoModule, "it has no tags"},
		{"digest that leads out of the folder", func(t *testing.T, l *layout, _ ocispec.Descriptor) {
			write(t, filepath.Join(l.dir, "index.json"), `{"manifests":[{"mediaType":"`+ocispec.MediaTypeImageManifest+`","digest":"sha256:../../../x","size":3}]}`)
		}, nil, "the digest of the manifest"},
		{"other manifest", func(t *testing.T, l *layout, d ocispec.Descriptor) { spoilBlob(t, l, d.Digest) }, nil, "fetch the manifest"},
		{"other module", func(t *testing.T, l *layout, _ ocispec.Descriptor) { spoilBlob(t, l, digest.FromBytes(module("one"))) }, nil, "fetch the module"},
		{"no module", func(t *testing.T, l *layout, _ ocispec.Descriptor) {
			if err := os.Remove(blobPath(l, digest.FromBytes(module("one")))); err != nil {
				t.Fatal(err)
			}
		}, ErrNoModule, "is not there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLayout(t)
			tt.spoil(t, l, l.push("v1", module("one")))
			_, _, err := fetched(t.Context(), l.source(""))
			if err == nil || tt.err != nil && !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v; want %v with %q", err, tt.err, tt.text)
			}
		})
	}
}

func blobPath(l *layout, d digest.Digest) string {
	return filepath.Join(l.dir, "blobs", d.Algorithm().String(), d.Encoded())
}

// spoilBlob changes one byte of a blob.
func spoilBlob(t *testing.T, l *layout, d digest.Digest) {
	t.Helper()
	path := blobPath(l, d)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1]++
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, path, string(b))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
