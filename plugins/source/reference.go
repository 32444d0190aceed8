package source

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry"
)

// The words that begin a source which is no path.
const (
	LayoutScheme   = "oci-layout:"
	RegistryScheme = "oci://"
	// PlainScheme is RegistryScheme for a registry that speaks HTTP without TLS.
	PlainScheme = "oci+http://"
)

// defaultTag is what a reference means that names no version.
const defaultTag = "latest"

// RegistryReference names a module in a registry.
type RegistryReference struct {
	registry.Reference // with a tag or digest
	// Plain says to speak HTTP without TLS: the scheme says so, or the registry is
	// on this machine.
	Plain bool
}

// ParseRegistry reads "oci://REGISTRY/REPOSITORY[:TAG|@DIGEST]"; without either
// the tag is "latest". With the scheme oci+http, and on a loopback address, the
// registry is spoken to without TLS.
func ParseRegistry(text string) (RegistryReference, error) {
	rest, secure := strings.CutPrefix(text, RegistryScheme)
	if !secure {
		var plain bool
		if rest, plain = strings.CutPrefix(text, PlainScheme); !plain {
			return RegistryReference{}, fmt.Errorf("%q does not begin with %s or %s", text, RegistryScheme, PlainScheme)
		}
	}
	ref, err := registry.ParseReference(rest)
	if err != nil || strings.HasSuffix(rest, ":") || strings.HasSuffix(rest, "@") {
		return RegistryReference{}, fmt.Errorf("%q is no reference; want %sREGISTRY/REPOSITORY, then :TAG or @sha256:DIGEST", text, RegistryScheme)
	}
	ref.Reference = ref.ReferenceOrDefault()
	return RegistryReference{Reference: ref, Plain: !secure || loopback(ref.Registry)}, nil
}

// loopback tells whether a registry's name, with or without a port, is of this
// machine alone.
func loopback(name string) bool {
	host, _, err := net.SplitHostPort(name)
	if err != nil {
		host = strings.Trim(name, "[]")
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761, section 6.3
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Pinned tells whether the reference is a digest, which never means anything
// else.
func (r RegistryReference) Pinned() bool { return pinned(r.Reference.Reference) }

func pinned(reference string) bool {
	_, err := digest.Parse(reference)
	return err == nil
}

// LayoutReference names a module in an OCI image layout.
type LayoutReference struct {
	// Path is the layout's folder.
	Path string
	// Tag is a tag or a digest, or empty: the only manifest, or the one tagged
	// "latest".
	Tag string
}

// ParseLayout reads "oci-layout:PATH[:TAG|@DIGEST]". A colon before the last slash
// belongs to the path.
func ParseLayout(text string) (LayoutReference, error) {
	rest, ok := strings.CutPrefix(text, LayoutScheme)
	if !ok {
		return LayoutReference{}, fmt.Errorf("%q does not begin with %s", text, LayoutScheme)
	}
	ref := LayoutReference{Path: rest}
	last := strings.LastIndexByte(rest, '/') + 1
	if at := strings.IndexByte(rest[last:], '@'); at >= 0 {
		ref.Path, ref.Tag = rest[:last+at], rest[last+at+1:]
		if !pinned(ref.Tag) {
			return LayoutReference{}, fmt.Errorf("%q is no digest; want sha256: and 64 hexadecimal digits", ref.Tag)
		}
	} else if at := strings.LastIndexByte(rest[last:], ':'); at >= 0 {
		ref.Path, ref.Tag = rest[:last+at], rest[last+at+1:]
		if (registry.Reference{Reference: ref.Tag}).ValidateReferenceAsTag() != nil {
			return LayoutReference{}, fmt.Errorf("%q is no tag; want letters, digits and \"_\", \".\", \"-\", at most 128", ref.Tag)
		}
	}
	if ref.Path == "" {
		return LayoutReference{}, fmt.Errorf("%q names no folder; want %sPATH[:TAG]", text, LayoutScheme)
	}
	return ref, nil
}

// String is the reference as ParseLayout reads it.
func (r LayoutReference) String() string {
	switch {
	case r.Tag == "":
		return LayoutScheme + r.Path
	case pinned(r.Tag):
		return LayoutScheme + r.Path + "@" + r.Tag
	}
	return LayoutScheme + r.Path + ":" + r.Tag
}
