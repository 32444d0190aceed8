package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"edge/host"
	"edge/host/admin"
	"edge/sandboxmgr"
)

// adminGrace is how long calls of the admin API may go on when the edge ends.
const adminGrace = 3 * time.Second

// adminDoor is the admin API with what it listens on.
type adminDoor struct {
	server *admin.Server
	// unix and tcp are nil where there is none.
	unix, tcp net.Listener
	log       *slog.Logger
	serving   sync.WaitGroup
}

// openAdmin opens the admin API, as far as the settings want one. Connections
// that are made before begin wait until then.
func (s *server) openAdmin(o serverOptions) (err error) {
	settings := o.settings.Admin
	if settings.Socket == "" {
		return nil
	}
	var access *slog.Logger
	if o.access != nil { // its calls are few, and their lines go out at once
		access = o.log
	}
	d := &adminDoor{log: o.log, server: &admin.Server{
		Operations: &host.Operations{Sandboxes: s.manager}, Sandboxes: s.manager, Events: s.events,
		Connections: s.connections, Metrics: s.metrics, Plugins: &pluginDoor{s.registry, s.sources},
		Hosts: adminHosts(settings.Listen), Version: readBuild().String(), Log: o.log, AccessLog: access,
		Doctor: func(ctx context.Context) ([]sandboxmgr.Finding, error) { return s.examine(ctx, o.config), nil },
	}}
	s.admin = d
	if err := os.MkdirAll(filepath.Dir(settings.Socket), 0o700); err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	if d.unix, err = admin.Listen(settings.Socket); err != nil {
		return err
	}
	if settings.Listen == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(settings.Token), 0o700); err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	if d.server.Token, err = admin.LoadToken(settings.Token); err != nil {
		return err
	}
	d.tcp, err = net.Listen("tcp", settings.Listen)
	if errors.Is(err, syscall.EADDRINUSE) && settings.Listen == defaultAdminListen {
		o.log.Info("the admin API is on its socket alone: its usual address is taken, by another edge perhaps", "listen", settings.Listen, "socket", settings.Socket)
		return nil
	}
	if err != nil {
		return fmt.Errorf("admin API: %w (--admin-listen or EDGE_ADMIN_LISTEN takes another address, or off)", err)
	}
	d.warnExposed()
	return nil
}

// warnExposed warns when other machines can reach the admin API.
func (d *adminDoor) warnExposed() {
	if at, ok := d.tcp.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() {
		d.log.Warn("other machines can reach the admin API, which does not encrypt: its token and all that it carries can be read on the way; "+
			"listen on a loopback address behind a proxy that ends TLS, or keep the network private", "listen", at.String())
	}
}

// adminHosts are names by which the API may be called: the one that the address
// has, if it is a name.
func adminHosts(listen string) []string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil || net.ParseIP(host) != nil {
		return nil
	}
	return []string{host}
}

// begin serves what was opened. It is called before close, by the same goroutine.
func (d *adminDoor) begin() {
	if d == nil {
		return
	}
	if d.unix != nil {
		d.serving.Go(d.runUnix)
	}
	if d.tcp != nil {
		d.serving.Go(d.runTCP)
	}
}

func (d *adminDoor) runUnix() {
	if err := d.server.ServeUnix(d.unix); err != nil {
		d.log.Error("the admin API's socket is not served", "error", err)
	}
}

func (d *adminDoor) runTCP() {
	if err := d.server.Serve(d.tcp); err != nil {
		d.log.Error("the admin API's address is not served", "error", err)
	}
}

// close ends the admin API: calls have adminGrace, or until ctx ends.
func (d *adminDoor) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, adminGrace)
	defer cancel()
	if err := d.server.Shutdown(ctx); err != nil {
		d.log.Warn("calls of the admin API were broken off", "error", err)
	}
	for _, ln := range []net.Listener{d.unix, d.tcp} {
		if ln != nil {
			_ = ln.Close() // it may never have been served
		}
	}
	d.serving.Wait()
}
