package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"
)

// Layout is a module in an OCI image layout on disk (OCI image specification,
// "image layout"). Its versions are digests of manifests.
type Layout struct{ ref LayoutReference }

var _ Source = (*Layout)(nil)

// NewLayout returns the source that a reference names.
func NewLayout(ref LayoutReference) *Layout { return &Layout{ref} }

// Folder is the layout's.
func (l *Layout) Folder() string { return l.ref.Path }

// Concerns tells whether a file says what the tags are.
func (l *Layout) Concerns(file string) bool { return filepath.Base(file) == ocispec.ImageIndexFile }

// Look returns the digest that the tag has now.
func (l *Layout) Look(context.Context) (Version, error) {
	at, err := l.resolve(l.ref.Tag)
	return Version(at.Digest), err
}

// Fetch returns the module of the manifest with that digest.
func (l *Layout) Fetch(ctx context.Context, v Version) (Module, error) {
	at, err := l.resolve(string(v))
	if err != nil {
		return Module{}, err
	}
	m, err := fetchArtifact(ctx, oci.NewStorageFromFS(os.DirFS(l.ref.Path)), at)
	if err != nil {
		return Module{}, fmt.Errorf("the layout %s: %w", l.ref.Path, err)
	}
	m.Origin = l.ref.String()
	if !pinned(l.ref.Tag) {
		m.Origin += "@" + string(v)
	}
	return m, nil
}

// resolve finds a tag or digest among the manifests that the layout lists. An
// empty one is the only manifest, or the one tagged "latest".
func (l *Layout) resolve(tag string) (ocispec.Descriptor, error) {
	index, err := l.index()
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("the layout %s: %w", l.ref.Path, err)
	}
	if tag == "" && len(index.Manifests) == 1 {
		return index.Manifests[0], nil
	}
	if tag == "" {
		tag = defaultTag
	}
	at := slices.IndexFunc(index.Manifests, func(d ocispec.Descriptor) bool {
		return d.Digest.String() == tag || d.Annotations[ocispec.AnnotationRefName] == tag
	})
	if at < 0 {
		return ocispec.Descriptor{}, fmt.Errorf("%w: the layout %s has no %q; it has %s", ErrNoModule, l.ref.Path, tag, tagsOf(index.Manifests))
	}
	return index.Manifests[at], nil
}

// maxTags bounds the tags in a message.
const maxTags = 10

// tagsOf names the tags that there are.
func tagsOf(manifests []ocispec.Descriptor) string {
	var tags []string
	for _, d := range manifests {
		if tag := d.Annotations[ocispec.AnnotationRefName]; tag != "" {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	switch {
	case len(tags) == 0:
		return "no tags"
	case len(tags) > maxTags:
		return fmt.Sprintf("%s and %d more", strings.Join(tags[:maxTags], ", "), len(tags)-maxTags)
	}
	return strings.Join(tags, ", ")
}

func (l *Layout) index() (*ocispec.Index, error) {
	f, err := os.Open(filepath.Join(l.ref.Path, ocispec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s", ErrNoModule, ocispec.ImageIndexFile)
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxManifestBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxManifestBytes {
		return nil, tooLarge("an index", int64(len(text)), maxManifestBytes)
	}
	index := new(ocispec.Index)
	if err := json.Unmarshal(text, index); err != nil {
		return nil, fmt.Errorf("read %s: %w", ocispec.ImageIndexFile, err)
	}
	return index, nil
}
