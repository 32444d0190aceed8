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

// page is the error page: no script, nothing loaded.
var page = template.Must(template.New("error").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.Title}}</title>
<style>
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:18vh auto 2rem;padding:0 1.5rem}
h1{font-size:1.4rem;margin:0 0 .5rem}
p{margin:.3rem 0}
small{opacity:.65}
code{font:.9em ui-monospace,monospace}
</style>
<h1>{{.Title}}</h1>
<p>{{.Message}}</p>
{{with .Suggestion}}<p>{{.}}</p>
{{end}}<p><small><code>{{.Status}} {{.Code}}</code> &middot; request <code>{{.ID}}</code></small></p>
</html>
`))

// titles name the states that a person should recognise.
var titles = map[abi.Code]string{
	abi.CodeNotFound:           "Nothing here",
	abi.CodeInvalidToken:       "No such preview",
	abi.CodePortNotListening:   "The port is closed",
	abi.CodeSandboxStarting:    "The sandbox is starting",
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

// errorPage renders the page of an error. Details are for programs alone; what
// helps a person is in the suggestion, such as the ports that are listened on.
func errorPage(status int, e *abi.Error, id string) []byte {
	title := titles[e.Code]
	if title == "" {
		title = or(http.StatusText(status), fmt.Sprintf("Error %d", status))
	}
	var b bytes.Buffer
	// Writing to memory and a fixed template: there is no error to come.
	_ = page.Execute(&b, map[string]any{
		"Title": title, "Message": sentence(e.Message), "Suggestion": sentence(e.Suggestion),
		"Status": status, "Code": string(e.Code), "ID": id,
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
