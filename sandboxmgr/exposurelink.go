package sandboxmgr

import (
	"context"
	"strings"
	"time"

	"edge/abi"
)

const (
	defaultLinkTTL = time.Hour
	maxLinkTTL     = 30 * 24 * time.Hour
	maxLinkPath    = 4096 // bytes
)

// CreatePreviewLink signs a link to an exposure that keeps its token out of the URL.
// The link, and what a browser gets by it, ends by itself. PORT_NOT_EXPOSED if there
// is no exposure.
func (s *Sandbox) CreatePreviewLink(_ context.Context, req *abi.PreviewLinkRequest) (*abi.PreviewLink, error) {
	op := abi.CreatePreviewLink.Name()
	err := firstError(s.m.checkPort(req.Port), checkSpan("ttl", req.TTL.D(), maxLinkTTL), checkLinkPath(req.Path))
	if err != nil {
		return nil, s.fail(op, err)
	}
	e, ok := s.m.exposures.ofPort(s.key, req.Port)
	switch {
	case !ok:
		return nil, s.fail(op, abi.Errorf(abi.CodePortNotExposed, "port %d of sandbox %s is not exposed", req.Port, s.key.id).
			WithSuggestion("expose it first, with tokenIn \"request\""))
	case !e.takesToken():
		return nil, s.fail(op, abi.Errorf(abi.CodeInvalidRequest, "port %d is exposed with %s, whose URL is all that is needed", req.Port, e.admission()).
			WithSuggestion("expose it with tokenIn \"request\" to keep the token out of its URL; that is another URL"))
	}
	link, err := s.m.previewLink(&e, req, time.Now())
	if err != nil {
		return nil, s.fail(op, err)
	}
	return link, nil
}

func (m *Manager) previewLink(e *Exposure, req *abi.PreviewLinkRequest, now time.Time) (*abi.PreviewLink, error) {
	url, _, err := m.config.Previews.urls(e)
	if err != nil {
		return nil, err
	}
	// It lasts for ttl at least: what is signed counts in whole seconds.
	until := now.Add(req.TTL.Or(defaultLinkTTL) + time.Second - 1).Truncate(time.Second)
	if e.ExpiresAt != nil && e.ExpiresAt.Before(until) {
		until = *e.ExpiresAt
	}
	url += strings.TrimPrefix(req.Path, "/")
	separator := "?"
	if strings.Contains(req.Path, "?") {
		separator = "&"
	}
	return &abi.PreviewLink{URL: url + separator + linkParameter + "=" + m.SignAccess(*e, until), ExpiresAt: until}, nil
}

// linkParameter is the query's parameter that holds what is signed.
const linkParameter = "edge_link"

// admission says in a user's words who is let in.
func (e *Exposure) admission() string {
	if e.secretLabel() {
		return "tokenIn \"host\""
	}
	return "access \"" + string(e.Access) + "\""
}

// checkLinkPath checks a path with or without a query (RFC 3986, section 3.3).
func checkLinkPath(path string) error {
	_, query, _ := strings.Cut(path, "?")
	switch {
	case path == "":
		return nil
	case len(path) > maxLinkPath:
		return invalid("path has %d bytes; at most %d are possible", len(path), maxLinkPath)
	case path[0] != '/':
		return invalid("path %.80q does not begin with \"/\"", path)
	case strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"#<>\\^`{|}", r) }):
		return invalid("path %.80q holds a character that a URL has to encode", path)
	}
	for parameter := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(parameter, "="); name == linkParameter || name == "edge_token" {
			return invalid("the path's query has %s, which the link is to have", name)
		}
	}
	return nil
}
