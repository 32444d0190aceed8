package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// peerDescriptors is how many descriptors the peers are allowed.
const peerDescriptors = 20_000

const nginxConfig = `daemon off;
worker_processes 1;
worker_rlimit_nofile %[1]d;
pid nginx.pid;
error_log stderr warn;
events { worker_connections %[1]d; }
http {
  access_log access.log;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream backend { server %[2]s; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen %[3]s backlog=4096;
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_buffer_size 64k;
      proxy_buffers 8 64k;
      proxy_busy_buffers_size 128k;
      proxy_max_temp_file_size 0;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }
  }
}
`

func versionNginx(ctx context.Context, _ *site) (string, error) {
	return programVersion(ctx, nginxPath(), "-v")
}

// nginxPath is where Debian puts it, which not every PATH has.
func nginxPath() string { return inSbin("nginx") }

func inSbin(name string) string {
	if path := filepath.Join("/usr/sbin", name); isFile(path) {
		return path
	}
	return name
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

func startNginx(ctx context.Context, s *site, dir string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	config, err := writeFile(dir, "nginx.conf", fmt.Sprintf(nginxConfig, peerDescriptors, s.backend, addr))
	if err != nil {
		return nil, err
	}
	return s.run(ctx, addr, dir, nameNginx, nginxPath(), "-p", dir, "-e", "stderr", "-c", config)
}

const haproxyConfig = `global
  nbthread 1
  maxconn 9990
  log stdout format raw local0 info
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  http-reuse always
frontend front
  bind %[1]s backlog 4096
  use_backend events if { path /events }
  default_backend back
backend back
  server echo %[2]s
backend events
  option http-no-delay
  server echo %[2]s
`

func versionHAProxy(ctx context.Context, _ *site) (string, error) {
	return programVersion(ctx, inSbin("haproxy"), "-v")
}

func startHAProxy(ctx context.Context, s *site, dir string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	config, err := writeFile(dir, "haproxy.cfg", fmt.Sprintf(haproxyConfig, addr, s.backend))
	if err != nil {
		return nil, err
	}
	return s.run(ctx, addr, dir, nameHAProxy, inSbin("haproxy"), "-db", "-f", config)
}

const workerdConfig = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .forward),
    (name = "backend", external = (address = %q, http = ())),
  ],
  sockets = [(name = "http", address = %q, http = (), service = "main")],
);
const forward :Workerd.Worker = (
  modules = [(name = "forward.js", esModule = "export default { fetch(request, env) { return env.backend.fetch(request); } };")],
  compatibilityDate = "2025-06-01",
  bindings = [(name = "backend", service = "backend")],
);
`

func versionWorkerd(ctx context.Context, s *site) (string, error) {
	return programVersion(ctx, s.workerd, "--version")
}

func startWorkerd(ctx context.Context, s *site, dir string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	config, err := writeFile(dir, "config.capnp", fmt.Sprintf(workerdConfig, s.backend.String(), addr.String()))
	if err != nil {
		return nil, err
	}
	return s.run(ctx, addr, dir, nameWorkerd, s.workerd, "serve", config)
}

func versionGo(context.Context, *site) (string, error) { return runtime.Version(), nil }

func startGo(ctx context.Context, s *site, dir string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return s.run(ctx, addr, dir, nameGo, s.self, "reverseproxy", "-listen", addr.String(), "-backend", s.backend.String())
}

// reverseProxyCommand is Go's own proxy as a program: `edge-bench reverseproxy`.
func reverseProxyCommand(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("reverseproxy", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:9001", "address to listen on")
	backend := flags.String("backend", "127.0.0.1:9000", "address of the backend")
	if err := flags.Parse(args); err != nil {
		return err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: *backend})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	srv := &http.Server{Addr: *listen, Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = srv.Close() // its connections end with it
	})
	err := srv.ListenAndServe()
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
