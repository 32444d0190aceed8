package worker

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// around has a part of a program run with what the documents take for granted.
const around = `import { connect, getSandbox, proxyToSandbox } from "@cloudflare/sandbox";
const verifyToken = async (token: string | null) => token !== "bad";
const part = async (sandbox: any, request: any, env: any, server: any, port: any, url: any, pathname: any, userId: any): Promise<any> => { {
%s
} };
export default { async fetch(request: Request, env: any) {
  const sandbox = getSandbox(env.Sandbox, "a"), server = await sandbox.startProcess("x", { processId: "p" });
  return await part(sandbox, request, env, server, 8080, new URL(request.url), "/ws/chat", "u1") ?? new Response("done");
} };`

// seedAnswers are what a made-up sandbox answers the documents' programs.
var seedAnswers = map[string]string{
	"startProcess":    `{"id":"p","pid":7,"command":"x","status":"running","startedAt":"2026-01-02T03:04:05Z"}`,
	"getProcess":      `{"id":"p","status":"running"}`,
	"listProcesses":   `{"processes":[{"id":"ws-server-8080","status":"running"}]}`,
	"exposePort":      `{"port":8000,"name":"web","url":"http://8000-a-token.localhost:8787/","exposedAt":"http://8000-a-token.localhost:8787/"}`,
	"getExposedPorts": `{"ports":[{"port":8000,"name":"web","url":"http://8000-a-token.localhost:8787/"}]}`,
	"waitForLog":      `{"line":"Local: http://localhost:5173/","match":["Local"]}`,
	"getLogs":         `{"stdout":"out","stderr":"err","cursor":"1"}`,
}

// TestSeedPrograms runs the documents' programs with made-up sandboxes: none may throw.
// What they do with real ones is tested with the real edge.
func TestSeedPrograms(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(programs)
	if err != nil || len(files) < 20 {
		t.Fatalf("%d programs: %v", len(files), err)
	}
	whole := regexp.MustCompile(`(?m)^(import|export) `)
	for _, file := range files {
		name := filepath.Base(file)
		if slices.Contains(unchecked, name) {
			continue
		}
		t.Run(strings.TrimSuffix(name, ".ts"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source, asked := string(text), []*abi.Request{upgrade("/ws/chat?id=a")}
			switch {
			case !whole.MatchString(source):
				source = fmt.Sprintf(around, source)
			case !strings.Contains(source, "export default"):
				source += "\nexport default { fetch: handleWebSocket };"
			}
			if !strings.Contains(source, "connect(sandbox") { // those take upgrades alone
				asked = append(asked, request("/ws-url"))
			}
			s := &services{preview: func(*abi.Request) bool { return false }, fetch: web}
			s.operate = func(name string, _ json.RawMessage) (any, error) {
				if a, ok := seedAnswers[name]; ok {
					return json.RawMessage(a), nil
				}
				return struct{}{}, nil
			}
			s.socket = func(abi.SandboxRef, int, abi.WebSocketOptions) (abi.Socket, error) { return play(), nil }
			p, log := s.with(t, source, func(*plugins.Spec) {})
			for _, r := range asked {
				got := tell(t, p, r)
				if !strings.HasPrefix(got, "200 ") && !strings.HasPrefix(got, "connect ") && !strings.HasPrefix(got, "proxy ") {
					t.Errorf("%s: %s\n%s", r.Path, got, log)
				}
			}
		})
	}
}
