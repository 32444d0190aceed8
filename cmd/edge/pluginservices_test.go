package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestPluginServices serves a plugin in Go that uses the key-value store, fetch, a
// secret and metrics, by many clients at once and over a restart.
func TestPluginServices(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("Authorization"), b)
	}))
	defer elsewhere.Close()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", filepath.Join(dir, "app.wasm"), "./testdata/services")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := "state: ./state\nplugins:\n  app:\n    source: app.wasm\n    config: {url: \"" + elsewhere.URL + "/\"}\n    secrets: {token: {file: token}}\n" +
		"    grants: {fetch: [\"" + elsewhere.URL + "\"], kv: true}\nroutes:\n  - {plugin: app}\n"

	const clients, each = 4, 5
	s := serveIn(t, dir, config)
	url := strings.TrimSuffix(s.url(t), "/")
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				if status, body := post(t, url+"/visit", "body"); status != 200 || !strings.HasSuffix(body, " POST hush body") {
					t.Errorf("answer %d %q", status, body)
				}
			}
		})
	}
	wg.Wait()
	for path, want := range map[string]string{"/preview": "INVALID_TOKEN", "/denied": "DENIED"} {
		if status, body := post(t, url+path, ""); status < 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %q, want %s", path, status, body, want)
		}
	}
	want := fmt.Sprintf("\nplugin_visits_total{path=\"/visit\",plugin=\"app\"} %d\n", clients*each)
	if text := string(s.exposition(t)); !strings.Contains(text, want) {
		t.Errorf("the metrics do not have %s", want)
	}
	if log := s.log.String(); strings.Contains(log, "hush") {
		t.Errorf("the log holds a secret:\n%s", log)
	}
	s.stop(t)

	s = serveIn(t, dir, config)
	if status, body := post(t, s.url(t), ""); status != 200 || !strings.HasPrefix(body, fmt.Sprint(clients*each+3, " ")) {
		t.Errorf("after a restart: %d %q", status, body)
	}
	s.stop(t)
	if fi, err := os.Stat(filepath.Join(dir, "state", kvFile)); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the store's file: %v, %v", fi, err)
	}
}

func post(t *testing.T, url, body string) (int, string) {
	resp, err := http.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(b)
}
