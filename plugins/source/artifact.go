package source

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
)

// SignatureAnnotation is the annotation of a manifest that holds the module's
// ed25519 signature in base64.
const SignatureAnnotation = "dev.edge.signature"

// maxManifestBytes bounds a manifest and an index, as registries do (OCI
// distribution specification, "pushing manifests").
const maxManifestBytes = 4 << 20

// moduleTypes are the media types of a layer that is a module.
var moduleTypes = []string{"application/wasm", "application/vnd.wasm.content.layer.v1+wasm"}

// Media types of Docker's own manifests, which read as those of OCI do.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// magic begins every module (WebAssembly core specification, section 5.5.16).
var magic = []byte("\x00asm")

// fetchArtifact returns the module that a manifest, or an index with one, holds.
func fetchArtifact(ctx context.Context, from content.Fetcher, at ocispec.Descriptor) (Module, error) {
	manifest, err := fetchManifest(ctx, from, at)
	if err != nil {
		return Module{}, err
	}
	var m Module
	if text := manifest.Annotations[SignatureAnnotation]; text != "" {
		if m.Signature, err = base64.StdEncoding.DecodeString(text); err != nil {
			return Module{}, fmt.Errorf("the manifest's annotation %s is not base64: %w", SignatureAnnotation, err)
		}
	}
	layer, err := moduleLayer(manifest.Layers)
	if err != nil {
		return Module{}, err
	}
	if m.Bytes, err = fetchBlob(ctx, from, layer, "module", MaxModuleBytes); err != nil {
		return Module{}, err
	}
	if !bytes.HasPrefix(m.Bytes, magic) {
		return Module{}, fmt.Errorf("%w: the layer of type %q does not begin as a WebAssembly module", ErrNoModule, layer.MediaType)
	}
	return m, nil
}

// fetchManifest returns the manifest at a descriptor, going through an index at
// most once.
func fetchManifest(ctx context.Context, from content.Fetcher, at ocispec.Descriptor) (*ocispec.Manifest, error) {
	if at.MediaType == ocispec.MediaTypeImageIndex || at.MediaType == dockerList {
		var index ocispec.Index
		if err := fetchJSON(ctx, from, at, "index", &index); err != nil {
			return nil, err
		}
		only, err := moduleManifest(index.Manifests)
		if err != nil {
			return nil, err
		}
		at = only
	}
	if at.MediaType != ocispec.MediaTypeImageManifest && at.MediaType != dockerManifest {
		return nil, fmt.Errorf("%w: its media type is %q, not that of an image manifest", ErrNoModule, at.MediaType)
	}
	manifest := new(ocispec.Manifest)
	if err := fetchJSON(ctx, from, at, "manifest", manifest); err != nil {
		return nil, err
	}
	return manifest, nil
}

// moduleManifest is the manifest of an index that is for WebAssembly, or the only
// one.
func moduleManifest(manifests []ocispec.Descriptor) (ocispec.Descriptor, error) {
	if len(manifests) == 1 {
		return manifests[0], nil
	}
	at := slices.IndexFunc(manifests, func(d ocispec.Descriptor) bool { return d.Platform != nil && d.Platform.Architecture == "wasm" })
	if at < 0 {
		return ocispec.Descriptor{}, fmt.Errorf("%w: none of the index's %d manifests is of the architecture wasm", ErrNoModule, len(manifests))
	}
	return manifests[at], nil
}

// moduleLayer is the layer whose type says that it is a module, or the only one.
func moduleLayer(layers []ocispec.Descriptor) (ocispec.Descriptor, error) {
	var modules []ocispec.Descriptor
	for _, l := range layers {
		if slices.Contains(moduleTypes, l.MediaType) {
			modules = append(modules, l)
		}
	}
	switch {
	case len(modules) == 1:
		return modules[0], nil
	case len(modules) > 1:
		return ocispec.Descriptor{}, fmt.Errorf("%d layers of the manifest are modules; want one", len(modules))
	case len(layers) == 1:
		return layers[0], nil
	}
	return ocispec.Descriptor{}, fmt.Errorf("%w: none of the manifest's %d layers is of type %s", ErrNoModule, len(layers), moduleTypes[0])
}

func fetchJSON(ctx context.Context, from content.Fetcher, at ocispec.Descriptor, what string, v any) error {
	text, err := fetchBlob(ctx, from, at, what, maxManifestBytes)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read the %s: %w", what, err)
	}
	return nil
}

// fetchBlob returns what a descriptor describes. Its size is known to be right
// before a byte is read, and its digest is verified.
func fetchBlob(ctx context.Context, from content.Fetcher, at ocispec.Descriptor, what string, most int) (_ []byte, err error) {
	if at.Size > int64(most) {
		return nil, tooLarge("a "+what, at.Size, most)
	}
	if at.Size < 0 {
		return nil, fmt.Errorf("the size of the %s is said to be %d", what, at.Size)
	}
	if err := at.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("the digest of the %s: %w", what, err)
	}
	body, err := from.Fetch(ctx, at)
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return nil, fmt.Errorf("%w: the %s %s is not there", ErrNoModule, what, at.Digest)
	case err != nil:
		return nil, fmt.Errorf("fetch the %s: %w", what, err)
	}
	defer body.Close()
	verified := content.NewVerifyReader(body, at)
	// It grows with what comes: the size is a claim until then.
	var b bytes.Buffer
	if _, err = b.ReadFrom(verified); err == nil {
		err = verified.Verify()
	}
	if ctx.Err() != nil {
		err = ctx.Err() // whatever the transport calls it
	}
	if err != nil {
		return nil, fmt.Errorf("fetch the %s %s: %w", what, at.Digest, err)
	}
	return b.Bytes(), nil
}
