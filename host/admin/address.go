package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"edge/abi"
)

// healthPath is the only one that needs no token.
const healthPath = "/healthz"

// address is what a request's path names.
type address struct {
	resource *resource
	row      abi.Row // of an operation
	// binding and id are as they stand in the path; the operation checks them.
	// For a connection id is its own, for a plugin its name.
	binding, id string
}

// resource is one path, or one form of path, and what may be done there.
type resource struct {
	path    string
	methods []method
}

// method is what one HTTP method does at a resource.
type method struct {
	name    string
	summary string
	serve   func(*exchange) error
	// query are the parameters it takes, besides pretty.
	query []parameter
	// status and answer are what it answers with; text/event-stream if events,
	// and text/plain if text.
	status       int
	answer       any
	events, text bool
	// body is what it is sent, nil for nothing; headers are those it takes; errors
	// are its own, besides those of every request.
	body    *requestBody
	headers []parameter
	errors  []abi.Code
}

// requestBody is what a method is sent: bytes, or JSON with a schema.
type requestBody struct {
	mediaType, about string
	schema           any
}

// parameter is one of a query, or a header.
type parameter struct{ name, about string }

// resources are the fixed paths and the forms that name a sandbox, a connection or a plugin.
// The form of operations comes from the table.
func resources() []resource {
	sandboxQuery := []parameter{
		{"binding", "Only sandboxes of this binding."},
		{"state", "Only sandboxes in this state."},
		{"label", "Only sandboxes with this label, name=value or the name alone. It can be given several times: all must be there."},
	}
	eventQuery := []parameter{{"binding", "Only of this binding."}, {"id", "Only of the sandbox of this id."}}
	return append(pluginResources(), []resource{
		{healthPath, []method{{name: http.MethodGet, summary: "Tells that the admin API answers. Needs no token.", serve: (*exchange).health, answer: &Health{}}}},
		{"/v1/version", []method{{name: http.MethodGet, summary: "Tells what the edge is.", serve: (*exchange).version, answer: &Version{}}}},
		{"/v1/openapi.json", []method{{name: http.MethodGet, summary: "Returns this document.", serve: (*exchange).openAPI, answer: map[string]any{}}}},
		{"/v1/bindings", []method{{name: http.MethodGet, summary: "Lists the configured bindings, by name.", serve: (*exchange).bindings, answer: &BindingList{}}}},
		{"/v1/doctor", []method{{name: http.MethodGet, summary: "Examines the machine: what works, what does not, and what mends it.", serve: (*exchange).doctor, answer: &Findings{}}}},
		{"/v1/events", []method{{name: http.MethodGet, summary: "Tells what happens to sandboxes from now on.", serve: (*exchange).watchEvents, query: eventQuery, answer: &Event{}, events: true}}},
		{"/v1/sandboxes", []method{{name: http.MethodGet, summary: "Lists the sandboxes that were started and not destroyed, by binding and id.", serve: (*exchange).list, query: sandboxQuery, answer: &SandboxList{}}}},
		{sandboxPath, []method{
			{name: http.MethodGet, summary: abi.Inspect.Doc(), serve: (*exchange).inspect, answer: &abi.Inspection{}},
			{name: http.MethodDelete, summary: abi.Destroy.Doc(), serve: (*exchange).destroy, answer: &abi.Empty{}},
		}},
		{connectionsPath, []method{
			{name: http.MethodGet, summary: "Lists the live connections to sandboxes, oldest first.", serve: (*exchange).listConnections, query: connectionParameters(), answer: &ConnectionList{}},
			{name: http.MethodDelete, summary: "Closes the connections that the query fits, which has to name something.", serve: (*exchange).closeConnections,
				query: append(connectionParameters(), closeParameters()...), answer: &Closed{}},
		}},
		{connectionPath, []method{
			{name: http.MethodDelete, summary: "Closes a connection.", serve: (*exchange).closeConnection, query: closeParameters(), answer: &Closed{}},
		}},
		{metricsPath, []method{{name: http.MethodGet, summary: "Returns what the edge counts, as Prometheus reads it.", serve: (*exchange).metrics, text: true}}},
	}...)
}

// The forms of paths that name a sandbox and an operation.
const (
	sandboxesPath = "/v1/sandboxes"
	sandboxPath   = sandboxesPath + "/{binding}/{id}"
	operationPath = sandboxPath + "/{operation}"
)

// parseAddress reads an escaped path. Its errors are NOT_FOUND for a path that
// there is not, UNKNOWN_OPERATION, and INVALID_REQUEST for a bad escape.
func parseAddress(all []resource, escaped string) (address, error) {
	for i := range all {
		if all[i].path == escaped && !strings.Contains(escaped, "{") {
			return address{resource: &all[i]}, nil
		}
	}
	if id, ok := strings.CutPrefix(escaped, connectionsPath+"/"); ok && !strings.Contains(id, "/") {
		return address{resource: form(all, connectionPath), id: id}, nil
	}
	if rest, ok := strings.CutPrefix(escaped, pluginsPath+"/"); ok {
		if a, ok := pluginAddress(all, rest); ok {
			return a, nil
		}
	}
	rest, ok := strings.CutPrefix(escaped, sandboxesPath+"/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) > 3 || len(parts) < 2 || slices.Contains(parts, "") {
		return address{}, abi.Errorf(abi.CodeNotFound, "there is nothing at %.200q", escaped).
			WithSuggestion("GET /v1/openapi.json lists all paths; an operation is at %s", operationPath)
	}
	for i, p := range parts {
		plain, err := url.PathUnescape(p)
		if err != nil {
			return address{}, abi.Errorf(abi.CodeInvalidRequest, "path %.200q: %v", escaped, err)
		}
		parts[i] = plain
	}
	a := address{binding: parts[0], id: parts[1]}
	if len(parts) == 2 {
		a.resource = form(all, sandboxPath)
		return a, nil
	}
	if a.row = abi.Lookup(parts[2]); a.row == nil {
		return address{}, abi.Errorf(abi.CodeUnknownOperation, "there is no operation %.40q", parts[2]).
			WithSuggestion("GET /v1/openapi.json lists the operations")
	}
	a.resource = &resource{path: operationPath, methods: operationMethods(a.row.Kind())}
	return a, nil
}

// form is the resource of that form, which there is.
func form(all []resource, path string) *resource {
	return &all[slices.IndexFunc(all, func(r resource) bool { return r.path == path })]
}

// operationMethods are how an operation of the kind is asked for.
func operationMethods(k abi.Kind) []method {
	post := func(f func(*exchange) error) method { return method{name: http.MethodPost, serve: f} }
	socket := method{name: http.MethodGet, serve: (*exchange).webSocket}
	switch k {
	case abi.KindCall:
		return []method{post((*exchange).call)}
	case abi.KindEvents:
		return []method{post((*exchange).events), socket}
	case abi.KindDownload:
		return []method{post((*exchange).download), socket}
	case abi.KindUpload:
		return []method{{name: http.MethodPut, serve: (*exchange).upload}, post((*exchange).upload), socket}
	default: // KindDuplex: nothing else goes both ways
		return []method{socket, post((*exchange).webSocket)}
	}
}

// find returns the method that serves the request; HEAD is GET without a body,
// except where GET is a WebSocket.
func (r *resource) find(name string) (method, bool) {
	if name == http.MethodHead && r.path != operationPath {
		name = http.MethodGet
	}
	for _, m := range r.methods {
		if m.name == name {
			return m, true
		}
	}
	return method{}, false
}

// allow is the Allow header (RFC 9110, section 10.2.1).
func (r *resource) allow() string {
	var names []string
	for _, m := range r.methods {
		names = append(names, m.name)
		if m.name == http.MethodGet && r.path != operationPath {
			names = append(names, http.MethodHead)
		}
	}
	return strings.Join(append(names, http.MethodOptions), ", ")
}
