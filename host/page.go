package host

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"edge/abi"
)

// page is the page of an error, and of what is awaited: no script, nothing loaded, and
// the colours that the browser has for light and dark. A page that waits asks again by
// itself, and has a link for those whose browser does not.
var page = template.Must(template.New("error").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
{{with .Reload}}<meta http-equiv="refresh" content="{{.}}">
{{end}}<title>{{.Title}}</title>
<style>
:root{color-scheme:light dark;--ink:#1c1e21;--soft:#5b6068;--line:#d9dce1;--back:#fbfbfc;--mark:#2f6feb}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a3a9b3;--line:#3a3f47;--back:#17191c;--mark:#7aa7ff}}
*{box-sizing:border-box}
body{font:1rem/1.55 system-ui,sans-serif;color:var(--ink);background:var(--back);margin:0;padding:0 1.5rem}
main{max-width:36rem;margin:18vh auto 3rem;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;font-weight:600;margin:0 0 .75rem}
p{margin:.4rem 0}
a{color:var(--mark)}
footer{margin-top:1.75rem;padding-top:.9rem;border-top:1px solid var(--line);color:var(--soft);font-size:.85rem}
code{font:.95em ui-monospace,monospace}
.wait{height:3px;margin:0 0 1.5rem;border-radius:2px;background:var(--line);overflow:hidden}
.wait::before{content:"";display:block;width:30%;height:100%;border-radius:2px;background:var(--mark);animation:wait 1.6s ease-in-out infinite alternate}
@keyframes wait{from{margin-left:0}to{margin-left:70%}}
@media (prefers-reduced-motion:reduce){.wait::before{animation:none;width:100%}}
</style>
</head>
<body>
<main{{if .Reload}} aria-busy="true"{{end}}>
{{if .Reload}}<div class="wait" aria-hidden="true"></div>
{{end}}<h1>{{.Title}}</h1>
<p>{{.Message}}</p>
{{with .Suggestion}}<p>{{.}}</p>
{{end}}{{if .Reload}}<p>This page asks again by itself every {{.Reload}} seconds. <a href="">Ask now</a></p>
{{end}}<footer><code>{{.Status}} {{.Code}}</code> &middot; request <code>{{.ID}}</code></footer>
</main>
</body>
</html>
`))

// titles name the states that a person should recognise.
var titles = map[abi.Code]string{
	abi.CodeNotFound:           "Nothing here",
	abi.CodeInvalidToken:       "No such preview",
	abi.CodePortNotListening:   "The port is closed",
	abi.CodeSandboxStarting:    "Starting\u2026",
	abi.CodeSandboxAsleep:      "The sandbox is asleep",
	abi.CodeSandboxLost:        "The sandbox is gone",
	abi.CodeSandboxExited:      "The sandbox ended",
	abi.CodeTooManyRequests:    "Too many connections",
	abi.CodeTimeout:            "No answer in time",
	abi.CodeUpgradeRequired:    "WebSocket only",
	abi.CodeUpgradeFailed:      "The server gave no valid answer",
	abi.CodeBackendFailed:      "The server gave no valid answer",
	abi.CodeRuntimeUnavailable: "Sandboxes cannot be started now",
}

// titleOf is what the page of an error is called.
func titleOf(status int, e *abi.Error) string {
	if e.Code == abi.CodePortNotListening && notReady(e).Diagnosis == abi.DiagnosisEnded {
		return "The server has ended"
	}
	if title := titles[e.Code]; title != "" {
		return title
	}
	return or(http.StatusText(status), fmt.Sprintf("Error %d", status))
}

// errorPage renders the page of an error. Details are for programs alone; what
// helps a person is in the suggestion, such as the ports that are listened on.
func errorPage(status int, e *abi.Error, id string) []byte {
	reload := 0
	if e.Code == abi.CodeSandboxStarting {
		reload = retryAfter(e)
	}
	var b bytes.Buffer
	// Writing to memory and a fixed template: there is no error to come.
	_ = page.Execute(&b, map[string]any{
		"Title": titleOf(status, e), "Message": sentence(e.Message), "Suggestion": sentence(e.Suggestion),
		"Status": status, "Code": string(e.Code), "ID": id, "Reload": reload,
	})
	return b.Bytes()
}

// sentence is an error's text as people write one.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.ContainsAny(text[len(text)-1:], ".!?:") {
		return text
	}
	return text + "."
}
