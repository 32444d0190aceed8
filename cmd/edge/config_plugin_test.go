package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"edge/host"
	"edge/plugins"
)

// environment is variables that a test sets.
type environment map[string]string

func (e environment) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

func secretFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestPluginOptionsAreRefused has a wrong value for each key. The text follows
// "edge.yaml:4:" and stands for the whole message.
func TestPluginOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, line, want string }{
		{"isolation", "isolation: none", `16: plugins.p.isolation: "none" is unknown; want pooled, reset, fresh`},
		{"compute", "compute: 0s", `14: plugins.p.compute: 0s is not above 0 and at most 720h0m0s`},
		{"queue", "queue: soon", `12: plugins.p.queue: "soon" is not a duration; want a number with a unit, like "10s", "5m" or "1h"`},
		{"fuel", "fuel: lots", `11: plugins.p.fuel: is "lots"; want a whole number from 10000 to 9223372036854775807`},
		{"fuel, too little", "fuel: 9999", `11: plugins.p.fuel: 9999 is not a whole number from 10000 to 9223372036854775807`},
		{"results", "results: 1KiB", `14: plugins.p.results: 1KiB is not between 64KiB and 256MiB`},
		{"instances", "instances: 4", `16: plugins.p.instances: is "4"; want a mapping of keys to values`},
		{"instances typo", "instances: {mx: 4}", `17: plugins.p.instances: unknown key "mx"; did you mean "max"?`},
		{"min", "instances: {min: 5, max: 4}", `22: plugins.p.instances.min: 5 are more than the 4 that max allows`},
		{"open", "instances: {open: 4097}", `23: plugins.p.instances.open: 4097 is not a whole number from 1 to 4096`},
		{"max", "instances: {max: 0}", `22: plugins.p.instances.max: 0 is not a whole number from 1 to 4096`},
		{"maxParked", "instances: {maxParked: 9, max: 8}", `28: plugins.p.instances.maxParked: 9 are more than the 8 that max allows`},
		{"maxAge", "instances: {maxAge: 0}", `25: plugins.p.instances.maxAge: is "0"; want never or a duration above 0, like "10s", "5m" or "1h"`},
		{"maxGrowth", "instances: {maxGrowth: 0}", `28: plugins.p.instances.maxGrowth: 0 is not between 1 and 4GiB`},
		{"onFailure", "onFailure: retry", `16: plugins.p.onFailure: is "retry"; want closed, open or {status: 503}`},
		{"onFailure a list", "onFailure: [open]", `16: plugins.p.onFailure: is a list; want closed, open or {status: 503}`},
		{"onFailure without", "onFailure: {}", `16: plugins.p.onFailure: has no status; want closed, open or {status: 503}`},
		{"onFailure status", "onFailure: {status: 200}", `25: plugins.p.onFailure.status: 200 is not a whole number from 400 to 599`},
		{"onFailure typo", "onFailure: {code: 503}", `16: plugins.p.onFailure: has no status; want closed, open or {status: 503}` + "\n" +
			`edge.yaml:4:17: plugins.p.onFailure: unknown key "code"; known: status`},

		{"digest", "digest: abc", `13: plugins.p.digest: "abc" is no SHA-256; want 64 hexadecimal digits, as sha256sum prints them`},
		{"signedBy", "signedBy: no.pub", `15: plugins.p.signedBy: "no.pub" is neither a key nor a file that can be read (no such file or directory); want an ed25519 public key in base64 or hexadecimal, or a file that holds one`},
		{"signedBy a file", "signedBy: main.go", `15: plugins.p.signedBy: the file main.go holds no ed25519 public key; want 32 bytes in base64 or hexadecimal, or PEM`},
		{"canary", "canary: on", `13: plugins.p.canary: is "on"; want a mapping of keys to values`},
		{"canary without", "canary: {for: 1m}", `13: plugins.p.canary: has no percent; want {percent: 5, for: 5m} or off`},
		{"canary of all", "canary: {percent: 100}", `23: plugins.p.canary.percent: 100 is not a whole number from 1 to 99`},
		{"rollback", "rollback: on", `15: plugins.p.rollback: is "on"; want {failures: 3, within: 1m} or off`},
		{"rollback never", "rollback: {failures: 0}", `26: plugins.p.rollback.failures: 0 is not a whole number from 1 to 1000000`},
		{"keepWarm", "keepWarm: 0s", `15: plugins.p.keepWarm: 0s is not above 0 and at most 720h0m0s`},
		{"replay", "replay: no.jsonl", `13: plugins.p.replay: no.jsonl: no such file or directory`},
		{"replay a folder", "replay: src", `13: plugins.p.replay: src is not a regular file; want a file that edge serve --record wrote`},

		{"grants without a value", "grants:", `5: plugins.p.grants: has no value; want what the plugin may use, {} for nothing, or leave the key out for every sandbox`},
		{"grants a list", "grants: [Sandbox]", `13: plugins.p.grants: is a list; want a mapping of keys to values`},
		{"grants typo", "grants: {sandbox: [Sandbox]}", `14: plugins.p.grants: unknown key "sandbox"; did you mean "sandboxes"?`},
		{"unknown binding", "grants: {sandboxes: [Sandbocks]}", `26: plugins.p.grants.sandboxes[0]: unknown binding "Sandbocks"; did you mean "Sandbox"?`},
		{"unknown binding with ids", `grants: {sandboxes: {Box: "*"}}`, `26: plugins.p.grants.sandboxes: unknown binding "Box"; known: Sandbox`},
		{"ids", `grants: {sandboxes: {Sandbox: ["a b"]}}`, `36: plugins.p.grants.sandboxes.Sandbox[0]: "a b" matches no id; want letters, digits, "-" and "*"`},
		{"no ids", `grants: {sandboxes: {Sandbox: []}}`, `35: plugins.p.grants.sandboxes.Sandbox: is empty; want patterns of ids like ["user-*"], or "*" for all`},
		{"ids without a value", `grants: {sandboxes: {Sandbox: }}`, `26: plugins.p.grants.sandboxes.Sandbox: has no value; want patterns of ids like ["user-*"], or "*" for all`},
		{"sandboxes a word", `grants: {sandboxes: Sandbox}`, `25: plugins.p.grants.sandboxes: is "Sandbox"; want a mapping of keys to values`},
		{"operation", "grants: {operations: [exce]}", `27: plugins.p.grants.operations[0]: unknown operation "exce"; did you mean "exec"?`},
		{"operation pattern", `grants: {operations: ["fly*"]}`, `27: plugins.p.grants.operations[0]: "fly*" matches no operation; abi/REFERENCE.md names them`},
		{"port", "grants: {ports: [80]}", `22: plugins.p.grants.ports[0]: 80 is not within 1024 to 65535`},
		{"range", `grants: {ports: ["3999-3000"]}`, `22: plugins.p.grants.ports[0]: 3999-3000 is not within 1024 to 65535, the lower one first`},
		{"port a word", "grants: {ports: [http]}", `22: plugins.p.grants.ports[0]: is "http"; want a port like 8080 or a range like "3000-3999"`},
		{"ports a number", "grants: {ports: 8080}", `21: plugins.p.grants.ports: is "8080"; want a list`},
		{"fetch", "grants: {fetch: [\"https://a/b\"]}", `22: plugins.p.grants.fetch[0]: "https://a/b" holds more than a host and a port; want a host like "api.example.com", "*.example.com", "http://10.0.0.5:8080"`},
		{"kv", "grants: {kv: a b}", `18: plugins.p.grants.kv: is "a b"; want true, false or a namespace's name of letters, digits, "-" and "_"`},

		{"secret in the file", "secrets: {KEY: hunter2}", `20: plugins.p.secrets.KEY: stands in the file itself; want {env: NAME} or {file: PATH}, so that the configuration can be shown`},
		{"secret typo", "secrets: {KEY: {evn: A}}", `21: plugins.p.secrets.KEY: unknown key "evn"; did you mean "env"?`},
		{"secret of two places", "secrets: {KEY: {env: GOOD, file: src/main.go}}", `20: plugins.p.secrets.KEY: names 2 places; want one, {env: NAME} or {file: PATH}`},
		{"secret of no place", "secrets: {KEY: {}}", `20: plugins.p.secrets.KEY: names 0 places; want one, {env: NAME} or {file: PATH}`},
		{"secret not set", "secrets: {KEY: {env: NOT_SET}}", `26: plugins.p.secrets.KEY.env: the environment variable NOT_SET is not set`},
		{"secret empty", "secrets: {KEY: {env: EMPTY}}", `26: plugins.p.secrets.KEY.env: the environment variable EMPTY is empty`},
		{"secret not there", "secrets: {KEY: {file: nowhere}}", `27: plugins.p.secrets.KEY.file: nowhere: no such file or directory`},
		{"secret a folder", "secrets: {KEY: {file: src}}", `27: plugins.p.secrets.KEY.file: src: it is not a regular file`},
		{"secret of nothing", "secrets: {KEY: {file: notes.txt}}", `27: plugins.p.secrets.KEY.file: notes.txt is empty`},
		{"secret name", "secrets: {a/b: {env: GOOD}}", `15: plugins.p.secrets: a name of 3 characters cannot name a secret; want letters, digits, "_", "." and "-", at most 64`},
		{"bindings a list", "bindings: [KV]", `15: plugins.p.bindings: is a list; want a mapping of keys to values`},
		{"binding of nothing", "bindings: {A: {}}", `19: plugins.p.bindings.A: names 0 things; want one, {kv: PREFIX} or {sandbox: BINDING}`},
		{"binding of two things", `bindings: {A: {kv: "a/", sandbox: Sandbox}}`, `19: plugins.p.bindings.A: names 2 things; want one, {kv: PREFIX} or {sandbox: BINDING}`},
		{"binding typo", "bindings: {A: {sandbocks: Sandbox}}", `20: plugins.p.bindings.A: unknown key "sandbocks"; did you mean "sandbox"?`},
		{"binding of no sandbox", "bindings: {A: {sandbox: Sandbocks}}", `29: plugins.p.bindings.A.sandbox: unknown binding "Sandbocks"; did you mean "Sandbox"?`},
		{"binding not granted", `bindings: {A: {sandbox: Sandbox}}` + "\n    grants: {}", `29: plugins.p.bindings.A.sandbox: the plugin was not granted Sandbox; add it to its grants.sandboxes`},
		{"binding without kv", `bindings: {A: {kv: "a/"}}` + "\n    grants: {}", `24: plugins.p.bindings.A.kv: the plugin has no key-value namespace; add kv: true to its grants`},
		{"binding prefix", "bindings: {A: {kv: 3}}", `24: plugins.p.bindings.A.kv: is "3"; want the prefix that its keys have, like "cache/"`},
		{"binding name", `bindings: {"a b": {kv: "a/"}}`, `16: plugins.p.bindings: "a b" cannot be a name in env; want letters, digits, "_" and "$", at most 64, the first no digit`},
		{"binding and config", `bindings: {A: {kv: "a/"}}` + "\n    config: {A: 1}", `16: plugins.p.bindings: A is the name of a value in config already`},
		{"binding and secret", `bindings: {A: {kv: "a/"}}` + "\n    secrets: {A: {env: GOOD}}", `16: plugins.p.bindings: A is the name of a secret already`},
		{"binding and sandbox", `bindings: {Sandbox: {kv: "a/"}}`, `16: plugins.p.bindings: Sandbox is the name of a sandbox's binding already`},
		{"secrets a list", "secrets: [KEY]", `14: plugins.p.secrets: is a list; want a mapping of keys to values`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			content := "plugins:\n  p:\n    source: chat.wasm\n    " + tt.line + "\nsandboxes: {Sandbox: {}}\n"
			file := configIn(t, content)
			_, err := loadConfig(file, environment{"GOOD": "hunter2", "EMPTY": ""}.lookup)
			if err == nil {
				t.Fatalf("accepted:\n%s", content)
			}
			got := strings.ReplaceAll(err.Error(), filepath.Dir(file)+"/", "")
			if got != "edge.yaml:4:"+tt.want {
				t.Errorf("for\n%s\ngot  %s\nwant edge.yaml:4:%s", content, got, tt.want)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("the message holds the secret")
			}
		})
	}
}

func TestSecretsOfFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, content, want string
		mode                os.FileMode
		warned              bool
	}{
		{"plain", "s3cret", "s3cret", 0o600, false},
		{"newline", "s3cret\n", "s3cret", 0o400, false},
		{"newline of Windows", "s3cret\r\n", "s3cret", 0o600, false},
		{"two newlines", "s3cret\n\n", "s3cret\n", 0o600, false},
		{"spaces", " s3cret \n", " s3cret ", 0o600, false},
		{"bytes", "\x00\xff\n", "\x00\xff", 0o600, false},
		{"readable by others", "s3cret\n", "s3cret", 0o644, true},
		{"readable by the group", "s3cret\n", "s3cret", 0o640, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := configIn(t, "plugins: {p: {source: chat.wasm, secrets: {KEY: {file: secret.txt}}}}\n")
			secretFile(t, filepath.Join(filepath.Dir(file), "secret.txt"), tt.content, tt.mode)
			c, err := LoadConfig(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Plugins[0].spec("x").Secrets["KEY"]; got != tt.want {
				t.Errorf("the secret is %q, want %q", got, tt.want)
			}
			var log bytes.Buffer
			c.tellWarnings(slog.New(slog.NewTextHandler(&log, nil)))
			if warned := strings.Contains(log.String(), "chmod 600"); warned != tt.warned || strings.Contains(log.String(), "s3cret") {
				t.Errorf("the log says %q, want a warning: %v", log.String(), tt.warned)
			}
		})
	}
	large := configIn(t, "plugins: {p: {source: chat.wasm, secrets: {KEY: {file: secret.txt}}}}\n")
	secretFile(t, filepath.Join(filepath.Dir(large), "secret.txt"), strings.Repeat("x", maxSecret+1), 0o600)
	if _, err := LoadConfig(large); err == nil || !strings.Contains(err.Error(), "it holds more than 65536 bytes") {
		t.Errorf("a secret of more than %d bytes: %v", maxSecret, err)
	}
}

// TestSecretsAreNeverPrinted prints and logs a configuration in every way.
func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	file := configIn(t, "plugins: {p: {source: chat.wasm, secrets: {KEY: {env: A}}}}\n")
	c, err := loadConfig(file, environment{"A": "hunter2"}.lookup)
	if err != nil || c.Plugins[0].Secrets["KEY"] != "hunter2" {
		t.Fatalf("%v, %v", c, err)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("config", "config", c, "plugin", c.Plugins[0], "secrets", c.Plugins[0].Secrets)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(text) + fmt.Sprintf("%v %+v %#v %v %#v", c, *c, c, c.Plugins, c.Plugins[0]) +
		fmt.Sprintf("%v %s %x %#v %q", c.Plugins[0].Secrets, c.Plugins[0].Secrets, c.Plugins[0].Secrets, c.Plugins[0].Secrets, &c.Plugins[0].Secrets)
	for _, form := range []string{"hunter2", hex.EncodeToString([]byte("hunter2"))} {
		if strings.Contains(all, form) {
			t.Errorf("the secret is printed:\n%s", all)
		}
	}
	if !strings.Contains(all, "secrets[KEY]") {
		t.Error("its name is not")
	}
}

func TestPublicKeys(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := configIn(t, "")
	keyFile := filepath.Join(filepath.Dir(file), "key.pub")
	for name, text := range map[string]string{
		"hexadecimal": hex.EncodeToString(public), "upper case": strings.ToUpper(hex.EncodeToString(public)),
		"base64": base64.StdEncoding.EncodeToString(public), "base64 without padding": base64.RawStdEncoding.EncodeToString(public),
		"PEM": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	} {
		if got := parsePublicKey([]byte(" " + text + "\n")); !bytes.Equal(got, public) {
			t.Errorf("%s: %x", name, got)
		}
		if err := os.WriteFile(keyFile, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("plugins: {p: {source: chat.wasm, signedBy: key.pub}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := LoadConfig(file); err != nil || !bytes.Equal(c.Plugins[0].spec("x").SignedBy, public) {
			t.Errorf("%s in a file: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "short": "00", "private": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), "words": "hello",
	} {
		if got := parsePublicKey([]byte(text)); got != nil {
			t.Errorf("%s: %x", name, got)
		}
	}
}

// TestSpecHoldsEverything has every field of a Spec set by some key of the file: a new
// one that no key sets is found here.
func TestSpecHoldsEverything(t *testing.T) {
	t.Parallel()
	file := configIn(t, `
sandboxes: {S: {}}
plugins:
  p: {source: chat.wasm, digest: `+strings.Repeat("ab", 32)+`, signedBy: `+strings.Repeat("cd", 32)+`, canary: {percent: 1}, replay: main.go, fuel: 10000,
      instances: {min: 1, max: 2, maxParked: 1, open: 3, maxAge: 1s, maxGrowth: 1}, grants: {sandboxes: [S]}, config: {a: 1}, secrets: {K: {env: A}},
      bindings: {Box: {sandbox: S}}}
`)
	c, err := loadConfig(file, environment{"A": "b"}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	c.Plugins[0].Development = true // of edge dev, which no key makes of an edge
	v := reflect.ValueOf(c.Plugins[0].spec("x.wasm"))
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && v.Field(i).IsZero() {
			t.Errorf("Spec.%s is not set", f.Name)
		}
	}
}

// TestSameSpec tells changes that need a new generation from those that do not.
func TestSameSpec(t *testing.T) {
	t.Parallel()
	load := func(more string, env environment) Plugin {
		t.Helper()
		c, err := loadConfig(configIn(t, "sandboxes: {S: {}}\nplugins: {p: {"+more+"source: chat.wasm}}\n"), env.lookup)
		if err != nil {
			t.Fatal(err)
		}
		c.Plugins[0].Source = "" // each file has a folder of its own
		return c.Plugins[0]
	}
	plain := load("", nil)
	for _, same := range []string{"", "onFailure: open, ", "onFailure: {status: 503}, ", "isolation: pooled, ", "deadline: 30s, ", "rollback: {failures: 3}, "} {
		if !sameSpec(plain, load(same, nil)) {
			t.Errorf("%q needs a new generation", same)
		}
	}
	for _, other := range []string{"isolation: reset, ", "fuel: 20000, ", "grants: {}, ", "canary: {percent: 1}, ", "instances: {min: 1}, ", "config: {a: 1}, "} {
		if sameSpec(plain, load(other, nil)) {
			t.Errorf("%q is not noticed", other)
		}
	}
	const secret = "secrets: {K: {env: A}}, "
	if !sameSpec(load(secret, environment{"A": "1"}), load(secret, environment{"A": "1"})) || sameSpec(load(secret, environment{"A": "1"}), load(secret, environment{"A": "2"})) {
		t.Error("a changed secret is not noticed, or one that did not change is")
	}
}

// TestDefaultsOfPlugins has the defaults that the documentation names.
func TestDefaultsOfPlugins(t *testing.T) {
	t.Parallel()
	p := defaultPlugin("p")
	want := Plugin{
		Name: "p", Isolation: plugins.IsolationPooled, Deadline: 30 * time.Second, Compute: 5 * time.Second, Queue: 5 * time.Second,
		MemoryBytes: 64 << 20, ResultBytes: 8 << 20, OnFailure: host.OnFailure{},
		Rollout: Rollout{Rollback: plugins.Rollback{Failures: 3, Within: time.Minute}, KeepWarm: 5 * time.Minute},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, want %+v", p, want)
	}
}

// TestBindings gives names to what a plugin was granted; without grants all that there
// is has its own.
func TestBindings(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]plugins.Bindings{
		"{source: chat.wasm}":             {Sandboxes: map[string]string{"S": "S", "T": "T"}},
		"{source: chat.wasm, grants: {}}": {},
		`{bindings: {Box: {sandbox: S}, CACHE: {kv: "cache/"}, KV: {kv: ""}}, source: chat.wasm, grants: {sandboxes: [S], kv: true}}`: {
			Sandboxes: map[string]string{"Box": "S"}, KV: map[string]string{"CACHE": "cache/", "KV": ""}},
	} {
		c, err := loadConfig(configIn(t, "sandboxes: {S: {}, T: {}}\nplugins: {p: "+line+"}\n"), environment{}.lookup)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if got := c.Plugins[0].Bindings; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", line, got, want)
		}
	}
}
