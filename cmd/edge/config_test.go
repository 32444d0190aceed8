package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/host"
	"edge/plugins"
)

// configIn writes edge.yaml into a folder that also holds what sources name.
func configIn(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"edge.yaml": content, "chat.wasm": "", "other.wasm": "", "notes.txt": "", "code.ts": "", "main.go": "",
		"src/main.go": "package main", "empty/README.md": "", "tools/bun": "",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "edge.yaml")
}

// TestSampleHoldsTheDefaults reads the commented sample and, beside it, the same
// file without every key that has a default: both must mean the same.
func TestSampleHoldsTheDefaults(t *testing.T) {
	t.Parallel()
	full, err := LoadConfig("testdata/edge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "edge.yaml")
	source := filepath.Join(full.Dir, "chat.wasm")
	text := "sandboxes: {Sandbox: {}}\nplugins: {chat: {source: " + source + "}}\nroutes: [{path: \"/ws/*\", plugin: chat}]\n"
	if err := os.WriteFile(bare, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	least, err := LoadConfig(bare)
	if err != nil {
		t.Fatal(err)
	}
	if full.Listen != defaultListen || !slices.Equal(full.Domains, []string{defaultDomain}) || full.State != filepath.Join(full.Dir, localState) {
		t.Errorf("the sample's listen, domain, state = %q, %q, %q: not the defaults", full.Listen, full.Domains, full.State)
	}
	if want := (Admin{Listen: defaultAdminListen, Socket: defaultAdminSocket, Token: defaultAdminToken}); full.Admin != want {
		t.Errorf("the sample's admin = %+v: not the defaults", full.Admin)
	}
	for _, c := range []*Config{full, least} {
		c.File, c.Dir, c.Listen, c.Domains, c.State, c.Admin = "", "", "", nil, "", Admin{}
		for i := range c.Plugins {
			c.Plugins[i].At = place{}
			if len(c.Plugins[i].Config) == 0 {
				c.Plugins[i].Config = nil
			}
		}
		for i := range c.Sandboxes {
			if len(c.Sandboxes[i].Env) == 0 {
				c.Sandboxes[i].Env = nil
			}
		}
	}
	if !reflect.DeepEqual(full, least) {
		t.Errorf("the sample means\n%+v\nand the defaults are\n%+v", full, least)
	}
}

func TestLoadConfigReadsEverything(t *testing.T) {
	t.Parallel()
	file := configIn(t, `
listen: 127.0.0.1:0
domain: [edge.example, other.example]
external: {}
proxyProtocol: true
trustedProxies: [10.0.0.0/8, "2001:db8::1"]
state: /srv/edge
reservedPorts: [3000, 8081]
previews: {plugin: chat}
tls: off
admin: {listen: "127.0.0.1:0", socket: /run/edge.sock, token: secrets/admin}
limits:
  {connections: 100, connectionsPerBinding: 50, connectionsPerSandbox: 20, connectionsPerExposure: 10, connectionsPerClient: 5, head: 32KiB,
   headTimeout: 5s, handshakeTimeout: 3s, deadPeer: 30s}
sandboxes:
  Sandbox:
    runtime: process
    rootfs: src
    preset: trusted
    network: none
    entrypoint: none
    sleepAfter: 1h
    deleteAfter: 48h
    warm: 2
    maxSandboxes: 2
    memory: 1.5GiB
    cpus: 0.5
    pids: 64
    persist: nothing
    execTimeout: 90000
    env: {A: one, PORT: 8080, EMPTY: "", YES: true}
    start:
      - {processId: web, command: "bun run server.ts", cwd: /workspace, port: 8080}
      - argv: [sleep, "10"]
        env: {B: two}
    tools: [tools]
  Py: {runtime: docker, image: "python:3", ociRuntime: runsc, network: egress, persist: workspace, preset: strict, sleepAfter: never, deleteAfter: never, entrypoint: image}
  Built: {build: {context: src, dockerfile: build/Dockerfile}, network: internal}
  Plain:
plugins:
  chat:
    source: ./chat.wasm
    deadline: 2m
    memory: 128MiB
    config: {rooms: [a, "2", 3, 4.5, true, null], limits: {max: 18446744073709551615}}
    digest: sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef
    signedBy: 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
    canary: {percent: 5, for: 10m}
    rollback: {failures: 7}
    keepWarm: off
    replay: notes.txt
    isolation: reset
    compute: 200ms
    queue: 1s
    fuel: 1000000
    results: 1MiB
    instances: {min: 2, max: 8, maxParked: 4, open: 500, maxAge: 1h, maxGrowth: 16MiB}
    onFailure: {status: 503}
    grants:
      sandboxes: {Sandbox: ["user-*", Shared], Py: "*"}
      operations: [exec, "*Port*", closePort]
      ports: [8080, 3000-3999]
      fetch: [api.example.com, "http://10.0.0.5:8080"]
      kv: team
    secrets: {KEY: {env: SECRET_OF_TEST}, cert.pem: {file: notes.txt}}
  built: {source: src, secrets: {}, onFailure: open, canary: off, rollback: off, fuel: none, grants: {sandboxes: [Plain], ports: [], operations: [], kv: true}}
routes:
  - {host: "*.example.org", path: /exact, plugin: [chat, built]}
  - plugin: built
`)
	secretFile(t, filepath.Join(filepath.Dir(file), "notes.txt"), "of the file\n", 0o600)
	got, err := loadConfig(file, environment{"SECRET_OF_TEST": "of the environment"}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	want := &Config{
		File: file, Dir: dir, Listen: "127.0.0.1:0", Domains: []string{"edge.example", "other.example"}, External: External{"https", 443}, State: "/srv/edge",
		Proxies: Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::1/128")}, Protocol: true},
		Admin:   Admin{Listen: "127.0.0.1:0", Socket: "/run/edge.sock", Token: "secrets/admin"}, ReservedPorts: []int{3000, 8081},
		Limits: Limits{
			Connections: 100, PerBinding: 50, PerSandbox: 20, PerExposure: 10, PerClient: 5,
			Head: 32 << 10, HeadTimeout: 5 * time.Second, HandshakeTimeout: 3 * time.Second, DeadPeer: 30 * time.Second,
		},
		Sandboxes: []Sandbox{
			{
				Name: "Sandbox", Runtime: "process", Image: defaultImage, MemoryBytes: 3 << 29, CPUs: 0.5, PIDs: 64, Persist: "nothing", ExecTimeout: 90 * time.Second,
				Preset: "trusted", Network: "none", SleepAfter: time.Hour, DeleteAfter: 48 * time.Hour, Warm: 2, MaxSandboxes: 2, Rootfs: filepath.Join(dir, "src"),
				Env: map[string]string{"A": "one", "PORT": "8080", "EMPTY": "", "YES": "true"},
				Start: []StartProcess{
					{ProcessID: "web", Command: "bun run server.ts", Cwd: "/workspace", Port: 8080},
					{Argv: []string{"sleep", "10"}, Env: map[string]string{"B": "two"}},
				},
				Tools: []string{filepath.Join(dir, "tools")},
			},
			{
				Name: "Py", Runtime: "docker", Image: "python:3", OCIRuntime: "runsc", MemoryBytes: 1 << 30, CPUs: 1, PIDs: 512, Persist: "workspace", ExecTimeout: 10 * time.Minute,
				Preset: "strict", Network: "egress", Entrypoint: true,
			},
			{
				Name: "Built", Runtime: "auto", Image: defaultImage, MemoryBytes: 1 << 30, CPUs: 1, PIDs: 512, Persist: "all", ExecTimeout: 10 * time.Minute,
				Preset: "default", Network: "internal", SleepAfter: 10 * time.Minute, Build: &ImageBuild{Context: filepath.Join(dir, "src"), Dockerfile: "build/Dockerfile"},
			},
			{
				Name: "Plain", Runtime: "auto", Image: defaultImage, MemoryBytes: 1 << 30, CPUs: 1, PIDs: 512, Persist: "all", ExecTimeout: 10 * time.Minute,
				Preset: "default", Network: "none", SleepAfter: 10 * time.Minute,
			},
		},
		Plugins: []Plugin{
			{
				Name: "chat", Source: filepath.Join(dir, "chat.wasm"), Kind: sourceFile, Deadline: 2 * time.Minute, MemoryBytes: 128 << 20, At: place{file, 42, 13},
				Trust: Trust{
					Digest:   strings.Repeat("0123456789abcdef", 4),
					SignedBy: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
				},
				Rollout: Rollout{
					Canary: plugins.Canary{Percent: 5, For: 10 * time.Minute}, Rollback: plugins.Rollback{Failures: 7, Within: time.Minute},
					KeepWarm: -1, Replay: filepath.Join(dir, "notes.txt"),
				},
				Isolation: plugins.IsolationReset, Compute: 200 * time.Millisecond, Queue: time.Second, Fuel: 1_000_000, ResultBytes: 1 << 20,
				Instances: Instances{Min: 2, Max: 8, MaxParked: 4, Open: 500, MaxAge: time.Hour, MaxGrowth: 16 << 20},
				OnFailure: host.OnFailure{Status: 503},
				Grants: &plugins.Grants{
					Sandboxes:  map[string][]string{"Sandbox": {"user-*", "shared"}, "Py": {"*"}},
					Operations: []string{"exec", "*Port*", "unexposePort"}, Ports: []plugins.PortRange{{First: 8080, Last: 8080}, {First: 3000, Last: 3999}},
					Fetch: []string{"api.example.com", "http://10.0.0.5:8080"}, KV: "team",
				},
				Secrets: Secrets{"KEY": "of the environment", "cert.pem": "of the file"},
				Config: map[string]json.RawMessage{
					"rooms":  json.RawMessage(`["a","2",3,4.5,true,null]`),
					"limits": json.RawMessage(`{"max":18446744073709551615}`),
				},
			},
			{
				Name: "built", Source: filepath.Join(dir, "src"), Kind: sourceGo, At: place{file, 66, 19},
				Rollout:   Rollout{Rollback: plugins.Rollback{Failures: -1}, KeepWarm: 5 * time.Minute},
				Isolation: plugins.IsolationPooled, Deadline: 30 * time.Second, Compute: 5 * time.Second, Queue: 5 * time.Second,
				MemoryBytes: 64 << 20, ResultBytes: 8 << 20, OnFailure: host.OnFailure{Open: true},
				Grants: &plugins.Grants{Sandboxes: map[string][]string{"Plain": {"*"}}, Operations: []string{}, Ports: []plugins.PortRange{}, KV: "built"},
			},
		},
		PreviewPlugin: "chat",
		Routes: []Route{
			{Host: "*.example.org", Path: "/exact", Plugins: []string{"chat", "built"}},
			{Host: "*", Path: "/*", Plugins: []string{"built"}},
		},
	}
	if len(got.shown) != 2 || got.shown[0].dir != filepath.Join(dir, "src") || got.shown[1].dir != filepath.Join(dir, "tools") {
		t.Errorf("folders that sandboxes see: %+v", got.shown)
	}
	got.shown = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("LoadConfig =\n%+v\nwant\n%+v", got, want)
	}
}

func TestEmptyConfigIsGood(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"empty": "", "comment": "# nothing\n", "nulls": "sandboxes:\nplugins:\nroutes:\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := LoadConfig(configIn(t, content)); err != nil {
				t.Error(err)
			}
		})
	}
}

// refusal runs one file through LoadConfig and compares the whole message, which
// begins with "edge.yaml:" here for short.
func refusal(t *testing.T, content string, want ...string) {
	t.Helper()
	file := configIn(t, content)
	_, err := LoadConfig(file)
	if err == nil {
		t.Fatalf("accepted:\n%s", content)
	}
	got := strings.ReplaceAll(err.Error(), filepath.Dir(file)+"/", "")
	if got != strings.Join(want, "\n") {
		t.Errorf("for\n%s\ngot  %s\nwant %s", content, got, strings.Join(want, "\n"))
	}
}

// TestByteOrderMark reads a file as some editors write it.
func TestByteOrderMark(t *testing.T) {
	t.Parallel()
	c, err := LoadConfig(configIn(t, "\ufefflisten: \":1234\"\n"))
	if err != nil || c.Listen != ":1234" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestSyntaxIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, content, want string }{
		{"open list", "routes: [1,\n", `edge.yaml:1:9: sequence end token ']' not found`},
		{"tab", "a: 1\n\tb: 2\n", "edge.yaml:2:1: found character '\t' that cannot start any token"},
		{"duplicate", "domain: a\ndomain: b\n", `edge.yaml:2:1: mapping key "domain" already defined at [1:1]`},
		{"duplicate, nested", "plugins: {a: {source: chat.wasm, source: other.wasm}}\n", `edge.yaml:1:34: mapping key "source" already defined at [1:15]`},
		{"two documents", "domain: a\n---\ndomain: b\n", `edge.yaml:2:1: a second document; this file holds one`},
		{"list at top", "- domain\n", `edge.yaml:1:1: is a list; want a mapping of keys to values`},
		{"merge key", "<<: {domain: a}\n", `edge.yaml:1:1: a key must be a plain word; merge keys, anchors and "?" are not understood`},
		{"alias", "domain: &d a\nstate: *d\n", "edge.yaml:1:9: domain: is an anchor or alias, which are not understood; want a domain name\n" +
			"edge.yaml:2:8: state: is an anchor or alias, which are not understood; want a path"},
		{"tag", "domain: !!str a\n", `edge.yaml:1:9: domain: has a tag, which is not understood; want a domain name`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refusal(t, tt.content, tt.want)
		})
	}
}

func TestServerKeysAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, content, want string }{
		{"typo", "lisen: \":1\"\n", `edge.yaml:1:1: unknown key "lisen"; did you mean "listen"?`},
		{"unknown", "zzz: 1\n", `edge.yaml:1:1: unknown key "zzz"; known: admin, domain, external, limits, listen, plugins, previews, proxyProtocol, reservedPorts, routes, sandboxes, state, tls, trustedProxies`},
		{"no value", "listen:\n", `edge.yaml:1:1: listen: has no value; want an address like ":8787"`},
		{"empty", "listen: \"\"\n", `edge.yaml:1:9: listen: is empty; want an address like ":8787"`},
		{"no port", "listen: localhost\n", `edge.yaml:1:9: listen: "localhost" is not an address; want "host:port" like ":8787" or "127.0.0.1:8787"`},
		{"port too high", "listen: \":70000\"\n", `edge.yaml:1:9: listen: ":70000": port "70000" is not a number from 0 to 65535`},
		{"domain with port", "domain: example.com:8787\n", `edge.yaml:1:9: domain: "example.com:8787" has a port; want the name alone, "example.com": the port of URLs is that of listen`},
		{"domain an address", "domain: 127.0.0.1\n", `edge.yaml:1:9: domain: "127.0.0.1" is an address; previews need a name (localhost and its subdomains work without DNS)`},
		{"domain bad", "domain: Ex_ample\n", `edge.yaml:1:9: domain: "Ex_ample" is not a domain name; labels are a-z, 0-9 and inner "-", 1 to 63 characters`},
		{"domain in a list bad", "domain: [a.test, a_b]\n", `edge.yaml:1:18: domain[1]: "a_b" is not a domain name; labels are a-z, 0-9 and inner "-", 1 to 63 characters`},
		{"domain twice", "domain: [a.test, b.test, a.test]\n", `edge.yaml:1:26: domain[2]: "a.test" stands there twice`},
		{"no domain", "domain: []\n", `edge.yaml:1:9: domain: is empty; want a domain name, or a list of them`},
		{"proxy by name", "trustedProxies: [lb.example]\n", `edge.yaml:1:18: trustedProxies[0]: "lb.example" is neither an address nor a network like 10.0.0.0/8`},
		{"proxy beside its network", "trustedProxies: [10.0.0.1/8]\n", `edge.yaml:1:18: trustedProxies[0]: "10.0.0.1/8" has bits behind its first 8; 10.0.0.0/8 is the network, 10.0.0.1 that one address`},
		{"proxy twice", "trustedProxies: [10.0.0.1, 10.0.0.1/32]\n", `edge.yaml:1:28: trustedProxies[1]: "10.0.0.1/32" stands there twice`},
		{"proxy in IPv6", "trustedProxies: [\"::ffff:10.0.0.1\"]\n", `edge.yaml:1:18: trustedProxies[0]: "::ffff:10.0.0.1" is an IPv4 address in IPv6; write it as IPv4`},
		{"proxyProtocol of nobody", "proxyProtocol: true\n", `edge.yaml:1:16: proxyProtocol: trustedProxies must name the proxies that send it; from others it is not accepted`},
		{"proxyProtocol", "trustedProxies: [::1]\nproxyProtocol: v2\n", `edge.yaml:2:16: proxyProtocol: is "v2"; want true or false`},
		{"external scheme", "external: {scheme: ftp}\n", `edge.yaml:1:20: external.scheme: "ftp" is unknown; want http, https`},
		{"external port", "external: {port: 0}\n", `edge.yaml:1:18: external.port: 0 is not a whole number from 1 to 65535`},
		{"domain long", "domain: " + strings.Repeat("abcdefghi.", 19) + "a\n", `edge.yaml:1:9: domain: the name is longer than 189 characters, which leaves no room for previews`},
		{"reserved port", "reservedPorts: [80, x]\n", "edge.yaml:1:17: reservedPorts[0]: 80 is not a whole number from 1024 to 65535\n" +
			`edge.yaml:1:21: reservedPorts[1]: is "x"; want a whole number from 1024 to 65535`},
		{"reserved no list", "reservedPorts: 3000\n", `edge.yaml:1:16: reservedPorts: is "3000"; want a list`},
		{"admin", "admin: on\n", `edge.yaml:1:8: admin: is "on"; want off, or a mapping with listen, socket and token`},
		{"admin a list", "admin: []\n", `edge.yaml:1:8: admin: is a list; want off, or a mapping with listen, socket and token`},
		{"admin typo", "admin: {lisen: x}\n", `edge.yaml:1:9: admin: unknown key "lisen"; did you mean "listen"?`},
		{"admin address", "admin: {listen: 8788}\n", `edge.yaml:1:17: admin.listen: "8788" is not an address; want off or "host:port" like "127.0.0.1:8788"`},
		{"admin everywhere", "admin: {listen: \":8788\"}\n", `edge.yaml:1:17: admin.listen: ":8788" names no host; want "127.0.0.1:8788", or "0.0.0.0:8788" if other machines shall reach the admin API, which does not encrypt`},
		{"admin port", "admin: {listen: \"127.0.0.1:http\"}\n", `edge.yaml:1:17: admin.listen: "127.0.0.1:http": port "http" is not a number from 0 to 65535`},
		{"admin socket", "admin: {socket: ../admin.sock}\n", `edge.yaml:1:17: admin.socket: "../admin.sock" leaves the state folder, which it is relative to; want a path inside or an absolute one`},
		{"admin token", "admin: {token: tokens/}\n", `edge.yaml:1:16: admin.token: "tokens/" is a folder; want a file's path`},
		{"previews", "previews: wasm\n", `edge.yaml:1:11: previews: "wasm" is neither native nor {plugin: NAME}`},
		{"previews of nobody", "previews: {}\n", `edge.yaml:1:11: previews: names no plugin; want native, or {plugin: NAME}`},
		{"previews of an unknown plugin", "previews: {plugin: chat}\n", `edge.yaml:1:20: previews.plugin: unknown plugin "chat"; there are none`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refusal(t, tt.content, tt.want)
		})
	}
}

func TestSandboxKeysAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, line, want string }{
		{"typo", "memry: 1GiB", `5: sandboxes.S: unknown key "memry"; did you mean "memory"?`},
		{"runtime", "runtime: podman", `14: sandboxes.S.runtime: "podman" is unknown; want auto, docker, process`},
		{"image", "image: []", `12: sandboxes.S.image: is a list; want an image's name`},
		{"image of process", "{runtime: process, image: x}", `31: sandboxes.S.image: has no meaning here: the process runtime uses the files of this machine; only docker starts images`},
		{"tools of docker", "{runtime: docker, tools: [tools]}", `30: sandboxes.S.tools: has no meaning here: only the process runtime mounts tools; with docker they belong into the image`},
		{"size with loose unit", "memory: 512mb", `13: sandboxes.S.memory: "512mb" is not a size; did you mean "512MiB"?`},
		{"size", "memory: lots", `13: sandboxes.S.memory: "lots" is not a size; want a number with KiB, MiB, GiB or TiB, like "64MiB"`},
		{"small", "memory: 1MiB", `13: sandboxes.S.memory: 1MiB is not between 16MiB and 16TiB`},
		{"large", "memory: 99999999999TiB", `13: sandboxes.S.memory: 99999999999TiB is not between 16MiB and 16TiB`},
		{"no number", "memory: NaNTiB", `13: sandboxes.S.memory: "NaNTiB" is not a size; want a number with KiB, MiB, GiB or TiB, like "64MiB"`},
		{"cpus", "cpus: 0", `11: sandboxes.S.cpus: 0 is not a number above 0 and at most 1024`},
		{"cpus text", "cpus: two", `11: sandboxes.S.cpus: is "two"; want a number above 0 and at most 1024`},
		{"pids", "pids: 1.5", `11: sandboxes.S.pids: 1.5 is not a whole number from 16 to 4194304`},
		{"persist", "persist: some", `14: sandboxes.S.persist: "some" is unknown; want all, workspace, nothing`},
		{"duration", "execTimeout: soon", `18: sandboxes.S.execTimeout: "soon" is not a duration; want a number with a unit, like "10s", "5m" or "1h"`},
		{"duration zero", "execTimeout: 0s", `18: sandboxes.S.execTimeout: 0s is not above 0 and at most 720h0m0s`},
		{"env name", "env: {A-B: x}", `11: sandboxes.S.env: "A-B" is not a variable name; want letters, digits and "_"`},
		{"env value", "env: {A: [x]}", `14: sandboxes.S.env.A: is a list; want a text ("" for an empty one)`},
		{"env reserved", "env: {EDGE_INIT_TOKEN: x}", `11: sandboxes.S.env: "EDGE_INIT_TOKEN" is reserved for the edge`},
		{"network of docker's", "network: bridge", `14: sandboxes.S.network: "bridge" is unknown; did you mean "egress"?`},
		{"network unknown", "network: lan", `14: sandboxes.S.network: "lan" is unknown; want none, internal, egress`},
		{"network of process", "{runtime: process, network: egress}", `33: sandboxes.S.network: "egress" has no meaning here: the process runtime has network none only; docker has the others`},
		{"preset", "preset: dev", `13: sandboxes.S.preset: "dev" is unknown; want strict, default, trusted`},
		{"sleepAfter", "sleepAfter: soon", `17: sandboxes.S.sleepAfter: is "soon"; want never or a duration above 0, like "10s", "5m" or "1h"`},
		{"sleepAfter 0", "sleepAfter: 0", `17: sandboxes.S.sleepAfter: is "0"; want never or a duration above 0, like "10s", "5m" or "1h"`},
		{"sleepAfter long", "sleepAfter: 721h", `17: sandboxes.S.sleepAfter: 721h is not above 0 and at most 720h0m0s`},
		{"deleteAfter", "deleteAfter: []", `18: sandboxes.S.deleteAfter: is a list; want never or a duration above 0, like "10s", "5m" or "1h"`},
		{"warm", "warm: many", `11: sandboxes.S.warm: is "many"; want a whole number from 0 to 100`},
		{"warm below", "warm: -1", `11: sandboxes.S.warm: -1 is not a whole number from 0 to 100`},
		{"warm above", "warm: 101", `11: sandboxes.S.warm: 101 is not a whole number from 0 to 100`},
		{"warm above the most", "{warm: 3, maxSandboxes: 2}", `12: sandboxes.S.warm: 3 are more than the 2 that maxSandboxes allows`},
		{"maxSandboxes", "maxSandboxes: 100001", `19: sandboxes.S.maxSandboxes: 100001 is not a whole number from 0 to 100000`},
		{"entrypoint", "entrypoint: /bin/sh", `17: sandboxes.S.entrypoint: "/bin/sh" is unknown; want image, none`},
		{"entrypoint of process", "{runtime: process, entrypoint: image}", `36: sandboxes.S.entrypoint: has no meaning here: the process runtime has no images, so there is no entry point; start: runs processes at every start`},
		{"ociRuntime of process", "{runtime: process, ociRuntime: runc}", `36: sandboxes.S.ociRuntime: has no meaning here: the process runtime uses the files of this machine; only docker starts images`},
		{"build", "build: .", `12: sandboxes.S.build: is "."; want a mapping of keys to values` + "\nedge.yaml:3:12: sandboxes.S.build: has no context; want the folder that the image is built from"},
		{"build without", "build: {dockerfile: Dockerfile}", `12: sandboxes.S.build: has no context; want the folder that the image is built from`},
		{"build of nothing", "build: {context: nowhere}", `22: sandboxes.S.build.context: nowhere: no such file or directory`},
		{"build of process", "{runtime: process, build: {context: src}}", `31: sandboxes.S.build: has no meaning here: the process runtime uses the files of this machine; only docker builds images`},
		{"build and image", "{image: a, build: {context: src}}", `13: sandboxes.S.image: has no meaning beside build, which makes the image and names it`},
		{"rootfs", "rootfs: notes.txt", `13: sandboxes.S.rootfs: notes.txt is a file; want the folder that it is in`},
		{"rootfs of docker", "{runtime: docker, rootfs: src}", `31: sandboxes.S.rootfs: has no meaning here: only the process runtime takes a folder as root; docker starts images`},
		{"rootfs of auto", "{rootfs: src, network: egress}", `14: sandboxes.S.rootfs: has no meaning beside network: egress: only the process runtime takes a folder as root, and it does not have that`},
		{"start without", "start: [{processId: a}]", `13: sandboxes.S.start[0]: has neither command nor argv`},
		{"start both", "start: [{command: a, argv: [b]}]", `13: sandboxes.S.start[0]: has both command and argv; want one of them`},
		{"start twice", "start: [{processId: a, command: a}, {processId: a, command: b}]", `41: sandboxes.S.start[1]: the process id "a" is used twice`},
		{"start typo", "start: [{cmd: a, command: b}]", `14: sandboxes.S.start[0]: unknown key "cmd"; did you mean "cwd"?`},
		{"start port", "start: [{command: a, port: 80}]", `32: sandboxes.S.start[0].port: 80 is not a whole number from 1024 to 65535`},
		{"start argv", "start: [{argv: []}]", `13: sandboxes.S.start[0]: argv is empty`},
		{"tools missing", "tools: [nowhere]", `13: sandboxes.S.tools[0]: nowhere: no such file or directory`},
		{"tools a file", "tools: [tools/bun]", `13: sandboxes.S.tools[0]: tools/bun is a file; want the folder that it is in`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refusal(t, "sandboxes:\n  S:\n    "+tt.line+"\n", "edge.yaml:3:"+tt.want)
		})
	}
	refusal(t, "sandboxes: {1x: {}}\n", `edge.yaml:1:13: sandboxes: "1x" cannot name a binding; want a letter, then letters, digits and "_", at most 32`)
}

func TestPluginKeysAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, line, want string }{
		{"typo", "sorce: chat.wasm", "edge.yaml:2:3: plugins.p: has no source; want " + wantedSource + "\n" +
			`edge.yaml:3:5: plugins.p: unknown key "sorce"; did you mean "source"?`},
		{"missing", "source: ./no.wasm", `edge.yaml:3:13: plugins.p.source: ./no.wasm: no such file or directory`},
		{"no module", "source: notes.txt", `edge.yaml:3:13: plugins.p.source: notes.txt is neither a .wasm file nor a Worker in TypeScript or JavaScript; want one, or a folder with Go sources`},
		{"go file", "source: main.go", `edge.yaml:3:13: plugins.p.source: main.go is one file; want the folder it is in, or a .wasm file`},
		{"folder without Go", "source: empty", `edge.yaml:3:13: plugins.p.source: the folder empty holds neither Go sources nor .wasm files; of a Worker, name the file: empty/worker.ts`},
		{"deadline", "{source: chat.wasm, deadline: 0}", `edge.yaml:3:35: plugins.p.deadline: 0 is not above 0 and at most 720h0m0s`},
		{"memory", "{source: chat.wasm, memory: 8GiB}", `edge.yaml:3:33: plugins.p.memory: 8GiB is not between 1MiB and 4GiB`},
		{"config", "{source: chat.wasm, config: 3}", `edge.yaml:3:33: plugins.p.config: is "3"; want a mapping of keys to values`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refusal(t, "plugins:\n  p:\n    "+tt.line+"\n", tt.want)
		})
	}
	refusal(t, "plugins: {a/b: {source: chat.wasm}}\n", `edge.yaml:1:11: plugins: "a/b" cannot name a plugin; want letters, digits, "-" and "_", at most 63`)
}

func TestRoutesAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, line, want string }{
		{"unknown plugin", "{plugin: caht}", `2:12: routes[0].plugin: unknown plugin "caht"; did you mean "chat"?`},
		{"unknown in chain", "{plugin: [chat, zzzzzz]}", `2:19: routes[0].plugin[1]: unknown plugin "zzzzzz"; known: chat`},
		{"twice in chain", "{plugin: [chat, chat]}", `2:19: routes[0].plugin[1]: the plugin "chat" stands in the chain twice`},
		{"no plugin", "{path: /a}", `2:3: routes[0]: has no plugin`},
		{"empty chain", "{plugin: []}", `2:3: routes[0]: has no plugin`},
		{"typo", "{paht: /a, plugin: chat}", `2:4: routes[0]: unknown key "paht"; did you mean "path"?`},
		{"path", "{path: ws, plugin: chat}", `2:10: routes[0].path: "ws" does not begin with "/"`},
		{"star inside", "{path: /a/*/b, plugin: chat}", `2:10: routes[0].path: "/a/*/b": "*" can stand at the end only, as "/*"`},
		{"star in a word", "{path: /a*, plugin: chat}", `2:10: routes[0].path: "/a*": "*" can stand at the end only, as "/*"`},
		{"query", "{path: \"/a?b\", plugin: chat}", `2:10: routes[0].path: "/a?b" holds a character that no path has; want the path alone, percent-encoded as clients send it`},
		{"host", "{host: \"a.*.b\", plugin: chat}", `2:10: routes[0].host: "a.*.b" is not a host; want "*", a name, or "*." and a name`},
		{"host with port", "{host: \"a:80\", plugin: chat}", `2:10: routes[0].host: "a:80" has a port; routes go by name alone, "a"`},
		{"no mapping", "chat", `2:3: routes[0]: is "chat"; want a mapping of keys to values`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refusal(t, "routes:\n- "+tt.line+"\nplugins: {chat: {source: chat.wasm}}\n", "edge.yaml:"+tt.want)
		})
	}
	refusal(t, "plugins: {chat: {source: chat.wasm}}\nroutes:\n- plugin: chat\n- {path: \"/*\", plugin: chat}\n",
		`edge.yaml:4:3: routes[1]: can never match: routes[0] has the same host and path`)
}

func TestManyProblemsAreCounted(t *testing.T) {
	t.Parallel()
	_, err := LoadConfig(configIn(t, "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\ni: 1\nj: 1\nk: 1\nl: 1\n"))
	if err == nil || strings.Count(err.Error(), "\n") != maxProblems || !strings.HasSuffix(err.Error(), "and 2 more problems") {
		t.Errorf("err = %v", err)
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	_, err := LoadConfig("testdata/none.yaml")
	if err == nil || err.Error() != "testdata/none.yaml: cannot be read: no such file or directory" {
		t.Errorf("err = %v", err)
	}
}
