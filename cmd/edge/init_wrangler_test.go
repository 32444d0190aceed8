package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what was made into the golden files")

// TestMigrate compares what is made of files of wrangler's with golden files:
// edge.yaml, and what is said.
func TestMigrate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, env, want string }{
		{"a sandbox that is built", "sandbox/wrangler.jsonc", "", "sandbox/edge"},
		{"TOML with two kinds", "toml/wrangler.toml", "", "toml/edge"},
		{"keys that are not taken", "every/wrangler.json", "", "every/edge"},
		{"with environments", "environments/wrangler.jsonc", "", "environments/edge"},
		{"one environment", "environments/wrangler.jsonc", "staging", "environments/staging"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("testdata", "wrangler")
			made, err := migrate(filepath.Join(dir, tt.file), tt.env)
			if err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			said.WriteString(made.summary() + "\n")
			made.tell(&said)
			golden(t, filepath.Join(dir, tt.want+".yaml"), made.yaml())
			golden(t, filepath.Join(dir, tt.want+".txt"), said.Bytes())
			loads(t, made)
		})
	}
}

// TestMigrateTellsInOrder makes the same of the same file each time.
func TestMigrateTellsInOrder(t *testing.T) {
	t.Parallel()
	var first string
	for range 20 {
		root, err := parseWrangler("wrangler.json", []byte(`{"main": "a.ts", "containers": [{"class_name": "C"}, {"class_name": "A"}, {"class_name": "B"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		m := newMigration("wrangler.json", root)
		m.run()
		var said strings.Builder
		m.made.tell(&said)
		if first == "" {
			first = said.String()
		}
		if said.String() != first || !strings.Contains(first, "the class A has no name in durable_objects") {
			t.Fatalf("said\n%s, and before\n%s", said.String(), first)
		}
	}
}

// TestMigrateTellsOfSandboxes says what else an image can be built from, and when an
// environment has no sandbox.
func TestMigrateTellsOfSandboxes(t *testing.T) {
	t.Parallel()
	const bound = `"containers": [{"class_name": "A", "image": %q}], "durable_objects": {"bindings": [{"name": "A", "class_name": "A"}]}`
	for _, tt := range []struct{ name, image, dockerfile, env, envKeys, want, never string }{
		{"theirs", "./Dockerfile", "# a\nFROM --platform=linux/amd64 docker.io/cloudflare/sandbox:0.3.3 AS base\n", "", "", "FROM docker.io/cloudflare/sandbox:0.3.3: where no registry is reached, FROM edge-sandbox", ""},
		{"another", "./Dockerfile", "FROM debian\n# FROM cloudflare/sandbox\nFROM cloudflare/sandboxes:1\n", "", "", "", "registry"},
		{"a name", "cloudflare/sandbox:1", "", "", "", "image: edge-sandbox does as well", ""},
		{"an environment without", "debian", "", "staging", "", "env.staging  has no sandbox", ""},
		{"an environment with its own", "debian", "", "staging", fmt.Sprintf(bound, "debian"), "", "has no sandbox"},
		{"none asked for", "debian", "", "", "", "", "has no sandbox"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFiles(t, dir, "a.ts", "", "Dockerfile", tt.dockerfile, "wrangler.json", `{"main": "a.ts", `+fmt.Sprintf(bound, tt.image)+`, "env": {"staging": {`+tt.envKeys+`}}}`)
			made, err := migrate(filepath.Join(dir, "wrangler.json"), tt.env)
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			made.tell(&said)
			if !strings.Contains(said.String(), tt.want) || tt.never != "" && strings.Contains(said.String(), tt.never) {
				t.Errorf("said\n%s; want %q, and not %q", said.String(), tt.want, tt.never)
			}
		})
	}
}

// golden compares with a file.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

// loads wants the configuration taken as edge serve takes it, with the folders and
// the source that it names.
func loads(t *testing.T, made *newConfig) {
	t.Helper()
	dir := t.TempDir()
	for _, s := range made.sandboxes {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(s.context)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	source := filepath.Join(dir, filepath.FromSlash(made.source))
	if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "edge.yaml")
	var variables []byte
	for _, name := range made.local {
		variables = append(variables, name+"=value\n"...)
	}
	for path, content := range map[string][]byte{source: []byte("export default {}"), file: made.yaml(), filepath.Join(dir, workerVariables): variables} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := loadDevConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Plugins) != 1 || len(c.Plugins[0].Secrets) != len(made.local) || c.Plugins[0].Name != made.plugin || len(c.Sandboxes) != len(made.sandboxes) {
		t.Errorf("%d plugins, %d sandboxes", len(c.Plugins), len(c.Sandboxes))
	}
}

// TestMigrateRefuses wants a mistake named with its place, and nothing made.
func TestMigrateRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, content, env, want string }{
		{"no JSON", "wrangler.jsonc", "{\n  \"name\": ,\n}", "", "line 2, column 11"},
		{"no TOML", "wrangler.toml", "name = \"a\"\nmain = = 1", "", "wrangler.toml:2:"},
		{"no object", "wrangler.json", "[1]", "", "holds a list; want an object"},
		{"nothing", "wrangler.json", "", "", "line 1"},
		{"no main", "wrangler.json", "{}", "", "has no main; want the Worker's source"},
		{"no script", "wrangler.json", `{"main": "a.py"}`, "", "main: a.py is no TypeScript or JavaScript"},
		{"a kind", "wrangler.json", `{"main": ["a.ts"]}`, "", "main: is a list; want a text"},
		{"vars", "wrangler.json", `{"main": "a.ts", "vars": 1}`, "", "vars: is a number; want an object"},
		{"namespace", "wrangler.json", `{"main": "a.ts", "kv_namespaces": [{"id": "1"}]}`, "", "kv_namespaces[0]: has no binding"},
		{"class", "wrangler.json", `{"main": "a.ts", "containers": [{}]}`, "", "containers[0]: has no class_name"},
		{"twice", "wrangler.json", `{"main": "a.ts", "containers": [{"class_name": "A"}, {"class_name": "A"}]}`, "", "containers[1]: is the second entry for the class A"},
		{"type", "wrangler.json", `{"main": "a.ts", "containers": [{"class_name": "A", "instance_type": "standart-1"}]}`, "", `containers[0].instance_type: unknown instance type "standart-1"; did you mean "standard-1"?`},
		{"own type", "wrangler.json", `{"main": "a.ts", "containers": [{"class_name": "A", "instance_type": {"vcpu": "x", "memory_mib": 1}}]}`, "", "memory_mib: is 1; want a whole number from 16 to"},
		{"instances", "wrangler.json", `{"main": "a.ts", "containers": [{"class_name": "A", "max_instances": 0.5}]}`, "", "max_instances: is 0.5; want a whole number from 1 to 100000"},
		{"context", "wrangler.json", `{"main": "a.ts", "containers": [{"class_name": "A", "image": "./Dockerfile", "image_build_context": "./web"}]}`, "", "./Dockerfile is not below the folder ./web"},
		{"binding", "wrangler.json", `{"main": "a.ts", "durable_objects": {"bindings": [{"class_name": "Sandbox"}]}}`, "", "durable_objects.bindings[0]: has no name"},
		{"a name", "wrangler.json", `{"main": "a.ts", "durable_objects": {"bindings": [{"class_name": "Sandbox", "name": "my-box"}]}}`, "", `"my-box" cannot name a binding`},
		{"same name", "wrangler.json", `{"main": "a.ts", "vars": {"A": 1}, "kv_namespaces": [{"binding": "A"}]}`, "", "the name A is given twice"},
		{"environment", "wrangler.json", `{"main": "a.ts", "env": {"staging": {}}}`, "stagin", `env.stagin: there is no such environment; did you mean "staging"?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), tt.file)
			if err := os.WriteFile(file, []byte(tt.content), 0o644); err != nil {
				t.Fatal(err)
			}
			made, err := migrate(file, tt.env)
			if err == nil {
				t.Fatalf("made\n%s", made.yaml())
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.file) {
				t.Errorf("said %q, want %q", err, tt.want)
			}
		})
	}
}

// FuzzMigrate wants whatever is taken written as a configuration that is YAML with
// the same texts, and no panic.
func FuzzMigrate(f *testing.F) {
	for _, name := range []string{"sandbox/wrangler.jsonc", "toml/wrangler.toml", "every/wrangler.json", "environments/wrangler.jsonc"} {
		content, err := os.ReadFile(filepath.Join("testdata", "wrangler", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, filepath.Ext(name) == ".toml")
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte, isTOML bool) {
		file := filepath.Join(dir, map[bool]string{true: "wrangler.toml", false: "wrangler.json"}[isTOML])
		root, err := parseWrangler(file, content)
		if err != nil {
			return
		}
		m := newMigration(file, root)
		m.made.dir = dir
		m.run()
		if len(m.problems) > 0 {
			return
		}
		doc, yaml, err := parseDocument("edge.yaml", m.made.yaml())
		if err != nil {
			t.Fatalf("%v\n%s", err, m.made.yaml())
		}
		var source, name string
		seen := map[string]string{}
		yaml.object(map[string]func(value){
			"listen": func(value) {}, "domain": func(value) {}, "routes": func(value) {}, "previews": func(value) {}, "sandboxes": func(value) {},
			"plugins": func(v value) {
				v.entries(func(plugin string, _, val value) {
					name = plugin
					val.object(map[string]func(value){
						"source": func(v value) { source, _ = v.text("a path") }, "compute": func(value) {}, "bindings": func(value) {}, "grants": func(value) {},
						"config": func(v value) {
							for key, text := range v.configValues() {
								seen[key] = string(text)
							}
						},
					})
				})
			},
		})
		if err := doc.err(); err != nil {
			t.Fatalf("%v\n%s", err, m.made.yaml())
		}
		if source != m.made.source || name != m.made.plugin || len(seen) != len(m.made.config) {
			t.Errorf("source %q of %q, plugin %q of %q, %d of %d variables\n%s", source, m.made.source, name, m.made.plugin, len(seen), len(m.made.config), m.made.yaml())
		}
	})
}
