package worker

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"edge/abi"
)

const (
	compiler = "../../node_modules/typescript/bin/tsc" // pinned in package.json
	programs = "../../cmd/edge/e2e/testdata/seeds/*.ts"
)

// unchecked are programs of the documents that are no Workers, or not whole: servers for
// Bun, parts of such servers, and what names a function or variable that nobody declares.
var unchecked = []string{
	"guide-echo-server.ts", "readme-bun-server.ts", "readme-messages.ts", "readme-rate.ts", "readme-validate.ts", "readme-shared.ts",
	"commit-preview-worker.ts", "expose-direct.ts", "guide-realtime.ts",
}

// frame has a part of a program take for granted what the documents do.
const frame = `import { connect, getSandbox, proxyToSandbox, Process, Sandbox } from "@cloudflare/sandbox";
declare const verifyToken: (token: string | null) => Promise<boolean>;
export const part = async (sandbox: Sandbox, request: Request, env: Env, server: Process, port: number, url: URL, pathname: string, userId: string) => { {
`

// TestTypes has TypeScript's compiler check the documents' programs, and one that uses
// all the rest, against the declarations. What is wrong in another must be found.
func TestTypes(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if _, serr := os.Stat(compiler); err != nil || serr != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("TypeScript's compiler cannot be run: %v, %v", err, serr)
		}
		t.Skip("THE DECLARATIONS ARE NOT CHECKED: make tools fetches TypeScript's compiler, which needs Node")
	}
	tsc, err := filepath.Abs(compiler)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	types := Types()
	if err := fs.WalkDir(types, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(types, name)
		put(name, string(text))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	put("env.d.ts", `interface Env { Sandbox: DurableObjectNamespace<import("@cloudflare/sandbox").Sandbox> }`)
	files, err := filepath.Glob(programs)
	if err != nil || len(files) < 20 {
		t.Fatalf("%d programs: %v", len(files), err)
	}
	files = append(files, "testdata/types/program.ts")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch name := filepath.Base(file); {
		case slices.Contains(unchecked, name):
		case regexp.MustCompile(`(?m)^(import|export) `).Match(text):
			put(name, string(text))
		default:
			put(name, frame+string(text)+"\n} };")
		}
	}
	check := func(options string) string {
		put("tsconfig.json", `{"compilerOptions": {"target": "ES2022", "lib": [`+options+`], "module": "ESNext", "moduleResolution": "Bundler", "moduleDetection": "force",
  "strict": true, "useUnknownInCatchVariables": false, "noEmit": true, "types": []}, "include": ["*.ts"]}`)
		out, err := exec.CommandContext(t.Context(), node, tsc, "--project", dir).CombinedOutput()
		if err != nil && len(out) == 0 {
			t.Fatal(err)
		}
		return string(out)
	}
	for _, lib := range []string{`"ES2022", "WebWorker"`, `"ES2022", "DOM", "DOM.Iterable"`} {
		if said := check(lib); strings.Contains(said, "error TS") {
			t.Errorf("with the libraries %s:\n%s", lib, said)
		}
	}
	// The vendor's declarations, which a project that was made for it has, too.
	put("vendor.d.ts", `declare namespace Rpc { const BRAND: "BRAND"; interface DurableObjectBranded { [BRAND]: never } }`)
	put("branded.ts", `import type { Sandbox } from "@cloudflare/sandbox";
type Branded<T extends Rpc.DurableObjectBranded> = T;
export type Namespace = DurableObjectNamespace<Branded<Sandbox>>;
`)
	if said := check(`"ES2022", "WebWorker"`); strings.Contains(said, "error TS") {
		t.Errorf("beside the vendor's declarations:\n%s", said)
	}
	put("wrong.ts", frame+`sandbox.exec("ls", { noSuchOption: 1 }); sandbox.exposePrt(8080); const p: string = (await sandbox.getExposedPorts()).ports[0].port;`+"\n} };")
	if said := check(`"ES2022", "WebWorker"`); strings.Count(said, "wrong.ts") != 3 {
		t.Errorf("of three mistakes were found:\n%s", said)
	}
}

// TestTypesNameOperations wants the declarations to have a method for each operation
// and its other names.
func TestTypesNameOperations(t *testing.T) {
	t.Parallel()
	text, err := fs.ReadFile(Types(), "sandbox.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for alias := range abi.Aliases {
		names = append(names, alias)
	}
	for _, row := range abi.Operations {
		names = append(names, row.Name())
	}
	for _, name := range names {
		if !regexp.MustCompile(`(?m)^    ` + name + `\(`).Match(text) {
			t.Errorf("sandbox.d.ts has no method %s", name)
		}
	}
}
