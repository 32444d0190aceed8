package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"edge/abi"
)

// openAPI answers with the document.
func (x *exchange) openAPI() error {
	if err := x.onlyPretty(); err != nil {
		return err
	}
	doc, err := x.s.document()
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, slices.Clone(doc))
}

// describe writes the OpenAPI 3.1 document: the fixed resources, and of each row
// of the operation table what its kind makes of it.
func (s *Server) describe() ([]byte, error) {
	docs, err := abi.Describe()
	if err != nil {
		return nil, err
	}
	d := &document{schemas: newSchemas(docs), paths: object{}}
	for _, r := range s.resources {
		d.resource(r)
	}
	for _, row := range abi.Operations {
		d.operation(row)
	}
	d.of(&Failure{})
	d.of(&abi.StreamInput{})
	if d.err != nil {
		return nil, fmt.Errorf("describe admin API: %w", d.err)
	}
	return json.Marshal(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "edge admin API", "version": or(s.Version, "devel"),
			"description": "Every operation on sandboxes. Unknown fields and query parameters are refused. " + aliasNote(),
		},
		"servers":  []object{{"url": "/"}},
		"security": []object{{"token": []string{}}},
		"paths":    d.paths,
		"components": object{
			"schemas":    d.made,
			"parameters": parameters(),
			"responses": object{
				"Unauthorized": d.errorResponse("The token is missing or wrong."),
				"Forbidden":    d.errorResponse("`DENIED`: the request came by a wrong name, from a web page, or from a user who may not."),
			},
			"securitySchemes": object{"token": object{
				"type": "http", "scheme": "bearer",
				"description": "The content of the edge's admin token file. The Unix socket needs none.",
			}},
		},
	})
}

func or(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// aliasNote names the other names of operations.
func aliasNote() string {
	var notes []string
	for alias, name := range abi.Aliases {
		notes = append(notes, "`"+alias+"` for `"+name+"`")
	}
	slices.Sort(notes)
	return "Other names that are taken too: " + strings.Join(notes, ", ") + "."
}

// document is one while it is written.
type document struct {
	*schemas
	paths object
}

// parameters are those that many paths share.
func parameters() object {
	return object{
		"binding": object{"name": "binding", "in": "path", "required": true, "description": "A name under `sandboxes:` in the configuration.",
			"schema": object{"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{0,31}$"}},
		"id": object{"name": "id", "in": "path", "required": true, "description": "The sandbox's id. Upper case is taken as lower case.",
			"schema": object{"type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9-]{0,38}[A-Za-z0-9])?$"}},
		"connection": object{"name": "connection", "in": "path", "required": true, "description": "A connection's id.",
			"schema": object{"type": "integer"}},
		"plugin": object{"name": "plugin", "in": "path", "required": true, "description": "A name under `plugins:` in the configuration.",
			"schema": object{"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"}},
		"pretty": object{"name": "pretty", "in": "query", "description": "Indents the answer, for people.",
			"allowEmptyValue": true, "schema": object{"type": "string"}},
		"timeout": object{"name": timeoutHeader, "in": "header", "description": "Bounds the request, a stream as a whole: `10s`, or milliseconds. After it the answer is `TIMEOUT`.",
			"schema": object{"type": "string"}},
		"lastEvent": object{"name": "Last-Event-ID", "in": "header", "description": "The id of the last event that was received, to go on after it.",
			"schema": object{"type": "string"}},
	}
}

func parameterRefs(names ...string) []object {
	var refs []object
	for _, n := range names {
		refs = append(refs, object{"$ref": "#/components/parameters/" + n})
	}
	return refs
}

// resource describes a fixed path.
func (d *document) resource(r resource) {
	path := object{}
	names := []string{"pretty"}
	switch r.path {
	case sandboxPath:
		names = append(names, "binding", "id", "timeout")
	case connectionPath:
		names = append(names, "connection")
	case pluginPath, pluginModulePath, pluginRollbackPath:
		names = append(names, "plugin", "timeout")
	}
	path["parameters"] = parameterRefs(names...)
	for _, m := range r.methods {
		var answer object
		switch {
		case m.text:
			answer = content("text/plain", object{"type": "string"})
		default:
			answer = content("application/json", d.of(m.answer))
		case m.events:
			answer = content("text/event-stream", object{"type": "string", "description": "Server-sent events; the data of each is an Event.", "x-edge-event": d.of(m.answer)})
		}
		op := object{
			"operationId": operationID(m.name, r.path), "summary": m.summary,
			"responses": d.responses(object{"description": "The answer.", "content": answer}, append(slices.Clone(abi.CommonErrors), m.errors...)),
		}
		if list := append(parametersIn("query", m.query), parametersIn("header", m.headers)...); len(list) > 0 {
			op["parameters"] = list
		}
		if m.body != nil {
			op["requestBody"] = d.requestBody(m.body)
		}
		if r.path == healthPath {
			op["security"] = []object{}
			op["responses"] = object{"200": object{"description": "The admin API answers.", "content": answer}}
		}
		path[strings.ToLower(m.name)] = op
	}
	d.paths[r.path] = path
}

// parametersIn describes texts in a query or a head.
func parametersIn(place string, list []parameter) []object {
	var all []object
	for _, p := range list {
		all = append(all, object{"name": p.name, "in": place, "description": p.about, "schema": object{"type": "string"}})
	}
	return all
}

// requestBody describes what a fixed path is sent: JSON may be left out, bytes may
// not.
func (d *document) requestBody(b *requestBody) object {
	schema := object{}
	if b.schema != nil {
		schema = d.of(b.schema)
	}
	body := object{"content": content(b.mediaType, schema), "required": b.schema == nil}
	if b.about != "" {
		body["description"] = b.about
	}
	return body
}

// operationID is "getDoctor" of GET /v1/doctor.
func operationID(method, path string) string {
	id := strings.ToLower(method)
	for part := range strings.FieldsFuncSeq(strings.TrimPrefix(path, "/v1"), func(r rune) bool { return r == '/' || r == '{' || r == '}' || r == '.' }) {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

// operation describes a row of the table.
func (d *document) operation(row abi.Row) {
	path := object{"parameters": parameterRefs("binding", "id", "pretty", "timeout")}
	request := reflect.TypeOf(row.NewRequest()).Elem()
	for _, m := range operationMethods(row.Kind()) {
		if m.name == http.MethodPost && row.Kind() == abi.KindDuplex {
			continue // says that it wants a WebSocket
		}
		op := object{"operationId": row.Name(), "summary": row.Doc(), "x-edge-kind": row.Kind().String()}
		if m.name == http.MethodGet {
			d.socket(op, row)
		} else {
			d.exchange(op, m.name, row, request)
		}
		path[strings.ToLower(m.name)] = op
	}
	d.paths[sandboxPath+"/"+row.Name()] = path
}

// exchange describes a row that is asked with a request and a body.
func (d *document) exchange(op object, method string, row abi.Row, request reflect.Type) {
	answer := object{"description": "The answer.", "content": content("application/json", d.of(row.NewResponse()))}
	body := object{"content": content("application/json", d.body(request)), "required": len(d.requiredOf(request)) > 0}
	switch row.Kind() {
	case abi.KindEvents:
		answer = object{"description": "The stream's events.", "content": content("text/event-stream", object{
			"type": "string", "description": "Server-sent events: `event` is the type, `id` the cursor if there is one, `data` the JSON. A failure is an event `error`.",
			"x-edge-event": d.of(row.NewResponse()),
		})}
		if textFields(request)["since"] {
			op["parameters"] = parameterRefs("lastEvent")
		}
	case abi.KindDownload:
		answer = object{
			"description": "The bytes. A body that is not complete has failed.",
			"headers":     object{fileInfoHeader: object{"description": "What it is, as JSON.", "schema": object{"type": "string"}, "x-edge-event": d.of(row.NewResponse())}},
			"content":     content("application/octet-stream", object{}),
		}
	case abi.KindUpload:
		op["parameters"] = d.queryOf(request)
		body = object{"content": content("application/octet-stream", object{}), "required": true, "description": "The bytes."}
		if method == http.MethodPost {
			op["operationId"] = row.Name() + "Post"
		}
	}
	op["requestBody"] = body
	op["responses"] = d.responses(answer, append(slices.Clone(abi.CommonErrors), row.Errors()...))
}

// socket describes a stream as a WebSocket.
func (d *document) socket(op object, row abi.Row) {
	op["operationId"] = row.Name() + "Socket"
	op["description"] = "As a WebSocket: the first text message is the request, every further one a StreamInput where the operation takes any, " +
		"and binary ones are bytes. A failure is a last text message like the body of an error, and the close code 1011."
	op["x-edge-request"] = d.body(reflect.TypeOf(row.NewRequest()).Elem())
	op["x-edge-event"] = d.of(row.NewResponse())
	op["responses"] = d.responses(nil, []abi.Code{abi.CodeInvalidRequest, abi.CodeUpgradeRequired, abi.CodeTooManyRequests})
	op["responses"].(object)["101"] = object{"description": "The WebSocket is open."}
}

// body is a request's JSON: the row's own fields and the sandbox's options.
func (d *document) body(request reflect.Type) object {
	return object{
		"allOf": []object{d.schema(request), {
			"type": "object", "properties": object{"sandbox": d.of(&abi.SandboxOptions{})},
		}},
		"unevaluatedProperties": false,
	}
}

// requiredOf returns the names of the fields that a request must have.
func (d *document) requiredOf(t reflect.Type) []string {
	var required []string
	d.fields(t, object{}, &required)
	return required
}

// queryOf describes a request in a query.
func (d *document) queryOf(t reflect.Type) []object {
	properties, required := object{}, []string(nil)
	d.fields(t, properties, &required)
	var ps []object
	for f := range t.Fields() {
		name := jsonName(f)
		ps = append(ps, object{"name": name, "in": "query", "required": slices.Contains(required, name), "schema": properties[name]})
	}
	return ps
}

// responses lists the good answer and, by status, the errors.
func (d *document) responses(good object, codes []abi.Code) object {
	rs := object{
		"401": object{"$ref": "#/components/responses/Unauthorized"},
		"403": object{"$ref": "#/components/responses/Forbidden"},
	}
	if good != nil {
		rs["200"] = good
	}
	texts := map[int][]string{}
	for _, c := range codes {
		texts[c.Status()] = append(texts[c.Status()], "`"+string(c)+"`")
	}
	for status, names := range texts {
		if status == http.StatusForbidden && len(names) == 1 && names[0] == "`"+string(abi.CodeDenied)+"`" {
			continue
		}
		rs[strconv.Itoa(status)] = d.errorResponse(strings.Join(names, ", "))
	}
	return rs
}

func (d *document) errorResponse(text string) object {
	return object{"description": text, "content": content("application/json", d.of(&Failure{}))}
}

func content(mediaType string, schema object) object {
	return object{mediaType: object{"schema": schema}}
}
