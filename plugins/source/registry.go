package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Registry is a module in a registry (OCI distribution specification, "pull").
// Its versions are digests of manifests.
type Registry struct {
	ref        RegistryReference
	repository *remote.Repository
}

var _ Source = (*Registry)(nil)

// RegistryConfig is how a registry is reached.
type RegistryConfig struct {
	// Client sends the requests; nil is http.DefaultClient.
	Client *http.Client
	// Credentials is the path of Docker's configuration file, or empty for none. It
	// is read when the registry asks who is there, credential helpers included, so
	// that what "docker login" writes counts at once.
	Credentials string
	// UserAgent is what the edge calls itself.
	UserAgent string
}

// NewRegistry returns the source that a reference names.
func NewRegistry(ref RegistryReference, config RegistryConfig) *Registry {
	client := &auth.Client{Client: config.Client, Cache: auth.NewCache(), Credential: docker(config.Credentials).credential}
	if config.UserAgent != "" {
		client.SetUserAgent(config.UserAgent)
	}
	return &Registry{ref, &remote.Repository{
		Client: client, Reference: ref.Reference, PlainHTTP: ref.Plain, MaxMetadataBytes: maxManifestBytes,
		ManifestMediaTypes: []string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, dockerManifest, dockerList},
	}}
}

// docker is the path of Docker's configuration file.
type docker string

// credential returns what the file has for a registry, empty if it has nothing.
func (d docker) credential(ctx context.Context, name string) (auth.Credential, error) {
	if d == "" {
		return auth.EmptyCredential, nil
	}
	store, err := credentials.NewStore(string(d), credentials.StoreOptions{})
	if err != nil {
		return auth.EmptyCredential, fmt.Errorf("read credentials: %w", err)
	}
	return credentials.Credential(store)(ctx, name)
}

// Folder is empty: a registry is asked.
func (r *Registry) Folder() string { return "" }

// Concerns is not asked.
func (r *Registry) Concerns(string) bool { return false }

// Look returns the digest that the tag has now: one HEAD request, or none if the
// reference is a digest.
func (r *Registry) Look(ctx context.Context) (Version, error) {
	if r.ref.Pinned() {
		return Version(r.ref.Reference.Reference), nil
	}
	d, err := r.repository.Resolve(ctx, r.ref.Reference.Reference)
	if err != nil {
		return "", r.failure(ctx, err)
	}
	return Version(d.Digest), nil
}

// Fetch returns the module of the manifest with that digest.
func (r *Registry) Fetch(ctx context.Context, v Version) (Module, error) {
	at, err := r.repository.Resolve(ctx, string(v))
	if err != nil {
		return Module{}, r.failure(ctx, err)
	}
	m, err := fetchArtifact(ctx, r.repository, at)
	if err != nil {
		return Module{}, r.failure(ctx, err)
	}
	m.Origin = r.ref.Reference.String()
	if !r.ref.Pinned() {
		m.Origin += "@" + string(v)
	}
	return m, nil
}

// failure is err for people: which registry it was and what it said. The address
// of a request is left out, because a registry may send its clients to one whose
// query lets whoever has it in.
func (r *Registry) failure(ctx context.Context, err error) error {
	name := r.ref.Registry
	if ctx.Err() != nil {
		return fmt.Errorf("the registry %s: no answer: %w", name, ctx.Err())
	}
	var answer *errcode.ErrorResponse
	var request *url.Error
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return fmt.Errorf("%w: the registry %s has no %s", ErrNoModule, name, strings.TrimPrefix(r.ref.Reference.String(), name+"/"))
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return fmt.Errorf("%w: %s wants a login and there is none for it", ErrDenied, name)
	case errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%w: %s answers %d %s", ErrDenied, name, answer.StatusCode, said(answer))
	case errors.As(err, &answer):
		return fmt.Errorf("the registry %s answers %d %s", name, answer.StatusCode, said(answer))
	case errors.As(err, &request):
		return fmt.Errorf("the registry %s does not answer: %w", name, request.Err)
	}
	return fmt.Errorf("the registry %s: %w", name, err)
}

// said is what a registry gave as the reason.
func said(answer *errcode.ErrorResponse) string {
	if len(answer.Errors) > 0 {
		return "(" + answer.Errors.Error() + ")"
	}
	return http.StatusText(answer.StatusCode)
}
