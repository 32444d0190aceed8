package remote

import (
	"slices"
	"strings"
	"testing"

	"edge/abi"
)

const threeConnections = `{"connections":[
 {"id":7,"kind":"websocket","binding":"Sandbox","sandbox":"one","port":8080,"plugin":"chat","preview":false,"client":"203.0.113.7:50123","connectedAt":"2001-02-03T04:05:06Z"},
 {"id":12,"kind":"events","binding":"Sandbox","sandbox":"one","port":80,"preview":true,"exposure":"web","client":"[2001:db8::1]:4","connectedAt":"2001-02-03T04:05:06Z"},
 {"id":130,"kind":"http","binding":"Py","sandbox":"two","port":80,"preview":true,"connectedAt":"2001-02-03T04:05:06Z","future":1}],"truncated":false}`

func TestConnections(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		ls   connectionsLsCommand
		asks string
	}{
		{"all", connectionsLsCommand{}, ""},
		{"sandbox", connectionsLsCommand{choice: choice{Sandbox: "One"}}, "?binding=Sandbox&id=one"},
		{"the rest", connectionsLsCommand{choice: choice{Plugin: "a b", Port: 80, Exposure: 81, Client: "::1"}}, "?client=%3A%3A1&exposure=81&plugin=a+b&port=80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, s := startEdge(t), &screen{}
			e.connections = threeConnections
			if err := tt.ls.Run(t.Context(), s.env(e)); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(s.out.String(), "\n")
			for i, want := range []string{
				" ID  KIND       SANDBOX      PORT  VIA      CLIENT  ",
				"  7  websocket  Sandbox/one  8080  chat     203.0.113.7:50123  ",
				" 12  events     Sandbox/one    80  web      [2001:db8::1]:4  ",
				"130  http       Py/two         80  preview  -  ",
			} {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("printed\n%s\nwithout\n%s", &s.out, want)
				}
			}
			if got := e.seen; !slices.Equal(got, []string{"GET /v1/connections" + tt.asks}) {
				t.Errorf("asked %q", got)
			}
		})
	}
}

// TestConnectionsForPrograms wants the edge's own JSON, and a word on a list that
// is not whole.
func TestConnectionsForPrograms(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	e.connections = strings.Replace(threeConnections, `"truncated":false`, `"truncated":true`, 1)
	if err := (&connectionsLsCommand{Output: Output{"json"}}).Run(t.Context(), s.env(e)); err != nil || !strings.Contains(s.out.String(), `"future": 1`) {
		t.Errorf("%v, printed %s", err, &s.out)
	}
	s = &screen{}
	if err := (&connectionsLsCommand{}).Run(t.Context(), s.env(e)); err != nil || !strings.HasPrefix(s.err.String(), "there are more than these 3: ") {
		t.Errorf("%v, said %q", err, &s.err)
	}
}

func TestConnectionsClose(t *testing.T) {
	t.Parallel()
	text, nothing := "bye now", ""
	tests := []struct {
		name  string
		close connectionsCloseCommand
		asks  []string
		out   string
		fails string
	}{
		{"ids", connectionsCloseCommand{Code: 1008, IDs: []int64{7, 130}},
			[]string{"DELETE /v1/connections/7?code=1008", "DELETE /v1/connections/130?code=1008"}, "7\n130\n", ""},
		{"one that there is not", connectionsCloseCommand{Code: 1001, Reason: &text, IDs: []int64{8, 12}},
			[]string{"DELETE /v1/connections/8?code=1001&reason=bye+now", "DELETE /v1/connections/12?code=1001&reason=bye+now"}, "12\n", `NOT_FOUND: there is no connection "8"`},
		{"choice", connectionsCloseCommand{Code: 3000, Reason: &nothing, choice: choice{Sandbox: "one", Plugin: "chat"}},
			[]string{"DELETE /v1/connections?binding=Sandbox&code=3000&id=one&plugin=chat&reason="}, "3 connections\n", ""},
		{"nothing", connectionsCloseCommand{Code: 1008}, nil, "", "INVALID_REQUEST: which connections are to be closed?"},
		{"both", connectionsCloseCommand{Code: 1008, IDs: []int64{7}, choice: choice{Port: 80}}, nil, "", "INVALID_REQUEST: ids and flags that choose connections exclude each other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, s := startEdge(t), &screen{}
			e.connections = threeConnections
			err := tt.close.Run(t.Context(), s.env(e))
			if (err == nil) != (tt.fails == "") || err != nil && err.Error() != tt.fails {
				t.Errorf("err = %v, want %q", err, tt.fails)
			}
			if s.out.String() != tt.out || !slices.Equal(e.seen, tt.asks) {
				t.Errorf("printed %q, asked %q", &s.out, e.seen)
			}
		})
	}
}

func TestConnectionCandidates(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	e.connections = threeConnections
	env := s.env(e)
	ids := Candidates(t.Context(), env, Connection{}, "connection", "", "")
	if len(ids) != 3 || ids[0] != (Candidate{"7", "websocket to Sandbox/one, port 8080"}) {
		t.Errorf("ids %q", ids)
	}
	if plugins := Candidates(t.Context(), env, Connection{}, "connected-plugin", "", ""); !slices.Equal(plugins, []Candidate{{Word: "chat"}}) {
		t.Errorf("plugins %q", plugins)
	}
	e.connections = "no JSON"
	if ids := Candidates(t.Context(), env, Connection{}, "connection", "", ""); ids != nil {
		t.Errorf("ids %q", ids)
	}
	if err := (&connectionsLsCommand{}).Run(t.Context(), env); err == nil || isCode(err, abi.CodeNotFound) {
		t.Errorf("err = %v", err)
	}
}
