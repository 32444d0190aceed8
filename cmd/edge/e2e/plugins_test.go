package e2e

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"
)

// numberedBy is a configuration whose plugin "numbered" comes from that source.
func numberedBy(source string) settings {
	return settings{runtime: "process", plugins: map[string]string{"numbered": source}, routes: [][2]string{{"/n", "numbered"}}}
}

// plugin runs "edge plugin ..." against the edge, and returns what it printed.
func (e *edge) plugin(args ...string) (string, error) {
	cmd := exec.Command(binary, append(append([]string{"plugin"}, args...), "--admin", filepath.Join(e.state, "run", "admin.sock"))...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args[1:], " "), err, out)
	}
	return string(out), nil
}

// says is plugin for what must succeed and print those texts.
func (e *edge) says(args []string, texts ...string) {
	e.t.Helper()
	out, err := e.plugin(args...)
	if err != nil {
		e.t.Fatalf("%v\n%s", err, e.log)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			e.t.Errorf("edge plugin %s does not say %q but\n%s", strings.Join(args, " "), text, out)
		}
	}
}

// serves wants the plugin's module of that number to answer, now or soon.
func (e *edge) serves(n int) {
	e.t.Helper()
	e.eventually(fmt.Sprintf("module %d serves", n), func() error {
		got, err := e.get("/n", 200)
		if err == nil && got != strconv.Itoa(n) {
			err = fmt.Errorf("module %s serves", got)
		}
		return err
	})
}

func shortDigest(module []byte) string { return fmt.Sprintf("%x", sha256.Sum256(module))[:12] }

// moduleFile writes module number n into a folder that lives as long as the test.
func moduleFile(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), fmt.Sprintf("numbered-%d.wasm", n))
	if err := os.WriteFile(path, numbered(n), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUploadedPlugin has a plugin's modules loaded, rolled back and told of from the
// command line, and wants a restart, and a crash, to bring back what served.
func TestUploadedPlugin(t *testing.T) {
	e := newEdge(t, numberedBy("upload"))
	if body, err := e.get("/n", 500); err != nil || !strings.Contains(body, "edge plugin load numbered FILE") {
		t.Errorf("%v: %s", err, body)
	}
	e.says([]string{"list"}, "it has no module yet: edge plugin load numbered FILE")
	e.says([]string{"load", "numbered", moduleFile(t, 1)}, "numbered: generation 1, "+shortDigest(numbered(1))+", serving")
	e.serves(1)
	e.says([]string{"load", "numbered", moduleFile(t, 2)}, "numbered: generation 2, "+shortDigest(numbered(2))+", serving")
	e.serves(2)
	broken := filepath.Join(t.TempDir(), "broken.wasm")
	if err := os.WriteFile(broken, numbered(3)[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.plugin("load", "numbered", broken); err == nil || !strings.Contains(err.Error(), "PLUGIN_REFUSED: plugin numbered: the module is refused at ") {
		t.Errorf("half a module: %v", err)
	}
	e.serves(2)
	e.says([]string{"list"}, "numbered    2  "+shortDigest(numbered(2))+"  serving", "generation 3 (", "was refused at ")
	e.says([]string{"rollback", "numbered"}, shortDigest(numbered(1))+", serving")
	e.serves(1)
	for _, end := range []func(){e.stop, e.kill} {
		end()
		e.start()
		e.serves(1)
		e.says([]string{"list", "-o", "json"}, `"source": "upload"`, `"state": "serving"`)
		e.says([]string{"history", "numbered"}, "loaded", "reloaded", "refused", "rolled-back")
	}
	e.says([]string{"rollback", "numbered", shortDigest(numbered(2))}, "serving")
	e.serves(2)
}

// TestSignedUpload wants a module without the configured key's signature refused.
func TestSignedUpload(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := numberedBy("upload")
	s.pluginKeys = ", signedBy: " + strconv.Quote(base64.StdEncoding.EncodeToString(public))
	e := newEdge(t, s)
	file := moduleFile(t, 1)
	if _, err := e.plugin("load", "numbered", file); err == nil || !strings.Contains(err.Error(), "is refused at signature") {
		t.Errorf("without a signature: %v", err)
	}
	sum := sha256.Sum256(numbered(1))
	if err := os.WriteFile(file+".sig", ed25519.Sign(private, sum[:]), 0o600); err != nil {
		t.Fatal(err)
	}
	e.says([]string{"load", "numbered", file}, "serving")
	e.serves(1)
}

// TestLayoutWhoseTagMoves follows a tag of an OCI image layout, and serves on when the
// layout is gone, over a restart too.
func TestLayoutWhoseTagMoves(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	store, err := oci.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	tag := func(n int) {
		t.Helper()
		if err := pushModule(t.Context(), store, numbered(n), "stable"); err != nil {
			t.Fatal(err)
		}
	}
	tag(1)
	e := newEdge(t, numberedBy("oci-layout:"+dir+":stable"))
	e.serves(1)
	tag(2)
	e.serves(2)
	e.says([]string{"history", "numbered"}, "from oci-layout:"+dir+":stable@sha256:")
	index := filepath.Join(dir, "index.json")
	if err := os.Rename(index, index+".away"); err != nil {
		t.Fatal(err)
	}
	e.eventually("the list says what is wrong", func() error {
		out, err := e.plugin("list")
		if err == nil && !strings.Contains(out, "there is no index.json") {
			err = fmt.Errorf("it says\n%s", out)
		}
		return err
	})
	e.stop()
	e.start()
	e.serves(2)
	if err := os.Rename(index+".away", index); err != nil {
		t.Fatal(err)
	}
	tag(3)
	e.serves(3)
}

// pushModule puts a module into a layout under a tag, as oras push does.
func pushModule(ctx context.Context, store *oci.Store, module []byte, tag string) error {
	layer := content.NewDescriptorFromBytes("application/wasm", module)
	if err := store.Push(ctx, layer, bytes.NewReader(module)); err != nil {
		return err
	}
	manifest, err := oras.PackManifest(ctx, store, oras.PackManifestVersion1_1, "application/vnd.wasm.config.v0+json", oras.PackManifestOptions{Layers: []ocispec.Descriptor{layer}})
	if err != nil {
		return err
	}
	return store.Tag(ctx, manifest, tag)
}
