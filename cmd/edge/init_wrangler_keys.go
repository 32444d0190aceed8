package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// wranglerKey is what is done about a key of wrangler's file: it is taken over, or
// left with a reason. One without either is taken with others.
type wranglerKey struct {
	take func(*migration, wrangled)
	why  string
}

// Reasons that several keys have.
const (
	whyNoStorage = "there is no such service here: a server in a sandbox, or one that fetch is granted, takes its place"
	whyNoModules = "the source is bundled by esbuild as it is; what changes how is not read"
	whyTheirs    = "only says how wrangler or the service does it; there is nothing to do here"
)

// wranglerKeys are the keys at the top of the file.
func wranglerKeys() map[string]wranglerKey {
	keys := map[string]wranglerKey{
		"name":                {take: (*migration).takeName},
		"main":                {take: (*migration).takeMain},
		"vars":                {take: (*migration).takeVars},
		"kv_namespaces":       {take: (*migration).takeNamespaces},
		"containers":          {take: (*migration).takeContainers},
		"durable_objects":     {}, // once the containers are known
		"route":               {take: func(m *migration, w wrangled) { m.takeRoute(w) }},
		"routes":              {take: (*migration).takeRoutes},
		"dev":                 {take: (*migration).takeDev},
		"limits":              {take: (*migration).takeLimits},
		"secrets":             {take: (*migration).takeSecrets},
		"compatibility_flags": {take: (*migration).takeFlags},
		"env":                 {take: (*migration).leaveEnvironments},

		"compatibility_date": {why: "there is one behaviour, that of the edge's version (abi/SPEC.md says what is stable)"},
		"migrations":         {why: "sandboxes need none; other Durable Object classes do not run here"},
		"exports":            {why: "sandboxes need none; other Durable Object classes do not run here"},
		"assets":             {why: "files are not served by the edge itself: answer them in the Worker, or have a server in a sandbox do it"},
		"site":               {why: "files are not served by the edge itself: answer them in the Worker, or have a server in a sandbox do it"},
		"triggers":           {why: "nothing runs by the clock: have cron call a path of the Worker, or use a process in a sandbox"},
		"queues":             {why: "there are no queues: use kv, or a server in a sandbox"},
		"services":           {why: "there are no bindings to other Workers: let several plugins form a chain in routes, or share a module"},
		"tail_consumers":     {why: "logs are on standard error, and edge serve --log-format json has them for programs"},
		"observability":      {why: "logs are on standard error, and GET /metrics is for Prometheus"},
		"logpush":            {why: "logs are on standard error, and edge serve --log-format json has them for programs"},
		"send_email":         {why: "no mail is sent: fetch a mail service that grants.fetch names"},
		"browser":            {why: "run a browser in a sandbox whose image has one"},
		"unsafe":             {why: "nothing of it is known here"},
		"ratelimits":         {why: "limits in edge.yaml bound connections, a decision's policy bounds messages and bytes"},
		"mtls_certificates":  {why: "fetch shows no client certificates"},
		"worker_loaders":     {why: "no code is loaded at run time: run it in a sandbox"},
		"python_modules":     {why: "Workers in Python do not run here; Python runs in sandboxes"},
	}
	for why, names := range map[string][]string{
		whyNoStorage: {
			"d1_databases", "r2_buckets", "hyperdrive", "vectorize", "ai", "ai_search", "images", "media", "stream", "workflows", "pipelines",
			"analytics_engine_datasets", "dispatch_namespaces", "secrets_store_secrets", "artifacts", "vpc_services",
		},
		whyNoModules: {
			"build", "no_bundle", "minify", "keep_names", "find_additional_modules", "base_dir", "preserve_file_names", "rules", "alias", "define",
			"jsx_factory", "jsx_fragment", "tsconfig", "wasm_modules", "text_blobs", "data_blobs",
		},
		whyTheirs: {
			"$schema", "account_id", "workers_dev", "preview_urls", "usage_model", "placement", "keep_vars", "send_metrics", "upload_source_maps",
			"first_party_worker", "legacy_env", "version_metadata", "logfwdr", "cloudchamber", "compliance_region",
		},
	} {
		for _, name := range names {
			keys[name] = wranglerKey{why: why}
		}
	}
	return keys
}

func (m *migration) takeName(w wrangled) {
	name := m.text(w)
	if m.made.plugin = safePluginName(name); m.made.plugin != name {
		m.leave(w.path, "%q cannot name a plugin; it is %q here", name, m.made.plugin)
	}
}

func (m *migration) takeMain(w wrangled) {
	m.made.source = m.text(w)
	switch {
	case m.made.source == "":
	case !isWorkerSource(m.made.source):
		m.fail(w, "%s is no TypeScript or JavaScript", m.made.source)
	case !m.isFile(m.made.source):
		m.leave(w.path, "%s is not there yet", m.made.source)
	}
}

func (m *migration) takeVars(w wrangled) {
	object := m.members(w)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		m.made.config = append(m.made.config, newValue{name, json.RawMessage(jsonOf(object[name]))})
	}
}

func (m *migration) takeNamespaces(w wrangled) {
	for _, item := range m.items(w) {
		known := map[string]string{
			"binding": "", "id": "keys are not copied: edge's own store begins empty", "preview_id": "", "remote": "",
		}
		if !m.object(item, known) {
			continue
		}
		name := m.text(item.at("binding"))
		if name == "" {
			m.fail(item, "has no binding")
			continue
		}
		m.made.kv = true
		if name != "KV" { // which is there when the store is granted
			m.made.names = append(m.made.names, newName{name: name, prefix: name + "/"})
		}
	}
}

func (m *migration) takeRoutes(w wrangled) {
	for _, item := range m.items(w) {
		m.takeRoute(item)
	}
}

// takeRoute takes a pattern's name for previews if it stands for all names below
// it. Every request goes to the Worker here, so what another pattern says is left.
func (m *migration) takeRoute(w wrangled) {
	pattern := w
	if _, text := w.v.(string); !text {
		known := map[string]string{"pattern": "", "zone_id": "", "zone_name": "", "custom_domain": "", "enabled": "", "previews_enabled": ""}
		if !m.object(w, known) {
			return
		}
		pattern = w.at("pattern")
	}
	full := m.text(pattern)
	host, path, some := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(full, "https://"), "http://"), "/")
	name, below := strings.CutPrefix(host, "*.")
	if below && checkDomain(name) == nil {
		if len(m.made.domains) == 0 {
			m.made.domains = []string{"localhost"}
		}
		if !slices.Contains(m.made.domains, name) {
			m.made.domains = append(m.made.domains, name)
		}
		m.leave(w.path, "%s: previews are below %s; a wildcard DNS record has to lead here", full, name)
		return
	}
	if path = "/" + path; !some || checkRoutePath(path) != nil {
		path = "/*"
	}
	if host = strings.TrimPrefix(host, "*"); checkRouteHost(host) != nil {
		host = "*"
	}
	m.leave(w.path, "%s: every request goes to the Worker; for this one alone write {host: %s, path: %s} into routes", full, jsonOf(host), jsonOf(path))
}

func (m *migration) takeDev(w wrangled) {
	known := map[string]string{
		"ip": "", "port": "", "local_protocol": "HTTPS is tls: internal here", "upstream_protocol": whyTheirs, "inspector_port": "there is no inspector; console writes to the log",
		"inspector_ip": whyTheirs, "host": whyTheirs, "enable_containers": whyTheirs,
		"container_engine": "the engine is found by DOCKER_HOST or its usual socket",
	}
	if !m.object(w, known) {
		return
	}
	ip := m.text(w.at("ip"))
	if port := m.number(w.at("port"), 1, 65535); port > 0 {
		m.made.listen = joinAddress(ip, port)
	} else if ip != "" {
		m.made.listen = joinAddress(ip, 8787)
	}
}

func joinAddress(ip string, port int64) string {
	switch {
	case ip == "" || ip == "localhost":
		ip = "127.0.0.1"
	case ip == "*":
		ip = ""
	case strings.Contains(ip, ":"):
		ip = "[" + strings.Trim(ip, "[]") + "]"
	}
	return ip + ":" + strconv.FormatInt(port, 10)
}

func (m *migration) takeLimits(w wrangled) {
	if m.object(w, map[string]string{"cpu_ms": "", "subrequests": "how many a request makes is not bounded"}) {
		m.made.compute = m.number(w.at("cpu_ms"), 1, maxSpan.Milliseconds())
	}
}

func (m *migration) takeSecrets(w wrangled) {
	if !m.object(w, map[string]string{"required": ""}) {
		return
	}
	var names []string
	for _, item := range m.items(w.at("required")) {
		if name := m.text(item); secretName.MatchString(name) {
			names = append(names, name)
		}
	}
	m.made.addSecrets(names)
	m.leave(w.path, "secrets come from the environment or from files: see secrets in %s", configSource)
}

// flagWhys are sentences for flags that people come with.
var flagWhys = map[string]string{
	"nodejs_compat":    "there are no node: modules, no Buffer and no process: take the web platform's classes (WORKERS.md)",
	"nodejs_als":       "AsyncLocalStorage is not there: pass what a request needs as arguments",
	"nodejs_compat_v2": "there are no node: modules, no Buffer and no process: take the web platform's classes (WORKERS.md)",
}

func (m *migration) takeFlags(w wrangled) {
	for _, item := range m.items(w) {
		flag := m.text(item)
		why, known := flagWhys[flag]
		if !known {
			why = "there are no flags: the one behaviour is the web platform's"
		}
		m.leave(fmt.Sprintf("compatibility_flags: %s", flag), "%s", why)
	}
}

func (m *migration) leaveEnvironments(w wrangled) {
	for _, name := range slices.Sorted(maps.Keys(m.members(w))) {
		m.leave(w.at(name).path, "one file is one edge: edge init --from-wrangler --env %s --print makes that one's", name)
	}
}
