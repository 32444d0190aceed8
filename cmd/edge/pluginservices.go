package main

import (
	"context"
	"errors"
	"path/filepath"

	"edge/abi"
	"edge/host"
	"edge/plugins"
	"edge/plugins/fetch"
	"edge/plugins/kv"
)

// kvFile is the plugins' key-value store in the state folder.
const kvFile = "plugins/kv.db"

// pluginServices are what plugins reach that is theirs alone: a key-value store and
// the way out.
type pluginServices struct {
	kv    *kv.Store
	fetch *fetch.Client
}

// openPluginServices opens what plugins reach, sandboxes included. With fetchFlag a
// refused host names --fetch.
func (s *server) openPluginServices(fetchFlag bool) (plugins.Services, error) {
	store, err := kv.Open(filepath.Join(s.settings.State, kvFile), s.log)
	if err != nil {
		return plugins.Services{}, err
	}
	s.services = pluginServices{kv: store, fetch: &fetch.Client{Log: s.log}}
	operations, sockets := &host.Operations{Sandboxes: s.manager}, &host.Sockets{Sandboxes: s.manager}
	s.services.fetch.Sandboxes = sockets
	all := plugins.Services{
		Operations: operations, Streams: operations,
		Sockets:  sockets,
		Previews: &host.Previews{Domains: s.settings.Domains},
		Fetcher:  s.services.fetch, URLs: urlSockets{s.services.fetch}, KV: store, Metrics: s.metrics.Guests(s.log),
	}
	if fetchFlag {
		out := byFlag{all.Fetcher, all.URLs}
		all.Fetcher, all.URLs = out, out
	}
	return all, nil
}

// urlSockets opens WebSockets of plugins: the fetch client connects, the host shakes
// hands.
type urlSockets struct{ client *fetch.Client }

// OpenURL opens a WebSocket to a URL.
func (u urlSockets) OpenURL(ctx context.Context, r plugins.SocketRequest) (abi.Socket, error) {
	conn, err := u.client.Dial(ctx, r)
	if err != nil {
		return nil, err
	}
	return host.OpenURL(ctx, conn, r.URL, r.Options)
}

// close ends what is open; no plugin runs any more.
func (p *pluginServices) close() error {
	var errs []error
	if p.fetch != nil {
		errs = append(errs, p.fetch.Close())
	}
	if p.kv != nil {
		errs = append(errs, p.kv.Close())
	}
	return errors.Join(errs...)
}
