package main

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"edge/abi"
	"edge/plugins"
)

// byFlag is the way out of a Worker that has no configuration: where a host is refused
// it says which flag allows it.
type byFlag struct {
	fetcher plugins.Fetcher
	sockets plugins.URLSockets
}

var (
	_ plugins.Fetcher    = byFlag{}
	_ plugins.URLSockets = byFlag{}
)

// Fetch implements plugins.Fetcher.
func (b byFlag) Fetch(ctx context.Context, r plugins.FetchRequest) (*plugins.FetchResponse, error) {
	r.Allow = adviseFlag(r.Allow)
	return b.fetcher.Fetch(ctx, r)
}

// OpenURL implements plugins.URLSockets.
func (b byFlag) OpenURL(ctx context.Context, r plugins.SocketRequest) (abi.Socket, error) {
	r.Allow = adviseFlag(r.Allow)
	return b.sockets.OpenURL(ctx, r)
}

// adviseFlag has a refusal name what allows the host.
func adviseFlag(allow func(scheme, host string, port int) error) func(scheme, host string, port int) error {
	return func(scheme, host string, port int) error {
		err := allow(scheme, host, port)
		var refused *abi.Error
		if !errors.As(err, &refused) {
			return err
		}
		advised := *refused
		return advised.WithSuggestion("start edge dev with --fetch %s; in an edge.yaml it is grants.fetch", fetchGrantOf(scheme, host, port))
	}
}

// fetchGrantOf is the text of --fetch and of grants.fetch for a host: the name alone
// where the scheme and the port are those of https.
func fetchGrantOf(scheme, host string, port int) string {
	scheme = strings.ToLower(scheme)
	u := url.URL{Scheme: scheme, Host: host}
	switch {
	case port != defaultPorts[scheme]:
		u.Host = net.JoinHostPort(host, strconv.Itoa(port))
	case strings.Contains(host, ":"):
		u.Host = "[" + host + "]"
	}
	if scheme == "https" {
		return u.Host
	}
	return u.String()
}
